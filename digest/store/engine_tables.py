"""The tables of Procrastinate, which ``jobs.postgres`` works with; brought up to date after ours.

Procrastinate ships its tables as one SQL file, and what changes with each release as files whose
names sort. Which of them a database has had last stands in the comment of its first table.
"""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import Connection, text

_HAS = text("SELECT obj_description(to_regclass('procrastinate_jobs'), 'pg_class')")
_COMMENT = "COMMENT ON TABLE procrastinate_jobs IS '{name}'"


def are_current(connection: Connection) -> bool:
    """Whether they are those that the installed Procrastinate works with, or newer ones."""
    return (connection.execute(_HAS).scalar() or "") >= _changes()[-1].stem


def bring_up_to_date(connection: Connection) -> None:
    """Make them, or change what has changed, in the transaction of ``connection``."""
    if are_current(connection):
        return
    before = connection.execute(_HAS).scalar()
    steps = [file for file in _changes() if before is not None and file.stem > before]
    if before is None:
        steps = [_sql() / "schema.sql"]
    # The driver's own cursor: many statements at once, and a "%" that is only that.
    cursor = connection.connection.cursor()
    try:
        for file in steps:
            cursor.execute(file.read_text(encoding="utf-8"))
        cursor.execute(_COMMENT.format(name=_changes()[-1].stem))
    finally:
        cursor.close()


def _sql() -> Path:
    spec = find_spec("procrastinate")
    if spec is None or spec.origin is None:  # parse_place has looked
        raise ModuleNotFoundError("procrastinate")
    return Path(spec.origin).parent / "sql"


@functools.cache
def _changes() -> tuple[Path, ...]:
    """What has changed since its first release, oldest first."""
    return tuple(sorted((_sql() / "migrations").glob("*.sql")))
