"""``digest scheduler``: the schedule and all that becomes due by time, without pages."""

from __future__ import annotations

from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.options import Json
from digest.cli.service import HealthPort, health_served, until_stopped
from digest.cli.supervisor import supervised
from digest.jobs.inbox import received
from digest.jobs.scheduler import begin_keeping, scheduled
from digest.runtime import open_runtime


async def scheduler(
    *, take_over: bool = False, health_port: HealthPort = None, as_json: Json = False
) -> int:
    """Keep the schedule, collect links, take in what comes back and tell others, until SIGTERM or
    Ctrl-C.

    On PostgreSQL a second one on another machine stands by: each job is done by one of them, and
    either is enough. Nothing is sent here: that is for `digest worker`.

    Parameters
    ----------
    take_over
        Keep the schedule on this machine too, although another one did within a week; once.
    """
    settings = read_settings()
    async with open_runtime(settings) as runtime:
        now = runtime.clock.now()
        keeper = await begin_keeping(
            runtime.db, runtime.gate, settings, now=now, take_over=take_over
        )
        desk = runtime.feedback_desk
        async with (
            until_stopped() as stopped,
            received(desk, settings.inbound) as doors,
            health_served(runtime, health_port) as health,
        ):
            said = {**doors, **health}
            text = "Keeping the schedule" + "".join(f"\n{one}: {at}" for one, at in said.items())
            output.tell_started(said, as_json=as_json, text=text)
            async with (
                scheduled(runtime.engines, settings, keeper, desk),
                supervised("Keeping the schedule", stopped),
            ):
                await stopped.wait()
    return 0
