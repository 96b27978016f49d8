"""What moves an issue along besides sending: its canary, who left, whom a relay
refused for good, what is too old, its end.

Called where nothing of the issue can be claimed, and once a minute; each call is one transaction
and does whatever has become true, so that it may come twice or from two processes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from digest.audience.feedback import take_given_up
from digest.delivery.alerts import tell_brake
from digest.rules.brakes import canary
from digest.rules.delivery import IssueState
from digest.store.control import expire_overdue, settle_stopped
from digest.store.counts import canary_counts, pass_canary
from digest.store.deliveries import cancel_departed
from digest.store.progress import finish_sending, issue_progress
from digest.store.session import Database, Session

log = structlog.get_logger(__name__)


async def look_after(
    db: Database, issue_id: int, now: datetime, *, departed: bool = True
) -> IssueState:
    """Do what is due for the issue; the state it has then.

    ``departed``: also settle rows of who left meanwhile, which looks at every row that waits.
    """
    await take_refusals(db, issue_id, now)
    state = await _move_along(db, issue_id, now, departed=departed)
    if state is IssueState.FINISHED:
        await take_refusals(db, issue_id, now)  # of rows another process settled meanwhile
    return state


async def take_refusals(db: Database, issue_id: int, now: datetime) -> None:
    """Have readers whom relays refused for good in our own sessions counted as bounced."""
    new = 1
    while new:
        async with db.begin() as session:
            new = await take_given_up(session, issue_id, now=now, tell=tell_brake)


async def _move_along(db: Database, issue_id: int, now: datetime, *, departed: bool) -> IssueState:
    async with db.begin() as session:
        progress = await issue_progress(session, issue_id)
        if progress.state is IssueState.CANCELLED:
            await settle_stopped(session, issue_id, now)
        if progress.state is not IssueState.SENDING:
            return progress.state
        if departed:
            await cancel_departed(session, issue_id, now)
        await expire_overdue(session, issue_id, now)
        if progress.canary_passed_at is None and not progress.planning:
            await _release(session, issue_id, wait=progress.canary_wait, now=now)
        if await finish_sending(session, issue_id, now):
            return IssueState.FINISHED
    return IssueState.SENDING


async def _release(session: Session, issue_id: int, *, wait: timedelta, now: datetime) -> None:
    """Let the rest of the issue follow once its first readers have it."""
    decision = canary(await canary_counts(session, issue_id), wait=wait, now=now)
    if decision.follow and await pass_canary(session, issue_id, now):
        log.info("the rest of the issue follows", issue_id=issue_id, reason=decision.reason)
