"""Outcomes on their way into the database: in continuous groups, with a bound on how many wait.

Promise 2: what was sent and is not recorded is sent again after a crash, so it must be little: as
soon as ``unrecorded`` messages are under way or not committed, or an outcome is not committed
after ``unrecorded_ms``, no sender starts another message. While the database refuses, nothing new
is sent; outcomes are kept and written when it is back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from digest.clock import Clock

log = structlog.get_logger(__name__)

GROUP_MAX = 500  # rows of one transaction; larger ones are no faster (measured) and hold more back
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # seconds between attempts while the database refuses

T = TypeVar("T")


class Recorder(Generic[T]):
    """Writes what it is given, in order, by ``write``, which is one transaction a call."""

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[None]],
        *,
        unrecorded: int = 500,
        unrecorded_ms: int = 200,
    ) -> None:
        self._write = write
        self._most = unrecorded
        self._oldest = unrecorded_ms / 1000
        self._waiting: deque[tuple[float, T]] = deque()
        self._group: list[tuple[float, T]] = []  # being written
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._refused = False
        self._closing = False
        self.under_way = 0  # messages begun that have no outcome yet

    @property
    def unrecorded(self) -> int:
        """Outcomes that are not committed."""
        return len(self._waiting) + len(self._group)

    @property
    def full(self) -> bool:
        """Whether a sender has to wait before its next message."""
        if self._refused or self.unrecorded + self.under_way >= self._most:
            return True
        oldest = self._group or self._waiting
        return bool(oldest) and Clock.monotonic() - oldest[0][0] > self._oldest

    def add(self, outcome: T) -> None:
        """Take one outcome; never blocks, never loses it."""
        self._waiting.append((Clock.monotonic(), outcome))
        self._more.set()

    async def room(self) -> None:
        """Return once another message may be started."""
        while self.full:
            self._room.clear()
            await self._room.wait()

    async def run(self) -> None:
        """Write groups until ``close`` was called and nothing waits."""
        while self._waiting or not self._closing:
            if not self._waiting:
                self._more.clear()
                await self._more.wait()
                continue
            self._group = [
                self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_MAX))
            ]
            await self._write_group([outcome for _, outcome in self._group])
            self._group = []
            self._room.set()

    async def _write_group(self, outcomes: Sequence[T]) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._write(outcomes)
            except Exception:  # whatever it is: an outcome is never given up
                self._refused = True
                log.exception("outcomes are not recorded, sending waits", outcomes=self.unrecorded)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._refused = False
                return

    def close(self) -> None:
        """Let ``run`` return once everything is written."""
        self._closing = True
        self._more.set()
