"""The first page of the desk: what goes out next, what is on its way, how many read, what is wrong.

It counts little that grows: readers are counted once an hour by whoever keeps the schedule, and
an issue on its way is looked at as its own page looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from digest.delivery.readiness import Next, what_is_next
from digest.delivery.status import duration
from digest.rules.delivery import IssueState
from digest.rules.rights import Right
from digest.store.feedback_reports import last_feedback_at
from digest.store.growth import ReaderDay, reader_days_of
from digest.store.issues import StoredIssue, list_issues
from digest.store.newsletters import Newsletter
from digest.store.relays import StoredRelay, backed_off
from digest.store.session import Session
from digest.web.desk.charts import Curve, curve
from digest.web.desk.doors import Door
from digest.web.desk.issues import look_of
from digest.web.desk.progress import Progress, progress_of
from digest.web.desk.visit import HOME, Visit
from digest.web.health import checks_of

_DAYS = 90
_MONTH = 30


@dataclass(frozen=True, slots=True)
class Paper:
    """A newsletter on the overview."""

    newsletter: Newsletter
    coming: Next
    moving: tuple[tuple[StoredIssue, Progress], ...]
    today: ReaderDay | None
    joined: int
    left: int
    growth: Curve | None


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that is well, or not: ``kind`` is good, wait or bad."""

    words: str
    kind: str = "good"


async def overview(visit: Visit) -> Response:
    """Show it."""
    now = visit.site.clock.now()
    papers = [await _paper(visit, one, now) for one in visit.newsletters]
    values = {"papers": papers, "signs": await _signs(visit, now)}
    return visit.page("overview.html", values, current="overview")


async def _paper(visit: Visit, newsletter: Newsletter, now: datetime) -> Paper:
    async with visit.site.db.read() as session:
        coming = await what_is_next(session, newsletter, now)
        moving = [
            one
            for state in (IssueState.SENDING, IssueState.PAUSED)
            for one in await list_issues(session, newsletter.id, state=state)
        ]
        since = (now - timedelta(days=_DAYS)).date()
        days = await reader_days_of(session, newsletter.id, since)
    looks = [(one, await look_of(visit, one)) for one in moving]
    lately = [one for one in days if one.day > (now - timedelta(days=_MONTH)).date()]
    return Paper(
        newsletter=newsletter,
        coming=coming,
        moving=tuple((one, progress_of(look)) for one, look in looks),
        today=days[-1] if days else None,
        joined=sum(one.joined for one in lately),
        left=sum(one.left for one in lately),
        growth=curve([(one.day, one.active) for one in days]),
    )


async def _signs(visit: Visit, now: datetime) -> list[Sign]:
    checks = await checks_of(visit.site)
    signs = [
        Sign(f"{name.capitalize()}: {state}", "good" if state in ("ok", "current") else "bad")
        for name, state in checks.items()
    ]
    async with visit.site.db.read() as session:
        signs += [_of_relay(one, now) for one in await backed_off(session, now)]
        signs.append(await _of_feedback(session, now))
    return signs


def _of_relay(relay: StoredRelay, now: datetime) -> Sign:
    if relay.backoff_until and relay.backoff_until > now:
        until = f"{relay.backoff_until:%H:%M} UTC"
        return Sign(f"{relay.name} wants to be left alone until {until}", "wait")
    return Sign(f"{relay.name} is given {relay.learned_rate:,} messages a minute", "wait")


async def _of_feedback(session: Session, now: datetime) -> Sign:
    last = await last_feedback_at(session)
    if last is None:
        return Sign("Nothing came back yet: no bounce, no complaint", "wait")
    return Sign(f"Last feedback {_ago(now - last)} ago")


def _ago(age: timedelta) -> str:
    return duration(age) if age > timedelta(minutes=1) else "a moment"


DOORS = (Door("GET", HOME, Right.LOOK, overview),)
