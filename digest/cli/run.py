"""``digest run``: pages and sender in one process."""

from __future__ import annotations

import structlog

from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.service import until_stopped
from digest.jobs.embedded import run_sender
from digest.runtime import open_runtime
from digest.web.app import create_app
from digest.web.server import open_listener, serving
from digest.web.site import Site

log = structlog.get_logger()


async def run(*, host: str | None = None, port: int | None = None) -> int:
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
            runtime.db,
            runtime.keys,
            settings.public_url,
            bool(runtime.relays),
            runtime.clock,
            runtime.leavers,
        )
        listener = open_listener(host or settings.host, settings.port if port is None else port)
        async with serving(create_app(site), listener) as url, until_stopped() as stopped:
            output.note(f"digest at {url}")
            if not runtime.relays:
                log.warning("no relay is configured: nothing is sent", setting="DIGEST_RELAY_URL")
                await stopped.wait()
            else:
                await run_sender(runtime, stopped)
    return 0
