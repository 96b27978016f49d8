"""The tables of Procrastinate, which ``jobs.postgres`` works with; brought up to date after ours.

Procrastinate ships its tables as one SQL file, and what changes with each release as files whose
names sort. Which of them a database has had last stands in the comment of its first table.

Its ``post`` steps take away what processes of the release before call. So the last ones are held
back until an upgrade finds newer steps: by then no such process is left, and what is there works
with them and without.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import Connection, text

_HAS = text("SELECT obj_description(to_regclass('procrastinate_jobs'), 'pg_class')")
_COMMENT = "COMMENT ON TABLE procrastinate_jobs IS '{name}'"


def are_current(connection: Connection) -> bool:
    """Whether they are those that the installed Procrastinate works with, or newer ones."""
    return (connection.execute(_HAS).scalar() or "") >= _due()[-1].stem


def bring_up_to_date(connection: Connection) -> None:
    """Make them, or change what has changed, in the transaction of ``connection``."""
    if are_current(connection):
        return
    before = connection.execute(_HAS).scalar()
    if before is None:
        steps, last = [_sql() / "schema.sql"], _changes()[-1]
    else:
        steps, last = [file for file in _due() if file.stem > before], _due()[-1]
    # The driver's own cursor: many statements at once, and a "%" that is only that.
    cursor = connection.connection.cursor()
    try:
        for file in steps:
            cursor.execute(file.read_text(encoding="utf-8"))
        cursor.execute(_COMMENT.format(name=last.stem))
    finally:
        cursor.close()


def _sql() -> Path:
    spec = find_spec("procrastinate")
    if spec is None or spec.origin is None:  # parse_place has looked
        raise ModuleNotFoundError("procrastinate")
    return Path(spec.origin).parent / "sql"


def _changes() -> list[Path]:
    """What has changed since its first release, oldest first."""
    return sorted((_sql() / "migrations").glob("*.sql"))


def _due() -> list[Path]:
    """Those an upgrade runs: all but the ``post`` steps that nothing follows."""
    changes = _changes()
    while "_post_" in changes[-1].stem:
        changes.pop()
    return changes
