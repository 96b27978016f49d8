"""Send slots: each date and time of a schedule once, and what became of it.

At most one slot of a newsletter is ``open``: the next one, whose moment ``newsletters.next_run_at``
repeats. Every move is compare-and-swap, and (newsletter, local time) is unique: of two schedulers
one does it, and a slot that was taken is never taken again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, exists, func, or_, select, union_all, update

from digest.rules.delivery import UNPLANNED, IssueState
from digest.rules.slots import SlotReason, SlotState, written
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.schema import issues, newsletter_breaks, newsletters, send_slots, versions
from digest.store.session import Session
from digest.store.types import insert

_s = send_slots
_KEEP: Any = object()


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot. ``release_at``: nothing of it starts sooner; ``detail`` is for people."""

    id: int
    newsletter_id: int
    local: datetime  # naive: what the wall shows
    due_at: datetime
    state: SlotState
    issue_id: int | None
    reason: SlotReason | None
    detail: str | None
    release_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Break:
    """Days on which nothing goes out, the first and the last of them included."""

    first: date
    last: date


async def upcoming(session: Session, newsletter_id: int) -> Slot | None:
    """The slot that comes next."""
    query = select(_s).where(_s.c.newsletter_id == newsletter_id, _s.c.state == SlotState.OPEN)
    row = (await session.execute(query)).first()
    return None if row is None else _slot(row)


async def latest_taken(session: Session, newsletter_id: int) -> Slot | None:
    """The last slot whose time has come."""
    query = (
        select(_s)
        .where(_s.c.newsletter_id == newsletter_id, _s.c.state != SlotState.OPEN)
        .order_by(_s.c.due_at.desc(), _s.c.id.desc())
        .limit(1)
    )
    row = (await session.execute(query)).first()
    return None if row is None else _slot(row)


async def slots_of(session: Session, newsletter_id: int, *, limit: int = 20) -> list[Slot]:
    """The slots of a newsletter, the last one first."""
    query = select(_s).where(_s.c.newsletter_id == newsletter_id)
    rows = await session.execute(query.order_by(_s.c.due_at.desc(), _s.c.id.desc()).limit(limit))
    return [_slot(row) for row in rows]


async def released(session: Session, now: datetime) -> list[Slot]:
    """Slots that fired and whose issue may start now."""
    query = select(_s).where(_s.c.state == SlotState.FIRED, _s.c.release_at <= now)
    return [_slot(row) for row in await session.execute(query.order_by(_s.c.due_at))]


async def next_moment(session: Session, after: datetime) -> datetime | None:
    """When something becomes due next: a slot, a release, the time an issue has of its own."""
    times = (
        select(_s.c.due_at.label("at")).where(_s.c.state == SlotState.OPEN),
        select(_s.c.release_at).where(_s.c.state.in_((SlotState.FIRED, SlotState.HELD))),
        select(issues.c.scheduled_at).where(issues.c.state == IssueState.APPROVED),
    )
    each = union_all(*times).subquery()
    query = select(func.min(each.c.at)).where(each.c.at > after)
    found: datetime | None = (await session.execute(query)).scalar()
    return found


