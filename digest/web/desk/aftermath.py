"""What came after an issue, for its receipt: numbers over time, earlier issues, a warning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.delivery.status import duration
from digest.rules.delivery import IssueState
from digest.store.aftermath import (
    After,
    Window,
    count_after,
    moments_after,
    one_click_posts,
    refused_count,
    window_of,
)
from digest.store.issues import StoredIssue, list_issues
from digest.store.session import Session
from digest.web.desk.charts import Bars, bars

_BARS = 28  # a week by six hours
_COMPARED = 6  # issues
_MANY = 10_000  # accepted, of whom somebody presses the button within a day
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Happened:
    """One kind of thing: how often, in thousandths of the audience, and when."""

    what: After
    number: int
    share: str
    over_time: Bars


@dataclass(frozen=True, slots=True)
class Earlier:
    """An issue beside others: numbers, and thousandths of its audience."""

    name: str
    title: str
    planned: int
    numbers: tuple[int, ...]
    shares: tuple[str, ...]
    here: bool


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What a receipt shows of the days after. ``silent``: readers leave, but never by one click."""

    span: str
    happened: tuple[Happened, ...]
    silent: bool
    earlier: tuple[Earlier, ...]


async def aftermath_of(session: Session, issue: StoredIssue, now: datetime) -> Aftermath | None:
    """What is known of it by now; None before it went out."""
    window = await window_of(session, issue)
    if window is None:
        return None
    over = min(now, window.until)
    planned = issue.planned or 0
    happened = []
    for what in After:
        moments = await moments_after(session, window, what)
        shown = bars(_spread(moments, window.since, over))
        happened.append(Happened(what, len(moments), _share(len(moments), planned), shown))
    silent = is_silent(planned, await one_click_posts(session, window), over - window.since)
    return Aftermath(
        span=duration(over - window.since),
        happened=tuple(happened),
        silent=silent,
        earlier=await _earlier(session, issue),
    )


def is_silent(planned: int, posts: int, since: timedelta) -> bool:
    """Whether so many had the button for so long that none pressed is a fault of the way to us."""
    return planned >= _MANY and not posts and since >= _DAY


def _spread(moments: Sequence[datetime], since: datetime, until: datetime) -> list[int]:
    """How many fall into each of the equal parts between two times; what came after, into the
    last.
    """
    numbers = [0] * _BARS
    part = max((until - since) / _BARS, timedelta(seconds=1))
    for one in moments:
        numbers[min(_BARS - 1, max(0, (one - since) // part))] += 1
    return numbers


def _share(number: int, planned: int) -> str:
    return f"{1000 * number / planned:.1f} ‰" if planned and number else ""


async def _earlier(session: Session, issue: StoredIssue) -> tuple[Earlier, ...]:
    """This issue and those that went out before it, the latest first."""
    finished = await list_issues(session, issue.newsletter_id, state=IssueState.FINISHED)
    before = [
        one
        for one in finished
        if one.planned_at and issue.planned_at and one.planned_at < issue.planned_at
    ]
    before.sort(key=lambda one: one.planned_at or issue.created_at, reverse=True)
    return tuple([await _beside(session, one, issue) for one in (issue, *before[:_COMPARED])])


async def _beside(session: Session, one: StoredIssue, issue: StoredIssue) -> Earlier:
    window = await window_of(session, one)
    assert window is not None
    numbers = [await refused_count(session, one.id), *await _counts(session, window)]
    planned = one.planned or 0
    shares = tuple(_share(number, planned) for number in numbers)
    return Earlier(
        str(one.name), one.title, planned, tuple(numbers), shares, here=one.id == issue.id
    )


async def _counts(session: Session, window: Window) -> list[int]:
    return [await count_after(session, window, what) for what in After]
