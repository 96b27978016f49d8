"""When a feed is asked again, by what it answered last.

A feed that answers is asked every hour; one that fails twice as late each time, up to a day. Who
says when (Retry-After, RFC 9110 §10.2.3) is listened to, for a week at most; 410 Gone (§15.5.11)
means never again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

__all__ = ["LEASE", "OLDEST", "FeedState", "Next", "after_answer", "after_trouble"]

USUAL: Final = timedelta(hours=1)
LONGEST: Final = timedelta(days=1)
LONGEST_ASKED: Final = timedelta(days=7)
LEASE: Final = timedelta(minutes=10)
"""For how long a feed is nobody else's while it is asked."""
OLDEST: Final = timedelta(days=30)
"""What is older than this is not taken from a feed: some list everything they ever had."""


class FeedState(StrEnum):
    """Whether a feed is asked."""

    ACTIVE = "active"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Next:
    """What an answer means for the feed; ``error`` is empty where it was a good one."""

    state: FeedState
    pull_at: datetime
    failures: int
    error: str = ""


def after_answer(status: int, headers: Mapping[str, str], *, failures: int, now: datetime) -> Next:
    """What an answer of HTTP means; ``headers`` by their names in lower case."""
    if status in (200, 304):
        return Next(FeedState.ACTIVE, now + USUAL, 0)
    if status == 410:
        return Next(FeedState.GONE, now + LONGEST_ASKED, failures + 1, "It is gone for good (410).")
    later = after_trouble(f"It answers {status}.", failures=failures, now=now)
    asked = _retry_after(headers.get("retry-after", ""), now)
    if asked is None:
        return later
    pull_at = max(now + USUAL, min(asked, now + LONGEST_ASKED))
    return Next(later.state, pull_at, later.failures, later.error)


def after_trouble(error: str, *, failures: int, now: datetime) -> Next:
    """What it means that there was no answer, or none that is a feed."""
    wait = min(USUAL * 2 ** min(failures, 10), LONGEST)
    return Next(FeedState.ACTIVE, now + wait, failures + 1, error)


def _retry_after(value: str, now: datetime) -> datetime | None:
    """Seconds or a date of HTTP; None for anything else."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return now + timedelta(seconds=min(int(value[:9]), 10**8))
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
