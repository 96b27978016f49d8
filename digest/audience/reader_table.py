"""Readers as a table: the CSV (RFC 4180) that ``reader export`` and ``digest export`` write.

``reader import`` knows it by its columns and takes back what stands in it. A cell that a
spreadsheet would run as a formula begins with an apostrophe, unless ``raw``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from digest.audience.reader_rows import safe_cell
from digest.rules.subscription import SubscriptionState
from digest.store.own_data import consent_histories
from digest.store.reader_list import ReaderRow, list_readers, list_suppressed
from digest.store.session import Database
from digest.store.suppressions import reasons_of

HEADER = (
    *("email", "name", "state", "since", "confirmed", "paused until", "left", "suppressed"),
    *("language", "tags", "attributes"),
)


async def reader_table(
    db: Database,
    newsletter_id: int,
    *,
    state: SubscriptionState | None = None,
    tag: str | None = None,
    raw: bool = False,
) -> AsyncIterator[str]:
    """The lines of the table, a page of readers at a time; a transaction each, so nobody waits."""
    yield _lines([HEADER], raw=raw)
    after = 0
    while True:
        async with db.read() as session:
            page = await list_readers(session, newsletter_id, state=state, tag=tag, after=after)
            reasons = await reasons_of(
                session, [row.address_key for row in page if row.suppressed_at is not None]
            )
        if not page:
            return
        after = page[-1].subscriber_id
        yield _lines([_cells(row, reasons.get(row.address_key, "")) for row in page], raw=raw)


async def consent_lines(db: Database, newsletter_id: int) -> AsyncIterator[str]:
    """How every reader agreed, and every change since: a line of JSON each."""
    after = 0
    while True:
        async with db.read() as session:
            page = await list_readers(session, newsletter_id, after=after)
            events = await consent_histories(session, [row.subscription_id for row in page])
        if not page:
            return
        after = page[-1].subscriber_id
        told = [
            {"email": row.address, "state": row.state.value, "consent": events[row.subscription_id]}
            for row in page
        ]
        yield "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in told)


async def suppressed_table(db: Database, *, raw: bool = False) -> AsyncIterator[str]:
    """The addresses that are never mailed and still known; of the others there is only a hash."""
    yield _lines([("email", "reason", "since")], raw=raw)
    after = 0
    while True:
        async with db.read() as session:
            page = await list_suppressed(session, after=after)
            reasons = await reasons_of(session, [row.address_key for row in page])
        if not page:
            return
        after = page[-1].id
        rows = [
            (row.address, reasons.get(row.address_key, ""), _day(row.suppressed_at)) for row in page
        ]
        yield _lines(rows, raw=raw)


def _cells(row: ReaderRow, suppressed: str) -> Sequence[str]:
    return (
        row.address,
        row.name,
        row.state.value,
        _day(row.created_at),
        _day(row.confirmed_at),
        _day(row.paused_until),
        _day(row.ended_at),
        suppressed,
        row.language or "",
        json.dumps(row.tags, ensure_ascii=False) if row.tags else "",
        json.dumps(row.attributes, ensure_ascii=False) if row.attributes else "",
    )


def _day(when: datetime | None) -> str:
    return "" if when is None else when.isoformat(timespec="seconds")


def _lines(rows: Sequence[Sequence[str]], *, raw: bool) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerows(rows if raw else [[safe_cell(cell) for cell in row] for row in rows])
    return text.getvalue()
