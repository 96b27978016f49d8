"""Taking an issue that is on its way in hand: pause, resume, cancel, amend, send once more.

Each is one transaction, with the line of who did it (``store.noting``); ``pause`` and ``cancel``
answer only when no mail of the issue can start any more. A sender gives back a row it has not begun
within 2 s, and claims none while the issue is not ``sending``; so we wait until no row is under
way, or the claim is older than 2.5 s: then its mail has begun or never will (promise 3, as
``audience.leave`` does for one reader).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from digest.audience.leave import BEGUN_OR_NEVER, PATIENCE
from digest.clock import Clock
from digest.delivery.checks import Gate
from digest.delivery.overtaking import finish_overtaking
from digest.delivery.publish import Prepared, refuse_unfinished, store_pictures
from digest.errors import InputError, RefusedError
from digest.rules.delivery import UNPLANNED, IssueState
from digest.store import control
from digest.store.issues import (
    StoredIssue,
    StoredVersion,
    get_version,
    issue_by_id,
    latest_version,
    move_issue,
)
from digest.store.noting import aside
from digest.store.session import Database, Session
from digest.store.subscribers import find_reader
from digest.store.versions import store_version

_LOOK_AGAIN = 0.05  # seconds
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_ON_ITS_WAY = frozenset({IssueState.SENDING, IssueState.PAUSED})


@dataclass(frozen=True, slots=True)
class Halted:
    """An issue of which nothing starts any more; ``changed`` when it was this call that did it.

    ``under_way`` rows were in a sender's hand when it was asked, ``unanswered`` of them still are:
    their mail has begun, and what the relay says is recorded when it comes. ``cancelled`` rows will
    never be sent.
    """

    issue: StoredIssue
    changed: bool
    under_way: int = 0
    unanswered: int = 0
    cancelled: int = 0


async def pause(db: Database, issue_id: int, *, reason: str, clock: Clock) -> Halted:
    """Let nothing more of an issue start; returns once that is so.

    An issue that is paused stays paused for its first reason. Raises RefusedError where it is not
    on its way.
    """
    async with db.begin() as session:
        changed = await control.pause_issue(session, issue_id, reason=reason, now=clock.now())
        issue = await issue_by_id(session, issue_id)
        if issue.state is not IssueState.PAUSED:
            raise _refusal(issue, "there is nothing to pause")
        count = await control.under_way(session, issue_id, since=_EVER)
    left = await _until_nothing_can_start(db, issue_id, clock=clock)
    return Halted(issue, changed, under_way=count, unanswered=left)


async def cancel(db: Database, issue_id: int, *, clock: Clock) -> Halted:
    """Send an issue to nobody else, for good; returns once nothing more of it starts.

    An issue whose rows are not planned yet is a draft again. Raises RefusedError for one that is
    finished.
    """
    async with db.begin() as session:
        issue = await issue_by_id(session, issue_id)
        if issue.state in UNPLANNED:
            moved = await move_issue(session, issue_id, IssueState.DRAFT, now=clock.now())
            return Halted(await issue_by_id(session, issue_id), changed=moved)
        stopped = await control.cancel_issue(session, issue_id, now=clock.now())
        issue = await issue_by_id(session, issue_id)
        if issue.state is not IssueState.CANCELLED:
            raise _refusal(issue, "there is nothing to cancel")
        count = await control.under_way(session, issue_id, since=_EVER)
    left = await _until_nothing_can_start(db, issue_id, clock=clock)
    async with db.begin() as session:  # what a sender gave back meanwhile
        late = await control.settle_stopped(session, issue_id, clock.now())
    return Halted(issue, stopped is not None, count, left, cancelled=(stopped or 0) + late)


async def _until_nothing_can_start(db: Database, issue_id: int, *, clock: Clock) -> int:
    """Wait until every claim is too old to begin; how many rows are under way then."""
    give_up = clock.monotonic() + PATIENCE
    while True:
        async with db.read() as session:
            young = await control.under_way(session, issue_id, since=clock.now() - BEGUN_OR_NEVER)
            count = await control.under_way(session, issue_id, since=_EVER)
        if not young or clock.monotonic() >= give_up:
            return count
        await asyncio.sleep(_LOOK_AGAIN)


@dataclass(frozen=True, slots=True)
class Resumed:
    """An issue that goes on, with ``released`` rows that a brake had held."""

    issue: StoredIssue
    changed: bool
    released: int


async def resume(db: Database, issue_id: int, *, now: datetime) -> Resumed:
    """Let an issue go on, and every row of it that a brake holds.

    Raises RefusedError where it neither is on its way nor has such rows.
    """
    with aside():
        await finish_overtaking(db, now)
    async with db.begin() as session:
        released = await control.resume_issue(session, issue_id, now=now)
        issue = await issue_by_id(session, issue_id)
        if issue.state is not IssueState.SENDING:
            raise _refusal(issue, "there is nothing to resume")
    return Resumed(issue, released is not None, released or 0)


@dataclass(frozen=True, slots=True)
class Amendment:
    """A text that was changed on its way, and how many rows get it."""

    version: StoredVersion
    moved: int


async def amend(
    db: Database, issue_id: int, prepared: Prepared, *, by: str, gate: Gate, now: datetime
) -> Amendment:
    """Store a text as the next version, approve it, and give it to every row never tried.

    What was approved is still what goes out: whoever was tried keeps the version they were tried
    with. Raises RefusedError where the issue is not on its way, where the text is the approved one,
    or where an approval of it would be refused; InputError for the text of another issue.
    """
    async with db.begin() as session:
        issue = await issue_by_id(session, issue_id)
        _refuse_text(issue, prepared)
        version = await _next_version(session, issue, prepared, now=now)
        refuse_unfinished(issue, version)
        gate.check_version(version)
        moved = await control.amend_issue(session, issue_id, version.id, by=by, now=now)
        if moved is None:  # it came to its end just now
            raise _refusal(await issue_by_id(session, issue_id), "nobody is left to get it")
    return Amendment(version, moved)


def _refuse_text(issue: StoredIssue, prepared: Prepared) -> None:
    if prepared.issue.name != issue.name:
        raise InputError(
            f"This is the text of issue {prepared.issue.name}, not of issue {issue.name}.",
            where="number" if prepared.issue.number is not None else "slug",
            fix="Check the number in the file.",
        )
    if issue.state in UNPLANNED:
        raise RefusedError(
            f"Issue {issue.name} is not on its way yet.",
            where=f"issue {issue.name}",
            fix="Add its text again and approve that: digest issue add FILE.",
        )
    if issue.state not in _ON_ITS_WAY:
        raise _refusal(issue, "nobody is left to get another text")


async def _next_version(
    session: Session, issue: StoredIssue, prepared: Prepared, *, now: datetime
) -> StoredVersion:
    approved = await get_version(session, issue.approved_version_id or 0)
    if approved.hash == prepared.draft.hash:
        raise RefusedError(
            "This is the text that goes out already.",
            where=f"issue {issue.name}",
            fix="Change the file first.",
        )
    latest = await latest_version(session, issue.id)
    await store_pictures(session, prepared, now=now)
    ordinal = (latest or approved).ordinal + 1
    return await store_version(session, issue.id, ordinal, prepared.draft, now=now)


@dataclass(frozen=True, slots=True)
class Again:
    """An issue queued once more for ``rows`` readers, and who may not get it, counted by why.

    ``addresses`` says why of each that was named and refused.
    """

    rows: int
    refused: dict[str, int]
    addresses: dict[str, str]


async def resend(
    db: Database,
    issue_id: int,
    *,
    to: Sequence[str] | None,
    now: datetime,
) -> Again:
    """Queue an issue once more: for everybody it did not reach, or for the addresses ``to``.

    Who is named may have it already. A refusal is one of the words of ``store.resend.Resent``, or
    ``unknown`` for an address nobody reads at. Raises AddressError for what is no address,
    RefusedError where the issue has not started or was cancelled.
    """
    with aside():
        await finish_overtaking(db, now)
    async with db.begin() as session:
        if to is None:
            done = await control.resend(session, issue_id, subscriber_ids=None, now=now)
            return Again(done.rows, done.refused, {})
        rows, addresses = 0, dict[str, str]()
        for address in dict.fromkeys(to):
            reader = await find_reader(session, address)
            if reader is None:
                addresses[address] = "unknown"
                continue
            done = await control.resend(session, issue_id, subscriber_ids=[reader.id], now=now)
            rows += done.rows
            for why in done.refused:
                addresses[address] = why
    return Again(rows, dict(Counter(addresses.values())), addresses)


def _refusal(issue: StoredIssue, so: str) -> RefusedError:
    return RefusedError(
        f"Issue {issue.name} is {issue.state}: {so}.",
        where=f"issue {issue.name}",
        fix=f"See: digest issue status {issue.name}.",
    )
