"""The parts that workers hold of what a relay or a provider takes (``rules.shares``).

One row for each worker that wants a part of a budget, renewed every second; one without a worker
for what was given up and still counts. All of it is one short transaction, one worker at a time.
SQLite has one sender, which has all of everything: nothing is kept there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from digest.rules.shares import LEASE, Budget, equal_part, part_to_hold
from digest.store.schema import budgets
from digest.store.session import Session
from digest.store.turns import take_turn
from digest.store.types import insert
from digest.store.workers import living

_TURN = 0x64696765_62756467  # "digebudg": whoever has it sees all parts as they are
_b = budgets


@dataclass(frozen=True, slots=True)
class Wanted:
    """A budget of which a worker wants a part, and what of it is in use."""

    name: str
    budget: Budget
    in_use: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What a worker holds of a budget, and how many workers share it."""

    units: int
    workers: int


async def hold_parts(
    session: Session, worker_id: int, wanted: Sequence[Wanted], *, now: datetime
) -> Mapping[str, Part]:
    """Renew what a worker holds: its parts of ``wanted`` by name; all others are given up."""
    await take_turn(session, _TURN)
    await session.execute(delete(_b).where(_b.c.expires_at <= now))
    rows = list(await session.execute(select(_b)))
    rows = await _without_dead(session, worker_id, rows, now=now)
    by_name = defaultdict(list)
    for row in rows:
        by_name[row.name].append(row)
    names = [one.name for one in wanted]
    held = {one.name: _part(worker_id, one, by_name[one.name], now=now) for one in wanted}
    mine = [row for row in rows if row.worker_id == worker_id]
    await _give_up(
        session,
        [(row, row.units - (held[row.name].units if row.name in held else 0)) for row in mine],
        now=now,
    )
    await session.execute(delete(_b).where(_b.c.worker_id == worker_id, _b.c.name.not_in(names)))
    await _write(session, worker_id, wanted, held, now=now)
    return held


async def _without_dead(
    session: Session, worker_id: int, rows: Sequence[Any], *, now: datetime
) -> list[Any]:
    """The rows that count; those of the dead become free, as if they had been given up."""
    others = {row.worker_id for row in rows} - {None, worker_id}
    dead = others - await living(session, now) if others else set()
    gone = [row for row in rows if row.worker_id in dead]
    if not gone:
        return list(rows)
    await _give_up(session, [(row, row.units) for row in gone], now=now)
    await session.execute(delete(_b).where(_b.c.worker_id.in_(dead)))
    return list(await session.execute(select(_b)))


def _part(worker_id: int, one: Wanted, rows: Sequence[Any], *, now: datetime) -> Part:
    workers = {worker_id} | {
        row.worker_id for row in rows if row.worker_id is not None and row.held_until > now
    }
    part = part_to_hold(
        one.budget,
        equal=equal_part(one.budget.units, workers, worker_id),
        taken=sum(row.units for row in rows if row.worker_id != worker_id),
        in_use=one.in_use,
    )
    return Part(part, len(workers))


async def _give_up(session: Session, parts: Sequence[tuple[Any, int]], *, now: datetime) -> None:
    """So many units of each row are free once their window is over."""
    values = [
        {
            "name": row.name,
            "worker_id": None,
            "units": units,
            "held_until": now,
            "expires_at": now + (row.expires_at - row.held_until),
        }
        for row, units in parts
        if units > 0 and row.expires_at > row.held_until
    ]
    if values:
        await session.execute(insert(_b), values)


async def _write(
    session: Session,
    worker_id: int,
    wanted: Sequence[Wanted],
    held: Mapping[str, Part],
    *,
    now: datetime,
) -> None:
    if not wanted:
        return
    until = now + LEASE
    rows = insert(_b).values(
        [
            {
                "name": one.name,
                "worker_id": worker_id,
                "units": held[one.name].units,
                "held_until": until,
                "expires_at": until + one.budget.window,
            }
            for one in wanted
        ]
    )
    changed = {name: rows.excluded[name] for name in ("units", "held_until", "expires_at")}
    await session.execute(
        rows.on_conflict_do_update(index_elements=["name", "worker_id"], set_=changed)
    )
