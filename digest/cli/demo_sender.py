"""Keeps the demo's sender running: the button kills it with SIGKILL, and it is started again.

As a supervisor does (systemd's ``Restart=always``): nothing is tidied up in between, so what the
next one finds is what a crash leaves.
"""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import dataclass, field

from digest.cli.demo_processes import DemoProcesses, end_process, start_process

AGAIN_AFTER = 1.0  # seconds: long enough to be seen


@dataclass(slots=True)
class KeptSender:
    """The sender of a demo, in whichever process it is now."""

    demo: DemoProcesses
    kills: int = 0
    process: Process | None = field(default=None, repr=False)
    _killed_at: float = 0.0
    _back_after: float = 0.0

    async def keep(self, stopped: asyncio.Event) -> None:
        """Have it run until ``stopped``, however often it ends."""
        stopping = asyncio.create_task(stopped.wait())
        try:
            while not stopped.is_set():
                await self._once(stopping)
                await asyncio.wait((stopping,), timeout=AGAIN_AFTER)
        finally:
            stopping.cancel()

    async def _once(self, stopping: asyncio.Task[bool]) -> None:
        process = await start_process(self.demo, "digest.cli.demo_worker", stdin=PIPE)
        self.process = process
        if self._killed_at:
            self._back_after = time.monotonic() - self._killed_at
        ending = asyncio.create_task(process.wait())
        try:
            await asyncio.wait((ending, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.process = None
            ending.cancel()
            await end_process(process)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
                self.process = None  # at once: who looks before it is missed is told so, too
                self.kills += 1
                self._killed_at = time.monotonic()

    def said(self) -> str:
        """How it is, in words."""
        if self.process is None:
            return "The sender was killed, and is started again by itself."
        words = f"The sender is process {self.process.pid}."
        if not self.kills:
            return words
        times = {1: "once", 2: "twice"}.get(self.kills, f"{self.kills} times")
        return f"{words} Killed {times}; back after {self._back_after:.1f} s."
