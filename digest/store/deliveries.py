"""Deliveries: one row per issue, reader and ordinal; planned, claimed, recorded.

Promise 1: progress is these rows, never a cursor. A claim is bounded and committed before anything
is sent; it counts the attempt and fixes the Date. PostgreSQL: ``FOR UPDATE SKIP LOCKED``, so
senders never wait for each other; SQLite needs no lock, since there is one writer.

Statements are written so that no planner can choose badly, also right after an import when it
knows nothing about the tables: readers are looked up row by row in subqueries, which are never
turned into joins, and rows by their ids in an array.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    Update,
    any_,
    column,
    exists,
    func,
    literal,
    select,
    text,
    update,
)

from digest.rules.delivery import REST_WAVE, DeliveryState, IssueState, StateReason
from digest.rules.subscription import SubscriptionState
from digest.store import handover
from digest.store.handover import Outcome
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

# Written out, not bound: only so does the planner see that the partial index of open rows serves.
_TO_DO = "{name}.state IN ('queued', 'deferred')"
_DUE = deliveries.alias("due")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that is ours to send, with all that composing needs."""

    row_id: int
    version_id: int
    subscription_id: int
    destination_id: int
    maybe_sent: bool
    address: str
    name: str
    muted: tuple[str, ...]  # headings of sections this reader does not want
    attempts: int
    first_claimed_at: datetime


