"""What time has made due is done when pages begin to be served, and again and again after that."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import select, update

from digest.clock import Clock
from digest.jobs.engine import running
from digest.jobs.upkeep import keep_up
from digest.rules.subscription import SubscriptionState
from digest.store.schema import subscriptions
from digest.store.session import Database
from tests.build import a_newsletter, a_reader, in_this_process

CLOCK = Clock()


async def pause_is_over(db: Database) -> None:
    """Every reader's rest was over a second ago, and nobody has looked yet."""
    before = CLOCK.now() - timedelta(seconds=1)
    values = {"state": SubscriptionState.PAUSED, "paused_until": before}
    async with db.begin() as session:
        await session.execute(update(subscriptions).values(values))


async def until_active(db: Database) -> None:
    async with asyncio.timeout(30):
        while True:
            async with db.read() as session:
                state = (await session.scalars(select(subscriptions.c.state))).one()
            if state is SubscriptionState.ACTIVE:
                return
            await asyncio.sleep(0.01)


async def test_what_is_due_is_done_at_the_start_and_again(database: Database) -> None:
    await a_reader(database, await a_newsletter(database), "Anne")
    await pause_is_over(database)
    engines = in_this_process()
    keep_up(engines.shared, database, CLOCK, keep_days=400)
    async with running(engines):
        await until_active(database)
    engines = in_this_process()
    keep_up(engines.shared, database, CLOCK, keep_days=400, every=0.05)
    async with running(engines):
        for _ in range(2):
            await pause_is_over(database)
            await until_active(database)
