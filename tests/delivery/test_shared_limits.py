"""Rate, connections and back-off of a relay hold for all workers of a database together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from digest.clock import Clock
from digest.delivery.sender import Sender
from digest.store.session import Database
from tests.delivery.stage import Stage, set_stage
from tests.delivery.test_limits import most_within, watch
from tests.fakes.relay import FakeRelay

RATE = 30


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with await Database.open(postgres_url) as database:
        yield database


@asynccontextmanager
async def serving(*senders: Sender) -> AsyncIterator[list[asyncio.Task[int]]]:
    """Workers that send whatever comes."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(sender.serve(stop)) for sender in senders]
    try:
        async with asyncio.timeout(60):
            yield tasks
    finally:
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)


async def begun(db: Database, readers: int, relay: FakeRelay) -> Stage:
    stage = await set_stage(db, readers)
    await stage.start(relay_url=relay.url())
    return stage


async def test_workers_that_come_and_go_never_send_more_than_the_rate_together(
    db: Database,
) -> None:
    async with FakeRelay() as relay:
        stage = await begun(db, 6 * RATE, relay)
        times = watch(relay)

        def worker() -> Sender:
            return stage.sender(url=relay.url(connections=6, rate=RATE))

        async with serving(worker()) as (first,):
            await stage.until_at_least("accepted", RATE)
            async with serving(worker(), worker()):
                await stage.until_at_least("accepted", 3 * RATE)
                first.cancel()  # it dies
                with suppress(asyncio.CancelledError):
                    await first
                await stage.until("accepted", 6 * RATE)
    assert set(relay.recipients.values()) == {1}
    # 2 ms for what lies between our MAIL and the relay's look at it
    assert most_within(times, 0.998) <= RATE


async def test_workers_open_no_more_connections_than_a_relay_takes(db: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(db, 400, relay)
        gate = asyncio.Event()
        slow = relay.fault("DOT", "250 2.0.0 Ok", taken=True, gate=gate, times=None)
        senders = [stage.sender(url=relay.url(connections=6)) for _ in range(3)]
        async with serving(senders[0]):
            await slow.reached.wait()
            async with serving(*senders[1:]):
                await asyncio.sleep(2)  # they have asked, and the first one's are all in use
                gate.set()
                await stage.until("accepted", 400)
    assert relay.most_open <= 6


async def test_what_a_relay_asks_of_one_worker_holds_for_all(db: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(db, 400, relay)
        times = watch(relay)
        senders = [stage.sender(url=relay.url(connections=6, rate=60)) for _ in range(2)]
        async with serving(*senders):
            await stage.until_at_least("accepted", 60)
            asked = relay.fault("MAIL", "421 4.7.0 try again in 300 seconds")
            await asked.reached.wait()
            await asyncio.sleep(2.5)  # one look each, and what was under way
            before, at = len(relay.ledger), Clock.monotonic()
            await asyncio.sleep(1.5)
            assert len(relay.ledger) == before < 400
            assert max(times) < at
