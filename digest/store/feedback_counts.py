"""How an issue fares by what came back of it: what brakes, receipts and operators ask.

What a relay refused in our own session and what came back later are one sum: a queueing relay
answers 250 for dead domains, too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update

from digest.rules.feedback import Bearing, Effect
from digest.store.rows import among
from digest.store.schema import destinations, feedback, issues, newsletters, subscribers
from digest.store.session import Session


@dataclass(frozen=True, slots=True)
class Place:
    """A destination as brakes see it: a provider with all its domains, or one domain."""

    name: str
    ids: tuple[int, ...]


async def place_of(session: Session, destination_id: int) -> Place:
    """The provider of a destination, or the domain itself."""
    query = select(destinations.c.domain, destinations.c.provider)
    row = (await session.execute(query.where(destinations.c.id == destination_id))).one()
    if row.provider is None:
        return Place(row.domain, (destination_id,))
    same = select(destinations.c.id).where(destinations.c.provider == row.provider)
    return Place(row.provider, tuple(sorted(await session.scalars(same))))


async def came_back(
    session: Session,
    issue_id: int,
    bearing: Bearing,
    *,
    since: datetime | None,
    place: Place | None = None,
) -> int:
    """How many deliveries of an issue, at one place or all, something of this kind came back of."""
    query = select(func.count(feedback.c.delivery_id.distinct())).where(
        *_of(session, issue_id, place), feedback.c.bearing == bearing
    )
    if since is not None:
        query = query.where(feedback.c.received_at >= since)
    return int((await session.execute(query)).scalar_one())


async def last_words(
    session: Session, issue_id: int, bearing: Bearing, place: Place | None = None
) -> str:
    """What the last such report of an issue said."""
    query = (
        select(feedback.c.evidence)
        .where(*_of(session, issue_id, place), feedback.c.bearing == bearing)
        .order_by(feedback.c.id.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar() or ""


async def is_holding(session: Session, issue_id: int, place: Place) -> bool:
    """Whether suppressions of an issue are held at a place and wait for the operator."""
    query = select(feedback.c.id).where(
        *_of(session, issue_id, place), feedback.c.effect == Effect.HELD
    )
    return (await session.execute(query.limit(1))).first() is not None


@dataclass(frozen=True, slots=True)
class Dead:
    """A reader said to be dead, and what their address is known by."""

    feedback_id: int
    subscriber_id: int
    address_key: str
    evidence: str


async def dead_of(
    session: Session, issue_id: int, effect: Effect, place: Place | None = None
) -> list[Dead]:
    """Readers whom a bounce of this issue suppressed (or would, where it is held)."""
    query = (
        select(feedback.c.id, subscribers.c.id, subscribers.c.address_key, feedback.c.evidence)
        .join_from(feedback, subscribers, subscribers.c.id == feedback.c.subscriber_id)
        .where(*_of(session, issue_id, place), feedback.c.effect == effect)
        .where(feedback.c.bearing == Bearing.HARD)
        .order_by(feedback.c.id)
    )
    rows = await session.execute(query)
    return [Dead(row[0], row[1], row[2], row[3] or "") for row in rows]


async def move_effect(session: Session, ids: Collection[int], effect: Effect) -> None:
    """Have these rows say that this was done about them."""
    change = update(feedback).where(among(session, feedback.c.id, ids))
    await session.execute(change.values(effect=effect))


def _of(session: Session, issue_id: int, place: Place | None) -> list[ColumnElement[bool]]:
    where = [feedback.c.issue_id == issue_id]
    if place is not None:
        where.append(among(session, feedback.c.destination_id, place.ids))
    return where


@dataclass(frozen=True, slots=True)
class HeldPlace:
    """Suppressions that wait for the operator: of one issue, at one domain."""

    newsletter: str
    issue: str
    domain: str
    readers: int
    sample: str


async def held_places(session: Session) -> list[HeldPlace]:
    """Where suppressions are held, by newsletter, issue and domain."""
    name = (newsletters.c.slug, issues.c.number, issues.c.slug, destinations.c.domain)
    rows = await session.execute(
        select(*name, func.count(), func.max(feedback.c.evidence))
        .join_from(feedback, issues, issues.c.id == feedback.c.issue_id)
        .join(newsletters, newsletters.c.id == issues.c.newsletter_id)
        .join(destinations, destinations.c.id == feedback.c.destination_id)
        .where(feedback.c.effect == Effect.HELD)
        .group_by(*name)
        .order_by(*name)
    )
    return [
        HeldPlace(slug, named if number is None else str(number), domain, readers, sample or "")
        for slug, number, named, domain, readers, sample in rows
    ]
