"""An issue on its way: started, waiting for rows that are due, finished.

The moves of its state are compare-and-swap, so that of two who try, one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select, union_all, update

from digest.rules.delivery import CANARY_WAVE, REST_WAVE, DeliveryState, IssueState
from digest.store.rows import WAITING, in_state, lock_issue, sending_of
from digest.store.schema import deliveries, issues, newsletters
from digest.store.session import Session
from digest.store.types import storable

_TO_DO = in_state(*WAITING)
_NEVER_TRIED = in_state(DeliveryState.QUEUED)  # or it cost no attempt: it counts as if


@dataclass(frozen=True, slots=True)
class IssueProgress:
    """What a sender asks about its issue."""

    issue_id: int
    state: IssueState
    paused_reason: str | None
    planned: int
    resumed_at: datetime | None  # brakes count from here on
    canary_passed_at: datetime | None  # None: only the first readers may get it
    canary_wait: timedelta  # after the first readers, behind a relay that only queues
    planning: bool  # the rest has no rows yet
    overtaken: bool  # nothing of it is claimed any more


async def start_sending(session: Session, issue_id: int) -> int | None:
    """``approved → sending``: the id of the approved version, or None where it was not approved."""
    moved = await session.execute(
        update(issues)
        .where(
            issues.c.id == issue_id,
            issues.c.state == IssueState.APPROVED,
            issues.c.approved_version_id.is_not(None),
        )
        .values(state=IssueState.SENDING)
        .returning(issues.c.approved_version_id)
    )
    version_id: int | None = moved.scalar()
    return version_id


async def finish_sending(session: Session, issue_id: int, now: datetime) -> bool:
    """``sending → finished`` where every row is there and settled; whether this call did it."""
    await lock_issue(session, issue_id)  # else rows put back at this moment would not be seen
    moved = await session.execute(
        update(issues)
        .where(issues.c.id == issue_id, issues.c.state == IssueState.SENDING, ~issues.c.planning)
        .where(~_unsettled(issue_id))
        .values(state=IssueState.FINISHED, finished_at=now)
    )
    return moved.rowcount == 1


def _unsettled(issue_id: int) -> ColumnElement[bool]:
    # Each by its index: rows that are settled, most of an issue's, are not looked at.
    waiting = exists().where(_TO_DO, deliveries.c.issue_id == issue_id)
    return or_(waiting, exists().where(sending_of(issue_id)))


async def issue_progress(session: Session, issue_id: int) -> IssueProgress:
    """Where the issue stands."""
    found = await session.execute(_PROGRESS.where(issues.c.id == issue_id))
    return _progress(found.one())


async def issues_on_their_way(session: Session) -> list[IssueProgress]:
    """Every issue that is being sent, and every cancelled one with rows still open."""
    stopped = and_(issues.c.state == IssueState.CANCELLED, _waiting_rows())
    query = _PROGRESS.where(or_(issues.c.state == IssueState.SENDING, stopped))
    return [_progress(row) for row in await session.execute(query.order_by(issues.c.id))]


def _waiting_rows() -> ColumnElement[bool]:
    return exists().where(_TO_DO, deliveries.c.issue_id == issues.c.id)


_PROGRESS = select(
    *(issues.c.id, issues.c.state, issues.c.paused_reason, issues.c.planned),
    *(issues.c.resumed_at, issues.c.canary_passed_at, issues.c.planning),
    issues.c.overtaken,
    newsletters.c.settings,
).join_from(issues, newsletters, newsletters.c.id == issues.c.newsletter_id)


def _progress(row: Row[Any, Any, Any, Any, Any, Any, Any, Any, Any]) -> IssueProgress:
    seconds = (row.settings or {}).get("canary_wait", 0)
    return IssueProgress(
        issue_id=row.id,
        state=row.state,
        paused_reason=row.paused_reason,
        planned=row.planned or 0,
        resumed_at=row.resumed_at,
        canary_passed_at=row.canary_passed_at,
        canary_wait=timedelta(seconds=seconds),
        planning=row.planning,
        overtaken=row.overtaken,
    )


async def due_count(
    session: Session,
    issue_id: int,
    now: datetime,
    *,
    most: int,
    wave: int | None = None,
    retry_at: datetime | None = None,
) -> int:
    """How many rows of the issue, of waves up to ``wave``, are due; stops counting at ``most``.

    ``retry_at``: what was deferred only if it was due by then.
    """
    due = (
        select(deliveries.c.id)
        .where(
            *(_TO_DO, deliveries.c.issue_id == issue_id, deliveries.c.wave.in_(_waves(wave))),
            deliveries.c.not_before <= now,
        )
        .limit(most)
    )
    if retry_at is not None:
        due = due.where(or_(_NEVER_TRIED, deliveries.c.not_before <= retry_at))
    return int(
        (await session.execute(select(func.count()).select_from(due.subquery()))).scalar_one()
    )


def _waves(wave: int | None) -> list[int]:
    """All of them by name: the index has them before the time, so each is looked up alone."""
    return [one for one in (CANARY_WAVE, REST_WAVE) if wave is None or one <= wave]


async def next_due(
    session: Session, issue_id: int, *, wave: int | None = None, retries: bool = True
) -> datetime | None:
    """When the next row of the issue, of waves up to ``wave``, is due; None when none waits.

    Without ``retries`` what was deferred does not count.
    """
    waits = _TO_DO if retries else and_(_TO_DO, _NEVER_TRIED)
    firsts = [
        select(func.min(deliveries.c.not_before).label("due")).where(
            waits, deliveries.c.issue_id == issue_id, deliveries.c.wave == one
        )
        for one in _waves(wave)
    ]
    each = union_all(*firsts).subquery()
    due: datetime | None = (await session.execute(select(func.min(each.c.due)))).scalar()
    return due


async def sending_count(session: Session, issue_id: int) -> int:
    """How many rows of the issue some worker holds."""
    held = select(func.count()).where(sending_of(issue_id))
    return int((await session.execute(held)).scalar_one())


async def defer_waiting(session: Session, issue_id: int, *, until: datetime, reply: str) -> int:
    """Defer every queued row of the issue, because no relay can be reached; how many.

    No attempt is counted: nothing was tried for any of them.
    """
    statement = (
        update(deliveries)
        .where(deliveries.c.issue_id == issue_id, deliveries.c.state == DeliveryState.QUEUED)
        .values(state=DeliveryState.DEFERRED, not_before=until, reply_text=storable(reply))
    )
    return (await session.execute(statement)).rowcount
