"""The desk's pages with a million readers and fifty issues, and what viewers cost a sender.

Pages are asked one after the other of an application in this process, on SQLite and, where its
binaries are, on PostgreSQL: the median of a few requests, by the clock, so a machine that is busy
with other things shows. The newest issue has all its rows, the older ones are counts, as they are
after their time. A hundred viewers are a process of their own. Arguments: ``--readers 1000000``,
``--only pages|viewers``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import httpx2
from sqlalchemy import bindparam, insert, select, text, update

from bench.databases import fresh_databases
from bench.result import Figure, Result
from digest.access.sessions import begin_session
from digest.clock import Clock
from digest.mail.tokens import KeyRing
from digest.rules.delivery import IssueState
from digest.rules.rights import Role
from digest.store.growth import count_readers, keep_counts
from digest.store.issues import approve_version, move_issue
from digest.store.newsletters import Newsletter
from digest.store.planning import Audience, write_rows
from digest.store.reader_import import Consent, ImportedReader, import_chunk, open_batch
from digest.store.schema import deliveries, destinations, issues, rolled_up
from digest.store.session import Database, Session, upgrade
from digest.web.app import Site, create_app
from digest.web.desk.visit import cookie_name
from digest.web.server import open_listener, serving
from tests.build import KEY, PUBLIC_URL, a_newsletter, an_installation, an_issue, issue_text
from tests.delivery.stage import set_stage
from tests.fakes.relay_plan import Plan
from tests.scenarios.relays import RelayProcess
from tests.web.desk import a_user

_ISSUES = 50
_CHUNK = 10_000
_ROUNDS = 5
_LIMIT = 150  # ms
_VIEWERS = 100
_TURNS = 5  # with and without viewers
_SENT = 80_000  # messages: a minute of them, in which each viewer asks once again, as ever
_DOMAINS = ("gmail.com", "outlook.com", "example.org", "gmx.net", "example.edu", "yahoo.com")
_WEEKLY = "/desk/n/weekly"
_PAGES = {
    "overview": "/desk",
    "issues": _WEEKLY,
    "a draft": f"{_WEEKLY}/i/151",
    "an issue that went out": f"{_WEEKLY}/i/150",
    "its receipt": f"{_WEEKLY}/i/150/receipt",
    "who was refused": f"{_WEEKLY}/i/150/receipt/rejected",
    "who left": f"{_WEEKLY}/i/150/receipt/after/left",
    "receipt of an older issue": f"{_WEEKLY}/i/120/receipt",
    "readers": f"{_WEEKLY}/readers",
    "readers by the beginning of an address": f"{_WEEKLY}/readers?q=reader99999",
    "readers by domain and state": f"{_WEEKLY}/readers?q=@gmx.net&state=active",
    "readers by a rare state": f"{_WEEKLY}/readers?state=paused",
    "a reader": "/desk/readers/777",
    "suppressions": "/desk/suppressions",
    "what came back": "/desk/feedback",
    "unclassified": "/desk/feedback?show=unclassified",
    "quarantined": "/desk/feedback?show=quarantined",
    "relays": "/desk/relays",
}


def run(args: Sequence[str]) -> Result:
    """All figures."""
    parser = argparse.ArgumentParser(prog="bench desk")
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--only", choices=("pages", "viewers"))
    given = parser.parse_args(list(args))
    load = os.getloadavg()[0]
    figures: list[Figure] = []
    if given.only != "viewers":
        with fresh_databases() as urls:
            for kind, url in urls.items():
                figures += asyncio.run(_pages(kind, url, given.readers))
    if given.only != "pages":
        with tempfile.TemporaryDirectory(prefix="digest-bench-") as name:
            figures += _viewers(Path(name))
    return Result("desk", tuple(figures), notes={"readers": given.readers, "load before": load})


async def _pages(kind: str, url: str, readers: int) -> list[Figure]:
    async with await Database.open(url) as db:
        await _filled(db, readers)
        async with _signed_in(db) as client:
            return [
                Figure(f"{name} [{kind}]", 1000 * await _asked(client, path), "ms", _LIMIT)
                for name, path in _PAGES.items()
            ]


async def _asked(client: httpx2.AsyncClient, path: str) -> float:
    took = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        answer = await client.get(path)
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200, (path, answer.status_code)
    return median(took)


@asynccontextmanager
async def _signed_in(db: Database) -> AsyncIterator[httpx2.AsyncClient]:
    site = Site(db, KeyRing(KEY), PUBLIC_URL, relay_configured=True)
    user = await a_user(site, Role.OWNER)
    async with db.begin() as session:
        token = await begin_session(session, user, browser="bench", now=site.clock.now())
    transport = httpx2.ASGITransport(create_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        client.cookies.set(cookie_name(site), token)
        yield client


async def _filled(db: Database, readers: int) -> None:
    await an_installation(db, fingerprint=KeyRing(KEY).fingerprint)
    newsletter = await a_newsletter(db, schedule="thu 09:00")
    await _readers(db, newsletter, readers)
    now = Clock().now()
    for back in range(_ISSUES - 1, -1, -1):
        number = 100 + _ISSUES - back
        await _issue(db, newsletter, number, readers if back else None, weeks=back)
    await an_issue(db, newsletter, 151, text=issue_text(151))
    async with db.begin() as session:
        await _came_back(session)
        await keep_counts(session, await count_readers(session, now))
        await session.execute(text("ANALYZE"))


async def _readers(db: Database, newsletter: Newsletter, readers: int) -> None:
    now = Clock().now() - timedelta(weeks=_ISSUES)
    async with db.begin() as session:
        batch = await open_batch(session, newsletter.id, Consent("a list", None, None), now=now)
    for start in range(0, readers, _CHUNK):
        chunk = [_reader(one) for one in range(start, start + _CHUNK)]
        async with db.begin() as session:  # of its own: PostgreSQL empties its table at the end
            await import_chunk(session, batch, chunk, now=now)


def _reader(number: int) -> ImportedReader:
    domain = _DOMAINS[number % len(_DOMAINS)]
    address = f"reader{number}@{domain}"
    return ImportedReader(address, address, domain, f"Reader {number}")


async def _issue(
    db: Database, newsletter: Newsletter, number: int, counted: int | None, *, weeks: int
) -> None:
    """An issue that went out: with its rows, or where they are ``counted``, as what is left."""
    stored = await an_issue(db, newsletter, text=issue_text(number))
    at = Clock().now() - timedelta(weeks=weeks, days=2)
    issue_id, version_id = stored.issue.id, stored.version.id
    async with db.begin() as session:
        await approve_version(session, issue_id, stored.version.hash, by="Anne", now=at)
        await move_issue(session, issue_id, IssueState.SENDING, now=at)
        if counted is None:
            await write_rows(session, Audience(issue_id, version_id, at))
            await session.execute(_SETTLED, {"issue": issue_id, "at": at})
        else:
            await _rolled(session, issue_id, version_id, counted)
            mine = update(issues).where(issues.c.id == issue_id)
            await session.execute(mine.values(planned=counted, planned_at=at, rolled_up_at=at))
        await move_issue(session, issue_id, IssueState.FINISHED, now=at)


async def _rolled(session: Session, issue_id: int, version_id: int, counted: int) -> None:
    places = list(await session.scalars(select(destinations.c.id)))
    row = {"issue_id": issue_id, "version_id": version_id, "relay_id": 0, "maybe_sent": False}
    share = {"deliveries": counted // len(places)}
    await session.execute(
        insert(rolled_up), [{**row, **share, "destination_id": place} for place in places]
    )


# A hundredth is refused, the others have it.
_SETTLED = text("""
UPDATE deliveries SET attempts = 1, settled_at = :at, first_claimed_at = :at,
    state = CASE WHEN id % 100 = 0 THEN 'rejected' ELSE 'accepted' END,
    verdict = CASE WHEN id % 100 = 0 THEN 'userunknown' END,
    blame = CASE WHEN id % 100 = 0 THEN 'recipient' END,
    reply_code = CASE WHEN id % 100 = 0 THEN 550 ELSE 250 END
