"""An installation in another database is the same installation."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from digest.backup.move import move
from digest.clock import Clock
from digest.delivery.epoch import begin_here, follow
from digest.errors import ConflictError, DatabaseError, RefusedError
from digest.store.engines import migration_engine, parse_place
from digest.store.row_values import Fingerprint
from digest.store.schema import metadata
from digest.store.session import Database, upgrade
from digest.store.whole import reading
from digest.store.workers import acquire_lease
from tests.build import a_newsletter, an_installation
from tests.store.filled import GONE, ROWS, fill


def quiet(_done: int, _total: int | None) -> None:
    """Show no progress."""


@pytest.fixture
def other_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place for a database of the other kind, with nothing in it."""
    if dialect == "postgresql":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    server.create_database("moved_here")
    yield server.url("moved_here")
    server.drop_database("moved_here")


def marks(url: str) -> dict[str, Fingerprint]:
    """What every table of a database holds."""
    found = {}
    with reading(url) as snapshot:
        for name in snapshot.tables:
            found[name] = Fingerprint()
            for rows in snapshot.batches(name):
                found[name] = found[name].with_rows(rows)
    return found


def test_every_table_moves_to_the_other_kind_of_database_and_back(
    database_url: str, other_url: str, tmp_path: Path, empty_database_url: str
) -> None:
    filled = fill(database_url)
    assert filled.keys() == metadata.tables.keys()  # a new table is filled as well, or this fails
    before = marks(database_url)
    assert all(mark.rows == filled[name] > 0 for name, mark in before.items())
    moved = move(database_url, other_url, progress=quiet)
    assert moved.rows == filled
    after = marks(other_url)
    assert after == before
    back = move(other_url, empty_database_url, progress=quiet)
    assert back.rows == filled


async def test_ids_that_were_given_are_not_given_again(database_url: str, other_url: str) -> None:
    fill(database_url)
    move(database_url, other_url, progress=quiet)
    async with await Database.open(other_url) as db:
        newsletter = await a_newsletter(db)
    with reading(other_url) as snapshot:
        last = snapshot.last_ids()
    assert last["deliveries"] == last["subscriptions"] == GONE
    assert newsletter.id > ROWS


async def test_the_database_it_came_from_sends_no_more(
    database_url: str, other_url: str, tmp_path: Path
) -> None:
    async with await Database.open(database_url) as db:
        await an_installation(db)
    move(database_url, other_url, progress=quiet)
    async with await Database.open(database_url) as db:
        with pytest.raises(RefusedError, match="was copied to ") as refused:
            await begin_here(db, tmp_path, now=Clock().now())
        with pytest.raises(RefusedError, match="was copied to "):
            await follow(db, tmp_path)
    assert "--take-over" in refused.value.fix
    async with await Database.open(other_url) as db:
        assert (await begin_here(db, tmp_path, now=Clock().now())).held is None


async def test_a_database_that_somebody_sends_from_is_not_moved(
    database_url: str, other_url: str
) -> None:
    async with await Database.open(database_url) as db:
        lease = await acquire_lease(db, Clock())
        with pytest.raises(RefusedError, match="sending"):
            move(database_url, other_url, progress=quiet)
        await lease.release()


async def test_rows_that_are_there_are_never_written_over(
    database_url: str, other_url: str
) -> None:
    await upgrade(other_url)
    async with await Database.open(other_url) as db:
        await a_newsletter(db, "theirs")
    before = marks(other_url)
    fill(database_url)
    with pytest.raises(ConflictError, match="newsletters"):
        move(database_url, other_url, progress=quiet)
    assert marks(other_url) == before


def test_a_move_that_fails_leaves_nothing_there_and_nothing_changed_here(
    sqlite_url: str, postgres_url: str
) -> None:
    """PostgreSQL keeps no NUL in a text: the last table but a few cannot be copied."""
    fill(sqlite_url)
    with migration_engine(parse_place(sqlite_url)).begin() as connection:
        connection.execute(text("UPDATE attempts SET text = 'a' || char(0) || 'b'"))
    before = marks(sqlite_url)
    with pytest.raises(DatabaseError):
        move(sqlite_url, postgres_url, progress=quiet)
    assert marks(sqlite_url) == before
    assert all(mark.rows == 0 for mark in marks(postgres_url).values())


def test_a_lock_of_the_sender_is_free_again_afterwards(sqlite_url: str, tmp_path: Path) -> None:
    move(sqlite_url, f"sqlite:///{tmp_path / 'other.db'}", progress=quiet)
    place = parse_place(sqlite_url)
    assert place.path is not None
    with Path(f"{place.path}.sender").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert os.fstat(lock.fileno()).st_size == 0
