"""Deliveries: one row per issue, reader and ordinal; claimed, recorded.

Promise 1: progress is these rows, never a cursor.

Statements are written so that no planner can choose badly, also right after an import when it
knows nothing about the tables: readers are looked up row by row in subqueries, which are never
turned into joins, and rows by their ids in an array.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, FromClause, ScalarSelect, select

from digest.rules.delivery import DeliveryState, StateReason
from digest.rules.subscription import SubscriptionState
from digest.store import handover
from digest.store.claims import Claimed, claim_deliveries
from digest.store.handover import Outcome
from digest.store.rows import WAITING, among, entitled, in_state, move_rows
from digest.store.schema import deliveries, subscribers, subscriptions
from digest.store.session import Session

__all__ = [
    "Claimed",
    "Outcome",
    "cancel_departed",
    "claim_deliveries",
    "record_outcomes",
]


_DUE = deliveries.alias("due")


async def record_outcomes(
    session: Session, worker_id: int, outcomes: Sequence[Outcome], now: datetime
) -> int:
    """Write what became of deliveries ``worker_id`` still holds; how many rows that were."""
    return await handover.record(
        session, deliveries, worker_id=worker_id, outcomes=outcomes, now=now
    )


async def cancel_departed(session: Session, issue_id: int, now: datetime) -> int:
    """Settle rows that wait for readers who are no longer subscribed; how many there were.

    Leaving cancels its rows itself; this is for a row that was ``sending`` at that moment and came
    back. Who left is ``cancelled(left)``, who is suppressed is ``suppressed``, who is paused is
    ``skipped``. Looks at every row that waits, once: a million take about a second.
    """
    state, suppressed_at = (
        _of(subscriptions.c.state, _DUE).label("subscription"),
        _of(subscribers.c.suppressed_at, _DUE).label("suppressed_at"),
    )
    waiting = in_state(*WAITING, name="due")
    departed = select(_DUE.c.id, state, suppressed_at).where(
        waiting, _DUE.c.issue_id == issue_id, ~entitled(_DUE)
    )
    found: dict[tuple[DeliveryState, StateReason | None], list[int]] = defaultdict(list)
    for row in await session.execute(departed):
        found[_fate_of(row.subscription, suppressed=row.suppressed_at is not None)].append(row.id)
    settled = 0
    for (to, reason), ids in found.items():
        settle = move_rows(*WAITING, to=to, reason=reason, now=now)
        settle = settle.where(among(session, deliveries.c.id, ids), ~entitled())
        settled += (await session.execute(settle)).rowcount
    return settled


def _of(column: Column[Any], rows: FromClause) -> ScalarSelect[Any]:
    """A column of the reader, or of the subscription, that a row of ``rows`` is for."""
    key = rows.c.subscriber_id if column.table is subscribers else rows.c.subscription_id
    return select(column).where(column.table.c.id == key).scalar_subquery()


def _fate_of(
    state: SubscriptionState, *, suppressed: bool
) -> tuple[DeliveryState, StateReason | None]:
    if state in (SubscriptionState.ENDED, SubscriptionState.PENDING):
        return DeliveryState.CANCELLED, StateReason.LEFT
    if suppressed:
        return DeliveryState.SUPPRESSED, None
    return DeliveryState.SKIPPED, None
