"""The schedule is kept to the moment, however long it is until somebody looks the next time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import select

from digest.clock import Clock
from digest.delivery.checks import Gate
from digest.delivery.plan import begin_issue
from digest.delivery.publish import approve_issue
from digest.delivery.slots import SlotKeeper
from digest.jobs.engine import running
from digest.jobs.slots import keep_slots
from digest.rules.delivery import IssueState
from digest.rules.relay import parse_relays
from digest.store.issues import issue_by_id
from digest.store.newsletters import Newsletter
from digest.store.schema import deliveries
from digest.store.session import Database
from digest.store.slots import schedule_issue
from tests.build import PUBLIC_URL, a_newsletter, an_installation, an_issue, crowd, in_this_process
from tests.delivery.stage import KEYS
from tests.store.locks import somebody_waits

GATE = Gate(parse_relays("smtp://127.0.0.1:9?tls=none"), KEYS, PUBLIC_URL)


async def approved(
    db: Database, newsletter: Newsletter, number: int, *, at: datetime | None = None
) -> int:
    """An issue for two readers, perhaps with a time of its own."""
    stored, now = await an_issue(db, newsletter, number), Clock().now()
    async with db.begin() as session:
        await approve_issue(session, stored.issue, stored.version.hash, by="Anne", now=now)
        if at is not None:
            await schedule_issue(session, stored.issue.id, at)
    return stored.issue.id


async def until_it_is_sent(db: Database, issue_id: int) -> None:
    state = IssueState.APPROVED
    while state is not IssueState.SENDING:
        await asyncio.sleep(0.02)
        async with db.read() as session:
            state = (await issue_by_id(session, issue_id)).state


async def test_an_issue_starts_at_its_time_and_not_at_the_next_look(database: Database) -> None:
    await an_installation(database, fingerprint=KEYS.fingerprint)
    newsletter = await a_newsletter(database)
    await crowd(database, newsletter, 3)
    clock, engines = Clock(), in_this_process()
    issue = await approved(database, newsletter, 182, at=clock.now() + timedelta(seconds=0.5))
    keep_slots(engines, SlotKeeper(database, GATE), clock, every=600)
    async with running(engines), asyncio.timeout(60):
        await until_it_is_sent(database, issue)


async def test_no_issue_waits_until_the_rows_of_another_newsletter_are_given_up(
    postgres_url: str,
) -> None:
    async with await Database.open(postgres_url) as db:
        await an_installation(db, fingerprint=KEYS.fingerprint)
        weekly, monthly = await a_newsletter(db), await a_newsletter(db, "monthly")
        await crowd(db, weekly, 3)
        await crowd(db, monthly, 3)
        clock, engines = Clock(), in_this_process()
        first, second = [await approved(db, weekly, number) for number in (182, 183)]
        for one in (first, second):
            await begin_issue(db, one, now=clock.now(), gate=GATE)
        keep_slots(engines, SlotKeeper(db, GATE), clock, every=600)
        async with db.begin() as session, asyncio.timeout(25):  # a lock is awaited for 30
            rows = select(deliveries.c.id).where(deliveries.c.issue_id == first)
            await session.execute(rows.with_for_update())  # so that none can be given up
            async with running(engines):
                while not await somebody_waits(db):  # noqa: ASYNC110 - a lock has no event
                    await asyncio.sleep(0.02)
                issue = await approved(db, monthly, 1, at=clock.now())
                engines.shared.wake("slots")
                await until_it_is_sent(db, issue)
