"""Deliveries: one row per issue, reader and ordinal; planned, claimed, recorded.

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

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from digest.rules.delivery import REST_WAVE, DeliveryState, StateReason
from digest.rules.subscription import SubscriptionState
from digest.store import handover
from digest.store.claims import Claimed, claim_deliveries
from digest.store.handover import Outcome
from digest.store.rows import WAITING, among, entitled, in_state, move_rows
from digest.store.schema import deliveries, issues, subscribers, subscriptions
from digest.store.session import Session
from digest.store.types import insert

__all__ = [
    "Claimed",
    "Outcome",
    "cancel_departed",
    "claim_deliveries",
    "plan_deliveries",
    "record_outcomes",
]


_DUE = deliveries.alias("due")


async def plan_deliveries(
    session: Session,
    *,
    issue_id: int,
    version_id: int,
    now: datetime,
    newest_first: bool = False,
    readers_of: int | None = None,
) -> int:
    """Write one row for every active subscription of the issue's newsletter; how many are new.

    ``readers_of``: only for those who got, or may have got, that issue.

    All are of the second wave; who goes first is for ``planning.plan_issue``. ``newest_first``
    numbers them, and so sends them, by when they were confirmed, the latest first.

    One ``INSERT … SELECT``; the unique (issue, subscriber, ordinal) makes it idempotent. A
    suppressed address is known by a keyed hash only, which SQL cannot compute: whoever suppresses
    sets ``suppressed_at`` of the subscriber in the same transaction, and that decides here. Sets
    ``planned`` and ``planned_at`` of the issue.
    """
    audience = _audience(issue_id, version_id, now)
    if readers_of is not None:
        audience = audience.where(_got(readers_of))
    if newest_first:
        confirmed_at = func.coalesce(subscriptions.c.confirmed_at, subscriptions.c.created_at)
        audience = audience.order_by(confirmed_at.desc(), subscriptions.c.id.desc())
    columns = (
        *("issue_id", "subscriber_id", "ordinal", "version_id"),
        *("subscription_id", "destination_id", "wave", "state", "not_before"),
    )
    # ON CONFLICT, not NOT EXISTS: of that PostgreSQL makes a join of every reader with every row.
    statement = insert(deliveries).from_select(columns, audience)
    added = await session.execute(
        statement.on_conflict_do_nothing(index_elements=["issue_id", "subscriber_id", "ordinal"])
    )
    planned = added.rowcount
    await session.execute(
        update(issues)
        .where(issues.c.id == issue_id)
        .values(
            planned=func.coalesce(issues.c.planned, 0) + planned,
            planned_at=func.coalesce(issues.c.planned_at, literal(now, issues.c.planned_at.type)),
        )
    )
    return planned


def _audience(issue_id: int, version_id: int, now: datetime) -> Select[Any]:
    """The rows to be, one for each reader who may get the issue."""
    return (
        select(
            literal(issue_id, issues.c.id.type),
            subscriptions.c.subscriber_id,
            literal(0),
            literal(version_id, issues.c.id.type),
            subscriptions.c.id,
            subscribers.c.destination_id,
            literal(REST_WAVE),
            literal(DeliveryState.QUEUED.value),
            literal(now, deliveries.c.not_before.type),
        )
        .join_from(subscriptions, subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .join(issues, issues.c.newsletter_id == subscriptions.c.newsletter_id)
        .where(issues.c.id == issue_id, subscriptions.c.state == SubscriptionState.ACTIVE)
        .where(subscribers.c.suppressed_at.is_(None))
    )


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


def _got(issue_id: int) -> ColumnElement[bool]:
    """Whether the relay took that issue for a subscriber, or may have."""
    mails = deliveries.alias("mails")
    return exists().where(
        mails.c.issue_id == issue_id,
        mails.c.subscriber_id == subscribers.c.id,
        or_(mails.c.state == DeliveryState.ACCEPTED, mails.c.maybe_sent),
    )


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
