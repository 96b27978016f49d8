"""``digest web``: the pages alone."""

from __future__ import annotations

from digest.cli.connection import read_settings
from digest.cli.options import Json
from digest.cli.service import until_stopped
from digest.cli.supervisor import supervised
from digest.cli.user import tell_served
from digest.delivery.epoch import follow
from digest.runtime import open_runtime
from digest.web.app import create_app
from digest.web.server import open_listener, serving
from digest.web.site import Site


async def web(*, host: str | None = None, port: int | None = None, as_json: Json = False) -> int:
    """Serve the pages, the API and what providers post, until SIGTERM or Ctrl-C.

    As many as you like may serve one database. Nothing is sent and no schedule is kept here: that
    is for `digest worker` and `digest scheduler`.

    Parameters
    ----------
    host
        The address to serve on; DIGEST_HOST, when not given.
    port
        The port to serve on; DIGEST_PORT, when not given.
    """
    settings = read_settings()
    async with open_runtime(settings) as runtime:
        await follow(runtime.db, settings.state_dir)
        site = Site.of(runtime)
        listener = open_listener(host or settings.host, settings.port if port is None else port)
        async with until_stopped() as stopped, serving(create_app(site), listener) as url:
            await tell_served(runtime, {"url": url}, as_json=as_json, text=f"Pages at {url}")
            async with supervised(f"Serving {url}", stopped):
                await stopped.wait()
        await site.settled()
    return 0
