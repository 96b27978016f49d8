"""Starting an issue: the gate, then approved → sending and its first rows, in one transaction.

Killed before the commit nothing has happened; after it, the issue is on its way. A large one goes
to a few readers first, and while it does the rest get their rows; whoever finds that undone does
it. Called again, it plans nothing and says so: the sender goes on where the rows are. What still
waits of the issue before is sent to nobody from then on, and expires; an issue that would run into
the next one's send slot under its relays' quotas and rates is refused, unless that is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from digest.delivery.checks import Gate
from digest.delivery.overtaking import finish_overtaking
from digest.errors import RefusedError
from digest.rules.delivery import UNPLANNED, IssueState
from digest.rules.ramp import Allowance, Quota, Usage, refusal
from digest.rules.relay import RelayConfig
from digest.rules.slots import next_slot
from digest.rules.throttle import ISSUE_SHARE
from digest.store.audit import Note, unnoted
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.newsletters import newsletter_by_id
from digest.store.noting import aside
from digest.store.overtaking import overtake
from digest.store.planning import (
    audience_of,
    audience_size,
    plan_issue,
    plan_rest,
    unplanned_issues,
)
from digest.store.preferences import end_pauses
from digest.store.progress import start_sending
from digest.store.relays import ensure_relay
from digest.store.rollup import rolled_up_count
from digest.store.session import Database, Session
from digest.store.usage import usage
from digest.store.wakeups import announce


@dataclass(frozen=True, slots=True)
class Started:
    """An issue that is on its way, with so many rows; ``fresh`` when this call started it."""

    issue_id: int
    state: IssueState
    planned: int
    fresh: bool


async def start_issue(
    db: Database,
    issue_id: int,
    *,
    now: datetime,
    gate: Gate,
    accept_partial: bool = False,
    readers_of: int | None = None,
) -> Started:
    """As ``begin_issue``, and every row of it is there at the end."""
    started = await begin_issue(
        db,
        issue_id,
        now=now,
        gate=gate,
        accept_partial=accept_partial,
        readers_of=readers_of,
    )
    await finish_planning(db, now)
    await finish_overtaking(db, now)
    async with db.read() as session:
        issue = await issue_by_id(session, issue_id)
    return replace(started, state=issue.state, planned=issue.planned or 0)


async def begin_issue(
    db: Database,
    issue_id: int,
    *,
    now: datetime,
    gate: Gate,
    accept_partial: bool = False,
    readers_of: int | None = None,
    note: Note = unnoted,
) -> Started:
    """Start an approved issue, once; one that is on its way or finished is left as it is.

    ``readers_of``: it corrects that issue, and goes to those who got it; nothing that still waits
    is overtaken by it. ``note`` is written with it. Raises SettingsError and
    RefusedError of the gate, which may ask the network first, and RefusedError where the issue is
    not approved, is paused or was cancelled, or, without ``accept_partial``, where it could not be
    through before the newsletter's next issue is due.
    """
    await gate.look_outside(db, issue_id)
    async with db.read() as session:
        newsletter_id = (await issue_by_id(session, issue_id)).newsletter_id
    with aside():
        await finish_planning(db, now, newsletter_id)  # of the issue before, to be overtaken whole
    async with db.begin() as session:
        issue = await issue_by_id(session, issue_id)
        await gate.check(session, issue)
        if readers_of is not None and await rolled_up_count(session, readers_of):
            raise RefusedError(
                "Who got that issue is not known any more, only how many.",
                fix="Rows are kept for DIGEST_KEEP_DAYS days.",
            )
        if await start_sending(session, issue_id):
            await end_pauses(session, now)
            audience = await audience_of(
                session,
                issue_id,
                now,
                newest_first=any(relay.ramp for relay in gate.relays),
                readers_of=readers_of,
            )
            size = await audience_size(session, audience)
            if not accept_partial:
                await _refuse_partial(session, issue, size, relays=gate.relays, now=now)
            planned = await plan_issue(session, audience, size)
            if readers_of is None:
                await overtake(session, issue.id)
            await note(session)
            await announce(session)
            return Started(issue_id, IssueState.SENDING, planned, fresh=True)
        issue = await issue_by_id(session, issue_id)  # as it is by now
        _refuse_unready(issue)
        return Started(issue_id, issue.state, issue.planned or 0, fresh=False)


async def finish_planning(db: Database, now: datetime, newsletter_id: int | None = None) -> None:
    """Write the rows that issues on their way (of a newsletter) still lack.

    Whoever starts an issue does; somebody else does it for who died meanwhile.
    """
    async with db.read() as session:
        issue_ids = await unplanned_issues(session, newsletter_id)
    for one in issue_ids:
        async with db.begin() as session:
            await plan_rest(session, one, now)


async def _refuse_partial(
    session: Session,
    issue: StoredIssue,
    planned: int,
    *,
    relays: Sequence[RelayConfig],
    now: datetime,
) -> None:
    newsletter = await newsletter_by_id(session, issue.newsletter_id)
    deadline = next_slot(newsletter.schedule, newsletter.timezone, now)
    if deadline is None:
        return
    allowances = [await _allowance(session, relay, now) for relay in relays]
    problem = refusal(planned, allowances, now=now, deadline=deadline)
    if problem is not None:
        raise RefusedError(
            f"Issue {issue.name} cannot be through in time. {problem}",
            where=f"issue {issue.name}",
            fix="Send it to as many as it reaches with --accept-partial, or raise the relay's "
            "limits in DIGEST_RELAY_URL.",
        )


async def _allowance(session: Session, relay: RelayConfig, now: datetime) -> Allowance:
    """What issues may use of a relay. Its configured rate: what was learned is given back soon."""
    quota = Quota(relay.per_hour, relay.per_day, relay.ramp)
    rate = None if relay.rate is None else relay.rate * ISSUE_SHARE
    used: tuple[Usage, ...] = ()
    if quota != Quota():
        relay_id = await ensure_relay(session, relay.name)
        used = await usage(session, relay_id, now, ramp_days=len(quota.ramp))
    return Allowance(quota.for_issues(), used, rate)


def _refuse_unready(issue: StoredIssue) -> None:
    if issue.state in UNPLANNED:
        raise RefusedError(
            f"Issue {issue.name} is not approved.",
            where=f"issue {issue.name}",
            fix=f"Look at it, then run: digest issue approve {issue.name} HASH",
        )
    if issue.state is IssueState.PAUSED:
        because = f": {issue.paused_reason}" if issue.paused_reason else ""
        raise RefusedError(
            f"Issue {issue.name} is paused{because}.",
            where=f"issue {issue.name}",
            fix=f"Once that is settled, let it go on: digest issue resume {issue.name}",
        )
    if issue.state is IssueState.CANCELLED:
        raise RefusedError(
            f"Issue {issue.name} was cancelled.",
            where=f"issue {issue.name}",
            fix="Add its text under another number.",
        )
