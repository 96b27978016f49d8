"""Answers of the database that are kept for as long as they were dear to get.

For what many ask and few rows do not tell: the totals of an issue on its way, counts over all that
ever came back. However many ask, and however often, one asks the database and the others wait, and
it is not asked again before a multiple of the time has passed that the answer took: so this never
takes more than that part of the time of one connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from digest.clock import Clock

T = TypeVar("T")

_MOST = 200  # answers; beyond them all are forgotten


@dataclass(slots=True)
class _Answer:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    value: Any = None
    until: float = 0.0


@dataclass(slots=True)
class Kept:
    """Answers by what was asked; a new process knows none.

    What took ``slow`` seconds or more is kept ``factor`` times as long, and everything for
    ``least`` seconds.
    """

    factor: float
    least: float = 0.0
    slow: float = 0.0
    clock: Clock = field(default_factory=Clock)
    _answers: dict[Hashable, _Answer] = field(default_factory=dict)

    async def get(
        self, name: Hashable, ask: Callable[[], Awaitable[T]], *, least: float | None = None
    ) -> T:
        """The answer called ``name``, asked for where it is not known or too old.

        ``least``: how many seconds this one is kept at least.
        """
        if name not in self._answers and len(self._answers) >= _MOST:
            self._answers.clear()
        answer = self._answers.setdefault(name, _Answer())
        async with answer.turn:
            began = self.clock.monotonic()
            if began >= answer.until:
                answer.value = await ask()
                done = self.clock.monotonic()
                took = done - began
                shortest = self.least if least is None else least
                longest = took * self.factor if took >= self.slow else 0.0
                answer.until = done + max(shortest, longest)
        value: T = answer.value
        return value


def for_metrics() -> Kept:
    """For whoever asks every few seconds, for ever: at most a twentieth of a connection."""
    return Kept(factor=20.0, least=1.0)


def for_pages() -> Kept:
    """For pages that are loaded more often than what they count changes: nothing quick is kept.

    The key says what else makes a count a new one.
    """
    return Kept(factor=100.0, slow=0.1)
