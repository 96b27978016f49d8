"""Issues that make themselves are made, added and approved shortly before their send slot.

What goes out at the slot is then an approved issue like any other: it is in `issue list`, it can be
withdrawn or cancelled, and the gate looks at it.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from digest.clock import Clock
from digest.collect.automatic import automatic_issue
from digest.content.issue_file import parse_issue
from digest.delivery.known import what_is_known
from digest.delivery.publish import approve_issue, prepare_issue, store_issue
from digest.errors import DigestError
from digest.jobs.engine import Engine
from digest.rules.automatic import AHEAD, AutomaticPolicy
from digest.rules.delivery import IssueState
from digest.rules.slots import SlotPolicy, SlotReason, SlotState
from digest.settings import Settings
from digest.store.issues import list_issues
from digest.store.newsletters import Newsletter, list_newsletters
from digest.store.session import Database, Session
from digest.store.slots import Slot, breaks, latest_taken, upcoming
from digest.store.turns import take_newsletters_turn

__all__ = ["make_automatic_issue", "make_due_issues", "make_issues"]

log = structlog.get_logger(__name__)

LOOK = 60.0  # seconds between two looks for slots that are near
_BY = "automatic"


async def make_due_issues(db: Database, settings: Settings, now: datetime) -> list[int | str]:
    """Make the issue of every newsletter whose slot is near and whose settings allow it."""
    made = []
    async with db.read() as session:
        newsletters = await list_newsletters(session)
    for newsletter in newsletters:
        if AutomaticPolicy.of(newsletter.settings) is None:
            continue
        try:
            name = await make_automatic_issue(db, newsletter, settings, now=now)
        except DigestError as error:
            log.error("no issue was made", newsletter=newsletter.slug, reason=str(error))
            continue
        if name is not None:
            log.info("issue made", newsletter=newsletter.slug, issue=name)
            made.append(name)
    return made


async def make_automatic_issue(
    db: Database, newsletter: Newsletter, settings: Settings, *, now: datetime
) -> int | str | None:
    """Make, add and approve the issue of a slot that is near; its name, or None: none is to be.

    That is so where no slot is near, where an editor is at work, and where there are too few items.
    Raises IssueFileError or RefusedError for an issue that cannot be used.
    """
    policy = AutomaticPolicy.of(newsletter.settings)
    if policy is None:
        return None
    async with db.begin() as session:
        await take_newsletters_turn(session, newsletter.id)  # of two processes one makes it
        slot = await _slot_in_reach(session, newsletter, now)
        if slot is None or await _is_taken_care_of(session, newsletter, slot.due_at - AHEAD):
            return None
        made = await automatic_issue(session, newsletter, policy, now=now)
        if made is None:
            return None
        path = f"issue {made.begun.number}"
        issue = parse_issue(made.text, path=path)
        prepared = prepare_issue(
            newsletter,
            made.text,
            path=path,
            media={},
            public_url=settings.public_url,
            themes=settings.themes,
            known=await what_is_known(session, newsletter, issue, now=now),
        )
        stored = await store_issue(session, newsletter, prepared, now=now)
        await approve_issue(session, stored.issue, stored.version.hash, by=_BY, now=now)
    return stored.issue.name


async def _slot_in_reach(session: Session, newsletter: Newsletter, now: datetime) -> Slot | None:
    """The slot that comes next, when it is near and in no break, or one that waits for an issue."""
    slot = await upcoming(session, newsletter.id)
    if slot is not None and slot.due_at - AHEAD <= now:
        day = slot.local.date()
        resting = await breaks(session, newsletter.id, since=day)
        return None if any(one.first <= day <= one.last for one in resting) else slot
    held = await latest_taken(session, newsletter.id)
    if held is None or held.state is not SlotState.HELD or held.reason is not SlotReason.NO_ISSUE:
        return None
    return held if now - held.due_at <= SlotPolicy.of(newsletter.settings).grace else None


async def _is_taken_care_of(session: Session, newsletter: Newsletter, since: datetime) -> bool:
    return any(
        (issue.state is IssueState.APPROVED and issue.scheduled_at is None)
        or issue.created_at >= since
        or (issue.planned_at is not None and issue.planned_at >= since)
        for issue in await list_issues(session, newsletter.id)
        if issue.number is not None
    )


def make_issues(
    engine: Engine, settings: Settings, db: Database, clock: Clock, *, every: float = LOOK
) -> None:
    """Now and every ``every`` seconds, the issues that are due."""

    async def work() -> None:
        await make_due_issues(db, settings, clock.now())

    engine.register("automatic", work)
    engine.every(every, "automatic")
