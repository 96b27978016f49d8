"""What an engine is: it runs named jobs when woken, and wakes them again and again.

Rows are the truth, jobs are hints: a job looks at the database and does what it finds there, so a
hint may be lost or come twice. There are two engines behind this contract: ``embedded`` in one
process, and ``postgres`` for all processes of a PostgreSQL database together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Job: TypeAlias = Callable[[], Awaitable[None]]


class Engine(Protocol):
    """Runs named jobs, each of them one at a time."""

    def register(self, name: str, job: Job) -> None:
        """Give a job its name. Before ``start``."""

    def every(self, seconds: float, name: str) -> None:
        """Wake a registered job at this interval, the first time at once. Before ``start``."""

    def wake(self, name: str) -> None:
        """Run a job soon; called while it runs, it runs once more. After the commit, never
        before.
        """

    async def start(self) -> None:
        """Begin to run jobs, in this event loop."""

    async def stop(self) -> None:
        """Stop, and cut what runs: whatever it was, its rows say how far it came."""


@dataclass(frozen=True, slots=True)
class Engines:
    """``shared`` runs a job once for all processes, ``local`` in each of them; on SQLite both are
    the same.
    """

    shared: Engine
    local: Engine


@asynccontextmanager
async def running(engines: Engines) -> AsyncIterator[None]:
    """While the block runs, so do the jobs that were registered."""
    together = [engines.local]
    if engines.shared is not engines.local:
        together.append(engines.shared)
    try:
        for engine in together:
            await engine.start()
        yield
    finally:
        for engine in reversed(together):
            await engine.stop()
