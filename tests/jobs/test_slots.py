"""The schedule is kept to the moment, however long it is until somebody looks the next time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from digest.clock import Clock
from digest.delivery.checks import Gate
from digest.delivery.publish import approve_issue
from digest.delivery.slots import SlotKeeper
from digest.jobs.engine import running
from digest.jobs.slots import keep_slots
from digest.rules.delivery import IssueState
from digest.rules.relay import parse_relays
from digest.store.issues import issue_by_id
from digest.store.session import Database
from digest.store.slots import schedule_issue
from tests.build import PUBLIC_URL, a_newsletter, an_installation, an_issue, crowd, in_this_process
from tests.delivery.stage import KEYS


async def test_an_issue_starts_at_its_time_and_not_at_the_next_look(database: Database) -> None:
    await an_installation(database, fingerprint=KEYS.fingerprint)
    newsletter = await a_newsletter(database)
    await crowd(database, newsletter, 3)
    stored, clock = await an_issue(database, newsletter), Clock()
    async with database.begin() as session:
        now = clock.now()
        await approve_issue(session, stored.issue, stored.version.hash, by="Anne", now=now)
        await schedule_issue(session, stored.issue.id, now + timedelta(seconds=0.5))
    keeper = SlotKeeper(
        database, Gate(parse_relays("smtp://127.0.0.1:9?tls=none"), KEYS, PUBLIC_URL)
    )
    engines = in_this_process()
    keep_slots(engines, keeper, clock, every=600)
    state = IssueState.APPROVED
    async with running(engines), asyncio.timeout(60):
        while state is not IssueState.SENDING:
            await asyncio.sleep(0.02)
            async with database.read() as session:
                state = (await issue_by_id(session, stored.issue.id)).state
