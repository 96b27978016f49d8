"""Planning an issue for a million readers: its canary first, then the rest, on both databases.

Planned twice, for two issues: the first time the table and its indexes are empty, the second time
they hold a million rows already. Arguments: ``--rows N`` (default 1,000,000).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.databases import fresh_databases, the_newsletter
from bench.result import Figure, Result
from digest.rules.delivery import IssueState
from digest.store.issues import approve_version, move_issue
from digest.store.planning import audience_of, audience_size, plan_issue, plan_rest
from digest.store.reader_import import Consent, ImportedReader, import_chunk, open_batch
from digest.store.session import Database
from tests.build import NOW, PUBLIC_URL, add_issue, issue_text

_ROWS = 1_000_000
_LIMITS = {"sqlite": 5.0, "postgresql": 10.0}  # seconds


def run(args: Sequence[str]) -> Result:
    """Seconds from the first statement to the end of the commit."""
    rows = int(args[args.index("--rows") + 1]) if "--rows" in args else _ROWS
    figures: list[Figure] = []
    with fresh_databases() as urls:
        for kind, url in urls.items():
            first, second = asyncio.run(_measured(url, rows))
            figures += [
                Figure(f"{kind}, first issue", first, "s", _LIMITS[kind]),
                Figure(f"{kind}, second issue", second, "s", _LIMITS[kind]),
            ]
    return Result("plan", tuple(figures), notes={"rows": rows})


async def _measured(url: str, rows: int) -> list[float]:
    async with await Database.open(url) as db:
        await _make_readers(db, rows)
        return [await _plan(db, number, rows) for number in (1, 2)]


async def _make_readers(db: Database, rows: int) -> None:
    newsletter = await the_newsletter(db)
    async with db.begin() as session:
        consent = Consent("bench", None, None)
        batch = await open_batch(session, newsletter.id, consent, now=NOW)
    for start in range(0, rows, 10_000):
        numbers = range(start, min(start + 10_000, rows))
        chunk = [_reader(number) for number in numbers]
        async with db.begin() as session:
            await import_chunk(session, batch, chunk, now=NOW)


def _reader(number: int) -> ImportedReader:
    domain = f"mail{number % 1_000}.example.com"
    address = f"reader.{number}@{domain}"
    return ImportedReader(address, address, domain, f"Reader {number}")


async def _plan(db: Database, number: int, rows: int) -> float:
    newsletter = await the_newsletter(db)
    async with db.begin() as session:
        published = await add_issue(
            session,
            newsletter,
            issue_text(number),
            path="issue.md",
            media={},
            public_url=PUBLIC_URL,
            now=NOW,
        )
        issue, version = published.issue, published.version
        await approve_version(session, issue.id, version.hash, by="bench", now=NOW)
        await move_issue(session, issue.id, IssueState.APPROVED, now=NOW)
    begun = time.perf_counter()
    async with db.begin() as session:
        audience = await audience_of(session, published.issue.id, NOW)
        planned = await plan_issue(session, audience, await audience_size(session, audience))
    async with db.begin() as session:
        planned += await plan_rest(session, published.issue.id, NOW)
    assert planned == rows, planned
    return time.perf_counter() - begun
