"""The values of a row as JSON has them, and as either database takes them.

A moment and a day are ISO 8601, bytes are base64, a word of a StrEnum is itself; ``ColumnOf.kind``
says which. What a table holds is compared by a fingerprint that does not depend on the order of its
rows.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Date, LargeBinary
from sqlalchemy.sql.type_api import TypeEngine

from digest.store.types import EnumText, Json, UtcDateTime

Row = list[Any]
TYPES: dict[str, TypeEngine[Any] | None] = {
    "time": UtcDateTime(),
    "date": Date(),
    "bytes": LargeBinary(),
    "json": Json,
    "word": None,
    "plain": None,
}


@dataclass(frozen=True, slots=True)
class ColumnOf:
    """A column and how its values are written: time, date, bytes, json, word or plain."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """How many rows, and the sum of their SHA-256 modulo 2^256, in whatever order they come."""

    rows: int = 0
    sum: int = 0

    def with_rows(self, rows: Iterable[Row]) -> Fingerprint:
        """With these rows too."""
        count, total = self.rows, self.sum
        for row in rows:
            count += 1
            total += int.from_bytes(hashlib.sha256(row_bytes(row)).digest(), "big")
        return Fingerprint(count, total % (1 << 256))


def row_bytes(row: Row) -> bytes:
    """A row on one line; equal rows are equal bytes, whatever order a JSON object was kept in."""
    return json.dumps(row, separators=(",", ":"), sort_keys=True).encode("ascii")


def column_of(one: Column[Any]) -> ColumnOf:
    """A column of ours, and how its values are written."""
    return ColumnOf(one.name, _kind(one.type))


def _kind(of: TypeEngine[Any]) -> str:
    if isinstance(of, UtcDateTime):
        return "time"
    if isinstance(of, Date):
        return "date"
    if isinstance(of, LargeBinary):
        return "bytes"
    if isinstance(of, EnumText):
        return "word"
    return "json" if isinstance(of, JSON) else "plain"


def written(value: Any) -> Any:
    """A value of a column that is not plain, as JSON has it."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def for_insert(columns: Sequence[ColumnOf], row: Row) -> dict[str, Any]:
    """A row as an INSERT takes it, with columns of ``TYPES``; ValueError where it is none."""
    return {one.name: _value(one.kind, value) for one, value in zip(columns, row, strict=True)}


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "time":
        return datetime.fromisoformat(value)
    if kind == "date":
        return date.fromisoformat(value)
    return base64.b64decode(value) if kind == "bytes" else value


def for_copy(columns: Sequence[ColumnOf], row: Row) -> list[Any]:
    """A row as COPY takes it: as text, but bytes; ValueError where it is none."""
    return [_text(one.kind, value) for one, value in zip(columns, row, strict=True)]


def _text(kind: str, value: Any) -> Any:
    if value is None or kind not in ("bytes", "json"):
        return value
    return base64.b64decode(value) if kind == "bytes" else json.dumps(value)
