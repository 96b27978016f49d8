"""The one door to a database: which URLs we take and how a connection is set up.

SQLite: WAL, ``synchronous=FULL`` (an outcome that was committed survives a power cut), foreign
keys, ``BEGIN IMMEDIATE`` for every write, since a deferred transaction that turns into a write
fails or loses updates when two of them meet; reads go through a second engine that cannot write.
PostgreSQL: psycopg, UTC, and limits on how long a statement, a lock or an idle transaction may
take.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from digest.errors import DatabaseError, SettingsError
from digest.store.sqlite_driver import DRIVER

SETTING = "DIGEST_DATABASE_URL"
WHAT_TO_WRITE = "Write sqlite:///digest.db or postgresql://user:password@host/name."
OLDEST_SQLITE = (3, 35, 0)  # RETURNING
OLDEST_POSTGRESQL = 14
IDLE_TIMEOUT = "20s"  # as PostgreSQL writes it: server.py looks whether it holds
POOLED = (
    "Connect to PostgreSQL itself, not through pgbouncer or another pooler: we hold locks and "
    "listen for as long as a session lasts."
)
BUSY_TIMEOUT = 30_000  # ms another process may hold the file, e.g. while it plans an issue
READERS = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is: what ``DIGEST_DATABASE_URL`` says, taken apart."""

    url: URL
    path: Path | None  # of the file, for SQLite only

    @property
    def dialect(self) -> str:
        return "postgresql" if self.path is None else "sqlite"

    def __str__(self) -> str:
        """For messages: never with the password."""
        if self.path is not None:
            return str(self.path)
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)


def parse_place(url: str) -> Place:
    """Read ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``postgresql://…``.

    Raises SettingsError for anything else, or where the driver of PostgreSQL is not installed.
    """
    try:
        parsed = make_url(url.strip())
    except (exc.ArgumentError, ValueError) as error:
        raise SettingsError(
            "This is not the URL of a database.", where=SETTING, fix=WHAT_TO_WRITE
        ) from error
    if parsed.drivername == "sqlite":
        return Place(parsed.set(drivername="sqlite+aiosqlite"), _sqlite_path(parsed))
    if parsed.drivername == "postgresql":
        _require_psycopg()
        return Place(parsed.set(drivername="postgresql+psycopg"), None)
    raise SettingsError(
        f"Databases of the kind {parsed.drivername!r} are not supported.",
        where=SETTING,
        fix=WHAT_TO_WRITE,
    )


def _sqlite_path(url: URL) -> Path:
    if url.host or url.query or not url.database or url.database.startswith((":", "file:")):
        raise SettingsError(
            "SQLite needs the path of a file, and nothing else.",
            where=SETTING,
            fix="Three slashes and a relative path, or four and an absolute one: "
            "sqlite:///digest.db or sqlite:////var/lib/digest/digest.db.",
        )
    return Path(url.database)


def _require_psycopg() -> None:
    try:
        import psycopg  # noqa: F401 (an extra: installed only where it is wanted)

        if find_spec("procrastinate") is None:  # only asked for: it takes long to import
            raise ModuleNotFoundError("procrastinate")
    except ImportError as error:
        raise SettingsError(
            "PostgreSQL needs the packages psycopg and procrastinate, which are not installed.",
            where=SETTING,
            fix="Install digest with its extra: pip install 'digest[postgres]'.",
        ) from error


def check_file(place: Place) -> None:
    """Refuse a folder that is missing, a path that is no file, and a library that is too old."""
    if place.path is None:
        return
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise DatabaseError(
            f"SQLite {sqlite3.sqlite_version} is too old.", fix="Version 3.35 or newer is needed."
        )
    if not place.path.parent.is_dir():
        raise DatabaseError(
            "The folder of the database does not exist.",
            where=str(place.path.parent),
            fix=f"Create it, or change {SETTING}.",
        )
    if place.path.exists() and not place.path.is_file():
        raise DatabaseError("This is not a file.", where=str(place.path), fix=f"Change {SETTING}.")


