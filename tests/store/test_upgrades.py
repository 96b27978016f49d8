"""Upgrades of databases that are in use: nothing is lost, and nobody is held up for long."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import inspect, text

from digest.errors import DatabaseError
from digest.store.engines import migration_engine, parse_place
from digest.store.revisions import known_revisions, run_migrations
from digest.store.schema import metadata
from digest.store.session import Database, Patience, revision_state, upgrade
from tests.build import a_newsletter
from tests.fakes.pgbouncer import Pgbouncer
from tests.store.filled import contents, fill
from tests.store.killed import killed

STEPS = 20  # between two deaths in ./run test
IMPATIENT = Patience(lock=0.1, tries=3)
# What an upgrade took away before there was a release whose processes could still want it; and a
# table it made anew, which no version before had written to.
DROPPED = {("signups", "wording")}
MADE_ANEW = {"0005": "feedback"}


def at_revision(url: str, revision: str) -> str:
    """An empty database with the tables of an older version."""
    place = parse_place(url)
    if place.path is not None:
        place.path.touch()
    with migration_engine(place).connect() as connection, connection.begin():
        run_migrations(connection, revision)
    return url


def columns_of(url: str) -> dict[str, dict[str, Any]]:
    with migration_engine(parse_place(url)).connect() as connection:
        inspector = inspect(connection)
        return {
            table: {one["name"]: one for one in inspector.get_columns(table)}
            for table in inspector.get_table_names()
            if table in metadata.tables
        }


@pytest.mark.parametrize("revision", known_revisions()[:-1])
async def test_a_filled_database_of_every_older_version_keeps_every_row(
    empty_database_url: str, revision: str
) -> None:
    url = at_revision(empty_database_url, revision)
    filled = fill(url)
    assert len(filled) > 20
    before, columns = contents(url), columns_of(url)
    anew = {table for made, table in MADE_ANEW.items() if revision < made}
    await upgrade(url)
    after = contents(url)
    for table, rows in before.items():
        if table in anew:
            continue
        names = [name for name in rows[0] if (table, name) not in DROPPED]
        was = [{name: row[name] for name in names} for row in rows]
        kept = [{name: row[name] for name in names} for row in after[table]]
        assert sorted(kept, key=repr) == sorted(was, key=repr), table
    # A process of the older version works on beside the new one until it is stopped: what it
    # knows is there, and what it does not know it need not write.
    upgraded = columns_of(url)
    for table, there in columns.items():
        if table in anew:
            continue
        now = upgraded[table]
        added = [one for name, one in now.items() if name not in there]
        assert {name for name in there if (table, name) not in DROPPED} <= now.keys()
        assert all(one["nullable"] or one["default"] is not None for one in added), table


async def test_a_process_that_has_the_database_open_goes_on_through_an_upgrade(
    database: Database, database_url: str
) -> None:
    newest = known_revisions()[-1]
    change = text("UPDATE alembic_version SET version_num = :revision")
    await a_newsletter(database, "before")
    async with database.begin() as session:
        await session.execute(change, {"revision": "9999"})  # somebody newer was here
    await a_newsletter(database, "after")
    with pytest.raises(DatabaseError, match="newer version"):
        await Database.open(database_url)
    async with database.begin() as session:
        await session.execute(change, {"revision": newest})


@pytest.mark.parametrize("every", [STEPS, pytest.param(1, marks=pytest.mark.long)])
async def test_an_upgrade_killed_half_way_leaves_all_as_it_was_and_the_next_one_completes_it(
    empty_database_url: str, every: int
) -> None:
    """F25: of the whole way from the first version, at some of its statements."""
    url = at_revision(empty_database_url, "0001")
    fill(url)
    before = contents(url)
    number, steps = every, None
    with killed("tests.store.upgrade_process") as kill:
        while steps is None:
            assert contents(url) == before
            steps = kill(number, url)
            number += every
    assert steps > 2 * STEPS
    assert await revision_state(url) == "current"
    kept = contents(url)
    for table in before.keys() - MADE_ANEW.values():
        assert len(kept[table]) == len(before[table]), table


async def test_every_machine_may_upgrade_at_once(empty_database_url: str) -> None:
    url = at_revision(empty_database_url, "0001")
    fill(url)
    await asyncio.gather(*(upgrade(url) for _ in range(6)))
    assert await revision_state(url) == "current"


@pytest.fixture
def old_postgres(postgres_server: Any) -> Any:
    postgres_server.create_database("held")
    yield at_revision(postgres_server.url("held"), "0001")
    postgres_server.drop_database("held")


async def test_a_table_that_somebody_holds_is_waited_for_without_holding_up_others(
    old_postgres: str,
) -> None:
    with psycopg.connect(old_postgres) as holder:
        holder.execute("SELECT * FROM installation")
        waiting = asyncio.create_task(upgrade(old_postgres, Patience(lock=0.1, tries=200)))
        # Each of these would wait as long as the upgrade does, if that stood in the queue.
        for _ in range(30):
            assert not waiting.done()
            await asyncio.to_thread(_read, old_postgres)
        holder.rollback()
        await waiting
    assert await revision_state(old_postgres) == "current"


def _read(url: str) -> None:
    with psycopg.connect(url, options="-c lock_timeout=10s") as reader:
        reader.execute("SELECT * FROM installation")


async def test_an_upgrade_gives_up_on_what_is_held_and_leaves_all_as_it_was(
    old_postgres: str,
) -> None:
    with psycopg.connect(old_postgres) as holder:
        holder.execute("SELECT * FROM installation")
        with pytest.raises(DatabaseError, match="lock timeout") as refused:
            await upgrade(old_postgres, IMPATIENT)
    assert "end long transactions" in refused.value.fix
    assert await revision_state(old_postgres) == "behind"
    with migration_engine(parse_place(old_postgres)).connect() as connection:
        query = text("SELECT version_num FROM alembic_version")
        assert connection.execute(query).scalar_one() == "0001"


async def test_a_step_that_takes_too_long_is_ended(old_postgres: str) -> None:
    with psycopg.connect(old_postgres) as holder:
        holder.execute("SELECT * FROM installation")
        with pytest.raises(DatabaseError, match="statement timeout"):
            await upgrade(old_postgres, Patience(lock=60, tries=3, step=0.3))
    assert await revision_state(old_postgres) == "behind"


@pytest.mark.parametrize("ignored", ["", "options"])
@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_a_pooler_between_us_and_the_server_is_refused(
    postgres_url: str, mode: str, ignored: str
) -> None:
    with Pgbouncer(postgres_url, mode=mode, ignored=ignored) as pool:
        for ask in (Database.open, upgrade, revision_state):
            with pytest.raises(DatabaseError) as refused:
                await ask(pool.url)
            assert "not through pgbouncer" in refused.value.fix
