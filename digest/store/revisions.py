"""Which form the tables of a database have, and how they are brought up to date.

Alembic does the work from the migrations in the checkout or the wheel; its folder also says which
revisions this code knows, so that telling the state of a database costs one query and no alembic.
A migration's file is named ``<revision>_<what>.py`` and revisions sort by name.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, inspect, text

from digest import resources
from digest.errors import DatabaseError
from digest.store import engine_tables
from digest.store.engines import (
    Place,
    check_file,
    create_file,
    migration_engine,
    parse_place,
    translated,
)
from digest.store.server import check_server

_LOCK = 0x64696765_73740001  # "digest", 1: one upgrade at a time on PostgreSQL


class RevisionState(StrEnum):
    """How a database compares with this code."""

    CURRENT = "current"
    BEHIND = "behind"
    NEWER = "newer"
    EMPTY = "empty"


def known_revisions() -> tuple[str, ...]:
    """The revisions this code knows, oldest first."""
    files = (resources.migrations() / "versions").glob("*_*.py")
    return tuple(sorted(file.name.split("_", 1)[0] for file in files))


def compare_revision(connection: Connection) -> RevisionState:
    """How the database behind ``connection`` compares with this code."""
    if not inspect(connection).has_table("alembic_version"):
        return RevisionState.EMPTY
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if not found:
        return RevisionState.EMPTY
    known = known_revisions()
    if any(revision not in known for revision in found):
        return RevisionState.NEWER
    if known[-1] not in found or not _engine_is_current(connection):
        return RevisionState.BEHIND
    return RevisionState.CURRENT


def _engine_is_current(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite" or engine_tables.are_current(connection)


def require_current(state: RevisionState, where: str) -> None:
    """Raise DatabaseError unless the tables are those this code knows."""
    if state in (RevisionState.EMPTY, RevisionState.BEHIND):
        message = (
            "There are no tables in this database yet."
            if state is RevisionState.EMPTY
            else "The tables are those of an older version of digest."
        )
        raise DatabaseError(message, where=where, fix="Run: digest db upgrade.")
    if state is RevisionState.NEWER:
        raise _newer(where)


def _newer(where: str) -> DatabaseError:
    return DatabaseError(
        "A newer version of digest has changed this database.",
        where=where,
        fix="Install that version again, or restore the backup made before it.",
    )


async def revision_state(url: str) -> RevisionState:
    """How the database at ``url`` compares with this code; it is not changed, nor created."""
    return await asyncio.to_thread(_revision_state, parse_place(url))


def _revision_state(place: Place) -> RevisionState:
    check_file(place)
    if place.path is not None and not place.path.exists():
        return RevisionState.EMPTY
    engine = migration_engine(place)
    with translated(place), engine.connect() as connection:
        check_server(connection, str(place))
        return compare_revision(connection)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an upgrade of PostgreSQL waits and works, in seconds.

    Whoever wants to read a table waits behind us while we wait for it. So we wait briefly
    (``lock``), let them pass, and try again, ``tries`` times. ``turn`` is for an upgrade that
    another machine is at, ``step`` for one statement of ours.
    """

    lock: float = 3.0
    tries: int = 40
    turn: float = 3_600.0
    step: float = 1_800.0


async def upgrade(url: str, patience: Patience = Patience()) -> None:
    """Create the tables, or bring them up to date; nothing happens where they are.

    All of it is one transaction, and of several at a time, on one machine or many, one works while
    the others wait. Raises DatabaseError where a newer version of digest was here, or the database
    cannot be used, or something holds it for longer than ``patience``.
    """
    await asyncio.to_thread(_upgrade, parse_place(url), patience)


def _upgrade(place: Place, patience: Patience) -> None:
    check_file(place)
    create_file(place)
    for left in reversed(range(patience.tries)):
        try:
            _upgrade_once(place, patience)
        except DatabaseError as error:
            if not left or not _was_held(error):
                raise
            time.sleep(patience.lock * random.uniform(0.3, 1.0))
        else:
            return


def _upgrade_once(place: Place, patience: Patience) -> None:
    engine = migration_engine(
        place, statement_timeout=_ms(patience.step), lock_timeout=_ms(patience.turn)
    )
    with translated(place), engine.connect() as connection, connection.begin():
        check_server(connection, str(place))
        if compare_revision(connection) is RevisionState.CURRENT:
            return  # the usual case on every machine but one: no lock is asked for
        if place.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            brief = text("SELECT set_config('lock_timeout', :limit, true)")
            connection.execute(brief, {"limit": _ms(patience.lock)})
        if compare_revision(connection) is RevisionState.NEWER:
            raise _newer(str(place))
        bring_up_to_date(connection, place)


def _ms(seconds: float) -> str:
    return f"{int(seconds * 1000)}ms"


def _was_held(error: DatabaseError) -> bool:
    """Whether somebody held what we wanted: lock_not_available, or a deadlock we lost."""
    return getattr(getattr(error.__cause__, "orig", None), "sqlstate", "") in ("55P03", "40P01")


def bring_up_to_date(connection: Connection, place: Place) -> None:
    """Make or change the tables behind ``connection``, in the transaction it is in."""
    run_migrations(connection)
    if place.dialect == "postgresql":
        engine_tables.bring_up_to_date(connection)
    _check_foreign_keys(connection, place)


def run_migrations(connection: Connection, revision: str = "head") -> None:
    """Bring our own tables up to ``revision``."""
    # Imported here: commands that only look at the revision start faster without it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(resources.migrations()).replace("%", "%%")  # the option is interpolated
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _check_foreign_keys(connection: Connection, place: Place) -> None:
    """Raise DatabaseError where a row names one that is not there.

    SQLite did not watch them while tables were rebuilt or filled.
    """
    if place.dialect != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise DatabaseError(
            f"A row of {broken[0]} names a row of {broken[2]} that is not there.",
            where=str(place),
            fix="Nothing was changed. Restore a backup, or repair the row.",
        )
