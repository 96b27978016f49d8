"""A database that was put back from a backup: nothing in it is sent unless a human says so.

It cannot know what was sent since the backup was made. So every row that waits is held as in doubt,
issues on their way are paused, approvals are taken back, and slots whose time has passed are held:
``digest delivery reconcile``, ``issue resume`` and ``issue approve`` let go again what was not
sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select, update

from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.rules.slots import SlotReason, SlotState
from digest.store.planning import plan_rest, unplanned_issues
from digest.store.rows import move_rows
from digest.store.schema import issues, newsletters, notices, send_slots
from digest.store.session import Session

WHY = "The database was put back from a backup."
_OPEN = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What was held: issues by newsletter and name, and how many rows, notices and slots."""

    paused: tuple[str, ...]
    unapproved: tuple[str, ...]
    deliveries: int
    notices: int
    slots: int


async def hold_restored(session: Session, now: datetime) -> HeldBack:
    """Hold whatever may have been sent since the backup. Twice does no more than once."""
    for issue_id in await unplanned_issues(session):  # whose rest may be out as well
        await plan_rest(session, issue_id, now)
    held = move_rows(*_OPEN, to=DeliveryState.HELD, reason=StateReason.IN_DOUBT, now=now)
    rows = (await session.execute(held.values(maybe_sent=True))).rowcount
    values = {"state": DeliveryState.CANCELLED, "reason": StateReason.STOPPED, "owner": None}
    dropped = update(notices).where(notices.c.state.in_(_OPEN)).values(**values, settled_at=now)
    dropped_notices = (await session.execute(dropped)).rowcount
    paused = await _moved(session, IssueState.SENDING, IssueState.PAUSED, paused_reason=WHY)
    drafts = await _moved(
        session, IssueState.APPROVED, IssueState.DRAFT, approved_version_id=None, scheduled_at=None
    )
    return HeldBack(paused, drafts, rows, dropped_notices, await _hold_slots(session, now))


async def _moved(
    session: Session, state: IssueState, to: IssueState, **values: object
) -> tuple[str, ...]:
    query = (
        select(issues.c.id, newsletters.c.slug, issues.c.number, issues.c.slug)
        .join(newsletters, newsletters.c.id == issues.c.newsletter_id)
        .where(issues.c.state == state)
        .order_by(issues.c.id)
    )
    found = (await session.execute(query)).all()
    change = update(issues).where(issues.c.id.in_([row[0] for row in found]))
    await session.execute(change.values(state=to, **values))
    return tuple(f"{row[1]} {row[3] if row[2] is None else row[2]}" for row in found)


async def _hold_slots(session: Session, now: datetime) -> int:
    """Slots of the past that could still send: of none of them is it known whether it did."""
    table = send_slots
    passed = and_(table.c.state == SlotState.OPEN, table.c.due_at <= now)
    under_way = and_(table.c.state == SlotState.FIRED, table.c.release_at.is_not(None))
    waiting = and_(table.c.state == SlotState.HELD, table.c.reason != SlotReason.LATE)
    held = update(table).where(or_(passed, under_way, waiting))
    values = {"state": SlotState.HELD, "reason": SlotReason.RESTORED, "release_at": None}
    return (await session.execute(held.values(values))).rowcount
