"""``digest run``: pages, schedule and sender in one process."""

from __future__ import annotations

import asyncio

import structlog

from digest.cli.connection import read_settings
from digest.cli.options import Json
from digest.cli.service import until_stopped
from digest.cli.supervisor import supervised
from digest.cli.user import tell_served
from digest.delivery.sender import Sender
from digest.jobs.inbox import received
from digest.jobs.scheduler import begin_keeping, scheduled
from digest.jobs.sending import send_until
from digest.runtime import Runtime, open_runtime
from digest.web.app import create_app
from digest.web.server import open_listener, serving
from digest.web.site import Site

log = structlog.get_logger(__name__)


async def run(
    *,
    host: str | None = None,
    port: int | None = None,
    take_over: bool = False,
    as_json: Json = False,
) -> int:
    """Serve the pages, keep the schedule, collect links and send, in one process, until SIGTERM or
    Ctrl-C.

    Without a relay the pages work and nothing is sent; /readyz says so.

    Parameters
    ----------
    host
        The address to serve on; DIGEST_HOST, when not given.
    port
        The port to serve on; DIGEST_PORT, when not given.
    take_over
        Keep the schedule on this machine from now on, although another one did within a week.
    """
    settings = read_settings()
    async with open_runtime(settings) as runtime:
        now = runtime.clock.now()
        keeper = await begin_keeping(
            runtime.db, runtime.gate, settings, now=now, take_over=take_over
        )
        desk = runtime.feedback_desk
        site = Site.of(runtime)
        listener = open_listener(host or settings.host, settings.port if port is None else port)
        async with (
            until_stopped() as stopped,
            received(desk, settings.inbound) as doors,
            serving(create_app(site), listener) as url,
        ):
            text = f"digest at {url}" + "".join(f"\n{door}: {at}" for door, at in doors.items())
            await tell_served(runtime, {"url": url, **doors}, as_json=as_json, text=text)
            async with (
                scheduled(runtime.engines, settings, keeper, desk),
                supervised(f"Serving {url}", stopped),
            ):
                await _work(runtime, stopped)
        await site.settled()
    return 0


async def _work(runtime: Runtime, stopped: asyncio.Event) -> None:
    if runtime.relays:
        await send_until(Sender.of(runtime), stopped)
    else:
        log.warning("no relay is set: nothing is sent", setting="DIGEST_RELAY_URL")
        await stopped.wait()
