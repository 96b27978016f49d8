"""A whole database as rows: read as of one moment, written into an empty one of either kind.

What a backup and a move to another database have in common. All of it is synchronous, for a thread
of its own: a cursor that streams needs no event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    MetaData,
    column,
    exc,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy import table as any_table

from digest.clock import Clock
from digest.errors import ConflictError, DatabaseError
from digest.store.engines import (
    Place,
    check_file,
    create_file,
    migration_engine,
    parse_place,
    snapshot_engine,
    translated,
)
from digest.store.revisions import (
    RevisionState,
    bring_up_to_date,
    compare_revision,
    known_revisions,
    require_current,
    run_migrations,
)
from digest.store.row_values import (
    TYPES,
    ColumnOf,
    Row,
    column_of,
    for_copy,
    for_insert,
    written,
)
from digest.store.schema import installation, metadata
from digest.store.workers import nobody_sends

try:
    from psycopg import Error as DriverError
except ImportError:  # an extra: without it there is no PostgreSQL either
    DriverError = exc.DBAPIError  # type: ignore[assignment, misc]  # what SQLAlchemy makes of it

BATCH = 2_000  # rows
_APPEND_ONLY = "consent_events_append_only"  # a function of PostgreSQL, which outlives its table


class Snapshot:
    """Every row of a database as of one moment."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        found = connection.execute(text("SELECT version_num FROM alembic_version"))
        self.revision: str = found.scalar_one()
        self.tables: dict[str, tuple[ColumnOf, ...]] = {
            table.name: tuple(map(column_of, table.columns)) for table in metadata.sorted_tables
        }

    def batches(self, name: str) -> Iterator[list[Row]]:
        """The rows of a table, some at a time."""
        kinds = [one.kind for one in self.tables[name]]
        special = [place for place, kind in enumerate(kinds) if kind != "plain"]
        query = select(metadata.tables[name]).execution_options(yield_per=BATCH)
        for found in self.connection.execute(query).partitions():
            rows = [list(row) for row in found]
            for row in rows:
                for place in special:
                    row[place] = written(row[place])
            yield rows

    def last_ids(self) -> dict[str, int]:
        """The highest id each table has ever given, which may be of a row that is gone."""
        return _last_ids(self.connection)

    @property
    def installation(self) -> Mapping[str, Any]:
        """The row of the installation; empty where there is none yet."""
        row = self.connection.execute(select(installation)).mappings().first()
        return {} if row is None else dict(row)

    def count(self) -> int:
        """How many rows there are, for whoever shows progress."""
        counted = (select(func.count()).select_from(table) for table in metadata.sorted_tables)
        return sum(self.connection.execute(query).scalar_one() for query in counted)


@contextmanager
def reading(url: str) -> Iterator[Snapshot]:
    """Read a database whose tables are those of this code; others write on meanwhile."""
    place = parse_place(url)
    check_file(place)
    if place.path is not None and not place.path.exists():
        require_current(RevisionState.EMPTY, str(place))
    with (
        translated(place),
        snapshot_engine(place).connect() as connection,
        connection.begin(),
    ):
        _take_time(connection)
        require_current(compare_revision(connection), str(place))
        yield Snapshot(connection)


@dataclass(slots=True)
class Leaving:
    """A database that an installation moves away from, with nobody sending."""

    snapshot: Snapshot
    _place: Place

    def leave(self, reason: str) -> None:
        """Nothing is sent from here any more before somebody says so."""
        with migration_engine(self._place).connect() as connection, connection.begin():
            Filling(connection, self._place).forbid_sending(reason)


@contextmanager
def moving_away(url: str) -> Iterator[Leaving]:
    """Read a database while nobody sends from it; RefusedError where a process does."""
    place = parse_place(url)
    with (
        reading(url) as snapshot,
        translated(place),
        nobody_sends(snapshot.connection, place, now=Clock().now()),
    ):
        yield Leaving(snapshot, place)