WHERE issue_id = :issue
""").bindparams(bindparam("at", type_=deliveries.c.settled_at.type))


async def _came_back(session: Session) -> None:
    """One of 200 bounced, one of 1,000 left, one of 2,000 is never mailed; few were unreadable."""
    for statement in (_BOUNCED, _LEFT, _NEVER):
        await session.execute(statement)


_BOUNCED = text("""
INSERT INTO feedback (dedupe_key, source, kind, delivery_id, subscriber_id, issue_id,
    destination_id, bearing, effect, reason, evidence, received_at)
SELECT 'd' || id, 'lmtp', 'bounce', id, subscriber_id, issue_id, destination_id, 'soft', 'scored',
    CASE WHEN id % 20000 = 1 THEN 'undefined' ELSE 'mailboxfull' END, '452 full', settled_at
FROM deliveries WHERE id % 200 = 1
""")
_LEFT = text("""
INSERT INTO consent_events (subscription_id, kind, source, at)
SELECT subscription_id, 'left', 'one-click', settled_at FROM deliveries WHERE id % 1000 = 2
""")
_NEVER = text("""
UPDATE subscribers SET suppressed_at = created_at WHERE id % 2000 = 3
""")


def _viewers(folder: Path) -> list[Figure]:
    """In turn in one process: sending alone, and with a hundred streams of it open."""
    rounds: dict[int, list[float]] = {0: [], _VIEWERS: []}
    with RelayProcess(folder / "relay", Plan()) as relay:
        for turn in range(_TURNS):
            for viewers, took in rounds.items():
                path = folder / f"{viewers}-{turn}.db"
                took.append(asyncio.run(_sent(path, relay.url(), viewers)))
    rates = {viewers: median(took) for viewers, took in rounds.items()}
    loss = 100 * (1 - rates[_VIEWERS] / rates[0])
    return [
        Figure("sent while nobody looks", rates[0], "1/s"),
        Figure(f"sent while {_VIEWERS} look", rates[_VIEWERS], "1/s"),
        Figure(f"speed that {_VIEWERS} viewers cost", max(0.0, loss), "%", 5),
    ]


async def _sent(path: Path, relay_url: str, viewers: int) -> float:
    """Messages a second of a process that sends and serves the pages, as ``digest run`` does."""
    url = f"sqlite:///{path}"
    await upgrade(url)
    async with await Database.open(url) as db:
        stage = await set_stage(db, _SENT)
        await stage.start()
        async with _signed_in(db) as client:
            cookie = f"{next(iter(client.cookies.keys()))}={next(iter(client.cookies.values()))}"
            listener = open_listener("127.0.0.1", 0)
            port = listener.getsockname()[1]
            site = Site(db, KeyRing(KEY), f"http://127.0.0.1:{port}", relay_configured=True)
            async with serving(create_app(site), listener):
                crowd = get_context("spawn").Process(target=_look_on, args=(port, cookie, viewers))
                crowd.start()
                try:
                    began = time.perf_counter()
                    await stage.send(url=relay_url)
                    return _SENT / (time.perf_counter() - began)
                finally:
                    crowd.kill()
                    crowd.join()


def _look_on(port: int, cookie: str, viewers: int) -> None:
    """As many browsers with the page open, in a process of their own."""
    asyncio.run(_all_look(port, cookie, viewers))


async def _all_look(port: int, cookie: str, viewers: int) -> None:
    await asyncio.gather(*(_look(port, cookie) for _ in range(viewers)))


async def _look(port: int, cookie: str) -> None:
    asked = f"GET {_WEEKLY}/i/182/events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n"
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked.encode())
        while await reader.read(65_536):
            pass
        writer.close()