async def open_slot(
    session: Session, newsletter_id: int, local: datetime, *, due_at: datetime, now: datetime
) -> bool:
    """Make this the next slot; False where it was a slot before, or another one is open."""
    taken = exists().where(_s.c.newsletter_id == newsletter_id, _s.c.state == SlotState.OPEN)
    if (await session.execute(select(taken))).scalar():
        return False
    opened = await session.execute(
        insert(_s)
        .values(
            newsletter_id=newsletter_id,
            local_time=written(local),
            due_at=due_at,
            state=SlotState.OPEN,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    if opened.rowcount != 1:
        return False
    await _next_run(session, newsletter_id, due_at)
    return True


async def retime_slot(session: Session, slot: Slot, due_at: datetime) -> None:
    """Its local time is another moment by now: the rules of its zone were changed."""
    await session.execute(
        update(_s).where(_s.c.id == slot.id, _s.c.state == SlotState.OPEN).values(due_at=due_at)
    )
    await _next_run(session, slot.newsletter_id, due_at)


async def close_slot(session: Session, newsletter_id: int) -> None:
    """Forget the slot that comes next: the schedule was changed, or there is none any more."""
    await session.execute(
        delete(_s).where(_s.c.newsletter_id == newsletter_id, _s.c.state == SlotState.OPEN)
    )
    await _next_run(session, newsletter_id, None)


async def _next_run(session: Session, newsletter_id: int, due_at: datetime | None) -> None:
    await session.execute(
        update(newsletters).where(newsletters.c.id == newsletter_id).values(next_run_at=due_at)
    )


async def move_slot(
    session: Session,
    slot: Slot,
    to: SlotState,
    *,
    issue_id: int | None = _KEEP,
    reason: SlotReason | None = None,
    detail: str | None = None,
    release_at: datetime | None = None,
) -> bool:
    """Move a slot on from where it was seen; False where somebody else did so meanwhile."""
    values: dict[str, Any] = {
        "state": to,
        "reason": reason,
        "detail": detail,
        "release_at": release_at,
    }
    if issue_id is not _KEEP:
        values["issue_id"] = issue_id
    at_rest = _s.c.release_at.is_(None)
    seen = at_rest if slot.release_at is None else _s.c.release_at == slot.release_at
    moved = await session.execute(
        update(_s).where(_s.c.id == slot.id, _s.c.state == slot.state, seen).values(values)
    )
    return moved.rowcount == 1


# Which issue.


async def next_issue(
    session: Session, newsletter_id: int, now: datetime, *, since: datetime | None = None
) -> StoredIssue | None:
    """The issue a slot sends: the lowest-numbered approved one that is not planned for later and
    that no other slot has in hand. ``since``: approved at that moment or later.
    """
    pending = (
        select(_s.c.issue_id)
        .where(_s.c.newsletter_id == newsletter_id, _s.c.state == SlotState.FIRED)
        .where(_s.c.issue_id.is_not(None), _s.c.release_at.is_not(None))
    )
    query = select(issues.c.id).where(
        issues.c.newsletter_id == newsletter_id,
        issues.c.state == IssueState.APPROVED,
        issues.c.number.is_not(None),
        or_(issues.c.scheduled_at.is_(None), issues.c.scheduled_at <= now),
        issues.c.id.not_in(pending),
    )
    if since is not None:
        query = query.join(versions, versions.c.id == issues.c.approved_version_id)
        query = query.where(versions.c.approved_at >= since)
    found = (await session.execute(query.order_by(issues.c.number).limit(1))).scalar()
    return None if found is None else await issue_by_id(session, found)


async def issue_for_held(session: Session, slot: Slot, now: datetime) -> StoredIssue | None:
    """The issue a held slot may send: the one that was refused, or one approved after the slot.

    What was approved before is meant for the next slot, also where this one's was taken back.
    """
    if slot.reason is not SlotReason.REFUSED:
        return await next_issue(session, slot.newsletter_id, now, since=slot.due_at)
    issue = await issue_by_id(session, slot.issue_id or 0)
    return issue if issue.state is IssueState.APPROVED else None


async def sent_since(session: Session, newsletter_id: int, moment: datetime) -> int | None:
    """An issue with a number that started at or after ``moment``, by hand or by a slot."""
    query = (
        select(issues.c.id)
        .where(issues.c.newsletter_id == newsletter_id, issues.c.number.is_not(None))
        .where(issues.c.planned_at >= moment)
        .order_by(issues.c.planned_at)
        .limit(1)
    )
    found: int | None = (await session.execute(query)).scalar()
    return found


async def scheduled_issues(session: Session, now: datetime) -> list[StoredIssue]:
    """Approved issues whose own time has come, the first one first."""
    query = (
        select(issues.c.id)
        .where(issues.c.state == IssueState.APPROVED, issues.c.scheduled_at <= now)
        .order_by(issues.c.scheduled_at, issues.c.id)
    )
    ids = list(await session.scalars(query))
    return [await issue_by_id(session, one) for one in ids]


async def with_own_time(
    session: Session, newsletter_id: int, state: IssueState
) -> list[StoredIssue]:
    """Issues in this state with a time of their own, the first one first."""
    query = (
        select(issues.c.id)
        .where(issues.c.newsletter_id == newsletter_id, issues.c.state == state)
        .where(issues.c.scheduled_at.is_not(None))
        .order_by(issues.c.scheduled_at, issues.c.id)
    )
    return [await issue_by_id(session, one) for one in list(await session.scalars(query))]


async def schedule_issue(session: Session, issue_id: int, at: datetime | None) -> bool:
    """Let an issue go out at a time of its own, once approved; None: as others do. False where it
    is on its way already.
    """
    moved = await session.execute(
        update(issues)
        .where(issues.c.id == issue_id)
        .where(issues.c.state.in_(UNPLANNED))
        .values(scheduled_at=at)
    )
    return moved.rowcount == 1


# Breaks.


async def add_break(session: Session, newsletter_id: int, first: date, last: date) -> bool:
    """Days on which nothing goes out; False where just these were added before."""
    values = {"newsletter_id": newsletter_id, "first_day": first, "last_day": last}
    statement = insert(newsletter_breaks).values(values).on_conflict_do_nothing()
    return (await session.execute(statement)).rowcount == 1


async def remove_break(session: Session, newsletter_id: int, first: date, last: date) -> bool:
    """Whether these days were a break, which they are no more."""
    table = newsletter_breaks
    gone = await session.execute(
        delete(table)
        .where(table.c.newsletter_id == newsletter_id)
        .where(table.c.first_day == first, table.c.last_day == last)
    )
    return gone.rowcount == 1


async def breaks(session: Session, newsletter_id: int, *, since: date) -> list[Break]:
    """Breaks that are not over on the day ``since``, the first one first."""
    table = newsletter_breaks
    query = (
        select(table.c.first_day, table.c.last_day)
        .where(table.c.newsletter_id == newsletter_id, table.c.last_day >= since)
        .order_by(table.c.first_day, table.c.last_day)
    )
    return [Break(*row) for row in await session.execute(query)]


def _slot(row: Any) -> Slot:
    return Slot(
        id=row.id,
        newsletter_id=row.newsletter_id,
        local=datetime.fromisoformat(row.local_time),
        due_at=row.due_at,
        state=SlotState(row.state),
        issue_id=row.issue_id,
        reason=SlotReason(row.reason) if row.reason else None,
        detail=row.detail,
        release_at=row.release_at,
        created_at=row.created_at or row.due_at,
    )
