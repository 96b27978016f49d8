"""What relays were given, hour by hour: quotas that hold across processes, restarts and crashes.

Room is reserved before messages are sent and given back where they were not. A crash loses what it
had reserved; no crash and no second process lets more than the quota out. Who reserves holds the
relay's row until the commit, so that two never see the same room.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import case, select, union, update

from digest.rules.ramp import Quota, Usage, room
from digest.store.schema import relay_usage, relays
from digest.store.session import Session
from digest.store.types import insert

_DAY = timedelta(hours=24)
_HOURS_OF_A_DAY = 24
_RAMP_MAX = 100  # days of a warm-up that are looked for where nobody says how many it has

_u = relay_usage


@dataclass(frozen=True, slots=True)
class Reserved:
    """``messages`` that may be sent now, booked on ``hour_at``; where that is 0, there is room
    again from ``next_at`` on.
    """

    messages: int
    hour_at: datetime
    next_at: datetime | None = None


async def reserve(
    session: Session, relay_id: int, quota: Quota, *, want: int, now: datetime
) -> Reserved:
    """Book up to ``want`` messages of what ``quota`` leaves a relay now.

    Costs nothing, and counts nothing, where the quota has no limits. Give back what was not sent
    before its hour is over: a relay counts a message in the hour it comes.
    """
    hour_at = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if quota == Quota() or want < 1:
        return Reserved(max(want, 0), hour_at)
    mine = select(relays.c.id).where(relays.c.id == relay_id)
    await session.execute(mine.with_for_update(key_share=True))
    free = room(quota, await usage(session, relay_id, now, ramp_days=len(quota.ramp)), now)
    messages = want if free.messages is None else min(want, free.messages)
    if messages == 0:
        return Reserved(0, hour_at, free.next_at)
    await _book(session, relay_id, hour_at, messages)
    first = update(relays).where(relays.c.id == relay_id, relays.c.first_sent_at.is_(None))
    await session.execute(first.values(first_sent_at=now))
    return Reserved(messages, hour_at)


async def _book(session: Session, relay_id: int, hour_at: datetime, messages: int) -> None:
    row = insert(_u).values(relay_id=relay_id, hour_at=hour_at, messages=messages)
    total = _u.c.messages + row.excluded.messages
    await session.execute(
        row.on_conflict_do_update(index_elements=["relay_id", "hour_at"], set_={"messages": total})
    )


async def give_back(session: Session, relay_id: int, hour_at: datetime, messages: int) -> None:
    """Take back what was reserved in ``hour_at`` and not sent."""
    if messages < 1:
        return
    left = case((_u.c.messages > messages, _u.c.messages - messages), else_=0)
    booked = update(_u).where(_u.c.relay_id == relay_id, _u.c.hour_at == hour_at)
    await session.execute(booked.values(messages=left))


async def usage(
    session: Session, relay_id: int, now: datetime, *, ramp_days: int = _RAMP_MAX
) -> tuple[Usage, ...]:
    """What ``rules.ramp`` asks: the hours of the last day, and the first ones a relay was used.

    A ramp of n days is over after n days on which something was sent; more than its first hours on
    n + 1 days are of no interest, so that a relay in use for years costs no more than a new one.
    """
    columns = (_u.c.hour_at, _u.c.messages)
    lately = select(*columns).where(_u.c.relay_id == relay_id, _u.c.hour_at > now - _DAY)
    query: Any = lately
    if ramp_days:
        used = select(*columns).where(_u.c.relay_id == relay_id, _u.c.messages > 0)
        first = used.order_by(_u.c.hour_at).limit(_HOURS_OF_A_DAY * (ramp_days + 1)).subquery()
        query = union(lately, select(first.c.hour_at, first.c.messages))
    rows = await session.execute(query)
    return tuple(sorted((Usage(*row) for row in rows), key=lambda one: one.hour_at))
