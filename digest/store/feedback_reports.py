"""What came back, for showing: one by one, and an issue's by destination and reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, text

from digest.mail.bounce import Kind, Reason
from digest.rules.feedback import Bearing, Effect
from digest.store.schema import destinations, feedback
from digest.store.session import Session

_UNREAD = text("(kind = 'not-bounce' OR reason = 'undefined')")  # written out, for the index


@dataclass(frozen=True, slots=True)
class Which:
    """Which rows: of an issue, of a reader, with an effect, or those nobody could read."""

    issue_id: int | None = None
    effect: Effect | None = None
    unclassified: bool = False
    subscriber_id: int | None = None


@dataclass(frozen=True, slots=True)
class CameBack:
    """One row, as it is shown."""

    id: int
    received_at: datetime
    source: str
    kind: str
    bearing: Bearing
    effect: Effect
    address: str | None
    reason: str | None
    status: str | None
    reply: str | None
    evidence: str | None
    sample: str | None


async def list_feedback(
    session: Session, which: Which, *, before: int | None = None, limit: int = 100
) -> list[CameBack]:
    """What came back, the newest first; the next page is ``before`` the last id of this one."""
    columns = [feedback.c[name] for name in CameBack.__slots__]
    query = select(*columns).order_by(feedback.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(feedback.c.id < before)
    if which.issue_id is not None:
        query = query.where(feedback.c.issue_id == which.issue_id)
    if which.subscriber_id is not None:
        query = query.where(feedback.c.subscriber_id == which.subscriber_id)
    if which.effect is not None:
        query = query.where(feedback.c.effect == which.effect)
    if which.unclassified:
        unread = feedback.c.kind == Kind.NOT_BOUNCE
        no_reason = (feedback.c.kind == Kind.BOUNCE) & (feedback.c.reason == Reason.UNDEFINED)
        query = query.where(
            _UNREAD,
            or_(unread, no_reason),
            feedback.c.effect.not_in((Effect.FORWARDED, Effect.EXPIRED)),
        )
    return [CameBack(*row) for row in await session.execute(query)]


async def last_feedback_at(session: Session) -> datetime | None:
    """When something came back last."""
    last = select(feedback.c.received_at).order_by(feedback.c.id.desc()).limit(1)
    found: datetime | None = (await session.execute(last)).scalar_one_or_none()
    return found


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How often one destination gave one reason in an issue; ``sample`` is one of its answers."""

    destination: str
    bearing: Bearing
    reason: str
    status: str
    reply: str
    readers: int
    sample: str


async def report_of_issue(session: Session, issue_id: int) -> list[ReasonCount]:
    """What came back of an issue, by provider (or domain), reason and code; most first."""
    where = func.coalesce(destinations.c.provider, destinations.c.domain, "")
    status = func.coalesce(feedback.c.status, "")
    reply = func.coalesce(feedback.c.reply, "")
    key = (where, feedback.c.bearing, func.coalesce(feedback.c.reason, ""), status, reply)
    readers = func.count(feedback.c.delivery_id.distinct())
    rows = await session.execute(
        select(*key, readers, func.coalesce(func.min(feedback.c.evidence), ""))
        .join_from(
            feedback, destinations, destinations.c.id == feedback.c.destination_id, isouter=True
        )
        .where(feedback.c.issue_id == issue_id)
        .group_by(*key)
        .order_by(readers.desc(), *key)
    )
    return [ReasonCount(*row) for row in rows]
