"""SQLite's driver under SQLAlchemy, with one trip to the connection's thread for each statement.

aiosqlite runs every call on a thread of its own, and SQLAlchemy makes four for one statement: for a
cursor, to execute, to fetch and to close. Each of them hands Python's lock over and back, for which
the thread waits up to 5 ms while senders are busy (measured: as many waits as messages). Here all
four are one call. ``_execute`` and ``_conn`` are aiosqlite's own names; a test looks at them.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)


class _Found(NamedTuple):
    """What a statement left behind."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int = 0
    rows: list[Any] | None = None


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor that lives for one call."""

    __slots__ = ("_found", "arraysize")

    def __init__(self, adapt_connection: AsyncAdapt_aiosqlite_connection) -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection.driver_connection
        self._cursor = None  # type: ignore[assignment]  # none is left open
        self._rows = deque()
        self._found = _Found()
        self.arraysize = 1

    @property
    def description(self) -> Any:
        return self._found.description

    @property
    def rowcount(self) -> int:
        return self._found.rowcount

    @property
    def lastrowid(self) -> int:
        return self._found.lastrowid

    async def _async_soft_close(self) -> None:
        return

    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        await self._run(lambda cursor: cursor.execute(operation, parameters or ()))

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._run(lambda cursor: cursor.executemany(operation, seq_of_parameters))

    async def _run(self, statement: Callable[[sqlite3.Cursor], object]) -> None:
        driver: Any = self._connection
        async with self._adapt_connection._execute_mutex:  # noqa: SLF001 (SQLAlchemy's cursors do)
            trip = driver._execute(_run, driver._conn, statement)  # noqa: SLF001 (see above)
            self._found = await trip
        self._rows = deque(self._found.rows or ())


def _run(connection: sqlite3.Connection, statement: Callable[[sqlite3.Cursor], object]) -> _Found:
    cursor = connection.cursor()
    try:
        statement(cursor)
        rows = cursor.fetchall() if cursor.description else None
        return _Found(cursor.description, cursor.rowcount, cursor.lastrowid or 0, rows)
    finally:
        cursor.close()


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls = _Cursor  # type: ignore[assignment]  # one of its own kind


class _Driver(AsyncAdapt_aiosqlite_dbapi):
    def connect(self, *arg: Any, **kw: Any) -> AsyncAdapt_aiosqlite_connection:
        return _Connection(self, super().connect(*arg, **kw).driver_connection)


DRIVER = _Driver(aiosqlite, sqlite3)
"""What ``create_async_engine`` takes as its ``module``."""
