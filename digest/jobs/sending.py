"""Sending by itself: whatever is due of the issues that are on their way, and every notice.

Beside it, every minute: operators are told the sums of issues that are through.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from digest.delivery.alerts import tell_finished
from digest.delivery.sender import Sender
from digest.errors import RefusedError
from digest.jobs.embedded import EmbeddedEngine

LOOK = 2.0  # seconds between two tries to become the sender, where another process is it
SPARE = 5.0  # seconds beyond the sender's own grace until a stopped process ends anyway
_TELL = 60.0  # seconds

log = structlog.get_logger(__name__)


async def send_until(sender: Sender, stopped: asyncio.Event) -> None:
    """Send whatever is due until ``stopped``; then wait for the answers to what is under way."""
    engine = _engine(sender)
    working = asyncio.create_task(_send(sender, stopped))
    stopping = asyncio.create_task(stopped.wait())
    await engine.start()
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait((working,), timeout=sender.grace + SPARE)
    finally:
        await engine.stop()
        for task in (working, stopping):
            task.cancel()
        await asyncio.wait((working, stopping))
    if not working.cancelled():
        working.result()


def _engine(sender: Sender) -> EmbeddedEngine:
    async def tell() -> None:
        async with sender.db.begin() as session:
            await tell_finished(session, public_url=sender.public_url, now=sender.clock.now())

    engine = EmbeddedEngine()
    engine.register("tell", tell)
    engine.every(_TELL, "tell")
    return engine


async def _send(sender: Sender, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        try:
            await sender.serve(stopped)
        except RefusedError as error:  # another process sends; its rows are safe with it
            log.info("not sending", reason=error.message)
        except Exception:  # a relay that refuses our login today may take it tomorrow
            log.exception("sending ended, and begins again")
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), LOOK)
