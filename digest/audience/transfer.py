"""Readers in bulk: the import of a file.

An import is a row of chunks, each a transaction of its own: memory stays small, and after a crash
the same file is simply imported again, which adds only who is missing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, fields
from typing import IO, TYPE_CHECKING, Any, Self, TypeAlias

from digest.audience.leave import leave
from digest.audience.reader_file import ReaderFile
from digest.audience.reader_layout import Reading
from digest.audience.reader_rows import BadRow
from digest.audience.reader_sources import reader_files
from digest.errors import InputError
from digest.mail.headers import clean_line
from digest.rules.subscription import Standing
from digest.store.newsletters import Newsletter
from digest.store.reader_import import (
    ChunkResult,
    Consent,
    ImportBatch,
    ImportedReader,
    import_chunk,
    open_batch,
)
from digest.store.session import Database

if TYPE_CHECKING:
    from digest.clock import Clock

CHUNK = 5_000  # rows a transaction: 2 ms of commit in 100 ms of work
LISTED = 1_000  # bad rows that are named; all are counted
_FILE_NAME_MAX = 255
_SEVERITY = {standing: rank for rank, standing in enumerate(Standing)}

_Chunk: TypeAlias = list[ImportedReader | BadRow]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did; ``rows`` is the sum of ``imported`` and all the counts below it."""

    rows: int = 0
    imported: int = 0  # as readers
    left: int = 0  # as people who left where they come from
    kept_out: int = 0  # as addresses nobody writes to
    already: int = 0  # subscribed (or pending, or paused) before; left as they are
    duplicates: int = 0  # again in this very file
    ended: int = 0  # left before: not brought back
    suppressed: int = 0  # bounced, complained or erased before: not brought back
    unconfirmed: int = 0  # never confirmed where they come from: not taken
    invalid_count: int = 0
    invalid: tuple[BadRow, ...] = ()  # the first of them
    left_since: int = 0  # of ``already``: imported before, and left there since; they have ended

    def __add__(self, other: Self) -> Self:
        sums: dict[str, Any] = {
            one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)
        }
        return type(self)(**sums | {"invalid": sums["invalid"][:LISTED]})


@dataclass(frozen=True, slots=True)
class ImportWatch:
    """Who is told while an import runs: rows done and rows in all; the files; every bad row."""

    progress: Callable[[int, int], None] = lambda _done, _rows: None
    files: Callable[[Sequence[ReaderFile]], None] = lambda _files: None
    bad_row: Callable[[BadRow], None] = lambda _row: None


class _UndoError(Exception):
    """Takes back what a dry run has done in a transaction."""


@dataclass(slots=True)
class _Import:
    """One import under way."""

    db: Database
    newsletter: Newsletter
    source: str
    clock: Clock
    dry_run: bool
    seen: set[int] = field(default_factory=set)  # by a dry run, which stores nobody


async def import_readers(
    db: Database,
    newsletter: Newsletter,
    data: IO[bytes],
    *,
    consent: str,
    clock: Clock,
    path: str = "readers.csv",
    reading: Reading | None = None,
    dry_run: bool = False,
    watch: ImportWatch | None = None,
) -> ImportReport:
    """Subscribe the readers of a CSV file, or of a tool's zip, to ``newsletter``.

    ``consent`` says how they agreed; it is kept with every one of them. A dry run reports the same
    and changes nothing. Bad rows are left out and named in the report. Raises ReaderFileError for a
    file that cannot be used, InputError without a consent; then nothing is stored.
    """
    source = clean_line(consent)
    if not source:
        raise InputError(
            "How did these readers agree to get this newsletter?",
            where="--consent",
            fix="Say it in a sentence; it is kept as the proof of their consent.",
        )
    watch = watch or ImportWatch()
    work = _Import(db, newsletter, source, clock, dry_run)
    opened = reader_files(data, path=path, now=clock.now(), reading=reading or Reading())
    files = await asyncio.to_thread(opened.__enter__)
    try:
        watch.files(files)
        report, rows = ImportReport(), sum(one.rows for one in files)
        for readers in files:
            batch = None if dry_run else await _open(work, readers)
            async with aclosing(_chunks(readers)) as chunks:
                async for chunk in chunks:
                    report += await _import(work, readers, batch, chunk)
                    for row in chunk:
                        if isinstance(row, BadRow):
                            watch.bad_row(row)
                    watch.progress(report.rows, rows)
        return report
    finally:
        opened.__exit__(None, None, None)


async def _open(work: _Import, readers: ReaderFile) -> ImportBatch:
    async with work.db.begin() as session:
        return await open_batch(
            session, work.newsletter.id, _consent(work, readers), now=work.clock.now()
        )


def _consent(work: _Import, readers: ReaderFile) -> Consent:
    name = clean_line(readers.path.rpartition("/")[2])[:_FILE_NAME_MAX] or None
    return Consent(work.source, name, readers.sha256)


async def _chunks(readers: ReaderFile) -> AsyncGenerator[_Chunk, None]:
    """The rows in chunks; the next one is read in a thread while the database has this one."""
    rows = iter(readers)

    def take() -> _Chunk:
        return list(itertools.islice(rows, CHUNK))

    coming = asyncio.create_task(asyncio.to_thread(take))
    try:
        while chunk := await coming:
            coming = asyncio.create_task(asyncio.to_thread(take))
            yield chunk
    finally:
        await asyncio.wait([coming])  # nobody reads the file any more when we are done


async def _import(
    work: _Import, readers: ReaderFile, batch: ImportBatch | None, chunk: _Chunk
) -> ImportReport:
    bad = tuple(row for row in chunk if isinstance(row, BadRow))
    unique: dict[str, ImportedReader] = {}
    for row in chunk:
        if isinstance(row, ImportedReader):
            other = unique.setdefault(row.key, row)
            if _SEVERITY[row.standing] > _SEVERITY[other.standing]:
                unique[row.key] = row
    duplicates = len(chunk) - len(bad) - len(unique)
    found = [one for one in unique.values() if one.standing is not Standing.UNCONFIRMED]
    unconfirmed = len(unique) - len(found)
    if batch is None:
        new = [one for one in found if hash(one.key) not in work.seen]
        duplicates += len(found) - len(new)
        work.seen.update(hash(one.key) for one in new)
        added = await _tried(work, readers, new)
    else:
        added = await _added(work, batch, found)
    return ImportReport(
        rows=len(chunk),
        imported=added.active,
        left=added.left,
        kept_out=added.kept_out,
        already=added.already,
        duplicates=duplicates + added.again,
        ended=added.ended,
        suppressed=added.suppressed,
        unconfirmed=unconfirmed,
        invalid_count=len(bad),
        invalid=bad[:LISTED],
        left_since=len(added.to_end),
    )


async def _added(work: _Import, batch: ImportBatch, readers: list[ImportedReader]) -> ChunkResult:
    if not readers:
        return ChunkResult()
    async with work.db.begin() as session:
        added = await import_chunk(session, batch, readers, now=work.clock.now())
    for one in added.to_end:
        await leave(work.db, one, source="import", clock=work.clock)
    return added


async def _tried(work: _Import, readers: ReaderFile, wanted: list[ImportedReader]) -> ChunkResult:
    """What would come of a chunk."""
    result, now = ChunkResult(), work.clock.now()
    try:
        async with work.db.begin() as session:
            batch = await open_batch(session, work.newsletter.id, _consent(work, readers), now=now)
            if wanted:
                result = await import_chunk(session, batch, wanted, now=now)
            raise _UndoError
    except _UndoError:
        return result
