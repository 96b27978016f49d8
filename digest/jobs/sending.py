"""Sending by itself: at short intervals, whatever is due of the issues that are on their way."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from digest.delivery.sender import Sender
from digest.errors import RefusedError
from digest.jobs.embedded import EmbeddedEngine
from digest.rules.delivery import IssueState
from digest.store.issues import list_issues
from digest.store.newsletters import list_newsletters
from digest.store.progress import next_due

LOOK = 2.0  # seconds between two looks for mail that is due
SPARE = 5.0  # seconds beyond the sender's own grace until a stopped process ends anyway

log = structlog.get_logger(__name__)


async def send_until(sender: Sender, stopped: asyncio.Event) -> None:
    """Send whatever is due until ``stopped``; then wait for the answers to what is under way."""
    working = asyncio.Lock()

    async def send() -> None:
        async with working:
            await _send_due(sender, stopped)

    engine = EmbeddedEngine()
    engine.register("send", send)
    engine.every(LOOK, "send")
    await engine.start()
    try:
        await stopped.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(sender.grace + SPARE), working:
                pass
    finally:
        await engine.stop()


async def _send_due(sender: Sender, stopped: asyncio.Event) -> None:
    """One try for every row that is due, issue by issue; retries come when they are due."""
    for issue_id in await _due_issues(sender):
        if stopped.is_set():
            return
        try:
            report = await sender.send_issue(issue_id, no_retries=True, stop=stopped)
        except RefusedError as error:  # another process sends; its rows are safe with it
            log.info("not sending", reason=error.message)
            return
        log.info("sent what was due", issue_id=issue_id, **report.as_dict())


async def _due_issues(sender: Sender) -> list[int]:
    now = sender.clock.now()
    found = []
    async with sender.db.read() as session:
        for newsletter in await list_newsletters(session):
            for issue in await list_issues(session, newsletter.id, state=IssueState.SENDING):
                due = await next_due(session, issue.id)
                if due is None or due <= now:  # None: nothing left but to finish it
                    found.append(issue.id)
    return found
