"""A process that does all that leads to an issue's rows, to be killed (``store.killed``).

It adds an issue and approves it where that is still to be done, takes the slot that is due, and
starts the issue when its undo window is over; then it starts one that has a time of its own. Called
again after a death, it goes on.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from digest.delivery.checks import Gate
from digest.delivery.publish import approve_issue
from digest.delivery.slots import SlotKeeper
from digest.mail.tokens import KeyRing
from digest.rules.delivery import IssueState
from digest.rules.relay import parse_relays
from digest.store.alerted import heartbeat_owed, heartbeat_paid
from digest.store.issues import list_issues
from digest.store.newsletters import list_newsletters
from digest.store.session import Database
from tests.build import KEY, NOW, PUBLIC_URL, add_issue, issue_text
from tests.store.killed import serve

SLOT = NOW + timedelta(weeks=1)
UNDO = timedelta(seconds=300)
SPECIAL = SLOT + timedelta(hours=1)  # an issue's own time


async def main(url: str) -> None:
    async with await Database.open(url) as db:
        await _add_and_approve(db)
        keeper = SlotKeeper(db, Gate(parse_relays("smtp://127.0.0.1:9"), KeyRing(KEY), PUBLIC_URL))
        for moment in (SLOT, SLOT + UNDO, SLOT + UNDO):
            await keeper.tick(moment)
            await keeper.finish(moment)
        await _pay_for_the_slot(db)
        for _ in range(2):
            await keeper.tick(SPECIAL)
            await keeper.finish(SPECIAL)


async def _pay_for_the_slot(db: Database) -> None:
    """Have the monitor told of the slot, so that what is owed later is for the special issue."""
    async with db.begin() as session:
        (newsletter,) = await list_newsletters(session)
        since = await heartbeat_owed(session)
        waiting = await list_issues(session, newsletter.id, state=IssueState.APPROVED)
        if since is not None and any(one.scheduled_at == SPECIAL for one in waiting):
            await heartbeat_paid(session, since)


async def _add_and_approve(db: Database) -> None:
    async with db.read() as session:
        (newsletter,) = await list_newsletters(session)
        here = [one for one in await list_issues(session, newsletter.id) if one.number == 182]
    if here and here[0].state is not IssueState.DRAFT:
        return
    async with db.begin() as session:
        stored = await add_issue(session, newsletter, issue_text(182), now=NOW)
    async with db.begin() as session:
        await approve_issue(session, stored.issue, stored.version.hash, by="Anne", now=NOW)


if __name__ == "__main__":
    serve(lambda url: asyncio.run(main(url)))
