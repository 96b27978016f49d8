"""What the answer of a page means for a link in an issue, and how long that holds.

A page that answers is fine; one that moved for good is better linked where it is now; one that is
gone, or cannot be reached by a reader, is dead. Some sites answer programs with a refusal whatever
the page is (403, 429 and LinkedIn's 999 among them): those could not be asked, which is no fault of
the link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

__all__ = [
    "Hop",
    "LinkState",
    "LinkStatus",
    "Trouble",
    "holds",
    "judge_answer",
    "judge_trouble",
    "still_counts",
]


class LinkState(StrEnum):
    """What is known of a link."""

    OK = "ok"
    MOVED = "moved"
    SLOW = "slow"
    DEAD = "dead"
    UNASKED = "unasked"


class Trouble(StrEnum):
    """Why there is no answer."""

    NAME = "name"  # nobody has that name
    RESOLVER = "resolver"  # nobody could be asked for the name
    PRIVATE = "private"  # an address that only this machine or its network reaches
    PORT = "port"
    URL = "url"  # no address of a page, or one with a password in it
    CONNECT = "connect"
    NETWORK = "network"  # our own way out
    TLS = "tls"
    TIMEOUT = "timeout"
    REDIRECTS = "redirects"
    PROTOCOL = "protocol"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """What a page answered when it was asked.

    ``status`` is that of HTTP (None: no answer); ``detail`` is where it moved to, or what is wrong.
    """

    state: LinkState
    status: int | None
    detail: str
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class Hop:
    """A redirect: its status and where it leads."""

    status: int
    url: str


SLOW_AFTER: Final = 5.0  # seconds until a page answers, redirects included
_PERMANENT: Final = (301, 308)  # RFC 9110 §15.4.2, §15.4.9

# What a page answers that does not want to be asked by a program: nothing is known of the page.
_UNASKED: Final = {
    401: "it wants a login",
    402: "it wants money",
    403: "it refuses programs",
    407: "a proxy wants a login",
    420: "it is asked too often",
    429: "it is asked too often",
    451: "it may not be shown here",
    999: "it refuses programs",
}
_GONE: Final = {404: "there is no such page", 410: "it is gone for good"}
# Ours to mend, or nobody's: nothing is known of the page.
_UNASKED_TROUBLE: Final = frozenset({Trouble.RESOLVER, Trouble.NETWORK, Trouble.PORT, Trouble.SIZE})

# The state → how long an answer is used before the page is asked again. An issue is checked many
# times on the day it is written; a page that is gone may have been repaired after a minute.
_HOLDS: Final = {
    LinkState.OK: timedelta(hours=24),
    LinkState.MOVED: timedelta(hours=24),
    LinkState.SLOW: timedelta(hours=24),
    LinkState.DEAD: timedelta(minutes=10),
    LinkState.UNASKED: timedelta(hours=1),
}
_COUNTS: Final = timedelta(hours=24)


def holds(status: LinkStatus, now: datetime) -> bool:
    """Whether a page need not be asked again yet."""
    return timedelta(0) <= now - status.checked_at < _HOLDS[status.state]


def still_counts(status: LinkStatus, now: datetime) -> bool:
    """Whether an answer still says something, where nobody can be asked."""
    return timedelta(0) <= now - status.checked_at < _COUNTS


def judge_answer(status: int, hops: Sequence[Hop], *, seconds: float, now: datetime) -> LinkStatus:
    """What it means that a page answered ``status`` after ``hops``."""
    if status in _UNASKED:
        return LinkStatus(LinkState.UNASKED, status, _UNASKED[status], now)
    if status >= 400:
        words = _GONE.get(status) or ("its server fails" if status >= 500 else "it is refused")
        return LinkStatus(LinkState.DEAD, status, words, now)
    if moved_to := _moved_to(hops):
        return LinkStatus(LinkState.MOVED, status, moved_to, now)
    if seconds > SLOW_AFTER:
        return LinkStatus(LinkState.SLOW, status, f"it took {seconds:.0f} s", now)
    return LinkStatus(LinkState.OK, status, "", now)


def _moved_to(hops: Sequence[Hop]) -> str:
    """Where permanent redirects lead, up to the first that is not."""
    target = ""
    for hop in hops:
        if hop.status not in _PERMANENT:
            break
        target = hop.url
    return target


def judge_trouble(trouble: Trouble, words: str, *, now: datetime) -> LinkStatus:
    """What it means that there was no answer; ``words`` say why."""
    state = LinkState.UNASKED if trouble in _UNASKED_TROUBLE else LinkState.DEAD
    return LinkStatus(state, None, words, now)
