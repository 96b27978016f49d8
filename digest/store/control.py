"""An operator's or a brake's hand on an issue that is on its way.

Every move of an issue is compare-and-swap by ``ISSUE_MOVES`` and every move of a row by
``DELIVERY_MOVES``: what was cancelled stays so, whoever resumes it at the same moment. A row some
sender holds is left to it; ``under_way`` says when it may be counted on that no mail starts.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, select, update

from digest.errors import NotFoundError
from digest.rules.delivery import ISSUE_MOVES, DeliveryState, IssueState, StateReason
from digest.rules.retry import GIVEN_UP_AFTER
from digest.store.resend import HeldAction, Resent, resend, settle_held
from digest.store.rows import WAITING, among, in_state, lock_issue, move_rows, sending_of
from digest.store.schema import deliveries, destinations, issues, versions
from digest.store.session import Session

__all__ = [
    "HeldAction",
    "Resent",
    "amend_issue",
    "amend_rows",
    "cancel_issue",
    "expire_overdue",
    "hold_braked",
    "hold_destinations",
    "pause_issue",
    "resend",
    "resume_issue",
    "settle_held",
    "settle_stopped",
    "under_way",
]

# The last try of a row is due at the very end of its time (rules.retry); it gets this long.
_FOR_THE_LAST_TRY = timedelta(minutes=15)
_ON_ITS_WAY = (IssueState.SENDING, IssueState.PAUSED)
_WAITING = in_state(*WAITING)
_HELD = in_state(DeliveryState.HELD)
_BY_A_BRAKE = deliveries.c.reason == StateReason.BREAKER


async def pause_issue(
    session: Session,
    issue_id: int,
    *,
    reason: str,
    now: datetime,  # noqa: ARG001 - every move is asked for with its time; this one keeps none
) -> bool:
    """``sending → paused``; whether it was this call that did it. ``reason`` is for people."""
    return await _move_issue(
        session, issue_id, IssueState.SENDING, IssueState.PAUSED, paused_reason=reason
    )


async def resume_issue(session: Session, issue_id: int, *, now: datetime) -> int | None:
    """Let an issue go on, with every row a brake held; how many such rows there were.

    ``paused → sending``; where a brake held rows, also ``finished → sending``, and an issue that is
    ``sending`` gets them back. None where there was nothing to resume. Brakes count anew from now.
    """
    state = await lock_issue(session, issue_id)
    if state not in (IssueState.PAUSED, IssueState.FINISHED, IssueState.SENDING):
        return None
    release = move_rows(DeliveryState.HELD, to=DeliveryState.QUEUED, now=now)
    release = release.where(deliveries.c.issue_id == issue_id, _BY_A_BRAKE)
    rows = (await session.execute(release)).rowcount
    if rows == 0 and state is not IssueState.PAUSED:
        return None
    values = {"paused_reason": None, "finished_at": None, "resumed_at": now}
    if state is IssueState.SENDING:
        await session.execute(update(issues).where(issues.c.id == issue_id).values(values))
    else:
        await _move_issue(session, issue_id, state, IssueState.SENDING, **values)
    return rows


async def cancel_issue(session: Session, issue_id: int, *, now: datetime) -> int | None:
    """``sending | paused → cancelled`` and no row that waits is ever sent; how many these were.

    None where the issue was somewhere else. Rows being sent come to their own end; those that come
    back unsent are for ``settle_stopped``.
    """
    state = await lock_issue(session, issue_id)
    if state not in _ON_ITS_WAY or state is None:
        return None
    await _move_issue(
        session, issue_id, state, IssueState.CANCELLED, paused_reason=None, finished_at=now
    )
    held = move_rows(
        DeliveryState.HELD, to=DeliveryState.CANCELLED, reason=StateReason.STOPPED, now=now
    ).where(deliveries.c.issue_id == issue_id, _BY_A_BRAKE)
    stopped = (await session.execute(held)).rowcount
    return stopped + await settle_stopped(session, issue_id, now)


async def settle_stopped(session: Session, issue_id: int, now: datetime) -> int:
    """Settle rows of a cancelled issue that wait (again); how many there were."""
    cancelled = exists().where(issues.c.id == issue_id, issues.c.state == IssueState.CANCELLED)
    stop = move_rows(
        *WAITING, to=DeliveryState.CANCELLED, reason=StateReason.STOPPED, now=now
    ).where(deliveries.c.issue_id == issue_id, cancelled)
    return (await session.execute(stop)).rowcount


async def _move_issue(
    session: Session, issue_id: int, state: IssueState, to: IssueState, **values: Any
) -> bool:
    if to not in ISSUE_MOVES[state]:
        raise ValueError(f"an issue never goes from {state} to {to}")
    moved = await session.execute(
        update(issues)
        .where(issues.c.id == issue_id, issues.c.state == state)
        .values(state=to, **values)
    )
    return moved.rowcount == 1


async def amend_issue(
    session: Session, issue_id: int, version_id: int, *, by: str, now: datetime
) -> int | None:
    """Approve another version of an issue on its way and give it to every row that was never
    tried; how many rows these are.

    A row that was tried, or may have been sent, keeps its version: a retry is the same bytes. Rows
    a brake holds get the new one, for its text may be why they are held. None where the issue is
    not on its way; NotFoundError for a version of another issue.
    """
    if await lock_issue(session, issue_id) not in _ON_ITS_WAY:
        return None
    signed = await session.execute(
        update(versions)
        .where(versions.c.id == version_id, versions.c.issue_id == issue_id)
        .where(versions.c.web_only.is_(False))
        .values(approved_at=now, approved_by=by)
    )
    if signed.rowcount == 0:
        raise NotFoundError("This issue has no such version that could be mailed.")
    approved = update(issues).where(issues.c.id == issue_id)
    await session.execute(approved.values(approved_version_id=version_id))
    return await amend_rows(session, issue_id, version_id)


async def amend_rows(session: Session, issue_id: int, version_id: int) -> int:
    """Give this version to every row of the issue that was never tried; how many had another."""
    untried = (
        deliveries.c.issue_id == issue_id,
        deliveries.c.version_id != version_id,
        deliveries.c.attempts == 0,
        deliveries.c.maybe_sent.is_(False),
    )
    rows = 0
    for which in ((_WAITING,), (_HELD, _BY_A_BRAKE)):
        moved = update(deliveries).where(*which, *untried).values(version_id=version_id)
        rows += (await session.execute(moved)).rowcount
    return rows


async def under_way(session: Session, issue_id: int, *, since: datetime) -> int:
    """How many rows are ``sending`` that were claimed after ``since``.

    A claim that is older than ``audience.leave.BEGUN_OR_NEVER`` has begun or never will.
    """
    held = select(func.count()).where(sending_of(issue_id), deliveries.c.claimed_at > since)
    return int((await session.execute(held)).scalar_one())


async def hold_destinations(
    session: Session, issue_id: int, destination_ids: Collection[int], now: datetime
) -> int:
    """Hold every row that waits for these destinations, until resumed; how many there were.

    Rows that are being planned see it, or are seen (``hold_braked``): both lock the issue.
    """
    await lock_issue(session, issue_id)
    hold = move_rows(*WAITING, to=DeliveryState.HELD, reason=StateReason.BREAKER, now=now).where(
        deliveries.c.issue_id == issue_id,
        among(session, deliveries.c.destination_id, destination_ids),
    )
    return (await session.execute(hold)).rowcount


async def hold_braked(session: Session, issue_id: int, now: datetime) -> int:
    """Hold what waits for destinations, and others of the same provider, that a brake holds."""
    held = select(deliveries.c.destination_id).where(
        _HELD, deliveries.c.issue_id == issue_id, _BY_A_BRAKE
    )
    held_ids = (await session.scalars(held.distinct())).all()
    if not held_ids:
        return 0
    here = among(session, destinations.c.id, held_ids)
    same = select(destinations.c.provider).where(here, destinations.c.provider.is_not(None))
    beside = select(destinations.c.id).where(destinations.c.provider.in_(same))
    ids = {*held_ids, *(await session.scalars(beside)).all()}
    return await hold_destinations(session, issue_id, ids, now)


async def expire_overdue(session: Session, issue_id: int, now: datetime) -> int:
    """Give up rows that wait and were first tried more than 48 hours ago; how many there were.

    The last try, which is due when they are over, still has a quarter of an hour.
    """
    overdue = now - GIVEN_UP_AFTER - _FOR_THE_LAST_TRY
    expire = move_rows(*WAITING, to=DeliveryState.EXPIRED, now=now).where(
        deliveries.c.issue_id == issue_id, deliveries.c.first_claimed_at < overdue
    )
    return (await session.execute(expire)).rowcount
