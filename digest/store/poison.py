"""Rows whose message may be what kills a worker: known by the workers that died with them.

Most rows of a dead worker are innocent: up to 500 are under way at any time. A row that was there
at two deaths is therefore sent alone, and only one whose worker died twice while nothing else was
under way is held as poison.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, insert, literal, select, text, update

from digest.rules.delivery import DeliveryState, StateReason
from digest.store.schema import attempts, deliveries
from digest.store.session import Session

DIED = "died"  # the phase of an attempt whose worker ended before it had an outcome
SUSPECT_DEATHS = 2
GUILTY_DEATHS = 2  # alone
_ALONE, _AMONG = "the worker died with this message alone under way", "the worker died"
_SENDING = text("deliveries.state = 'sending'")  # written out, so that the partial index serves


async def note_deaths(session: Session, dead: Collection[int], now: datetime) -> None:
    """Write into the log of attempts what dead workers held. Before their rows are rescued."""
    for owner in sorted(dead):
        held = select(func.count()).where(_SENDING, deliveries.c.owner == owner)
        rows = (await session.execute(held)).scalar_one()
        words = _ALONE if rows == 1 else _AMONG
        at = literal(now, attempts.c.finished_at.type)
        died = select(
            deliveries.c.id,
            deliveries.c.attempts,
            at,
            literal(DIED),
            literal("relay"),
            literal(words),
        ).where(_SENDING, deliveries.c.owner == owner)
        columns = ("delivery_id", "number", "finished_at", "phase", "blame", "text")
        await session.execute(insert(attempts).from_select(columns, died))


async def suspects(session: Session, issue_id: int, *, limit: int = 500) -> list[int]:
    """Rows of the issue that wait and were under way at two deaths or more, the worst first."""
    deaths = _deaths()
    query = _marked(issue_id).add_columns(deaths).where(deaths >= SUSPECT_DEATHS)
    found = await session.execute(query.order_by(deaths.desc()).limit(limit))
    return [row_id for row_id, _ in found]


async def hold_poison(session: Session, issue_id: int, now: datetime) -> list[int]:
    """Hold the rows that killed their workers alone; which they are."""
    alone = _deaths(attempts.c.text == _ALONE)
    guilty = list(await session.scalars(_marked(issue_id).where(alone >= GUILTY_DEATHS)))
    if guilty:
        await session.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(guilty))
            .values(state=DeliveryState.HELD, reason=StateReason.POISON, settled_at=now)
        )
    return guilty


def _marked(issue_id: int) -> Select[int]:
    return select(deliveries.c.id).where(
        text("deliveries.state IN ('queued', 'deferred')"),
        deliveries.c.issue_id == issue_id,
        deliveries.c.maybe_sent,
    )


def _deaths(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return (
        select(func.count())
        .where(attempts.c.delivery_id == deliveries.c.id, attempts.c.phase == DIED, *conditions)
        .correlate(deliveries)
        .scalar_subquery()
    )
