"""Sending to readers once more, by an operator's hand: who missed an issue, and rows in doubt.

A row that is settled for good is never touched: its reader gets a new row with the next ordinal,
hence a new Message-ID. A row that is held goes back to ``queued`` itself and stays ``maybe_sent``.
Never for who left, was erased, is suppressed or paused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    String,
    Update,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from digest.errors import RefusedError
from digest.rules.delivery import (
    REST_WAVE,
    DeliveryState,
    IssueState,
    StateReason,
)
from digest.rules.subscription import SubscriptionState
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.rows import WAITING, among, entitled, in_state, is_latest, lock_issue, move_rows
from digest.store.schema import deliveries, issues, subscribers, subscriptions
from digest.store.session import Session
from digest.store.types import insert

_STARTED = (IssueState.SENDING, IssueState.PAUSED, IssueState.FINISHED)


@dataclass(frozen=True, slots=True)
class Resent:
    """``rows`` that will be sent (once more), and how many readers were ``refused`` and why:
    ``left``, ``pending``, ``paused``, ``suppressed``; of those named also ``under_way`` (their row
    is not settled) and ``not_planned``.
    """

    rows: int
    refused: dict[str, int]


class HeldAction(StrEnum):
    """What becomes of a row that is held."""

    ACCEPT = "accept"  # it was sent
    RESEND = "resend"  # it was not, or a second copy does no harm
    DROP = "drop"  # never send it


async def resend(
    session: Session,
    issue_id: int,
    *,
    subscriber_ids: Sequence[int] | None,
    now: datetime,
) -> Resent:
    """Give an issue to readers who missed it, or to those named, who may have it already.

    ``subscriber_ids`` None: everybody whose latest row is ``rejected``, ``expired``, stopped or
    held. The version is the one approved by now. A finished issue is ``sending`` again. Raises
    RefusedError where the issue has not started or was cancelled.
    """
    state = await lock_issue(session, issue_id)
    issue = await issue_by_id(session, issue_id)
    _refuse_unstarted(issue)
    wanted = _missed() if subscriber_ids is None else _named(session, subscriber_ids)
    which = and_(deliveries.c.issue_id == issue_id, wanted, is_latest())
    refused = await _refused(session, which)
    if subscriber_ids is not None:
        refused |= await _out_of_reach(session, issue_id, subscriber_ids)
    held = await _release(session, and_(which, entitled()), now=now)
    added = await _add_copies(session, issue, which, now=now)
    if added + held and state is IssueState.FINISHED:
        await _reopen(session, (issue_id,), now)
    return Resent(added + held, refused)


def _refuse_unstarted(issue: StoredIssue) -> None:
    if issue.state not in _STARTED:
        raise RefusedError(
            f"Issue {issue.name} is {issue.state}: there is nothing to send again.",
            where=f"issue {issue.name}",
        )


def _missed() -> ColumnElement[bool]:
    stopped = and_(in_state(DeliveryState.CANCELLED), deliveries.c.reason == StateReason.STOPPED)
    final = in_state(DeliveryState.REJECTED, DeliveryState.EXPIRED, DeliveryState.HELD)
    return or_(final, stopped)


def _named(session: Session, subscriber_ids: Collection[int]) -> ColumnElement[bool]:
    return among(session, deliveries.c.subscriber_id, subscriber_ids)


_UNSETTLED = in_state(DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED)


async def _refused(session: Session, which: ColumnElement[bool]) -> dict[str, int]:
    """Who may not get it, of the rows ``which``."""
    because = case(
        (subscribers.c.suppressed_at.is_not(None), "suppressed"),
        (subscriptions.c.state == SubscriptionState.ENDED, "left"),
        # As text: the other words are no states.
        (
            subscriptions.c.state != SubscriptionState.ACTIVE,
            type_coerce(subscriptions.c.state, String),
        ),
    )
    readers = deliveries.join(
        subscriptions, subscriptions.c.id == deliveries.c.subscription_id
    ).join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
    unsettled = func.count().filter(_UNSETTLED)
    query = select(because.label("because"), func.count().label("rows"), unsettled.label("open"))
    counts = await session.execute(query.select_from(readers).where(which).group_by("because"))
    refused: dict[str, int] = {}
    for row in counts:
        because_of, refusals = (
            str(row.because or "under_way"),
            row.rows if row.because else row.open,
        )
        if refusals:
            refused[because_of] = refusals
    return refused


async def _out_of_reach(
    session: Session, issue_id: int, subscriber_ids: Collection[int]
) -> dict[str, int]:
    planned = select(func.count(deliveries.c.subscriber_id.distinct())).where(
        deliveries.c.issue_id == issue_id, _named(session, subscriber_ids)
    )
    unknown = len(set(subscriber_ids)) - int((await session.execute(planned)).scalar_one())
    return {"not_planned": unknown} if unknown else {}


async def _release(session: Session, which: ColumnElement[bool], *, now: datetime) -> int:
    back = move_rows(DeliveryState.HELD, to=DeliveryState.QUEUED, now=now)
    return (await session.execute(back.where(which))).rowcount


async def _add_copies(
    session: Session, issue: StoredIssue, which: ColumnElement[bool], *, now: datetime
) -> int:
    """A new row for the reader of each settled row of ``which``, in one ``INSERT … SELECT``."""
    settled = in_state(
        *(DeliveryState.ACCEPTED, DeliveryState.REJECTED, DeliveryState.EXPIRED),
        *(DeliveryState.CANCELLED, DeliveryState.SUPPRESSED, DeliveryState.SKIPPED),
    )
    address = select(subscribers.c.destination_id).where(
        subscribers.c.id == deliveries.c.subscriber_id
    )
    copies: dict[str, ColumnElement[Any]] = {
        "issue_id": deliveries.c.issue_id,
        "subscriber_id": deliveries.c.subscriber_id,
        "ordinal": deliveries.c.ordinal + 1,
        "version_id": literal(issue.approved_version_id, deliveries.c.version_id.type),
        "subscription_id": deliveries.c.subscription_id,
        "destination_id": address.scalar_subquery(),
        "wave": literal(REST_WAVE),
        "state": literal(DeliveryState.QUEUED.value),
        "not_before": literal(now, deliveries.c.not_before.type),
    }
    query = select(*copies.values()).where(settled, which, entitled())
    added = await session.execute(
        insert(deliveries)
        .from_select(list(copies), query)
        .on_conflict_do_nothing(index_elements=["issue_id", "subscriber_id", "ordinal"])
    )
    return added.rowcount


async def _reopen(session: Session, issue_ids: Collection[int], now: datetime) -> None:
    """``finished → sending`` where rows wait again. Brakes count anew; no second canary."""
    passed_at = func.coalesce(
        issues.c.canary_passed_at, literal(now, issues.c.canary_passed_at.type)
    )
    await session.execute(
        update(issues)
        .where(among(session, issues.c.id, issue_ids), issues.c.state == IssueState.FINISHED)
        .where(exists().where(deliveries.c.issue_id == issues.c.id, in_state(*WAITING)))
        .values(
            state=IssueState.SENDING, finished_at=None, resumed_at=now, canary_passed_at=passed_at
        )
    )


async def settle_held(
    session: Session,
    *,
    issue_id: int | None,
    row_ids: Sequence[int] | None,
    action: HeldAction | Literal["accept", "resend", "drop"],
    now: datetime,
) -> int:
    """Settle rows that are held, of an issue, or those named, or all; how many were.

    ``accept`` leaves rows alone that a brake held before anything was sent for them; ``resend``
    those of a cancelled issue and of who is subscribed no more, and opens a finished issue again.
    """
    which: list[ColumnElement[bool]] = []
    if issue_id is not None:
        which.append(deliveries.c.issue_id == issue_id)
    if row_ids is not None:
        which.append(among(session, deliveries.c.id, row_ids))
    held = select(deliveries.c.issue_id).where(in_state(DeliveryState.HELD), *which)
    issue_ids = sorted((await session.scalars(held.distinct())).all())
    for one in issue_ids:  # always in this order: two who do the same never wait for each other
        await lock_issue(session, one)
    move = _SETTLING[HeldAction(action)](now)
    moved = await session.execute(
        move.where(among(session, deliveries.c.issue_id, issue_ids), *which)
    )
    await _reopen(session, issue_ids, now)
    return moved.rowcount


def _accept(now: datetime) -> Update:
    may_be_sent = or_(
        deliveries.c.reason.is_distinct_from(StateReason.BREAKER), deliveries.c.maybe_sent
    )
    return move_rows(DeliveryState.HELD, to=DeliveryState.ACCEPTED, now=now).where(may_be_sent)


def _send_again(now: datetime) -> Update:
    started = exists().where(
        issues.c.id == deliveries.c.issue_id, issues.c.state != IssueState.CANCELLED
    )
    back = move_rows(DeliveryState.HELD, to=DeliveryState.QUEUED, now=now)
    return back.where(started, entitled())


def _drop(now: datetime) -> Update:
    return move_rows(
        DeliveryState.HELD, to=DeliveryState.CANCELLED, reason=StateReason.STOPPED, now=now
    )


_SETTLING = {
    HeldAction.ACCEPT: _accept,
    HeldAction.RESEND: _send_again,
    HeldAction.DROP: _drop,
}
