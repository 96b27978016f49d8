"""Rate, connections and back-off of a relay hold for all workers of a database together, and what a
provider takes at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.clock import Clock
from digest.delivery.sender import Sender
from digest.delivery.shares import Shares
from digest.rules.shares import Budget
from digest.store.budgets import Wanted, hold_parts
from digest.store.schema import budgets
from digest.store.session import Database
from digest.store.workers import acquire_lease
from tests.build import a_reader
from tests.delivery.stage import Stage, set_stage
from tests.fakes.relay import FakeRelay
from tests.scenarios.relays import RelayProcess
from tests.store.locks import somebody_waits

RATE = 30


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with await Database.open(postgres_url) as database:
        yield database


@asynccontextmanager
async def serving(*senders: Sender, patience: float = 60) -> AsyncIterator[list[asyncio.Task[int]]]:
    """Workers that send whatever comes."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(sender.serve(stop)) for sender in senders]
    try:
        async with asyncio.timeout(patience):
            yield tasks
    finally:
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)


async def begun(db: Database, readers: int, relay: FakeRelay | RelayProcess) -> Stage:
    stage = await set_stage(db, readers)
    await stage.start(relay_url=relay.url())
    return stage


async def test_workers_that_come_and_go_never_send_more_than_the_rate_together(
    db: Database, tmp_path: Path
) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        stage = await begun(db, 6 * RATE, relay)

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
        assert len({taken.recipient for taken in relay.ledger}) == len(relay.ledger) == 6 * RATE
        assert relay.most_within(1) <= RATE


async def test_a_worker_keeps_its_part_of_the_rate_for_as_long_as_it_sends(db: Database) -> None:
    given_up = select(budgets.c.name).where(budgets.c.worker_id.is_(None))
    async with FakeRelay() as relay:
        stage = await begun(db, 4 * RATE, relay)
        async with serving(stage.sender(url=relay.url(connections=6, rate=RATE))):
            while len(relay.ledger) < 4 * RATE:
                async with db.read() as session:
                    assert (await session.scalars(given_up)).all() == []
                await asyncio.sleep(0.1)


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
        senders = [stage.sender(url=relay.url(connections=6, rate=60)) for _ in range(2)]
        async with serving(*senders):
            await stage.until_at_least("accepted", 60)
            asked = relay.fault("MAIL", "421 4.7.0 try again in 300 seconds")
            await asked.reached.wait()
            await asyncio.sleep(2.5)  # one look each, and what was under way
            before, taken = len(relay.commands), len(relay.ledger)
            await asyncio.sleep(1.5)
            assert len(relay.ledger) == taken < 400
            assert not any(b"MAIL" in line.upper() for line in relay.commands[before:])


async def test_who_asks_for_its_part_begins_nothing_until_it_is_told(db: Database) -> None:
    """It may be smaller, and what is missing may be another's already."""
    anne, bart = [await acquire_lease(db, Clock()) for _ in range(2)]
    five = Budget(5)
    shares = Shares(db, Clock(), anne)
    part = shares.of("connections", five, lambda: 2)
    part.want()
    await shares.renew()
    assert part.units == 5
    async with db.begin() as session:
        await hold_parts(session, bart.worker_id, [Wanted("connections", five)], now=Clock().now())
        asking = asyncio.create_task(shares.renew())
        while not await somebody_waits(db):  # noqa: ASYNC110 - a lock has no event
            await asyncio.sleep(0.01)
        assert part.units == 2
    await asking
    assert part.units == 3
    for lease in (anne, bart):
        await lease.release()


async def test_a_provider_that_answers_slowly_holds_up_nobody_else_whoever_sends(
    db: Database,
) -> None:
    stage = await set_stage(db, 1)
    at_gmail = [f"reader{number}@gmail.com" for number in range(20)]
    elsewhere = [f"reader{number}@example.net" for number in range(39)]
    for address in (*at_gmail, *elsewhere):
        await a_reader(db, stage.newsletter, address=address)
    # Four steps: of what is pipelined behind a body the relay sees nothing while it holds that.
    async with FakeRelay(extensions=("8BITMIME",)) as relay:
        gate = asyncio.Event()

        def at_gmail_now() -> int:
            return sum(b"RCPT" in line and b"gmail.com" in line for line in relay.commands)

        for address in at_gmail:
            relay.fault("DOT", "250 2.0.0 Ok", to=address, taken=True, gate=gate)
        await stage.start(relay_url=relay.url())
        url = relay.url(connections=12, queues="no", timeout=100)
        senders = [stage.sender(url=url) for _ in range(3)]
        async with serving(*senders):
            await stage.until("accepted", 40)  # everybody else
            while at_gmail_now() < 5:  # noqa: ASYNC110 - the parts come with the next second
                await asyncio.sleep(0.01)
            await asyncio.sleep(1)
            assert at_gmail_now() == 5
            gate.set()
            await stage.until("accepted", 60)
    assert set(relay.recipients.values()) == {1}


@pytest.mark.long
async def test_neither_a_second_nor_a_minute_holds_more_than_the_rate_of_two_workers(
    db: Database, tmp_path: Path
) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        stage = await begun(db, 70 * RATE, relay)
        senders = [stage.sender(url=relay.url(connections=6, rate=RATE)) for _ in range(2)]
        async with serving(*senders, patience=240):
            await stage.until("accepted", 70 * RATE)
        assert relay.most_within(1) <= RATE
        assert relay.most_within(60) <= 60 * RATE
