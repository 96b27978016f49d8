"""One trip to SQLite's thread for each statement, and everything a statement brings with it."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from digest.store.session import Database, Session


class CountedQueue:
    """Counts what is put to the thread that ``queue`` leads to."""

    def __init__(self, queue: SimpleQueue[Any]) -> None:
        self._queue = queue
        self.trips = 0

    def put_nowait(self, item: Any) -> None:
        self.trips += 1
        self._queue.put_nowait(item)


async def counted(session: Session) -> CountedQueue:
    driver: Any = (await session.get_raw_connection()).driver_connection
    driver._tx = CountedQueue(driver._tx)
    queue: CountedQueue = driver._tx
    return queue


def test_aiosqlite_has_the_names_we_rely_on() -> None:
    assert callable(aiosqlite.Connection._execute)
    assert isinstance(aiosqlite.Connection._conn, property)


async def test_a_statement_and_its_rows_are_one_trip(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url) as db, db.begin() as session:
        queue = await counted(session)
        found = await session.execute(text("SELECT 1 AS one UNION SELECT 2"))
        assert [row.one for row in found] == [1, 2]
        assert queue.trips == 1
        await session.execute(text("INSERT INTO destinations (domain) VALUES ('example.org')"))
        assert queue.trips == 2


async def test_counts_columns_and_new_rows_come_along(sqlite_url: str) -> None:
    insert = "INSERT INTO destinations (domain) VALUES (:domain)"
    async with await Database.open(sqlite_url) as db, db.begin() as session:
        many = [{"domain": "a.example"}, {"domain": "b.example"}, {"domain": "c.example"}]
        assert (await session.execute(text(insert), many)).rowcount == 3
        one = await session.execute(text(f"{insert} RETURNING id, domain"), {"domain": "d.example"})
        assert one.one()._asdict() == {"id": 4, "domain": "d.example"}
        moved = await session.execute(text("UPDATE destinations SET provider = 'x' WHERE id > 2"))
        assert moved.rowcount == 2
        none = await session.execute(text("SELECT id, domain FROM destinations WHERE id = 99"))
        assert (list(none.keys()), none.all()) == (["id", "domain"], [])


async def test_a_statement_that_fails_says_why_and_leaves_the_connection_as_it_was(
    sqlite_url: str,
) -> None:
    insert = text("INSERT INTO destinations (domain) VALUES ('example.org')")
    async with await Database.open(sqlite_url) as db, db.begin() as session:
        await session.execute(insert)
        with pytest.raises(IntegrityError, match=r"destinations\.domain"):
            await session.execute(insert)
        found = await session.execute(text("SELECT domain FROM destinations"))
        assert found.scalars().all() == ["example.org"]
