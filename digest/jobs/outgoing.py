"""Telling other programs what happened to readers: signed, again until they hear, three days long.

As the Standard Webhooks specification has it: ``webhook-id`` (the same on every try),
``webhook-timestamp`` and ``webhook-signature``, which is HMAC-SHA-256 of both and the body. An
answer of 2xx is heard, 410 means "never again", everything else is tried again. Who has not heard
for three days is disabled, and the operators are told. A redirect is not followed: what is said is
meant for this address.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

import structlog

from digest.clock import Clock
from digest.delivery.alerts import webhook_disabled
from digest.errors import FetchError
from digest.jobs.engine import Engine
from digest.net.fetch import Fetcher, Limits
from digest.net.guard import Guard
from digest.rules.webhooks import GIVE_UP, WebhookEvent, heard, wait_after
from digest.settings import Settings
from digest.store.session import Database
from digest.store.webhooks import (
    Told,
    Webhook,
    claim_told,
    disable_webhook,
    due_webhooks,
    forget_told,
    new_event_id,
    note_failure,
    put_off_told,
    settle_told,
)

log = structlog.get_logger(__name__)

# (url, body, headers) → the status of the answer, None where there was none.
Post: TypeAlias = Callable[[str, bytes, Mapping[str, str]], Awaitable[int | None]]

LOOK = 5.0  # seconds between two looks at what there is to tell
_SECONDS = 10.0  # for an answer
_BATCH = 10  # of one webhook: done long before the lease ends
_LEASE = timedelta(minutes=5)
_GONE = 410
_FORGET = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Tells what is due, each webhook by itself. ``busy`` are those that are being told."""

    db: Database
    clock: Clock
    post: Post
    busy: set[int] = field(default_factory=set)

    async def work(self) -> int:
        """Tell everything that is due and that no other call of this has in hand; how much was
        heard.
        """
        async with self.db.read() as session:
            due = await due_webhooks(session, self.clock.now())
        return sum(
            await asyncio.gather(*(self._tell(one) for one in due if one.id not in self.busy))
        )

    async def forget(self) -> None:
        """Forget what was told long ago."""
        async with self.db.begin() as session:
            await forget_told(session, self.clock.now())

    async def _tell(self, webhook: Webhook) -> int:
        told = 0
        self.busy.add(webhook.id)
        try:
            while batch := await self._claim(webhook):
                for number, one in enumerate(batch):
                    status = await self._try(webhook, one)
                    if not heard(status):
                        await self._failed(webhook, batch[number:], status)
                        return told
                    async with self.db.begin() as session:
                        now = self.clock.now()
                        await settle_told(session, one, webhook.id, status=status, now=now)
                    webhook = replace(webhook, failures=0, failing_since=None)
                    told += 1
        finally:
            self.busy.discard(webhook.id)
        return told

    async def _claim(self, webhook: Webhook) -> list[Told]:
        async with self.db.begin() as session:
            return await claim_told(
                session, webhook.id, lease=_LEASE, limit=_BATCH, now=self.clock.now()
            )

    async def tell_test(self, webhook: Webhook) -> int | None:
        """Tell a webhook, at once and once, of a test; the status of its answer."""
        return await self._try(
            webhook, Told(0, new_event_id(), WebhookEvent.TEST, happened_at=self.clock.now())
        )

    async def _try(self, webhook: Webhook, told: Told) -> int | None:
        body = body_of(told)
        headers = signed_headers(webhook.secret, told.event_id, body, self.clock.now())
        return await self.post(webhook.url, body, headers)

    async def _failed(self, webhook: Webhook, left: Sequence[Told], status: int | None) -> None:
        now = self.clock.now()
        since = webhook.failing_since or now
        log.warning("a webhook did not hear", webhook=webhook.id, status=status)
        async with self.db.begin() as session:
            if status == _GONE or now - since >= GIVE_UP:
                if await disable_webhook(session, webhook.id, now):
                    host = urlsplit(webhook.url).hostname or ""
                    await webhook_disabled(
                        session, webhook_id=webhook.id, host=host, reason=_why(status), now=now
                    )
                return
            first = left[0]
            if now - first.happened_at >= GIVE_UP:  # others were heard meanwhile, this one never
                await settle_told(session, first, webhook.id, status=status, now=now)
            retry_at = now + wait_after(webhook.failures + 1)
            later = now + wait_after(first.attempts + 1)
            await put_off_told(session, left, first=later, others=retry_at, status=status)
            await note_failure(session, webhook, retry_at=retry_at, now=now)


@asynccontextmanager
async def posting(settings: Settings) -> AsyncIterator[Post]:
    """The way to other programs: into no network but those the settings open, and no redirects."""
    open_to = tuple(ip_network(name, strict=False) for name in settings.webhooks.allow.split())
    limits = Limits(seconds=_SECONDS, pause=0.0)
    async with Fetcher("digest (webhooks)", guard=Guard(allow=open_to), limits=limits) as fetcher:

        async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
            try:
                return await fetcher.post(url, body, headers)
            except FetchError as error:
                log.info("a webhook cannot be reached", reason=error.message)
                return None

        yield post


def body_of(told: Told) -> bytes:
    """What is said: no more about a reader than which one it is."""
    data = {"newsletter": told.newsletter, "reader": told.reader, "address": told.address}
    said = {
        "type": told.event.value,
        "timestamp": told.happened_at.astimezone(UTC).isoformat(timespec="seconds"),
        "data": data,
    }
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def signed_headers(secret: str, event_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers that let the receiver see that it is us, and not a copy of long ago."""
    seconds = str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.digest(key, f"{event_id}.{seconds}.".encode() + body, "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": seconds,
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }


def _why(status: int | None) -> str:
    return "It did not answer." if status is None else f"It answered {status}."


@asynccontextmanager
async def telling(
    engine: Engine, outgoing: Outgoing, *, every: float = LOOK
) -> AsyncIterator[None]:
    """Look every so often for what there is to tell, and tell it; the block outlives the engine.

    A look does not wait for the one before: who answers slowly keeps nobody else waiting.
    """
    looks: set[asyncio.Task[int]] = set()

    async def tell() -> None:
        look = asyncio.create_task(outgoing.work())
        looks.add(look)
        look.add_done_callback(_ended(looks))

    engine.register("outgoing", tell)
    engine.every(every, "outgoing")
    engine.register("forget told", outgoing.forget)
    engine.every(_FORGET, "forget told")
    try:
        yield
    finally:
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)


def _ended(looks: set[asyncio.Task[int]]) -> Callable[[asyncio.Task[int]], None]:
    def ended(look: asyncio.Task[int]) -> None:
        looks.discard(look)
        if not look.cancelled() and look.exception() is not None:
            log.error("telling failed, and is tried again", exc_info=look.exception())

    return ended
