"""A database and its transactions.

``async with db.begin() as session`` writes, ``async with db.read() as session`` reads; functions of
this package take the session first and never commit. A session is SQLAlchemy's AsyncConnection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, cast

from sqlalchemy import QueuePool, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from digest.clock import Clock
from digest.errors import DatabaseError
from digest.store.engines import (
    SNAPSHOT,
    Place,
    check_file,
    conninfo,
    parse_place,
    read_engine,
    translated,
    write_engine,
)
from digest.store.noting import act_under_way
from digest.store.revisions import (
    Patience,
    RevisionState,
    compare_revision,
    require_current,
    revision_state,
    upgrade,
)
from digest.store.server import check_server

__all__ = ["Database", "Patience", "RevisionState", "Session", "revision_state", "upgrade"]

Session = AsyncConnection
_NEWS = 60.0  # seconds after which a write that failed says nothing about the next one
_WRITING = ("INSERT", "UPDATE", "DELETE")
_GIVE_BACK = 5.0  # seconds that closing waits for connections in use


class Database:
    """An open database, whose tables are those this code knows."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._writer: AsyncEngine = write_engine(place)
        self._reader: AsyncEngine = read_engine(place, self._writer)
        self._snapshot = SNAPSHOT if place.dialect == "postgresql" else {}
        # SQLite has one writer: whoever waits does so here, in order, not against busy_timeout.
        self._turn = asyncio.Lock() if place.dialect == "sqlite" else None
        self._holder: asyncio.Task[Any] | None = None
        self._refused_at: float | None = None  # when the last write failed, if it did
        self._closed = False

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open ``sqlite:///x.db`` or ``postgresql://…``.

        Raises SettingsError for another URL and DatabaseError where the database cannot be reached,
        is damaged, has no tables yet, or older or newer ones than this code knows.
        """
        place = parse_place(url)
        check_file(place)
        if place.path is not None and not place.path.exists():
            require_current(RevisionState.EMPTY, str(place))
        database = cls(place)
        try:
            await database._check()
        except BaseException:
            await database.close()
            raise
        return database

    async def _check(self) -> None:
        async with self.read() as session:
            await session.run_sync(check_server, str(self._place))
            require_current(await session.run_sync(compare_revision), str(self._place))

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._place.dialect

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database."""
        return self._place.path

    @property
    def refuses_writes(self) -> bool:
        """Whether the last write failed, e.g. because the disk is full, less than a minute ago."""
        return self._refused_at is not None and Clock.monotonic() - self._refused_at < _NEWS

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many there may be."""
        engines = {id(one.sync_engine.pool): one for one in (self._writer, self._reader)}
        pools = [cast("QueuePool", one.sync_engine.pool) for one in engines.values()]
        used = sum(pool.checkedout() for pool in pools)
        return used, sum(pool.size() + max(pool._max_overflow, 0) for pool in pools)  # noqa: SLF001 - nothing tells it

    @property
    def engine(self) -> AsyncEngine:
        """The engine that writes, for a connection of one's own (a session advisory lock)."""
        return self._writer

    @property
    def conninfo(self) -> str:
        """A PostgreSQL database as libpq names it, for the engine of ``jobs.postgres``."""
        return conninfo(self._place)

    def __str__(self) -> str:
        """Where it is, without a password."""
        return str(self._place)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Session]:
        """A writing transaction: committed at the end, rolled back when the block raises.

        The first one of an act that changes anything writes the act's line (``noting``). Raises
        DatabaseError when the database fails; a broken constraint comes as it is.
        """
        act = act_under_way()
        changed = False
        try:
            async with self._writing() as session:
                changes = _changes_of(session) if act is not None else []
                yield session
                changed = act is not None and not act.written and bool(changes)
                if act is not None and changed:
                    await act.line(session)
            if act is not None and changed:
                act.written = True
        except DatabaseError:
            self._refused_at = Clock.monotonic()
            raise
        self._refused_at = None

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Session]:
        if self._turn is None:
            async with self._transaction(self._writer) as session:
                yield session
            return
        if self._holder is asyncio.current_task():
            raise RuntimeError("a writing transaction inside another one would wait for itself")
        async with self._turn, self._transaction(self._writer) as session:
            self._holder = asyncio.current_task()
            try:
                yield session
            finally:
                self._holder = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """A reading transaction: sees the database as of one moment and cannot change it."""
        async with self._transaction(self._reader, **self._snapshot) as session:
            yield session

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine, **options: object) -> AsyncIterator[Session]:
        if self._closed:  # a pool that was closed would open a connection that nobody closes
            raise DatabaseError("This process has closed the database.", where=str(self._place))
        with translated(self._place):
            async with engine.connect() as session:
                await session.execution_options(**options)
                async with session.begin():
                    yield session

    async def clock_offset(self) -> timedelta:
        """How far PostgreSQL's clock is ahead of this machine's; SQLite has no clock of its own."""
        if self.dialect == "sqlite":
            return timedelta(0)
        async with self.read() as session:
            before = datetime.now(UTC)
            theirs = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
            after = datetime.now(UTC)
        offset: timedelta = theirs - (before + (after - before) / 2)
        return offset

    async def close(self) -> None:
        """Close every connection, also when cancelled; a transaction afterwards is refused."""
        closing = asyncio.create_task(self._dispose())
        try:
            await asyncio.shield(closing)
        finally:
            await asyncio.wait({closing})

    async def _dispose(self) -> None:
        # Whoever was cancelled a moment ago gives its connection back first: to a pool that is
        # closed by then nobody comes to close it. Nothing tells when, and most are back already.
        with suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_BACK):
                while self.connections[0]:  # noqa: ASYNC110 - a pool has no event for it
                    await asyncio.sleep(0.01)
        self._closed = True
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


def _changes_of(session: Session) -> list[int]:
    """How many rows each statement of ``session`` changes from here on, those that change none left
    out; -1 where the driver does not say.
    """
    changes: list[int] = []

    def look(_connection: object, cursor: Any, statement: str, *more: Any) -> None:
        _parameters, context, _many = more
        writes = context.isinsert or context.isupdate or context.isdelete
        if (writes or statement.lstrip().startswith(_WRITING)) and cursor.rowcount:
            changes.append(cursor.rowcount)

    event.listen(session.sync_connection, "after_cursor_execute", look)
    return changes
