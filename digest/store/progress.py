"""An issue on its way: started, waiting for rows that are due, finished.

The moves of its state are compare-and-swap, so that of two who try, one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, select, text, union_all, update

from digest.rules.delivery import CANARY_WAVE, REST_WAVE, DeliveryState, IssueState
from digest.store.schema import deliveries, issues
from digest.store.session import Session

# Written out, not bound: only so does the planner see that the partial indexes serve.
_TO_DO = text("deliveries.state IN ('queued', 'deferred')")
_SENDING = text("deliveries.state = 'sending'")


@dataclass(frozen=True, slots=True)
class IssueProgress:
    """What a sender asks about its issue."""

    state: IssueState
    paused_reason: str | None
    planned: int


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
    """``sending → finished`` where every row is settled; whether it was this call that did it."""
    moved = await session.execute(
        update(issues)
        .where(issues.c.id == issue_id, issues.c.state == IssueState.SENDING, ~_unsettled(issue_id))
        .values(state=IssueState.FINISHED, finished_at=now)
    )
    return moved.rowcount == 1


def _unsettled(issue_id: int) -> ColumnElement[bool]:
    open_states = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING)
    return exists().where(deliveries.c.issue_id == issue_id, deliveries.c.state.in_(open_states))


async def issue_progress(session: Session, issue_id: int) -> IssueProgress:
    """Where the issue stands."""
    query = select(issues.c.state, issues.c.paused_reason, issues.c.planned)
    row = (await session.execute(query.where(issues.c.id == issue_id))).one()
    return IssueProgress(row.state, row.paused_reason, row.planned or 0)


async def due_count(
    session: Session, issue_id: int, due_at: datetime, *, most: int, wave: int | None = None
) -> int:
    """How many rows of the issue, of waves up to ``wave``, are due by ``due_at``; stops counting
    at ``most``.
    """
    due = (
        select(deliveries.c.id)
        .where(
            *(_TO_DO, deliveries.c.issue_id == issue_id, deliveries.c.wave.in_(_waves(wave))),
            deliveries.c.not_before <= due_at,
        )
        .limit(most)
    )
    return int(
        (await session.execute(select(func.count()).select_from(due.subquery()))).scalar_one()
    )


def _waves(wave: int | None) -> list[int]:
    """All of them by name: the index has them before the time, so each is looked up alone."""
    return [one for one in (CANARY_WAVE, REST_WAVE) if wave is None or one <= wave]


async def next_due(session: Session, issue_id: int, *, wave: int | None = None) -> datetime | None:
    """When the next row of the issue, of waves up to ``wave``, is due; None when none waits."""
    firsts = [
        select(func.min(deliveries.c.not_before).label("due")).where(
            _TO_DO, deliveries.c.issue_id == issue_id, deliveries.c.wave == one
        )
        for one in _waves(wave)
    ]
    each = union_all(*firsts).subquery()
    due: datetime | None = (await session.execute(select(func.min(each.c.due)))).scalar()
    return due


async def sending_count(session: Session, issue_id: int) -> int:
    """How many rows of the issue some worker holds."""
    held = select(func.count()).where(_SENDING, deliveries.c.issue_id == issue_id)
    return int((await session.execute(held)).scalar_one())


async def defer_waiting(session: Session, issue_id: int, *, until: datetime, reply: str) -> int:
    """Defer every queued row of the issue, because no relay can be reached; how many.

    No attempt is counted: nothing was tried for any of them.
    """
    statement = (
        update(deliveries)
        .where(deliveries.c.issue_id == issue_id, deliveries.c.state == DeliveryState.QUEUED)
        .values(state=DeliveryState.DEFERRED, not_before=until, reply_text=reply[:1000])
    )
    return (await session.execute(statement)).rowcount
