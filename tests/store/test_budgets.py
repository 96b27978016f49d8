"""Workers hold parts of what a relay takes: never more than there is, and nothing is kept back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select

from digest.clock import Clock
from digest.errors import DatabaseError
from digest.rules.shares import LEASE, Budget
from digest.store.budgets import Part, Wanted, hold_parts
from digest.store.schema import budgets
from digest.store.session import Database
from digest.store.workers import acquire_lease

NOW = Clock().now()
SECOND = timedelta(seconds=1)
RATE = Wanted("rate", Budget(10, SECOND))
CONNECTIONS = Wanted("connections", Budget(10))


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with await Database.open(postgres_url) as database:
        yield database


@asynccontextmanager
async def workers(db: Database, count: int) -> AsyncIterator[list[int]]:
    async with AsyncExitStack() as stack:
        leases = [await acquire_lease(db, Clock()) for _ in range(count)]
        for lease in leases:
            stack.push_async_callback(lease.release)
        yield [lease.worker_id for lease in leases]


async def held(db: Database, worker: int, *wanted: Wanted, at: float = 0) -> dict[str, Part]:
    async with db.begin() as session:
        now = NOW + timedelta(seconds=at)
        return dict(await hold_parts(session, worker, wanted, now=now))


async def test_one_alone_has_all_of_it(db: Database) -> None:
    async with workers(db, 1) as (anne,):
        for at in (0, 1):
            assert await held(db, anne, RATE, at=at) == {"rate": Part(10, 1)}


async def test_a_second_one_has_its_part_once_the_first_gave_it_up_and_it_no_longer_counts(
    db: Database,
) -> None:
    async with workers(db, 2) as (anne, bart):
        await held(db, anne, RATE, CONNECTIONS)
        both = await held(db, bart, RATE, CONNECTIONS)
        assert [part.units for part in both.values()] == [0, 0]
        first = await held(db, anne, RATE, CONNECTIONS, at=1)
        assert [part.units for part in first.values()] == [5, 5]
        soon = await held(db, bart, RATE, CONNECTIONS, at=1.5)
        assert (soon["rate"].units, soon["connections"].units) == (0, 5)
        later = await held(db, bart, RATE, CONNECTIONS, at=2)
        assert later["rate"] == Part(5, 2)


async def test_what_is_not_wanted_any_more_is_free(db: Database) -> None:
    async with workers(db, 2) as (anne, bart):
        await held(db, anne, RATE, CONNECTIONS)
        await held(db, anne, at=0.5)
        soon = await held(db, bart, RATE, CONNECTIONS, at=1)
        assert (soon["rate"].units, soon["connections"].units) == (0, 10)
        assert (await held(db, bart, RATE, at=1.5))["rate"] == Part(10, 1)


async def test_a_part_that_is_not_renewed_runs_out_and_is_free_when_it_no_longer_counts(
    db: Database,
) -> None:
    end = LEASE.total_seconds()
    async with workers(db, 2) as (anne, bart):
        await held(db, anne, RATE)
        for at, units in ((end + 0.5, 0), (end + 1, 10)):
            assert (await held(db, bart, RATE, at=at))["rate"].units == units
    async with db.read() as session:
        assert list(await session.scalars(select(budgets.c.worker_id))) == [bart]


async def test_the_part_of_a_dead_worker_is_free_as_soon_as_it_no_longer_counts(
    db: Database,
) -> None:
    async with workers(db, 1) as (bart,):
        async with workers(db, 1) as (anne,):
            await held(db, anne, RATE, CONNECTIONS)
        both = await held(db, bart, RATE, CONNECTIONS)
        assert (both["rate"].units, both["connections"].units) == (0, 10)
        assert (await held(db, bart, RATE, at=1))["rate"].units == 10


async def test_a_connection_that_is_still_open_counts(db: Database) -> None:
    async with workers(db, 2) as (anne, bart):
        await held(db, anne, CONNECTIONS)
        await held(db, bart, CONNECTIONS)
        still = Wanted("connections", Budget(10), in_use=8)
        assert (await held(db, anne, still, at=1))["connections"].units == 8
        assert (await held(db, bart, CONNECTIONS, at=1))["connections"].units == 2


async def test_with_fewer_units_than_workers_the_first_have_one_each(db: Database) -> None:
    few = Wanted("few", Budget(2))
    async with workers(db, 3) as everybody:
        for worker in everybody:
            await held(db, worker, few)
        for at in (1, 2):
            units = [(await held(db, worker, few, at=at))["few"].units for worker in everybody]
        assert units == [1, 1, 0]


async def test_a_worker_that_is_stopped_in_its_turn_holds_nobody_up_for_long(db: Database) -> None:
    async with workers(db, 2) as (anne, bart):

        async def stopped() -> None:
            async with db.begin() as session:
                await hold_parts(session, anne, [RATE], now=NOW)
                async with asyncio.timeout(15):  # any other session may stand still for 20 s
                    assert await held(db, bart, RATE) == {"rate": Part(10, 1)}

        with pytest.raises(DatabaseError):
            await stopped()
        assert await held(db, bart, RATE, at=1) == {"rate": Part(10, 1)}
