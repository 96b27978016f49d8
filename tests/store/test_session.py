from __future__ import annotations

import asyncio
import gc
import itertools
import subprocess
import sys
import types
from collections.abc import Callable, Coroutine, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from digest.errors import DatabaseError, SettingsError
from digest.store.engines import parse_place
from digest.store.session import Database, upgrade

INSERT = text("INSERT INTO destinations (domain) VALUES (:domain)")
COUNT = text("SELECT COUNT(*) FROM destinations")


async def domains(db: Database) -> int:
    async with db.read() as session:
        return (await session.execute(COUNT)).scalar_one()


async def test_what_was_written_can_be_read(database):
    async with database.begin() as session:
        await session.execute(INSERT, {"domain": "example.org"})
    assert await domains(database) == 1


async def test_a_block_that_raises_changes_nothing(database):
    async def write_and_fail() -> None:
        async with database.begin() as session:
            await session.execute(INSERT, {"domain": "example.org"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    assert await domains(database) == 0


async def test_a_cancelled_block_changes_nothing_and_leaves_the_way_free(database):
    begun = asyncio.Event()

    async def write_and_wait() -> None:
        async with database.begin() as session:
            await session.execute(INSERT, {"domain": "example.org"})
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_wait())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.begin() as session:
        await session.execute(INSERT, {"domain": "example.net"})
    assert await domains(database) == 1


@types.coroutine
def cancelled_at(step: int, coroutine: Coroutine[Any, None, None]) -> Generator[Any, None, bool]:
    """Run it up to where it waits for the ``step``-th time, and cancel it there: whether it was."""
    for waited in itertools.count(1):
        try:
            awaited = coroutine.send(None) if waited != step else None
            yield coroutine.throw(asyncio.CancelledError) if waited == step else awaited
        except StopIteration:
            return False
        except asyncio.CancelledError:
            return True
    raise AssertionError("it never ends")


async def read_once(url: str, db: Database) -> None:
    async with db.read() as session:
        await session.execute(COUNT)


async def write_once(url: str, db: Database) -> None:
    async with db.begin() as session:
        await session.execute(text("DELETE FROM destinations"))


async def open_and_close(url: str, db: Database) -> None:
    async with await Database.open(url) as another:
        await read_once(url, another)
        await write_once(url, another)


@pytest.mark.parametrize("use", [read_once, write_once, open_and_close])
async def test_what_is_cancelled_wherever_it_waits_leaves_no_connection_open(
    database_url: str,
    use: Callable[[str, Database], Coroutine[Any, None, None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # psycopg lets others run where it need not wait, once the event loop has been busy this long.
    monkeypatch.setattr("psycopg.waiting.MAX_BUSY_TIME", -1.0)
    left_open: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: left_open.append(repr(one.exc_value)))
    gc.collect()
    gc.freeze()  # each look is at what is made from here on only
    for step in itertools.count(1):
        async with await Database.open(database_url) as db, db.read():  # another connection
            cancelled = await cancelled_at(step, use(database_url, db))
        gc.collect()
        assert not left_open, f"cancelled where it waits for the {step}. time"
        if not cancelled:
            break
    assert step > 3


async def test_what_was_cancelled_a_moment_ago_leaves_no_connection_open(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: left_open.append(repr(one.exc_value)))

    async def read_and_wait(db: Database, begun: asyncio.Event) -> None:
        async with db.read() as session:
            await session.execute(COUNT)
            begun.set()
            await asyncio.Event().wait()

    async with await Database.open(database_url) as db:
        begun = asyncio.Event()
        task = asyncio.create_task(read_and_wait(db, begun))
        await begun.wait()
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task, db
    gc.collect()
    assert not left_open


@pytest.mark.parametrize("use", [read_once, write_once])
async def test_a_closed_database_opens_no_connection_any_more(
    database_url: str, use: Callable[[str, Database], Coroutine[Any, None, None]]
) -> None:
    async with await Database.open(database_url) as db:
        pass
    with pytest.raises(DatabaseError, match="closed"):
        await use(database_url, db)


async def test_a_reading_session_cannot_write(database):
    with pytest.raises(DatabaseError):
        async with database.read() as session:
            await session.execute(INSERT, {"domain": "example.org"})
    assert await domains(database) == 0


async def test_a_reading_session_sees_one_moment(database):
    async with database.read() as reading:
        before = (await reading.execute(COUNT)).scalar_one()
        async with database.begin() as session:
            await session.execute(INSERT, {"domain": "example.org"})
        assert (await reading.execute(COUNT)).scalar_one() == before
    assert await domains(database) == before + 1


async def test_no_update_is_lost_when_many_write_at_once(database):
    async with database.begin() as session:
        await session.execute(INSERT, {"domain": "example.org"})

    async def add_one() -> None:
        async with database.begin() as session:
            # On PostgreSQL a row lock orders the writers, on SQLite the transaction itself does.
            lock = " FOR UPDATE" if database.dialect == "postgresql" else ""
            found = await session.execute(text(f"SELECT provider FROM destinations{lock}"))
            number = int(found.scalar_one() or 0) + 1
            await session.execute(
                text("UPDATE destinations SET provider = :number"), {"number": str(number)}
            )

    await asyncio.gather(*(add_one() for _ in range(40)))
    async with database.read() as session:
        provider = (await session.execute(text("SELECT provider FROM destinations"))).scalar_one()
    assert provider == "40"


async def test_two_programs_writing_to_one_file_lose_nothing(sqlite_url):
    async with await Database.open(sqlite_url) as one, await Database.open(sqlite_url) as two:

        async def write(db: Database, name: str) -> None:
            for number in range(20):
                async with db.begin() as session:
                    await session.execute(INSERT, {"domain": f"{name}{number}.example.org"})

        await asyncio.gather(write(one, "a"), write(two, "b"))
        assert await domains(one) == 40


async def test_a_writing_block_inside_another_one_is_an_error_not_a_deadlock(sqlite_url):
    async with await Database.open(sqlite_url) as db, db.begin():
        with pytest.raises(RuntimeError, match="inside another"):
            async with db.begin():
                pass


async def test_a_broken_constraint_comes_as_it_is(database):
    async with database.begin() as session:
        await session.execute(INSERT, {"domain": "example.org"})
    with pytest.raises(IntegrityError):
        async with database.begin() as session:
            await session.execute(INSERT, {"domain": "example.org"})


async def test_a_row_that_names_nobody_is_refused(database):
    statement = "INSERT INTO newsletter_people VALUES (99, 'anne@example.org', 'editor')"
    with pytest.raises(IntegrityError):
        async with database.begin() as session:
            await session.execute(text(statement))


async def test_inserted_rows_are_counted(database):
    async with database.begin() as session:
        many = "INSERT INTO destinations (domain) SELECT 'a.example' UNION SELECT 'b.example'"
        assert (await session.execute(text(many))).rowcount == 2


async def test_a_committed_row_on_sqlite_is_on_the_disk(sqlite_url):
    async with await Database.open(sqlite_url) as db, db.begin() as session:
        modes = [
            (await session.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert modes == ["wal", 2, 1]  # 2 is FULL


async def test_the_clock_of_sqlite_is_this_machines(sqlite_url):
    async with await Database.open(sqlite_url) as db:
        assert await db.clock_offset() == timedelta(0)


async def test_the_clock_of_a_server_on_this_machine_is_near(postgres_url):
    async with await Database.open(postgres_url) as db:
        assert abs(await db.clock_offset()) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "digest.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x.db?mode=ro",
        "sqlite:///x.db?mode=ro",
        "sqlite://host/x.db",
        "mysql://user@host/name",
        "postgres://user@host/name",
        "postgresql+asyncpg://user@host/name",
        "postgresql://user@host:notaport/name",
    ],
)
def test_any_other_url_is_refused_with_what_to_write(url):
    with pytest.raises(SettingsError) as refused:
        parse_place(url)
    assert refused.value.where == "DIGEST_DATABASE_URL"
    assert "sqlite:///" in refused.value.fix


def test_a_password_is_in_no_message():
    place = parse_place("postgresql://anne:geheim@db.example.org/digest")
    assert "geheim" not in str(place)
    assert str(place).startswith("postgresql://anne:")


def test_without_the_driver_of_postgresql_the_message_names_the_extra():
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from digest.store.engines import parse_place\n"
        "try: parse_place('postgresql://host/name')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("SettingsError")
    assert "digest[postgres]" in done.stdout


async def test_a_folder_that_is_missing_is_named(tmp_path):
    url = f"sqlite:///{tmp_path / 'nowhere' / 'digest.db'}"
    for attempt in (upgrade, Database.open):
        with pytest.raises(DatabaseError) as refused:
            await attempt(url)
        assert refused.value.where == str(tmp_path / "nowhere")
        assert "Create it" in refused.value.fix


async def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "digest.db"
    path.write_bytes(b"This is a letter, not a database. " * 200)
    for attempt in (upgrade, Database.open):
        with pytest.raises(DatabaseError) as refused:
            await attempt(f"sqlite:///{path}")
        assert refused.value.where == str(path)
        assert "backup" in refused.value.fix
    assert path.read_bytes().startswith(b"This is a letter")


async def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path):
    with pytest.raises(DatabaseError, match="not a file"):
        await Database.open(f"sqlite:///{tmp_path}")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc here")
async def test_a_file_that_cannot_be_written_is_named():
    with pytest.raises(DatabaseError) as refused:
        await upgrade("sqlite:////proc/digest.db")
    assert refused.value.where == "/proc/digest.db"
    assert "may write" in refused.value.fix


async def test_a_server_that_is_not_there_is_a_message():
    with pytest.raises(DatabaseError) as refused:
        await Database.open("postgresql://anne:geheim@127.0.0.1:1/digest")
    assert "geheim" not in str(refused.value)
    assert "DIGEST_DATABASE_URL" in refused.value.fix


async def test_a_database_that_is_not_on_the_server_is_a_message(postgres_server):
    with pytest.raises(DatabaseError, match="does not exist"):
        await Database.open(postgres_server.url("nobody_made_this"))


async def test_a_connection_the_server_cut_is_replaced(postgres_url, postgres_server):
    async with await Database.open(postgres_url) as db:
        assert await domains(db) == 0
        name = postgres_url.split("/")[3].split("?")[0]
        postgres_server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        assert await domains(db) == 0


async def test_a_process_that_stands_still_frees_its_rows_before_others_give_up(
    postgres_url: str,
) -> None:
    async with await Database.open(postgres_url) as db, db.begin() as session:
        limits = {
            name: int(milliseconds)
            for name, milliseconds in await session.execute(
                text(
                    "SELECT name, setting FROM pg_settings"
                    " WHERE name IN ('lock_timeout', 'idle_in_transaction_session_timeout')"
                )
            )
        }
    assert 0 < limits["idle_in_transaction_session_timeout"] < limits["lock_timeout"]


async def test_sqlite_writes_over_what_it_deletes(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url) as database, database.begin() as session:
        assert (await session.exec_driver_sql("PRAGMA secure_delete")).scalar_one() == 1