async def plan_deliveries(
    session: Session,
    *,
    issue_id: int,
    version_id: int,
    now: datetime,
    newest_first: bool = False,
) -> int:
    """Write one row for every active subscription of the issue's newsletter; how many are new.

    All are of the second wave; who goes first is for ``planning.plan_issue``. ``newest_first``
    numbers them, and so sends them, by when they were confirmed, the latest first.

    One ``INSERT … SELECT``; the unique (issue, subscriber, ordinal) makes it idempotent. A
    suppressed address is known by a keyed hash only, which SQL cannot compute: whoever suppresses
    sets ``suppressed_at`` of the subscriber in the same transaction, and that decides here. Sets
    ``planned`` and ``planned_at`` of the issue.
    """
    audience = (
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


async def claim_deliveries(
    session: Session,
    *,
    worker_id: int,
    issue_id: int,
    limit: int,
    now: datetime,
    due_at: datetime | None = None,
    wave: int | None = None,
    row_ids: Sequence[int] | None = None,
) -> list[Claimed]:
    """Take up to ``limit`` rows that are due (by ``due_at``, else ``now``) for ``worker_id``.

    By wave (up to ``wave``), then by ``not_before``. Nothing where the issue is not ``sending``,
    and no row of a reader who is not subscribed any more. ``row_ids``: only of these. The
    attempt is counted here, before any connection is made.
    """
    if limit < 1:
        return []
    values = {
        "state": DeliveryState.SENDING,
        "owner": worker_id,
        "claimed_at": now,
        "attempts": deliveries.c.attempts + 1,
        "first_claimed_at": func.coalesce(
            deliveries.c.first_claimed_at, literal(now, deliveries.c.first_claimed_at.type)
        ),
        "settled_at": None,
    }
    if session.dialect.name == "postgresql" and not await _holds_still(session, issue_id):
        return []
    claim = update(deliveries).values(values)
    due = _due_rows(session, issue_id, due_at or now).limit(limit)
    if wave is not None:
        due = due.where(_DUE.c.wave <= wave)
    if row_ids is not None:
        due = due.where(_DUE.c.id.in_(row_ids))
    if session.dialect.name == "postgresql":
        return await _take(session, claim, due)
    return await _take_from_sqlite(session, claim, due, now)


async def _holds_still(session: Session, issue_id: int) -> bool:
    """Whether the issue is sending, and stays so until this claim is committed.

    Else a pause could be acknowledged between what a claim has read and its commit. Senders do not
    wait for each other.
    """
    sending = select(issues.c.id).where(
        issues.c.id == issue_id, issues.c.state == IssueState.SENDING
    )
    return (await session.execute(sending.with_for_update(read=True))).scalar() is not None


async def _take(session: Session, claim: Update, due: Select[Any]) -> list[Claimed]:
    # An array is made once, and never of more rows than LIMIT.
    ids = func.array(due.with_only_columns(_DUE.c.id).scalar_subquery())
    claim = claim.where(deliveries.c.id == any_(ids)).returning(*_claimed_columns(deliveries))
    rows = sorted((await session.execute(claim)).all(), key=itemgetter(0, 1))
    return [
        _claimed(row, muted=row.muted, attempts=row.attempts, first=row.first_claimed_at)
        for row in rows
    ]


async def _take_from_sqlite(
    session: Session, claim: Update, due: Select[Any], now: datetime
) -> list[Claimed]:
    """All rows as one value: SQLite's driver takes and gives back Python's lock for every row.

    Nobody can write between the two statements.
    """
    columns = due.subquery().c
    rows = await session.execute(select(func.json_group_array(func.json_array(*columns))))
    found = json.loads(rows.scalar_one())
    ids = json.dumps([row[1] for row in found])
    await session.execute(
        claim.where(deliveries.c.id.in_(select(column("value")).select_from(func.json_each(ids))))
    )
    return [
        _claimed(
            row,
            muted=json.loads(row[8]) if row[8] else None,
            attempts=row[9] + 1,
            first=datetime.fromisoformat(row[10]).replace(tzinfo=UTC) if row[10] else now,
        )
        for row in found
    ]


def _claimed(
    row: Sequence[Any], *, muted: Sequence[str] | None, attempts: int, first: datetime
) -> Claimed:
    return Claimed(
        row_id=row[1],
        version_id=row[2],
        subscription_id=row[3],
        destination_id=row[4],
        maybe_sent=bool(row[5]),
        address=row[6],
        name=row[7],
        muted=tuple(muted or ()),
        attempts=attempts,
        first_claimed_at=first,
    )


def _claimed_columns(rows: FromClause) -> tuple[ColumnElement[Any], ...]:
    """In the order in which ``_claimed`` and those who call it read them."""
    return (
        *(rows.c.wave, rows.c.id, rows.c.version_id, rows.c.subscription_id),
        *(rows.c.destination_id, rows.c.maybe_sent),
        _of(subscribers.c.address, rows).label("address"),
        _of(subscribers.c.name, rows).label("name"),
        _of(subscriptions.c.muted, rows).label("muted"),
        *(rows.c.attempts, rows.c.first_claimed_at),
    )


def _due_rows(session: Session, issue_id: int, due_at: datetime) -> Select[Any]:
    query = (
        select(*_claimed_columns(_DUE))
        .where(
            text(_TO_DO.format(name="due")),
            _DUE.c.issue_id == issue_id,
            _DUE.c.not_before <= due_at,
            _of(subscriptions.c.state, _DUE) == SubscriptionState.ACTIVE,
            _of(subscribers.c.suppressed_at, _DUE).is_(None),
            exists().where(issues.c.id == issue_id, issues.c.state == IssueState.SENDING),
        )
        .order_by(_DUE.c.wave, _DUE.c.not_before, _DUE.c.id)
    )
    if session.dialect.name == "postgresql":
        query = query.with_for_update(of=_DUE, skip_locked=True)
    return query


def _of(column: Column[Any], rows: FromClause) -> ScalarSelect[Any]:
    """A column of the reader, or of the subscription, that a row of ``rows`` is for."""
    key = rows.c.subscriber_id if column.table is subscribers else rows.c.subscription_id
    return select(column).where(column.table.c.id == key).scalar_subquery()


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
    ``skipped``.
    """
    settled = 0
    for condition, values in _DEPARTED:
        departed = (
            select(_DUE.c.id)
            .join(subscriptions, subscriptions.c.id == _DUE.c.subscription_id)
            .join(subscribers, subscribers.c.id == _DUE.c.subscriber_id)
            .where(text(_TO_DO.format(name="due")), _DUE.c.issue_id == issue_id, condition)
        )
        statement = (
            update(deliveries)
            .where(deliveries.c.id.in_(departed), text(_TO_DO.format(name="deliveries")))
            .values(settled_at=now, owner=None, **values)
        )
        settled += (await session.execute(statement)).rowcount
    return settled


_DEPARTED: tuple[tuple[ColumnElement[bool], dict[str, Any]], ...] = (
    (
        subscriptions.c.state.in_((SubscriptionState.ENDED, SubscriptionState.PENDING)),
        {"state": DeliveryState.CANCELLED, "reason": StateReason.LEFT},
    ),
    (subscribers.c.suppressed_at.is_not(None), {"state": DeliveryState.SUPPRESSED}),
    (subscriptions.c.state == SubscriptionState.PAUSED, {"state": DeliveryState.SKIPPED}),
)
