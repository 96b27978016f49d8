"""A newsletter, its readers and approved issues in a database, ready for a sender."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench.contest import Program, python
from bench.letters import NEWSLETTER, PUBLIC_URL, issue_text, peer_letter
from bench.peers.letter import PeerLetter, address_of
from digest.clock import Clock
from digest.delivery.checks import Gate
from digest.delivery.overtaking import finish_overtaking
from digest.delivery.plan import begin_issue, finish_planning
from digest.delivery.publish import approve_issue, prepare_issue, store_issue
from digest.mail.tokens import KeyRing
from digest.rules.relay import parse_relays
from digest.store.newsletters import create_newsletter, get_newsletter
from digest.store.reader_import import Consent, ImportedReader, import_chunk, open_batch
from digest.store.session import Database

KEY = "a key for measuring, not for sending mail"
_CHUNK = 10_000
_numbers = count(1001)  # of issues, in all databases; as many digits for each


@dataclass(frozen=True, slots=True)
class Relay:
    """Where ours sends to."""

    port: int
    connections: int = 16
    tls: bool = False

    @property
    def url(self) -> str:
        """As ``DIGEST_RELAY_URL`` takes it."""
        scheme, tls = ("smtps", "") if self.tls else ("smtp", "tls=none&")
        return f"{scheme}://localhost:{self.port}?{tls}connections={self.connections}"


def make_readers(url: str, slug: str, readers: int) -> None:
    """A newsletter with that many active readers."""
    asyncio.run(_make_readers(url, slug, readers))


def approve(url: str, slug: str) -> int:
    """A new issue of a newsletter, approved: its id."""
    return asyncio.run(_approve(url, slug))


def start(url: str, issue: int) -> tuple[float, float]:
    """Start an approved issue: seconds until all its rows are there, and until those of the
    issues before it that still wait are given up.
    """
    return asyncio.run(_start(url, issue))


def plan(url: str, slug: str) -> int:
    """A new issue for all readers of a newsletter, approved and planned: its id."""
    issue = approve(url, slug)
    start(url, issue)
    return issue


def letter_of(url: str, slug: str) -> PeerLetter:
    """The message of such an issue, for the others."""
    return asyncio.run(_letter_of(url, slug))


def settings(url: str, relay: Relay) -> dict[str, str]:
    """What every process of ours is told."""
    return {
        "DIGEST_DATABASE_URL": url,
        "DIGEST_RELAY_URL": relay.url,
        "DIGEST_PUBLIC_URL": PUBLIC_URL,
        "DIGEST_SECRET_KEY": KEY,
    }


def ours(
    url: str,
    issue: int,
    relay: Relay,
    *,
    unrecorded: int = 500,
    stop_after: int = 0,
    watch: bool = False,
    trust: Path | None = None,
    keys: Path | None = None,
) -> Program:
    """Our sender for a planned issue, in a process of its own; with ``keys`` it signs."""
    environment = {
        **settings(url, relay),
        "DIGEST_SENDER__UNRECORDED": str(unrecorded),
        "DIGEST_DKIM__SIGN": "always" if keys else "never",
        **({"DIGEST_DKIM__FOLDER": str(keys)} if keys else {}),
        **({"SSL_CERT_FILE": str(trust)} if trust else {}),
    }
    task = {"issue": issue, "stop_after": stop_after, "watch": watch}
    return python("bench.peers.ours", task, **environment)


async def _make_readers(url: str, slug: str, readers: int) -> None:
    now = Clock().now()
    async with await Database.open(url) as db:
        async with db.begin() as session:
            newsletter = await create_newsletter(session, slug, now=now, **NEWSLETTER)  # type: ignore[arg-type]  # fields of a newsletter
            batch = await open_batch(
                session,
                newsletter.id,
                Consent("bench", None, None),
                now=now,
            )
        for start in range(0, readers, _CHUNK):
            chunk = [_reader(number) for number in range(start, min(start + _CHUNK, readers))]
            async with db.begin() as session:
                await import_chunk(session, batch, chunk, now=now)


def _reader(number: int) -> ImportedReader:
    local, domain = address_of(number)
    address = f"{local}@{domain}"
    return ImportedReader(address, address, domain, f"Reader {number}")


async def _approve(url: str, slug: str) -> int:
    now = Clock().now()
    async with await Database.open(url) as db, db.begin() as session:
        newsletter = await get_newsletter(session, slug)
        prepared = prepare_issue(
            newsletter,
            issue_text(next(_numbers)),
            path="issue.md",
            media={},
            public_url=PUBLIC_URL,
        )
        stored = await store_issue(session, newsletter, prepared, now=now)
        await approve_issue(session, stored.issue, stored.version.hash, by="bench", now=now)
        return stored.issue.id


async def _start(url: str, issue: int) -> tuple[float, float]:
    gate = Gate(parse_relays("smtp://127.0.0.1:25?tls=none"), KeyRing(KEY), PUBLIC_URL)
    async with await Database.open(url) as db:
        began, now = Clock.monotonic(), Clock().now()
        await begin_issue(db, issue, now=now, gate=gate)
        await finish_planning(db, now)
        planned = Clock.monotonic()
        await finish_overtaking(db, now)
        return planned - began, Clock.monotonic() - planned


async def _letter_of(url: str, slug: str) -> PeerLetter:
    async with await Database.open(url) as db, db.read() as session:
        newsletter = await get_newsletter(session, slug)
    prepared = prepare_issue(
        newsletter, issue_text(1000), path="issue.md", media={}, public_url=PUBLIC_URL
    )
    return peer_letter(prepared.draft)