def create_file(place: Place) -> None:
    """Make the file of a new SQLite database for its owner alone: it will hold readers' addresses.

    One that is there keeps its mode; SQLite gives the files beside it the mode of the database.
    """
    if place.path is None:
        return
    try:
        os.close(os.open(place.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise DatabaseError(
            "unable to open database file.",
            where=str(place),
            fix=_advice("unable to open database file"),
        ) from error


# The count of rows an INSERT wrote is asked for; without this it is -1 on PostgreSQL.
_OPTIONS = {"preserve_rowcount": True}


def write_engine(place: Place) -> AsyncEngine:
    """The engine of writing transactions (PostgreSQL: of all)."""
    if place.path is None:
        return create_async_engine(
            place.url,
            execution_options=_OPTIONS,
            connect_args=_postgresql_arguments(),
            pool_size=8,
            max_overflow=8,
            pool_pre_ping=True,  # a restarted server costs one ping, not one failed transaction
        )
    # One connection: SQLite has one writer anyway, and waiting in Python is fair and cheap.
    engine = create_async_engine(
        place.url,
        execution_options=_OPTIONS,
        module=DRIVER,
        connect_args={"isolation_level": None},
        pool_size=1,
        max_overflow=0,
    )
    _prepare_sqlite(engine.sync_engine, begin="BEGIN IMMEDIATE", pragmas=_WRITER)
    return engine


# What makes a transaction of PostgreSQL a reading one. For a connection once it is there, not for
# the engine: that one sets them while it connects, and whoever is cancelled then leaves it open.
SNAPSHOT: dict[str, object] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def read_engine(place: Place, writer: AsyncEngine) -> AsyncEngine:
    """The engine of reading transactions; PostgreSQL's begin with ``SNAPSHOT``."""
    if place.path is None:
        return writer
    engine = create_async_engine(
        place.url,
        module=DRIVER,
        connect_args={"isolation_level": None},
        pool_size=READERS,
        max_overflow=READERS,
    )
    _prepare_sqlite(engine.sync_engine, begin="BEGIN", pragmas=_READER)
    return engine


def migration_engine(
    place: Place, *, statement_timeout: str = "0", lock_timeout: str = "60s"
) -> Engine:
    """A plain engine for whatever makes or changes tables: no foreign keys while they are rebuilt.

    The limits are PostgreSQL's, as it writes them; without one a step takes as long as it takes.
    """
    if place.path is None:
        return create_engine(
            place.url,
            connect_args=_postgresql_arguments(statement_timeout, lock_timeout),
            poolclass=NullPool,
        )
    engine = create_engine(
        place.url.set(drivername="sqlite+pysqlite"),
        connect_args={"isolation_level": None},
        poolclass=NullPool,
    )
    _prepare_sqlite(engine, begin="BEGIN IMMEDIATE", pragmas=_MIGRATION)
    return engine


def snapshot_engine(place: Place) -> Engine:
    """A plain engine whose transactions see one moment, however long they read, and cannot write.

    SQLite's write-ahead log and PostgreSQL's versions of rows let others write meanwhile.
    """
    if place.path is None:
        return create_engine(
            place.url,
            connect_args=_postgresql_arguments(statement_timeout="0"),
            poolclass=NullPool,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )
    engine = create_engine(
        place.url.set(drivername="sqlite+pysqlite"),
        connect_args={"isolation_level": None},
        poolclass=NullPool,
    )
    _prepare_sqlite(engine, begin="BEGIN", pragmas=_READER)
    return engine


_COMMON = (
    f"busy_timeout = {BUSY_TIMEOUT}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "secure_delete = ON",  # what a row was before stays in no free space: a reader may be erased
)
_WRITER = (*_COMMON, "foreign_keys = ON", "journal_size_limit = 67108864")
_READER = (f"busy_timeout = {BUSY_TIMEOUT}", "query_only = ON")
_MIGRATION = (*_COMMON, "foreign_keys = OFF")


def _prepare_sqlite(engine: Engine, *, begin: str, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _record: Any) -> None:
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
        finally:
            cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)


def _postgresql_arguments(
    statement_timeout: str = "10min", lock_timeout: str = "30s"
) -> dict[str, Any]:
    """Ten minutes are for planning and imports; whoever waits for a person sets less."""
    options = {
        "timezone": "UTC",
        "statement_timeout": statement_timeout,
        "lock_timeout": lock_timeout,
        # A sender that was stopped in the middle frees its rows before others give up on them.
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT,
        # Rows that are being sent are in memory: finding one by its id costs no more than the next
        # page of the table. The default of 4 is of spinning disks, and reads whole tables for 400.
        "random_page_cost": "1.1",
        "jit": "off",  # compiling costs 30 ms a statement and more than these ever gain by it
    }
    return {
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        **_LIFELINE,
    }


_LIFELINE = {
    "application_name": "digest",
    "connect_timeout": 10,  # seconds
    # A cut cable is noticed after 30 + 3 x 10 seconds, not after the kernel's two hours; with a
    # statement on its way after 15 seconds, not after a quarter of an hour.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms
}


def conninfo(place: Place) -> str:
    """A PostgreSQL database as libpq names it, for connections that are not ours."""
    given = {name: str(value) for name, value in _LIFELINE.items()}
    url = place.url.set(drivername="postgresql").update_query_dict(given)
    return url.render_as_string(hide_password=False)


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Turn what a driver raises into a DatabaseError that says where and what to do.

    A broken constraint (IntegrityError) passes: it is for the function that ran into it.
    """
    try:
        yield
    except exc.IntegrityError:
        raise
    except exc.TimeoutError as error:
        raise DatabaseError(
            "No connection to the database became free in time.", where=str(place)
        ) from error
    except exc.DBAPIError as error:
        reason = _reason(error)
        raise DatabaseError(reason, where=str(place), fix=_advice(reason)) from error


def _reason(error: exc.DBAPIError) -> str:
    text = " ".join(str(error.orig).split())
    return text[:300].rstrip(".") + "."


_ADVICE = (
    ("unable to open database file", "Check that this user may write the file and its folder."),
    ("readonly database", "Check that this user may write the file and its folder."),
    ("not a database", "The file is damaged or something else; restore a backup."),
    ("malformed", "The file is damaged; restore a backup."),
    ("unsupported startup parameter", POOLED),
    ("lock timeout", "Somebody holds it: end long transactions and reports, and try again."),
    ("statement timeout", "A step took longer than it may. Nothing was changed by it."),
    ("database is locked", "Another program is writing; try again when it is done."),
    ("disk is full", "Make room on the disk."),
    ("no such table", "Run: digest db upgrade."),
    ("authentication failed", f"Check user and password in {SETTING}."),
    ("no password supplied", f"Give a password in {SETTING}."),
    ("does not exist", f"Check the names in {SETTING}, then run: digest db upgrade."),
    ("connection refused", f"Check that the server runs, and host and port in {SETTING}."),
    ("could not translate host name", f"Check the host in {SETTING}."),
    ("failed to resolve host", f"Check the host in {SETTING}."),
)


def _advice(reason: str) -> str:
    lowered = reason.lower()
    for sign, advice in _ADVICE:
        if sign in lowered:
            return advice
    return ""
