"""The engine inside one process: hints that there is work, and a clock that repeats them.

APScheduler is a clock only; nothing is stored with it. It knows the
next time of a job by the wall, so a wall clock that is set back would silence it for as long: such
a jump is noticed by the monotonic clock, and everything is woken.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from digest.clock import Clock
from digest.jobs.engine import Job

log = structlog.get_logger(__name__)

_LOOK = 1.0  # seconds between two looks at both clocks
_JUMP = 2.0  # seconds of difference between them that are no drift


class EmbeddedEngine:
    """Runs named jobs, each of them one at a time, when woken and at intervals."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._jobs: dict[str, Job] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def register(self, name: str, job: Job) -> None:
        """Give a job its name. Before ``start``."""
        self._jobs[name] = job
        self._wakes[name] = asyncio.Event()

    def every(self, seconds: float, name: str) -> None:
        """Wake a registered job at this interval, the first time at once."""
        self.wake(name)
        self._scheduler.add_job(
            self.wake, "interval", (name,), seconds=seconds, coalesce=True, misfire_grace_time=None
        )

    def wake(self, name: str) -> None:
        """Run a job soon; called while it runs, it runs once more. After the commit, never
        before.
        """
        self._wakes[name].set()

    async def start(self) -> None:
        """Begin to run jobs, in this event loop."""
        self._scheduler.start()
        self._tasks = [asyncio.create_task(self._run(name)) for name in self._jobs]
        self._tasks.append(asyncio.create_task(self._mind_jumps()))

    async def _run(self, name: str) -> None:
        while True:
            await self._wakes[name].wait()
            self._wakes[name].clear()
            try:
                await self._jobs[name]()
            except Exception:  # the next hint tries again
                log.exception("job failed", job=name)

    async def _mind_jumps(self) -> None:
        ahead = _ahead()
        while True:
            await asyncio.sleep(_LOOK)
            before, ahead = ahead, _ahead()
            if abs(ahead - before) > _JUMP:
                log.warning("the clock was set", seconds=round(ahead - before))
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=datetime.now(UTC))

    async def stop(self) -> None:
        """Stop the clock and cut what runs: whatever it was, its rows say how far it came."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


def _ahead() -> float:
    """How far the wall's clock is ahead of the monotonic one."""
    return datetime.now(UTC).timestamp() - Clock.monotonic()
