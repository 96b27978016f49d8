"""Readers looked for by whoever works here: by how an address begins, by domain, state and tag.

A condition is one of these fields with a bound value, never a piece of SQL, and each way to look
follows an index from row to row, so that a page of a million readers costs what it shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, select

from digest.rules.subscription import SubscriptionState
from digest.store.reader_list import ReaderRow
from digest.store.reader_pages import ERASED
from digest.store.rows import begins
from digest.store.schema import destinations, subscription_tags, subscriptions
from digest.store.schema import subscribers as _r
from digest.store.session import Session
from digest.store.tags import tags_of

_s = subscriptions
_t = subscription_tags
_FEW = 500  # readers who are found first and put in order then


@dataclass(frozen=True, slots=True)
class Sought:
    """Which readers of a newsletter. ``begins`` is how an address does, in lower case."""

    newsletter_id: int
    begins: str = ""
    domain: str = ""
    state: SubscriptionState | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class FoundReaders:
    """A page of them; the next one begins ``after``, None where there is none."""

    rows: tuple[ReaderRow, ...]
    after: int | None = None


async def search_readers(
    session: Session, sought: Sought, *, after: int = 0, limit: int = 50
) -> FoundReaders:
    """The first ``limit`` of them, in the order in which they came."""
    order = _order(sought)
    query = _query(sought).where(order > after).order_by(order).limit(limit + 1)
    if sought.begins:
        query = query.where(await _who_begins(session, sought.begins))
    found: Any = await session.execute(query)
    rows = [ReaderRow(*row) for row in found]
    more = len(rows) > limit
    rows = rows[:limit]
    tags = await tags_of(session, [row.subscription_id for row in rows])
    shown = tuple(replace(row, tags=tuple(tags.get(row.subscription_id, ()))) for row in rows)
    if not more:
        return FoundReaders(shown)
    return FoundReaders(shown, rows[-1].subscription_id if sought.tag else rows[-1].subscriber_id)


def _query(sought: Sought) -> Select[Any]:
    columns = (
        *(_r.c.id, _s.c.id, _r.c.address, _r.c.address_key, _r.c.name, _r.c.language),
        *(_s.c.state, _s.c.created_at, _s.c.confirmed_at, _s.c.paused_until, _s.c.ended_at),
        *(_r.c.suppressed_at, _r.c.attributes),
    )
    query = select(*columns).join_from(_s, _r, _r.c.id == _s.c.subscriber_id)
    if sought.tag:
        query = query.join(_t, _t.c.subscription_id == _s.c.id).where(_t.c.tag == sought.tag)
    query = query.where(_s.c.newsletter_id == sought.newsletter_id)
    if sought.domain:
        domain = select(destinations.c.id).where(destinations.c.domain == sought.domain)
        query = query.where(_r.c.destination_id == domain.scalar_subquery())
    if sought.state is not None:
        query = query.where(_s.c.state == sought.state)
    return query.where(_r.c.address_key.not_like(f"{ERASED}%"))


def _order(sought: Sought) -> ColumnElement[int]:
    """The id that the index of what is sought goes by: else all that fit would be sorted."""
    if sought.tag:
        return _t.c.subscription_id
    return _r.c.id if sought.domain or sought.begins else _s.c.subscriber_id


async def _who_begins(session: Session, beginning: str) -> ColumnElement[bool]:
    """Few are named one by one; of many, some come soon in whatever order one goes. No planner
    knows which it is: asked in one, it would walk over everybody for the few.
    """
    fits = begins(session, _r.c.address_key, beginning)
    few = list(await session.scalars(select(_r.c.id).where(fits).limit(_FEW + 1)))
    return _r.c.id.in_(few) if len(few) <= _FEW else fits
