"""What came after an issue: who bounced, complained and left, and when.

What the relay refused in our own session is in the receipt's sums; this is what came back later. A
leave belongs to the issue before it, for a week or until the next one goes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from digest.rules.delivery import DeliveryState
from digest.rules.feedback import Bearing
from digest.store.feedback import SESSION
from digest.store.issues import StoredIssue
from digest.store.rows import in_state
from digest.store.schema import (
    consent_events,
    deliveries,
    feedback,
    issues,
    subscribers,
    subscriptions,
)
from digest.store.session import Session

WATCHED = timedelta(days=7)
_MOST = 50_000  # moments that are read for one issue
_BOUNCES = (Bearing.HARD, Bearing.HOST, Bearing.CLOSED, Bearing.SOFT)
_COMPLAINTS = (Bearing.COMPLAINT, Bearing.OPT_OUT)
_e, _s, _r = consent_events, subscriptions, subscribers


class After(StrEnum):
    """What came after an issue."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Window:
    """The time an issue is answered for."""

    issue_id: int
    newsletter_id: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class CameAfter:
    """One reader of a list: when, and what was said (by which door, for who left)."""

    subscriber_id: int
    address: str
    at: datetime
    said: str


async def window_of(session: Session, issue: StoredIssue) -> Window | None:
    """None for an issue that did not go out yet."""
    if issue.planned_at is None:
        return None
    following = select(func.min(issues.c.planned_at)).where(
        issues.c.newsletter_id == issue.newsletter_id, issues.c.planned_at > issue.planned_at
    )
    end = issue.planned_at + WATCHED
    next_at: datetime | None = (await session.execute(following)).scalar_one()
    until = min(end, next_at) if next_at is not None else end
    return Window(issue.id, issue.newsletter_id, issue.planned_at, until)


async def moments_after(session: Session, window: Window, what: After) -> list[datetime]:
    """When it happened, each reader once."""
    if what is After.LEFT:
        query = _left(select(func.min(_e.c.at)), window).group_by(_e.c.subscription_id)
    else:
        first = select(func.min(feedback.c.received_at))
        query = first.where(*_back(window, what)).group_by(feedback.c.delivery_id)
    return sorted(await session.scalars(query.limit(_MOST)))


async def count_after(session: Session, window: Window, what: After) -> int:
    """To how many readers it happened."""
    if what is After.LEFT:
        query = _left(select(func.count(_e.c.subscription_id.distinct())), window)
    else:
        count = select(func.count(feedback.c.delivery_id.distinct()))
        query = count.where(*_back(window, what))
    return int((await session.execute(query)).scalar_one())


async def one_click_posts(session: Session, window: Window) -> int:
    """How many left by the button that mailbox providers show (RFC 8058)."""
    query = _left(select(func.count()), window).where(_e.c.source == "one-click")
    return int((await session.execute(query)).scalar_one())


async def refused_count(session: Session, issue_id: int) -> int:
    """How many the relay refused for good, or who could not be reached for days."""
    states = (DeliveryState.REJECTED, DeliveryState.EXPIRED)
    counted = [
        select(func.count()).where(deliveries.c.issue_id == issue_id, in_state(state))
        for state in states
    ]
    return sum([int((await session.execute(one)).scalar_one()) for one in counted])


async def list_after(
    session: Session, window: Window, what: After, *, before: int | None = None, limit: int = 50
) -> list[tuple[int, CameAfter]]:
    """A page of them with the number each is known by, the latest first; the next page is
    ``before`` the last of these.
    """
    if what is After.LEFT:
        columns = select(_e.c.id, _r.c.id, _r.c.address, _e.c.at, _e.c.source)
        query = _left(columns, window).join(_r, _r.c.id == _s.c.subscriber_id)
        key: ColumnElement[int] = _e.c.id
    else:
        columns = select(
            *(feedback.c.id, _r.c.id, _r.c.address, feedback.c.received_at),
            func.coalesce(feedback.c.evidence, ""),
        )
        joined = columns.join_from(feedback, _r, _r.c.id == feedback.c.subscriber_id)
        query, key = joined.where(*_back(window, what)), feedback.c.id
    if before is not None:
        query = query.where(key < before)
    rows = await session.execute(query.order_by(key.desc()).limit(limit))
    return [(row[0], CameAfter(*row[1:])) for row in rows]


def _left(query: Select[Any], window: Window) -> Select[Any]:
    """``query`` of consent events, for those that ended a subscription in the window."""
    return query.join_from(_e, _s, _s.c.id == _e.c.subscription_id).where(
        _e.c.kind == "left",
        _e.c.at >= window.since,
        _e.c.at < window.until,
        _s.c.newsletter_id == window.newsletter_id,
    )


def _back(window: Window, what: After) -> list[ColumnElement[bool]]:
    bearings = _BOUNCES if what is After.BOUNCED else _COMPLAINTS
    return [
        feedback.c.issue_id == window.issue_id,
        feedback.c.bearing.in_(bearings),
        feedback.c.source != SESSION,
    ]
