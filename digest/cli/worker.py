"""``digest worker``: the sender alone, without pages."""

from __future__ import annotations

from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.options import Json
from digest.cli.service import HealthPort, health_served, until_stopped
from digest.cli.supervisor import supervised
from digest.delivery.epoch import follow
from digest.delivery.sender import Sender
from digest.jobs.sending import send_until
from digest.rules.relay import no_relay
from digest.runtime import open_runtime


async def worker(*, health_port: HealthPort = None, as_json: Json = False) -> int:
    """Send whatever is due, without pages, until SIGTERM or Ctrl-C.

    On PostgreSQL as many as you like send side by side, on as many machines; a SQLite database has
    one sender at a time. What is under way when it ends is finished within the grace time. It only
    sends: other programs are told by `digest scheduler` or `digest run`.
    """
    settings = read_settings()
    async with open_runtime(settings) as runtime:
        if not runtime.relays:
            raise no_relay()
        await follow(runtime.db, settings.state_dir)
        relays = [relay.name for relay in runtime.relays]
        async with until_stopped() as stopped, health_served(runtime, health_port) as health:
            text = f"Sending to {', '.join(relays)}"
            output.tell_started({"relays": relays, **health}, as_json=as_json, text=text)
            async with supervised(text, stopped):
                await send_until(Sender.of(runtime), stopped)
    return 0
