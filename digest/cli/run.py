"""``digest run``: pages and sender in one process."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.options import Json
from digest.cli.service import until_stopped
from digest.delivery.sender import Sender
from digest.errors import RefusedError
from digest.jobs.embedded import EmbeddedEngine
from digest.rules.delivery import IssueState
from digest.runtime import Runtime, open_runtime
from digest.store.issues import list_issues
from digest.store.newsletters import list_newsletters
from digest.store.progress import next_due
from digest.web.app import create_app
from digest.web.server import open_listener, serving
from digest.web.site import Site

LOOK = 2.0  # seconds between two looks for mail that is due
SPARE = 5.0  # seconds beyond the sender's own grace until a stopped process ends anyway

log = structlog.get_logger(__name__)


async def run(*, host: str | None = None, port: int | None = None, as_json: Json = False) -> int:
    """Serve the pages and send, in one process, until SIGTERM or Ctrl-C.

    Without a relay the pages work and nothing is sent; /readyz says so.

    Parameters
    ----------
    host
        The address to serve on; DIGEST_HOST by itself.
    port
        The port to serve on; DIGEST_PORT by itself.
    """
    settings = read_settings()
    async with open_runtime(settings) as runtime:
        site = Site(
            db=runtime.db,
            keys=runtime.keys,
            public_url=settings.public_url,
            relay_configured=bool(runtime.relays),
            clock=runtime.clock,
            leavers=runtime.leavers,
        )
        listener = open_listener(host or settings.host, settings.port if port is None else port)
        async with until_stopped() as stopped, serving(create_app(site), listener) as url:
            output.tell_url({"url": url}, as_json=as_json, text=f"digest at {url}")
            if runtime.relays:
                await _send_until(runtime, stopped)
            else:
                log.warning("no relay is set: nothing is sent", setting="DIGEST_RELAY_URL")
                await stopped.wait()
    return 0


async def _send_until(runtime: Runtime, stopped: asyncio.Event) -> None:
    """Send whatever is due until ``stopped``; then wait for the answers to what is under way."""
    working = asyncio.Lock()

    async def send() -> None:
        async with working:
            await _send_due(runtime, stopped)

    engine = EmbeddedEngine()
    engine.register("send", send)
    engine.every(LOOK, "send")
    await engine.start()
    try:
        await stopped.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(runtime.settings.sender.grace + SPARE), working:
                pass
    finally:
        await engine.stop()


async def _send_due(runtime: Runtime, stopped: asyncio.Event) -> None:
    """One try for every row that is due, issue by issue; retries come when they are due."""
    for issue_id in await _due_issues(runtime):
        if stopped.is_set():
            return
        try:
            report = await Sender.of(runtime).send_issue(issue_id, no_retries=True, stop=stopped)
        except RefusedError as error:  # another process sends; its rows are safe with it
            log.info("not sending", reason=error.message)
            return
        log.info("sent what was due", issue_id=issue_id, **report.as_dict())


async def _due_issues(runtime: Runtime) -> list[int]:
    now = runtime.clock.now()
    found = []
    async with runtime.db.read() as session:
        for newsletter in await list_newsletters(session):
            for issue in await list_issues(session, newsletter.id, state=IssueState.SENDING):
                due = await next_due(session, issue.id)
                if due is None or due <= now:  # None: nothing left but to finish it
                    found.append(issue.id)
    return found
