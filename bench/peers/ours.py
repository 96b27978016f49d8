"""Ours, end to end: one issue that is planned, from its rows through the sender to its outcomes.

Called with one JSON object: ``issue`` (its id), ``stop_after`` (0: when all is settled), ``watch``
(how many outcomes wait, which costs a little). Everything else is settings, from the environment.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvloop

import digest.delivery.run as sending
from bench.peers.task import measured
from digest.clock import Clock
from digest.delivery.recorder import Recorder
from digest.delivery.sender import Progress, Sender
from digest.runtime import open_runtime
from digest.settings import load_settings


class WatchedRecorder(Recorder[Any]):
    """Notes how many outcomes were not committed at most, and how old the oldest was then."""

    most = 0
    oldest = 0.0  # seconds

    def __init__(
        self, write: Callable[[Sequence[Any]], Awaitable[None]], *, unrecorded: int, **more: Any
    ) -> None:
        self._added: deque[float] = deque()

        async def watched(group: Sequence[Any]) -> None:
            await write(group)
            for done in group:
                if not done.outcome.uncharged:
                    age = Clock.monotonic() - self._added.popleft()
                    WatchedRecorder.oldest = max(WatchedRecorder.oldest, age)

        super().__init__(watched, unrecorded=unrecorded, **more)

    def add(self, outcome: Any) -> None:
        if not outcome.outcome.uncharged:  # else it was given back, and never sent
            self._added.append(Clock.monotonic())
        super().add(outcome)
        WatchedRecorder.most = max(WatchedRecorder.most, len(self._added))


async def _main() -> None:
    task = json.loads(sys.argv[1])
    if task["watch"]:
        vars(sending)["Recorder"] = WatchedRecorder
    stop = asyncio.Event()

    def progress(now: Progress) -> None:
        if task["stop_after"] and now.accepted >= task["stop_after"]:
            stop.set()

    async with open_runtime(load_settings(env_file=None)) as runtime:
        sender = Sender.of(runtime)
        with measured() as found:
            report = await sender.send_issue(task["issue"], progress=progress, stop=stop)
            found["messages"] = report.sent
            found["unrecorded"] = WatchedRecorder.most
            found["oldest_ms"] = WatchedRecorder.oldest * 1000


if __name__ == "__main__":
    uvloop.run(_main())
