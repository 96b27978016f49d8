"""How long after its send slot the first mail of a large issue leaves, as an operator would see it.

A scheduler and a worker run as processes of their own; the newsletter has a slot at the next full
minute and no undo window. What counts is the first whole message at the sink.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import tools
from bench.sending import Relay, approve, settings

_AHEAD = timedelta(seconds=20)  # for both to have begun
_PATIENCE = 180.0  # seconds
_OPERATOR = ("-P", "-m", "digest")


def first_mail(url: str, slug: str, folder: Path) -> tuple[float, float]:
    """Seconds from the slot to the first mail; MB of the worker, half a minute into the issue."""
    approve(url, slug)
    with tools.sink() as server:
        relay = Relay(server.port, 4)
        environment = os.environ | settings(url, relay) | {"DIGEST_STATE_DIR": str(folder)}
        slot = (datetime.now(UTC) + _AHEAD).replace(second=0, microsecond=0)
        slot += timedelta(minutes=1)
        schedule = f"cron {slot.minute} {slot.hour} * * *"
        change = ["newsletter", "set", slug, "--timezone", "UTC", "--schedule", schedule]
        command = [sys.executable, *_OPERATOR, *change, "--undo-window", "0"]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        with _running("scheduler", environment), _running("worker", environment) as worker:
            while not server.counters()["messages"]:
                late = time.time() - slot.timestamp()
                if late > _PATIENCE:
                    raise tools.ToolError(f"no mail {late:.0f} s after the slot")
                time.sleep(0.02 if late > -1 else 0.5)
            seconds = time.time() - slot.timestamp()
            time.sleep(30)
            return seconds, tools.peak_memory(worker)


@contextmanager
def _running(role: str, environment: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, *_OPERATOR, role],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
