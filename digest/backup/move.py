"""Move an installation to another database, of either kind: SQLite to PostgreSQL, or back.

Every row is copied as of one moment, with the ids it has, since mail that is out names them; then
the copy is read again and compared with what was read. The database it came from sends nothing any
more before somebody says so: of two that send, readers would get everything twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.backup.make import Progress
from digest.errors import DatabaseError
from digest.store.row_values import Fingerprint
from digest.store.whole import Filling, Snapshot, filling, moving_away

REASON = "This database was copied to {target}."


@dataclass(frozen=True, slots=True)
class Moved:
    """How many rows of each table were copied, and found to be the same."""

    rows: dict[str, int]


def move(source_url: str, target_url: str, *, progress: Progress) -> Moved:
    """Copy everything from one database into another one that is empty: all of it or nothing.

    RefusedError where a process sends from the source, ConflictError where the target holds
    anything, DatabaseError where the copy is not the same. Blocks: for a thread of its own.
    """
    with moving_away(source_url) as source:
        with filling(target_url, revision=source.snapshot.revision) as target:
            marks = _copy(source.snapshot, target, progress)
            target.upgrade()
            target.set_last_ids(source.snapshot.last_ids())
            _compare(marks, target)
            where = str(target)
        source.leave(REASON.format(target=where))
    return Moved({name: mark.rows for name, mark in marks.items()})


def _copy(source: Snapshot, target: Filling, progress: Progress) -> dict[str, Fingerprint]:
    done, total = 0, source.count()
    marks: dict[str, Fingerprint] = {}
    for name, columns in source.tables.items():
        mark = Fingerprint()
        for rows in source.batches(name):
            target.write(name, columns, rows)
            mark = mark.with_rows(rows)
            done += len(rows)
            progress(done, total)
        marks[name] = mark
    return marks


def _compare(marks: dict[str, Fingerprint], target: Filling) -> None:
    copy = target.snapshot()
    for name, mark in marks.items():
        found = Fingerprint()
        for rows in copy.batches(name):
            found = found.with_rows(rows)
        if found != mark:
            raise DatabaseError(
                f"The copy of {name} is not what was read: {found.rows:,} rows of {mark.rows:,}.",
                where=str(target),
                fix="Nothing was changed, there or here.",
            )
