"""When an event loop last looked at its sockets: what it reads now had not come by the look before.

A relay sees a command late on a busy machine. Of two commands that it saw within a second, only
these moments tell that they were also sent within one.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable


class Looks(selectors.DefaultSelector):
    """Notes when it looked at all sockets; ``at`` has the last three times, the newest last."""

    def __init__(self) -> None:
        super().__init__()
        self.at = deque([0.0] * 3, maxlen=3)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout)
        self.at.append(time.monotonic())
        return found


class LookingLoop(asyncio.SelectorEventLoop):
    """What tests run on."""

    def __init__(self) -> None:
        self.looks = Looks()
        super().__init__(self.looks)


def get_looks() -> Looks:
    """Those of the loop that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LookingLoop)
    return loop.looks


def most_within(seconds: float, came: Iterable[tuple[float, float]]) -> int:
    """How many commands at most certainly came within so many seconds.

    Each came between its two moments, the last look without it and its reading: both are within.
    """
    since, at = (sorted(moments) for moments in zip(*came, strict=True))
    return max(bisect_left(at, moment + seconds) - bisect_left(since, moment) for moment in since)
