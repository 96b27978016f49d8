"""What comes in by itself while a scheduler lives: LMTP, a Maildir, a mailbox; and DNS asked about
domains that bounces call gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from digest.audience.feedback import FeedbackDesk
from digest.audience.hosts import Ask, ask_hosts
from digest.inbound.imap import parse_imap, watch_imap
from digest.inbound.lmtp import lmtp_server
from digest.inbound.maildir import watch_maildir
from digest.jobs.engine import Engine
from digest.net.hosts import host_state
from digest.settings.groups import InboundSettings

MINUTE = 60.0  # seconds


def ask_for_hosts(
    engine: Engine, desk: FeedbackDesk, *, ask: Ask = host_state, every: float = MINUTE
) -> None:
    """Now and every ``every`` seconds, what DNS says of domains that bounces call gone."""

    async def work() -> None:
        await ask_hosts(desk.db, ask, desk.clock.now())

    engine.register("hosts", work)
    engine.every(every, "hosts")


@asynccontextmanager
async def received(desk: FeedbackDesk, settings: InboundSettings) -> AsyncIterator[dict[str, str]]:
    """While the block runs, take in what comes by the doors that are set; gives them by name.

    Raises SettingsError for a door that cannot be opened.
    """
    doors: dict[str, str] = {}
    tasks: list[asyncio.Task[None]] = []
    async with AsyncExitStack() as stack:
        if settings.lmtp:
            doors["lmtp"] = await stack.enter_async_context(lmtp_server(desk, settings.lmtp))
        if settings.maildir is not None:
            doors["maildir"] = str(settings.maildir)
            tasks.append(asyncio.create_task(watch_maildir(desk, settings.maildir)))
        if settings.imap.get_secret_value():
            place = parse_imap(settings.imap.get_secret_value())
            doors["imap"] = f"{place.user}@{place.host}/{place.folder}"
            tasks.append(asyncio.create_task(watch_imap(desk, place)))
        try:
            yield doors
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
