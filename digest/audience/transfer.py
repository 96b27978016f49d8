"""Readers in bulk: the import of a file.

An import is a row of chunks, each a transaction of its own: memory stays small, and after a crash
the same file is simply imported again, which adds only who is missing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, fields
from datetime import datetime
from typing import IO, Any, Self, TypeAlias

from digest.audience.reader_file import BadRow, ReaderFile
from digest.errors import InputError
from digest.mail.headers import clean_line
from digest.rules.subscription import SubscriptionState
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

CHUNK = 5_000  # rows a transaction: 2 ms of commit in 100 ms of work
LISTED = 1_000  # bad rows that are named; all are counted
_FILE_NAME_MAX = 255

_Chunk: TypeAlias = list[ImportedReader | BadRow]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did; ``rows`` is the sum of all the counts below it."""

    rows: int = 0
    imported: int = 0
    already: int = 0  # subscribed (or pending, or paused) before; left as they are
    duplicates: int = 0  # again in this very file
    ended: int = 0  # left before: not brought back
    suppressed: int = 0  # bounced, complained or erased before: not brought back
    invalid_count: int = 0
    invalid: tuple[BadRow, ...] = ()  # the first of them

    def __add__(self, other: Self) -> Self:
        sums: dict[str, Any] = {
            one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)
        }
        return type(self)(**sums | {"invalid": sums["invalid"][:LISTED]})


async def import_readers(
    db: Database,
    newsletter: Newsletter,
    data: IO[bytes],
    *,
    consent: str,
    now: datetime,
    path: str = "readers.csv",
    state: SubscriptionState = SubscriptionState.ACTIVE,
    progress: Callable[[int, int], None] = lambda _done, _rows: None,
) -> ImportReport:
    """Subscribe the readers of a CSV file (columns ``email`` and ``name``) to ``newsletter``.

    ``consent`` says how they agreed; it is kept with every one of them. ``progress`` is told rows
    done and rows in the file. Bad rows are left out and named in the report. Raises ReaderFileError
    for a file that cannot be used, InputError without a consent; then nothing is stored.
    """
    source = clean_line(consent)
    if not source:
        raise InputError(
            "How did these readers agree to get this newsletter?",
            where="--consent",
            fix="Say it in a sentence; it is kept as the proof of their consent.",
        )
    readers = await asyncio.to_thread(ReaderFile, data, path=path)
    try:
        batch = await _open(db, newsletter, readers, source, state=state, now=now)
        report = ImportReport()
        async with aclosing(_chunks(readers)) as chunks:
            async for chunk in chunks:
                report += await _import(db, batch, chunk, now=now)
                progress(report.rows, readers.rows)
        return report
    finally:
        readers.close()


async def _open(
    db: Database,
    newsletter: Newsletter,
    readers: ReaderFile,
    source: str,
    *,
    state: SubscriptionState,
    now: datetime,
) -> ImportBatch:
    name = clean_line(readers.path.rpartition("/")[2])[:_FILE_NAME_MAX] or None
    consent = Consent(source, name, readers.sha256)
    async with db.begin() as session:
        return await open_batch(session, newsletter.id, consent, state=state, now=now)


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
    db: Database, batch: ImportBatch, chunk: _Chunk, *, now: datetime
) -> ImportReport:
    bad = [row for row in chunk if isinstance(row, BadRow)]
    unique: dict[str, ImportedReader] = {}
    for row in chunk:
        if isinstance(row, ImportedReader):
            unique.setdefault(row.key, row)
    added = ChunkResult()
    if unique:
        async with db.begin() as session:
            added = await import_chunk(session, batch, list(unique.values()), now=now)
    return ImportReport(
        rows=len(chunk),
        imported=added.imported,
        already=added.already,
        duplicates=len(chunk) - len(bad) - len(unique) + added.again,
        ended=added.ended,
        suppressed=added.suppressed,
        invalid_count=len(bad),
        invalid=tuple(bad[:LISTED]),
    )
