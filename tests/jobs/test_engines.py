"""Hints are enough: a job runs when woken, one at a time, and an error does not end it.

One contract for both engines; then what only the one of many machines promises.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest
from procrastinate import App
from procrastinate.periodic import PeriodicRegistry
from procrastinate.testing import InMemoryConnector
from psycopg import AsyncConnection

from digest.jobs.embedded import EmbeddedEngine
from digest.jobs.engine import Engine
from digest.jobs.postgres import ProcrastinateEngine, _LatestTicks, cron_of
from digest.store.session import Database
from tests.build import NOW

NewEngine: TypeAlias = Callable[[], Engine]
_HANG_UP = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@asynccontextmanager
async def hung_up_on_writing(db: Database, table: str) -> AsyncIterator[None]:
    """Whoever changes a row of this table loses the connection while it is at it."""
    async with (
        await AsyncConnection.connect(db.conninfo) as holder,
        await AsyncConnection.connect(db.conninfo, autocommit=True) as session,
    ):
        await holder.execute(f"SELECT FROM {table} FOR UPDATE")
        yield
        for _ in range(3000):
            found = await session.execute(_HANG_UP + " AND wait_event_type = 'Lock'")
            if found.rowcount:
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail(f"nobody changed a row of {table}")
        await holder.rollback()


class Work:
    """A job that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.most_at_once = 0
        self.ran = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.fails = False

    async def __call__(self) -> None:
        self.runs += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.ran.set()
        await self.may_end.wait()
        self.at_once -= 1
        if self.fails:
            self.fails = False
            raise RuntimeError("once")


@pytest.fixture
def new_engine(database: Database) -> NewEngine:
    """An engine as each kind of database has it."""
    if database.dialect == "sqlite":
        return EmbeddedEngine
    return lambda: ProcrastinateEngine(database.conninfo)


@asynccontextmanager
async def started(*engines: Engine) -> AsyncIterator[None]:
    for engine in engines:
        await engine.start()
    try:
        async with asyncio.timeout(30):
            yield
    finally:
        for engine in engines:
            await engine.stop()


async def test_a_woken_job_runs_and_one_that_is_not_does_not(new_engine: NewEngine) -> None:
    engine, work, other = new_engine(), Work(), Work()
    engine.register("work", work)
    engine.register("other", other)
    async with started(engine):
        engine.wake("work")
        await work.ran.wait()
    assert (work.runs, other.runs) == (1, 0)


async def test_woken_while_it_runs_it_runs_once_more_and_never_twice_at_once(
    new_engine: NewEngine,
) -> None:
    engine, work = new_engine(), Work()
    engine.register("work", work)
    async with started(engine):
        work.may_end.clear()
        engine.wake("work")
        await work.ran.wait()
        for _ in range(5):
            engine.wake("work")
        work.ran.clear()
        work.may_end.set()
        await work.ran.wait()
    assert work.runs == 2
    assert work.most_at_once == 1


async def test_a_job_that_fails_runs_again_at_the_next_hint(new_engine: NewEngine) -> None:
    engine, work = new_engine(), Work()
    work.fails = True
    engine.register("work", work)
    async with started(engine):
        engine.wake("work")
        await work.ran.wait()
        work.ran.clear()
        engine.wake("work")
        await work.ran.wait()
    assert work.runs == 2


async def test_the_clock_wakes_a_job_again_and_again(new_engine: NewEngine) -> None:
    engine, work = new_engine(), Work()
    engine.register("work", work)
    engine.every(0.01, "work")
    async with started(engine):
        while work.runs < 3:
            work.ran.clear()
            await work.ran.wait()


# Many machines.


@pytest.fixture
async def shared(postgres_url: str) -> AsyncIterator[Database]:
    async with await Database.open(postgres_url) as database:
        yield database


def a_pair(db: Database, first: Work, second: Work) -> tuple[Engine, Engine]:
    """Two processes that both know one job."""
    engines = ProcrastinateEngine(db.conninfo), ProcrastinateEngine(db.conninfo)
    for engine, work in zip(engines, (first, second), strict=True):
        engine.register("work", work)
    return engines


