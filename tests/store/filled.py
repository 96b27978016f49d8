"""A database with rows in every table, whatever tables a revision has: made by looking at them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    inspect,
    select,
    text,
)

from digest.store.engines import migration_engine, parse_place
from digest.store.schema import metadata

ROWS = 3
GONE = 99  # an id that was given to a row that is gone
_BEGAN = datetime(2026, 11, 26, 9, 0, 0, 123456, tzinfo=UTC)
_QUOTED = re.compile(r"'([^']*)'")
# What no copy may stumble over: other scripts, ends of lines, what COPY takes for something else.
_WORDS = "Zoë “ü” 漢字 \\N \t\r\n\\. {0}"


def fill(url: str, rows: int = ROWS) -> dict[str, int]:
    """Put rows into every table; how many there are of each."""
    with migration_engine(parse_place(url)).connect() as connection, connection.begin():
        tables = _tables(connection)
        for table in tables.sorted_tables:
            made = [_row(connection, table, number) for number in range(_how_many(table, rows))]
            connection.execute(table.insert(), made)
        for table in tables.sorted_tables:
            _use_up_ids(connection, table)
        return {table.name: _how_many(table, rows) for table in tables.sorted_tables}


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, as the database gives it, in an order of its own."""
    with migration_engine(parse_place(url)).connect() as connection:
        return {
            table.name: sorted(
                (dict(row) for row in connection.execute(select(table)).mappings()), key=repr
            )
            for table in _tables(connection).sorted_tables
        }


def _tables(connection: Connection) -> MetaData:
    found = MetaData()
    ours = [name for name in inspect(connection).get_table_names() if name in metadata.tables]
    found.reflect(connection, only=ours)
    return found


def _how_many(table: Table, rows: int) -> int:
    return 1 if table.name == "installation" else rows


def _row(connection: Connection, table: Table, number: int) -> dict[str, Any]:
    words = _choices(connection, table.name)
    return {one.name: _value(one, number, words.get(one.name)) for one in table.columns}


def _choices(connection: Connection, table: str) -> dict[str, list[str]]:
    """The words a CHECK allows, by column: SQLite and PostgreSQL both keep them quoted."""
    checks = inspect(connection).get_check_constraints(table)
    prefix = f"ck_{table}_"
    return {
        str(check["name"]).removeprefix(prefix): found
        for check in checks
        if (found := _QUOTED.findall(check["sqltext"]))
    }


def _value(column: Column[Any], number: int, choices: list[str] | None) -> Any:
    if column.primary_key and column.name == "id":
        return number + 1
    if column.foreign_keys:
        return _referred(column, number)
    if column.nullable and number == 1 and column.name not in ("number", "slug"):
        return None
    if choices:
        return choices[number % len(choices)]
    return _of_type(column, number)


def _referred(column: Column[Any], number: int) -> Any:
    (key,) = column.foreign_keys
    target = key.column
    return number + 1 if target.name == "id" else _of_type(target, number)


def _of_type(column: Column[Any], number: int) -> Any:
    kind = column.type
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, Integer):
        return number + 1
    if isinstance(kind, DateTime):
        at = _BEGAN + timedelta(minutes=number)
        return at if kind.timezone else at.replace(tzinfo=None)
    if isinstance(kind, Date):
        return date(2026, 12, 24) + timedelta(days=number)
    if isinstance(kind, LargeBinary):
        return bytes((0, 9, 10, 92, 255, number))
    if isinstance(kind, JSON):
        return {"words": [_WORDS, None, True], "a": {"z": number, "b": 1.5}}
    length = getattr(kind, "length", None)
    if length is None:
        return f"{number} {_WORDS}"
    return f"{number} {column.name}"[:length]


def _use_up_ids(connection: Connection, table: Table) -> None:
    """Have the highest id be one of a row that is gone."""
    if "id" not in table.columns or table.name == "installation":
        return
    if connection.dialect.name == "postgresql":
        sequence = {"table": table.name, "last": GONE}
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :last)"), sequence
        )
        return
    change = text("UPDATE sqlite_sequence SET seq = :last WHERE name = :table")
    connection.execute(change, {"table": table.name, "last": GONE})
