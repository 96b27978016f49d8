"""A newsletter with readers and an approved issue, a fake relay, and a sender between them."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from digest.clock import Clock
from digest.delivery.checks import Gate
from digest.delivery.plan import Started, start_issue
from digest.delivery.publish import approve_issue
from digest.delivery.sender import Sender, SendReport
from digest.mail.tokens import KeyRing
from digest.rules.relay import parse_relays
from digest.store.newsletters import Newsletter
from digest.store.schema import attempts, deliveries
from digest.store.session import Database
from tests.build import KEY, NOW, PUBLIC_URL, a_newsletter, an_installation, an_issue, crowd
from tests.fakes.relay import FakeRelay

KEYS = KeyRing(KEY)


class Watch(Clock):
    """A clock that is moved by hand, in jumps; monotonic time is real."""

    def jump(self, **by: float) -> None:
        self.offset += timedelta(**by)


@dataclass
class Stage:
    """What a scene needs."""

    db: Database
    newsletter: Newsletter
    issue_id: int
    hash: str
    clock: Watch

    async def start(self, *, relay_url: str = "smtp://127.0.0.1:9?tls=none") -> Started:
        gate = Gate(parse_relays(relay_url), KEYS, PUBLIC_URL)
        return await start_issue(self.db, self.issue_id, now=self.clock.now(), gate=gate)

    def sender(self, *relays: FakeRelay, url: str = "", **settings: object) -> Sender:
        """A sender; ``connections`` and ``per_connection`` go into the relays' URLs."""
        keys = {
            key: settings.pop(key)
            for key in ("connections", "per_connection", "timeout")
            if key in settings
        }
        urls = url or " ".join(relay.url(**({"connections": 3} | keys)) for relay in relays)
        return Sender(
            self.db,
            KEYS,
            self.clock,
            parse_relays(urls),
            PUBLIC_URL,
            **({"grace": 5.0} | settings),  # type: ignore[arg-type]  # fields of Sender
        )

    async def send(
        self, *relays: FakeRelay, no_retries: bool = True, **settings: Any
    ) -> SendReport:
        sender = self.sender(*relays, **settings)
        return await sender.send_issue(self.issue_id, no_retries=no_retries)

    async def states(self) -> Counter[str]:
        async with self.db.read() as session:
            return Counter(
                state.value for state in await session.scalars(select(deliveries.c.state))
            )

    async def until(self, state: str, rows: int) -> None:
        """Return once so many rows are in ``state``."""
        while (await self.states())[state] != rows:  # noqa: ASYNC110 - the database has no event
            await asyncio.sleep(0.01)

    async def until_at_least(self, state: str, rows: int) -> None:
        """Return once so many rows or more are in ``state``: they come in groups."""
        while (await self.states())[state] < rows:  # noqa: ASYNC110 - the database has no event
            await asyncio.sleep(0.01)

    async def rows(self) -> list[dict]:
        async with self.db.read() as session:
            query = select(deliveries).order_by(deliveries.c.id)
            return [dict(row) for row in (await session.execute(query)).mappings()]

    async def tries(self) -> list[dict]:
        async with self.db.read() as session:
            query = select(attempts).order_by(attempts.c.id)
            return [dict(row) for row in (await session.execute(query)).mappings()]

    async def set_rows(self, **values: object) -> None:
        async with self.db.begin() as session:
            await session.execute(update(deliveries).values(**values))


async def set_stage(db: Database, count: int = 3) -> Stage:
    """An approved issue with ``count`` active readers."""
    await an_installation(db, fingerprint=KEYS.fingerprint)
    newsletter = await a_newsletter(db)
    await crowd(db, newsletter, count)
    published = await an_issue(db, newsletter)
    async with db.begin() as session:
        await approve_issue(session, published.issue, published.version.hash, by="Anne", now=NOW)
    clock = Watch()
    return Stage(db, newsletter, published.issue.id, published.version.hash, clock)
