"""What other programs are told of, and how patiently. Pure tables.

The waits are those of the Standard Webhooks specification, up to three days: whoever is away over a
weekend misses nothing.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class WebhookEvent(StrEnum):
    """What may have happened to a reader of a newsletter."""

    CONFIRMED = "confirmed"  # subscribes by their own word: signed up, or took a leave back
    LEFT = "left"  # will not get it any more, by whatever door
    BOUNCED = "bounced"  # mail to them cannot arrive, so none is sent any more
    COMPLAINED = "complained"
    TEST = "test"  # nobody: an operator tries the connection


TOLD = tuple(event for event in WebhookEvent if event is not WebhookEvent.TEST)

GIVE_UP = timedelta(days=3)
KEEP = timedelta(days=7)  # what was told, for whoever asks
_WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600)
)


def wait_after(failures: int) -> timedelta:
    """How long after the ``failures``-th failure in a row (from 1) the next try comes."""
    return _WAITS[min(max(failures, 1), len(_WAITS)) - 1]


def heard(status: int | None) -> bool:
    """Whether an answer says that it was heard; a redirect does not."""
    return status is not None and 200 <= status < 300
