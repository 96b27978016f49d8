"""What tables are made of: the metadata, and columns that many of them have."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, MetaData, text

from digest.store.types import Id, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def one_of(column: str, values: type[StrEnum] | tuple[str, ...]) -> CheckConstraint:
    """A column of text that holds one of ``values``."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def id_column() -> Column[int]:
    """The number a row is named by."""
    return Column("id", Id, primary_key=True, autoincrement=True)


def reference(name: str, target: str, *, null: bool = False) -> Column[int]:
    """The id of a row of ``target``, which is ``table.column``."""
    return Column(name, Id, ForeignKey(target), nullable=null)


def at(name: str, *, null: bool = True) -> Column[object]:
    """A moment, UTC."""
    return Column(name, UtcDateTime, nullable=null)


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of the rows that meet ``where`` alone, on both databases."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def index_of_beginnings(name: str, column: str) -> Index:
    """An index for how a text begins. SQLite has one in any index of the column; PostgreSQL, where
    words have an order of their own, needs one by characters.
    """
    ops = {column: "varchar_pattern_ops"}
    return Index(name, column, postgresql_ops=ops).ddl_if(dialect="postgresql")