async def test_of_two_processes_one_runs_a_job_and_the_other_not_meanwhile(
    shared: Database,
) -> None:
    first, second = Work(), Work()
    one, other = a_pair(shared, first, second)
    for work in (first, second):
        work.may_end.clear()
    async with started(one, other):
        one.wake("work")
        _, waiting = await asyncio.wait(
            [asyncio.create_task(work.ran.wait()) for work in (first, second)],
            return_when=asyncio.FIRST_COMPLETED,
        )
        other.wake("work")
        one.wake("work")
        async with await AsyncConnection.connect(shared.conninfo, autocommit=True) as session:
            for _ in range(1000):
                if await counted(session, "todo") == 1:
                    break
                await asyncio.sleep(0.01)
            assert await counted(session, "doing") == 1
        assert first.runs + second.runs == 1
        for task in waiting:
            task.cancel()
        for work in (first, second):
            work.may_end.set()


async def counted(session: AsyncConnection, status: str) -> int:
    found = await session.execute(
        "SELECT count(*) FROM procrastinate_jobs WHERE status = %s AND task_name = 'work'",
        (status,),
    )
    row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def test_the_job_of_a_dead_process_is_given_to_another(shared: Database) -> None:
    work = Work()
    async with await AsyncConnection.connect(shared.conninfo, autocommit=True) as session:
        await session.execute(  # as a killed one leaves it behind: its lock is taken
            "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - interval '1 minute') RETURNING id)"
            " INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, status,"
            " worker_id) SELECT 'digest', 'work', 'work', 'work', 'doing', id FROM dead"
        )
    engine = ProcrastinateEngine(shared.conninfo)
    engine.register("work", work)
    async with started(engine):
        await work.ran.wait()


def a_ticking_engine(db: Database) -> tuple[Engine, Work]:
    engine, work = ProcrastinateEngine(db.conninfo), Work()
    engine.register("work", work)
    engine.every(1, "work")
    return engine, work


async def test_an_engine_that_lost_the_database_begins_again_by_itself(shared: Database) -> None:
    engine, work = a_ticking_engine(shared)
    async with started(engine):
        await work.ran.wait()
        async with await AsyncConnection.connect(shared.conninfo, autocommit=True) as session:
            await session.execute(_HANG_UP)
        work.ran.clear()
        await work.ran.wait()


async def test_a_job_whose_end_could_not_be_written_runs_again(shared: Database) -> None:
    engine, work = a_ticking_engine(shared)
    work.may_end.clear()
    async with started(engine):
        await work.ran.wait()
        async with hung_up_on_writing(shared, "procrastinate_jobs"):
            work.ran.clear()
            work.may_end.set()
        await work.ran.wait()


async def test_an_engine_that_cannot_say_farewell_stops_nevertheless(shared: Database) -> None:
    engine, work = a_ticking_engine(shared)
    async with started(engine):
        await work.ran.wait()
        async with hung_up_on_writing(shared, "procrastinate_workers"):
            stopping = asyncio.create_task(engine.stop())
        await stopping


@pytest.mark.parametrize(
    ("seconds", "cron"),
    [
        (0.05, "* * * * * */1"),
        (5, "* * * * * */5"),
        (60, "*/1 * * * * 0"),
        (3600, "0 * * * * 0"),
    ],
)
def test_an_interval_becomes_times_of_the_wall_clock(seconds: float, cron: str) -> None:
    assert cron_of(seconds) == cron


def test_an_interval_that_no_clock_strikes_is_refused() -> None:
    with pytest.raises(ValueError, match="7 seconds"):
        cron_of(7)


def test_a_clock_that_was_set_forward_ticks_once_and_makes_up_for_nothing() -> None:
    app = App(connector=InMemoryConnector())
    clock = PeriodicRegistry()

    @clock.periodic_decorator(cron=cron_of(1), periodic_id="")
    @app.task(name="slots")
    async def slots(timestamp: int) -> None: ...

    ticks = _LatestTicks(clock)
    at = NOW.timestamp()
    assert [when for _, when in ticks.get_previous_tasks(at)] == [at - 1]
    assert [when for _, when in ticks.get_previous_tasks(at)] == []
    week = 7 * 86_400
    assert [when for _, when in ticks.get_previous_tasks(at + week)] == [at + week - 1]
    assert [when for _, when in ticks.get_previous_tasks(at)] == [at - 1]  # and set back
