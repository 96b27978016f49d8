"""Who is sending: one lease per process, and how the others see that it has died.

SQLite: a worker is alive while it holds ``flock`` on a file beside the database; the kernel frees
it at ``kill -9``, and there is one such file, so one sending process. PostgreSQL: a session
advisory lock on a connection of its own, and a heartbeat on that same connection. A worker is dead
as soon as its lock is free, or its heartbeat is older than 15 s whatever the lock says: a process
that is stopped, or whose cable is cut, keeps its lock until TCP gives up.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, delete, insert, inspect, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from digest.clock import Clock
from digest.errors import DatabaseError, RefusedError
from digest.store import handover
from digest.store.engines import Place
from digest.store.schema import workers
from digest.store.session import Database, Session

BEAT = timedelta(seconds=5)
DEAD_AFTER = timedelta(seconds=15)
_DEAD_SECONDS = DEAD_AFTER.total_seconds()
_LOCK_SPACE = 0x64696765  # the upper half of our advisory lock numbers: "dige"

# The advisory locks of living workers: a bigint key shows as classid (upper) and objid (lower
# half).
_LIVING_SQL = text(
    """
    SELECT workers.id FROM workers JOIN pg_locks ON pg_locks.locktype = 'advisory'
        AND pg_locks.classid = CAST(:space AS bigint)::oid AND pg_locks.objsubid = 1
        AND pg_locks.objid = (workers.id & 4294967295)::oid AND pg_locks.granted
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    WHERE workers.heartbeat_at > CAST(:since AS timestamptz)
    """
)


class Lease(Protocol):
    """The right of this process to send, until ``release`` or death."""

    worker_id: int  # the owner of its rows
    lost: bool  # others may think this worker dead: claim nothing more under it

    @property
    def held(self) -> bool:
        """Whether nobody can have taken our rows by now, as far as a look at the time tells."""

    async def beat(self, now: datetime) -> None:
        """Show that we live, or find out that it is ``lost``."""

    async def dead_owners(self, session: Session, now: datetime) -> set[int]:
        """The dead among the workers that rows name as their sender."""

    async def release(self) -> None:
        """Stop being a worker. Rows still held count as those of a dead one."""


async def acquire_lease(db: Database, clock: Clock) -> Lease:
    """Register this process as a worker.

    Raises RefusedError where a SQLite database has a sender already.
    """
    if db.path is not None:
        return await _FileLease.take(db, db.path, clock)
    return await _SessionLease.take(db, clock)


@contextmanager
def nobody_sends(connection: Connection, place: Place, *, now: datetime) -> Iterator[None]:
    """While the block runs, no process sends from this database; RefusedError where one does.

    On PostgreSQL nothing keeps one from starting meanwhile; its first look finds what was done.
    """
    if place.path is not None:
        descriptor = _lock(place.path.with_name(place.path.name + ".sender"))
        try:
            yield
        finally:
            os.close(descriptor)
        return
    if inspect(connection).has_table(workers.name):
        values = {"space": _LOCK_SPACE, "since": now - DEAD_AFTER}
        if connection.scalars(_LIVING_SQL, values).first() is not None:
            raise RefusedError(
                "Another process is sending from this database.",
                where=str(place),
                fix="Stop it, and try again.",
            )
    yield


async def _register(session: Session, now: datetime) -> int:
    added = await session.execute(
        insert(workers)
        .values(
            token=str(uuid.uuid4()),
            host=socket.gethostname()[:255],
            pid=os.getpid(),
            started_at=now,
            heartbeat_at=now,
        )
        .returning(workers.c.id)
    )
    return int(added.scalar_one())


async def forget_dead(session: Session, now: datetime) -> None:
    """Drop workers that were last seen a day ago; rows that name them are rescued all the same."""
    await session.execute(delete(workers).where(workers.c.heartbeat_at < now - timedelta(days=1)))


async def living(session: Session, now: datetime) -> set[int]:
    """The workers of a PostgreSQL database that are alive."""
    values = {"space": _LOCK_SPACE, "since": now - DEAD_AFTER}
    return set(await session.scalars(_LIVING_SQL, values))


class _FileLease:
    """SQLite: the lock on a file."""

    def __init__(self, worker_id: int, db: Database, descriptor: int) -> None:
        self.worker_id = worker_id
        self.lost = False
        self._db = db
        self._descriptor = descriptor

    @property
    def held(self) -> bool:
        return not self.lost  # the kernel keeps the lock of a process that sleeps

    @classmethod
    async def take(cls, db: Database, path: Path, clock: Clock) -> _FileLease:
        descriptor = _lock(path.with_name(path.name + ".sender"))
        try:
            async with db.begin() as session:
                await forget_dead(session, clock.now())
                worker_id = await _register(session, clock.now())
        except BaseException:
            os.close(descriptor)
            raise
        return cls(worker_id, db, descriptor)

    async def beat(self, now: datetime) -> None:
        async with self._db.begin() as session:
            await session.execute(
                update(workers).where(workers.c.id == self.worker_id).values(heartbeat_at=now)
            )

    async def dead_owners(self, session: Session, _now: datetime) -> set[int]:
        return await handover.owners(session) - {self.worker_id}

    async def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)  # frees the lock
            self._descriptor = -1


def _lock(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseError(
            f"The lock of the sender cannot be opened: {error.strerror}.",
            where=str(path),
            fix="Make the folder of the database writable.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RefusedError(
            "Another process is sending from this database.",
            where=str(path),
            fix="It goes on by itself; on SQLite there is one sender.",
        ) from None
    return descriptor


class _SessionLease:
    """PostgreSQL: the advisory lock of a session."""

    def __init__(self, worker_id: int, connection: AsyncConnection) -> None:
        self.worker_id = worker_id
        self.lost = False
        self._connection = connection
        self._seen_at = Clock.monotonic()

    @property
    def held(self) -> bool:
        return not self.lost and Clock.monotonic() - self._seen_at < _DEAD_SECONDS

    @classmethod
    async def take(cls, db: Database, clock: Clock) -> _SessionLease:
        connection = await db.engine.connect()
        try:
            async with connection.begin():  # nobody sees the row before its lock is held
                worker_id = await _register(connection, clock.now())
                await connection.execute(
                    text("SELECT pg_advisory_lock(:key)"), {"key": _lock_key(worker_id)}
                )
                await forget_dead(connection, clock.now())
        except BaseException:
            await connection.close()
            raise
        return cls(worker_id, connection)

    async def beat(self, now: datetime) -> None:
        beat = update(workers).where(workers.c.id == self.worker_id).values(heartbeat_at=now)
        began = Clock.monotonic()
        try:
            async with self._connection.begin():
                seen = (await self._connection.execute(beat)).rowcount
        except (SQLAlchemyError, OSError):
            seen = 0
        if seen == 0:
            self.lost = True
        self._seen_at = began

    async def dead_owners(self, session: Session, now: datetime) -> set[int]:
        found = await handover.owners(session) - {self.worker_id}
        if not found:
            return found
        return found - await living(session, now)

    async def release(self) -> None:
        # The connection goes back to a pool: without this its next user would keep us alive.
        with suppress(SQLAlchemyError, OSError):
            await self._connection.invalidate()
        with suppress(SQLAlchemyError, OSError):
            await self._connection.close()


def _lock_key(worker_id: int) -> int:
    return (_LOCK_SPACE << 32) | (worker_id & 0xFFFFFFFF)