class Filling:
    """An empty database that is being filled, all or nothing."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self._connection = connection
        self._place = place

    def __str__(self) -> str:
        """Where it is, without a password."""
        return str(self._place)

    def write(self, name: str, columns: Sequence[ColumnOf], rows: Sequence[Row]) -> None:
        """Put rows into a table; DatabaseError where it does not take them."""
        if not rows:
            return
        try:
            if self._place.dialect == "postgresql":
                self._copy_in(name, columns, rows)
            else:
                self._insert(name, columns, rows)
        except (exc.SQLAlchemyError, DriverError, ValueError, TypeError) as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0].rstrip(".")
            raise DatabaseError(
                f"A row of {name} cannot be written: {reason}.",
                where=str(self),
                fix="Nothing was changed.",
            ) from error

    def _insert(self, name: str, columns: Sequence[ColumnOf], rows: Sequence[Row]) -> None:
        into = any_table(name, *(column(one.name, TYPES[one.kind]) for one in columns))
        values = [for_insert(columns, row) for row in rows]
        self._connection.execute(into.insert(), values)

    def _copy_in(self, name: str, columns: Sequence[ColumnOf], rows: Sequence[Row]) -> None:
        from psycopg import sql

        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(name), sql.SQL(", ").join(sql.Identifier(one.name) for one in columns)
        )
        driver: Any = self._connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(for_copy(columns, row))

    def set_last_ids(self, ids: Mapping[str, int]) -> None:
        """No id that was ever given is given again: mail that is out names rows for ever."""
        for name, last in ids.items():
            if last > 0 and self._place.dialect == "postgresql":
                sequence = {"table": name, "last": last}
                self._connection.execute(
                    text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :last)"), sequence
                )
            elif last > 0:
                _set_sqlite_sequence(self._connection, name, last)

    def columns(self, name: str) -> set[str]:
        """The columns a table has here; none where there is no such table."""
        inspector = inspect(self._connection)
        if name not in inspector.get_table_names() or name == "alembic_version":
            return set()
        return {one["name"] for one in inspector.get_columns(name)}

    def upgrade(self) -> None:
        """Bring the tables up to date, and look whether every row that is named is there."""
        bring_up_to_date(self._connection, self._place)

    def forbid_sending(self, reason: str) -> None:
        """Nothing is sent from here before somebody says so; see ``delivery.epoch``."""
        change = installation.update().values(take_over_reason=reason)
        self._connection.execute(change)

    def snapshot(self) -> Snapshot:
        """What was written, read again."""
        return Snapshot(self._connection)


@contextmanager
def filling(url: str, *, revision: str = "head", replace: bool = False) -> Iterator[Filling]:
    """Make the tables of ``revision`` in an empty database, and fill them: all of it or nothing.

    ConflictError where there are rows already, unless ``replace`` drops them.
    """
    place = parse_place(url)
    check_file(place)
    new = place.path is not None and not place.path.exists()
    create_file(place)
    engine = migration_engine(place)
    try:
        with (
            translated(place),
            engine.connect() as connection,
            connection.begin(),
            nobody_sends(connection, place, now=Clock().now()),
        ):
            _take_time(connection)
            _make_room(connection, place, replace=replace)
            run_migrations(connection, revision)
            yield Filling(connection, place)
    except BaseException:
        if new and place.path is not None:
            _remove(place)
        raise


def _take_time(connection: Connection) -> None:
    """A slow disk, or the other database, may keep this transaction waiting."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def _remove(place: Place) -> None:
    """Leave no empty file of a database that was not filled."""
    assert place.path is not None
    for ending in ("", "-wal", "-shm"):
        place.path.with_name(place.path.name + ending).unlink(missing_ok=True)


def _make_room(connection: Connection, place: Place, *, replace: bool) -> None:
    there = MetaData()
    names = [*metadata.tables, "alembic_version"]
    there.reflect(
        connection, only=[one for one in inspect(connection).get_table_names() if one in names]
    )
    holding = [
        table.name
        for table in there.sorted_tables
        if table.name not in ("alembic_version", "installation")
        and connection.execute(select(1).select_from(table).limit(1)).first()
    ]
    if holding and not replace:
        raise ConflictError(
            f"There are rows in this database already: of {', '.join(sorted(holding)[:3])}.",
            where=str(place),
            fix="Name an empty one, or drop what is there with --replace.",
        )
    there.drop_all(connection)
    if place.dialect == "postgresql":
        connection.execute(text(f"DROP FUNCTION IF EXISTS {_APPEND_ONLY}()"))


def known(revision: str) -> bool:
    """Whether this code has the migrations up to ``revision``."""
    return revision in known_revisions()


def _last_ids(connection: Connection) -> dict[str, int]:
    numbered = [table for table in metadata.sorted_tables if table.autoincrement_column is not None]
    highest = {
        table.name: connection.execute(select(func.max(table.c.id))).scalar() or 0
        for table in numbered
    }
    if connection.dialect.name == "sqlite":
        given = connection.execute(text("SELECT name, seq FROM sqlite_sequence"))
        last = {row.name: row.seq for row in given}
    else:
        last = {table.name: _sequence(connection, table.name) for table in numbered}
    return {name: max(number, last.get(name, 0)) for name, number in highest.items()}


def _sequence(connection: Connection, name: str) -> int:
    """The last number of PostgreSQL's sequence for ``name``; its own name is not ours to choose."""
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": name}
    ).scalar_one()
    row = connection.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608 (named by the server)
    return int(row.last_value) if row.is_called else 0


def _set_sqlite_sequence(connection: Connection, name: str, last: int) -> None:
    """Only tables with AUTOINCREMENT remember; for others, the highest id there is says it."""
    sql = connection.execute(
        text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), {"name": name}
    ).scalar()
    if sql is None or "AUTOINCREMENT" not in sql:
        return
    values = {"name": name, "last": last}
    change = text("UPDATE sqlite_sequence SET seq = :last WHERE name = :name")
    if connection.execute(change, values).rowcount == 0:
        connection.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), values
        )
