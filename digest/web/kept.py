"""Answers of the database that are kept for as long as they were dear to get.

For what many ask and few rows do not tell: the totals of an issue on its way, counts over all that
ever came back. However many ask, and however often, one asks the database, and not again before
twenty times as long has passed as the answer took: so this never takes more than a twentieth of
the time of one connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from digest.clock import Clock

LEAST_SECONDS = 1.0  # an answer is kept, also one that took no time
FACTOR = 20.0

T = TypeVar("T")


@dataclass(slots=True)
class _Answer:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    value: Any = None
    until: float = 0.0


@dataclass(slots=True)
class Kept:
    """Answers by what was asked; a new process knows none."""

    factor: float = FACTOR
    _answers: dict[Hashable, _Answer] = field(default_factory=dict)

    async def get(
        self, name: Hashable, ask: Callable[[], Awaitable[T]], *, least: float = LEAST_SECONDS
    ) -> T:
        """The answer called ``name``, asked for where it is not known or too old.

        ``least``: how many seconds it is kept at least.
        """
        answer = self._answers.setdefault(name, _Answer())
        async with answer.turn:
            began = Clock.monotonic()
            if began >= answer.until:
                answer.value = await ask()
                done = Clock.monotonic()
                answer.until = done + max(least, (done - began) * self.factor)
        value: T = answer.value
        return value
