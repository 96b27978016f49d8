"""Clicks as they come in: judged, kept in memory until they are certain, then written as sums.

A visitor is the address and the program of a request, hashed with a secret that this process makes
anew every day and tells nobody; the hash is forgotten ten minutes after the visitor's last click.
What is written is one number per link and clicker. A process that is killed loses the clicks of its
last seconds, and no more.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import structlog

from digest.errors import DatabaseError
from digest.rules.click import Clicker, Hit, Link, Watch, betrayed_by
from digest.store.clicks import add_clicks

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.store.session import Database

log = structlog.get_logger(__name__)

WRITE_EVERY = 5.0  # seconds between two looks at what has become certain


@dataclass(slots=True)
class ClickDesk:
    """Counts clicks of one process. Wait for ``settled`` before the database is closed."""

    db: Database
    clock: Clock
    _watch: Watch = field(default_factory=Watch)
    _secret: bytes = b""
    _secret_of: date | None = None
    _unwritten: Counter[tuple[Link, Clicker]] = field(default_factory=Counter)
    _writing: asyncio.Task[None] | None = None
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, link: Link, hit: Hit, client: str) -> None:
        """Take in one request for a link, from the network address ``client``."""
        machine = betrayed_by(hit) is not None
        visitor = self._visitor(client, hit.headers.get("user-agent", ""))
        self._watch.note(visitor, link, machine=machine, now=self.clock.monotonic())
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_on())

    async def settled(self) -> None:
        """Have everything written now, and wait for it."""
        self._hurry.set()
        if self._writing is not None:
            await self._writing
        self._hurry.clear()

    def _visitor(self, client: str, program: str) -> bytes:
        today = self.clock.now().date()
        if today != self._secret_of:
            self._secret, self._secret_of = secrets.token_bytes(32), today
        return hmac.digest(self._secret, f"{client}\n{program}".encode(), "sha256")

    async def _write_on(self) -> None:
        while self._unwritten or not self._watch.empty:
            try:
                async with asyncio.timeout(WRITE_EVERY):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            hurry = self._hurry.is_set()
            self._unwritten += self._watch.take(self.clock.monotonic(), all_of_them=hurry)
            await self._write()
            if hurry:
                return

    async def _write(self) -> None:
        if not self._unwritten:
            return
        try:
            async with self.db.begin() as session:
                await add_clicks(session, self._unwritten)
        except DatabaseError as error:  # later: they are few numbers
            log.warning("clicks wait", error=str(error))
        else:
            self._unwritten = Counter()
