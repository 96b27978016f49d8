"""Plain makers: the least of everything a test needs. People are Anne, Bart and Cris."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update

from digest.delivery.publish import Stored, prepare_issue, store_issue
from digest.jobs.embedded import EmbeddedEngine
from digest.jobs.engine import Engines
from digest.mail.address import address_key, parse_address
from digest.store.installation import Installation, ensure_installation
from digest.store.newsletters import Newsletter, create_newsletter
from digest.store.planning import Audience, write_rows
from digest.store.reader_import import Consent, ImportedReader, import_chunk, open_batch
from digest.store.schema import issues
from digest.store.session import Database, Session
from digest.store.subscribers import Added, add_reader

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
PUBLIC_URL = "http://127.0.0.1:8000"
KEY = "k" * 32
NAMES = ("Anne", "Bart", "Cris")

ISSUE = """\
---
number: {number}
title: A Weekly, Issue #{number}
preview: What it takes to build a product on it
---
Hey {{name|folks}},

This week has {words}.

## Industry
### [Title of the linked page](https://example.org/page)
*The Site · 4 min*

The blurb, in Markdown. A second [link](https://example.org/more) is fine.

## Code
### [owner/repository](https://github.com/owner/repository)
What it does.
"""


def issue_text(number: int = 182, *, words: str = "two items") -> str:
    """The text of a small issue; other words make another version."""
    return ISSUE.format(number=number, words=words)


async def an_installation(db: Database, *, fingerprint: str = "0" * 16) -> Installation:
    """The row every database that is worked on has."""
    async with db.begin() as session:
        return await ensure_installation(session, fingerprints=(fingerprint,), now=NOW)


async def a_newsletter(db: Database, slug: str = "weekly", **fields: Any) -> Newsletter:
    """A newsletter that may send; ``fields`` as create_newsletter takes them."""
    given: dict[str, Any] = {
        "name": "A Weekly",
        "from_address": "hello@news.example.org",
        "return_path": "b-{token}@bounces.news.example.org",
        "postal_address": "1 Main Street, 12345 Springfield",
    } | fields
    async with db.begin() as session:
        return await create_newsletter(session, slug, now=NOW, **given)


async def a_reader(
    db: Database, newsletter: Newsletter, name: str = "Anne", **fields: Any
) -> Added:
    """An active reader at example.org."""
    given: dict[str, Any] = {
        "address": f"{name.lower()}@example.org",
        "name": name,
        "now": NOW,
    } | fields
    async with db.begin() as session:
        return await add_reader(session, newsletter.id, **given)


def _people(count: int) -> list[tuple[str, str]]:
    """Names and addresses."""
    names = [*NAMES[:count], *(f"reader{number + 1}" for number in range(len(NAMES), count))]
    domains = itertools.cycle(("example.org", "example.net", "example.com"))
    return [
        (name.capitalize(), f"{name.lower()}@{domain}")
        for name, domain in zip(names, domains, strict=False)
    ]


async def readers(db: Database, newsletter: Newsletter, count: int = 3) -> list[Added]:
    """Anne, Bart, Cris, and then reader4, reader5 …, spread over three domains."""
    async with db.begin() as session:
        return [
            await add_reader(session, newsletter.id, address=address, name=name, now=NOW)
            for name, address in _people(count)
        ]


async def crowd(db: Database, newsletter: Newsletter, count: int) -> None:
    """The same readers, imported at once."""
    found = []
    for name, address in _people(count):
        parsed = parse_address(address)
        found.append(ImportedReader(address, address_key(parsed), parsed.domain, name))
    consent = Consent("a list", None, None)
    async with db.begin() as session:
        batch = await open_batch(session, newsletter.id, consent, now=NOW)
        await import_chunk(session, batch, found, now=NOW)


async def add_issue(
    session: Session,
    newsletter: Newsletter,
    text: str,
    *,
    path: str = "issue.md",
    media: Mapping[str, bytes] | None = None,
    public_url: str = PUBLIC_URL,
    now: datetime = NOW,
    sent_at: datetime | None = None,
) -> Stored:
    """Prepare an issue and store it, in one go."""
    prepared = prepare_issue(newsletter, text, path=path, media=media or {}, public_url=public_url)
    return await store_issue(session, newsletter, prepared, now=now, sent_at=sent_at)


async def an_issue(
    db: Database, newsletter: Newsletter, number: int = 182, *, text: str | None = None
) -> Stored:
    """A stored draft of an issue."""
    async with db.begin() as session:
        return await add_issue(session, newsletter, text or issue_text(number))


async def plan_deliveries(
    session: Session, *, issue_id: int, version_id: int, now: datetime
) -> int:
    """A row for everybody who reads the newsletter, without a canary."""
    return await write_rows(session, Audience(issue_id, version_id, now))


async def pass_canary(session: Session, issue_id: int) -> None:
    """Have an issue where the rest of its readers follow, and where it is listed."""
    passed = update(issues).where(issues.c.id == issue_id).values(canary_passed_at=NOW)
    await session.execute(passed)


def in_this_process() -> Engines:
    """The engine of one process, as SQLite has it."""
    engine = EmbeddedEngine()
    return Engines(shared=engine, local=engine)
