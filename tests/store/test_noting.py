"""The line of an act is there with what the act changed, and without it there is none."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from digest.errors import DatabaseError
from digest.store.audit import list_deeds, write_down
from digest.store.media import StoredMedia, put_media
from digest.store.noting import Noting, aside, noting
from digest.store.schema import media, version_media
from digest.store.session import Database, Session
from tests.build import NOW


async def line(session: Session) -> None:
    await write_down(session, "anne", "add picture", now=NOW)


async def change(session: Session, name: str) -> None:
    await put_media(session, [StoredMedia(name, "png", 1, 1, b"")], now=NOW)


async def in_one(db: Database) -> None:
    async with db.begin() as session:
        await change(session, "a")


async def cut_off(db: Database) -> None:
    async with db.begin() as session:
        await change(session, "a")
        raise ZeroDivisionError


async def cut_off_at_the_commit(db: Database) -> None:
    async with db.begin() as session:
        await change(session, "a")
        if db.dialect == "sqlite":
            await session.execute(text("PRAGMA defer_foreign_keys = ON"))
            await session.execute(insert(version_media).values(version_id=1, sha256="b"))
        else:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


async def there(db: Database) -> tuple[int, int]:
    """How many pictures and how many lines there are."""
    async with db.read() as session:
        pictures = await session.scalar(select(func.count()).select_from(media)) or 0
        return pictures, len(await list_deeds(session, limit=100))


async def test_an_act_of_several_transactions_has_one_line_in_the_first_that_changes(
    database: Database,
) -> None:
    with noting(line) as act:
        async with database.begin() as session:
            await session.execute(select(media))
            await session.execute(update(media).values(width=2))  # of none
        assert await there(database) == (0, 0)
        assert not act.written
        for at, name in enumerate(("a", "b"), start=1):
            async with database.begin() as session:
                await change(session, name)
            assert await there(database) == (at, 1)
    assert act.written


async def test_what_is_rolled_back_leaves_no_line_and_the_next_try_does(database: Database) -> None:
    with noting(line) as act:
        with pytest.raises(ZeroDivisionError):
            await cut_off(database)
        assert (await there(database), act.written) == ((0, 0), False)
        async with database.begin() as session:
            await change(session, "a")
    assert await there(database) == (1, 1)


async def test_where_the_line_cannot_be_written_nothing_is_done(database: Database) -> None:
    async def broken(_session: Session) -> None:
        raise ZeroDivisionError

    with noting(broken) as act, pytest.raises(ZeroDivisionError):
        await in_one(database)
    assert not act.written
    assert await there(database) == (0, 0)


async def test_a_commit_that_fails_is_no_act(database: Database) -> None:
    """Cut off between the last statement and the commit: neither is there."""
    with noting(line) as act:
        with pytest.raises((DatabaseError, IntegrityError)):
            await cut_off_at_the_commit(database)
        assert not act.written
    assert await there(database) == (0, 0)


async def test_what_is_no_act_writes_nothing(database: Database) -> None:
    left: list[asyncio.Task[None]] = []

    async def later(act: Noting) -> None:
        while not act.over:  # noqa: ASYNC110 - a value, not an event
            await asyncio.sleep(0)
        async with database.begin() as session:
            await change(session, "late")

    with noting(line) as act:
        with aside():
            async with database.begin() as session:
                await change(session, "due anyhow")
        left.append(asyncio.create_task(later(act)))
    await left[0]
    async with database.begin() as session:
        await change(session, "nobody")
    assert await there(database) == (3, 0)
