"""The tables of Procrastinate from release to release, by the very files that it ships."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import procrastinate
import psycopg
import pytest
import structlog

from digest.jobs.postgres import ProcrastinateEngine
from digest.store import engine_tables
from digest.store.engines import migration_engine, parse_place
from tests.fakes.postgres import PostgresServer
from tests.jobs.test_engines import Work, started

SQL = Path(procrastinate.__file__).parent / "sql"
STEPS = sorted(file.stem for file in (SQL / "migrations").glob("*.sql"))
# The last steps of some releases, and what the one before them calls.
OF_2 = "02.14.01_01_add_indexes_for_fetch_job"
OF_3_1 = "03.01.00_50_post_add_heartbeat"
OF_3_2 = "03.02.00_50_post_batch_defer_jobs"
CALLED_BY_3_1 = {"procrastinate_defer_job_v1", "procrastinate_defer_periodic_job_v1"}
MAKES_FETCH_JOB = "03.03.00_01_pre_priority_lock_fetch_job"
CATALOG = {
    "columns": "SELECT table_name, column_name, data_type, column_default, is_nullable"
    " FROM information_schema.columns WHERE table_schema = 'public'",
    "functions": "SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc"
    " WHERE pronamespace = 'public'::regnamespace",
    "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
    "enums": "SELECT enumtypid::regtype::text, enumlabel,"
    " rank() OVER (PARTITION BY enumtypid ORDER BY enumsortorder) FROM pg_enum",
}
_numbers = itertools.count(1)
Install: TypeAlias = Callable[..., None]


@pytest.fixture
def new_database(postgres_server: PostgresServer) -> Iterator[Callable[[], str]]:
    """Makes databases without any tables."""
    made = []

    def make() -> str:
        made.append(f"engine_{next(_numbers)}")
        postgres_server.create_database(made[-1])
        return postgres_server.url(made[-1])

    yield make
    for name in made:
        postgres_server.drop_database(name)


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Has the files of another release be found: those up to a step, and ``more``."""

    def install(last: str = STEPS[-1], *more: str) -> None:
        package = tmp_path / f"{last}{len(more)}"
        folder = package / "sql"
        shutil.copytree(SQL, folder)
        for file in (folder / "migrations").glob("*.sql"):
            if file.stem > last:
                file.unlink()
        for name in more:
            (folder / "migrations" / f"{name}.sql").write_text("SELECT 1;")
        monkeypatch.setattr(procrastinate.__spec__, "origin", str(package / "__init__.py"))

    return install


def made_by(url: str, last: str) -> None:
    """The tables as the release with this last step has them, with a job."""
    with psycopg.connect(url, autocommit=True) as session:
        for step in STEPS[: STEPS.index(last) + 1]:
            session.execute((SQL / "migrations" / f"{step}.sql").read_bytes())
        session.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{last}'".encode())
        session.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock)"
            " VALUES ('digest', 'work', 'work', 'work')"
        )


def upgrade(url: str) -> None:
    with migration_engine(parse_place(url)).connect() as connection, connection.begin():
        engine_tables.bring_up_to_date(connection)


def are_current(url: str) -> bool:
    with migration_engine(parse_place(url)).connect() as connection:
        return engine_tables.are_current(connection)


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as session:
        return session.execute(query.encode()).fetchall()


def last_step(url: str) -> str:
    ((comment,),) = ask(url, "SELECT obj_description('procrastinate_jobs'::regclass, 'pg_class')")
    return str(comment)


def functions(url: str) -> set[str]:
    return {str(name) for (name,) in ask(url, "SELECT proname FROM pg_proc")}


def catalog(url: str) -> dict[str, list[tuple[Any, ...]]]:
    return {what: sorted(ask(url, query), key=repr) for what, query in CATALOG.items()}


def test_what_nothing_follows_is_the_last_step_of_the_installed_release() -> None:
    """What the tests below are about; another release may need others."""
    assert "_post_" in STEPS[-1]
    assert "_post_" not in STEPS[-2]


def test_a_new_database_has_all_and_nothing_is_due(url: str) -> None:
    upgrade(url)
    assert last_step(url) == STEPS[-1]
    assert are_current(url)


@pytest.mark.parametrize("last", [OF_2, OF_3_1, OF_3_2])
async def test_the_tables_of_an_older_release_keep_their_jobs_and_work(url: str, last: str) -> None:
    made_by(url, last)
    assert not are_current(url)
    upgrade(url)
    assert are_current(url)
    assert last_step(url) == STEPS[-2]
    upgrade(url)  # there is nothing to do
    assert last_step(url) == STEPS[-2]
    assert ask(url, "SELECT task_name, status::text FROM procrastinate_jobs") == [("work", "todo")]
    engine, left, more = ProcrastinateEngine(url), Work(), Work()
    engine.register("work", left)
    engine.register("more", more)
    async with started(engine):
        await left.ran.wait()
        engine.wake("more")
        await more.ran.wait()
    assert ask(url, "SELECT task_name FROM procrastinate_jobs WHERE task_name <> 'rescue'") == []


def test_what_the_release_before_calls_goes_with_the_next_upgrade_only(
    url: str, install: Install
) -> None:
    made_by(url, OF_3_1)
    install(OF_3_2)
    assert functions(url) >= CALLED_BY_3_1
    upgrade(url)
    assert last_step(url) == STEPS[STEPS.index(OF_3_2) - 1]
    assert functions(url) >= CALLED_BY_3_1 | {"procrastinate_defer_jobs_v1"}
    ask(url, "SELECT procrastinate_defer_job_v1('digest', 'old', 0, NULL, NULL, '{}', NULL)")
    install()
    assert not are_current(url)
    upgrade(url)
    assert functions(url).isdisjoint(CALLED_BY_3_1)
    assert last_step(url) == STEPS[-2]


@pytest.mark.parametrize("last", [OF_2, OF_3_2])
def test_after_the_steps_held_back_all_is_as_in_a_new_database(
    new_database: Callable[[], str], install: Install, last: str
) -> None:
    old, new = new_database(), new_database()
    made_by(old, last)
    upgrade(old)
    upgrade(new)
    assert catalog(old) != catalog(new)  # one is held back
    install(STEPS[-1], "99.00.00_01_pre_of_the_next_release")
    for one in (old, new):
        assert not are_current(one)
        upgrade(one)
        assert last_step(one) == "99.00.00_01_pre_of_the_next_release"
    assert catalog(old) == catalog(new)


async def test_a_process_whose_functions_are_gone_tries_until_it_is_replaced(url: str) -> None:
    upgrade(url)
    engine, work = ProcrastinateEngine(url), Work()
    engine.register("work", work)
    engine.every(1, "work")
    with structlog.testing.capture_logs() as logs:
        async with started(engine):
            await work.ran.wait()
            with psycopg.connect(url, autocommit=True) as session:
                session.execute("DROP FUNCTION procrastinate_fetch_job_v2")
            for _ in range(3000):
                if any("begins again" in line["event"] for line in logs):
                    break
                await asyncio.sleep(0.01)
            work.ran.clear()
            with psycopg.connect(url, autocommit=True) as session:
                session.execute((SQL / "migrations" / f"{MAKES_FETCH_JOB}.sql").read_bytes())
            await work.ran.wait()
    ended = [line for line in logs if "begins again" in line["event"]]
    assert "procrastinate_fetch_job_v2" in ended[0]["error"], logs
