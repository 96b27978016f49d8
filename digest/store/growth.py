"""How many read each newsletter, day by day: counted now and then and kept, for pages to show.

A million subscriptions take a good part of a second to count, so no page does; whoever keeps the
schedule counts once an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import ColumnElement, func, select

from digest.rules.subscription import SubscriptionState
from digest.store.schema import reader_days, subscriptions
from digest.store.session import Session
from digest.store.types import insert

_s = subscriptions
_t = reader_days


@dataclass(frozen=True, slots=True)
class ReaderDay:
    """A newsletter's readers on one day (UTC): how many there were, who came and who left."""

    newsletter_id: int
    day: date
    active: int
    pending: int
    paused: int
    joined: int
    left: int
    counted_at: datetime


async def count_readers(session: Session, now: datetime) -> list[ReaderDay]:
    """Count every newsletter's readers, as of today."""
    day = now.astimezone(UTC).date()
    since = datetime.combine(day, time(), UTC)

    def in_state(state: SubscriptionState) -> ColumnElement[int]:
        return func.count().filter(_s.c.state == state)

    query = select(
        _s.c.newsletter_id,
        in_state(SubscriptionState.ACTIVE),
        in_state(SubscriptionState.PENDING),
        in_state(SubscriptionState.PAUSED),
        func.count().filter(_s.c.confirmed_at >= since),
        func.count().filter(_s.c.ended_at >= since),
    ).group_by(_s.c.newsletter_id)
    rows: Any = await session.execute(query)
    return [ReaderDay(row[0], day, row[1], row[2], row[3], row[4], row[5], now) for row in rows]


async def keep_counts(session: Session, counted: Sequence[ReaderDay]) -> None:
    """Keep what was counted, instead of what was counted earlier on that day."""
    for one in counted:
        values = {name: getattr(one, name) for name in ReaderDay.__slots__}
        fresh = {name: values[name] for name in values if name not in ("newsletter_id", "day")}
        row = insert(_t).values(values)
        await session.execute(
            row.on_conflict_do_update(index_elements=["newsletter_id", "day"], set_=fresh)
        )


async def reader_days_of(session: Session, newsletter_id: int, since: date) -> list[ReaderDay]:
    """What was kept from ``since`` on, in the order of days."""
    columns = [_t.c[name] for name in ReaderDay.__slots__]
    query = select(*columns).where(_t.c.newsletter_id == newsletter_id, _t.c.day >= since)
    return [ReaderDay(*row) for row in await session.execute(query.order_by(_t.c.day))]
