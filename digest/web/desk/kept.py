"""Counts of an issue, kept for a while where counting took long.

A million rows take a good part of a second to count, and a page is loaded more often than they
change. What took a tenth of a second or more is shown again for a hundred times as long; it is
counted anew before where the issue has moved on (the key says so). One counts, the others wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request

from digest.clock import Clock
from digest.store.issues import StoredIssue

T = TypeVar("T")

SLOW = 0.1  # seconds
_AS_LONG = 100  # times what counting took
_MOST = 200


@dataclass(slots=True)
class Kept:
    """What was counted in this process, and until when it is shown."""

    clock: Clock
    found: dict[Hashable, tuple[Any, float]] = field(default_factory=dict)
    counting: dict[Hashable, asyncio.Lock] = field(default_factory=dict)

    async def of(self, key: Hashable, count: Callable[[], Awaitable[T]]) -> T:
        """What ``count`` gives, or gave not long ago."""
        async with self.counting.setdefault(key, asyncio.Lock()):
            value, until = self.found.get(key, (None, 0.0))
            if self.clock.monotonic() < until:
                kept: T = value
                return kept
            began = self.clock.monotonic()
            fresh = await count()
            now = self.clock.monotonic()
            if now - began >= SLOW:
                self._keep(key, fresh, now + _AS_LONG * (now - began))
            return fresh

    def _keep(self, key: Hashable, value: object, until: float) -> None:
        if len(self.found) >= _MOST:
            self.found.clear()
            self.counting.clear()
        self.found[key] = (value, until)


def key_of(issue: StoredIssue, what: str) -> Hashable:
    """Another one as soon as the issue is started, paused, resumed or over."""
    return what, issue.id, issue.state, issue.finished_at, issue.resumed_at


def kept_of(request: Request, clock: Clock) -> Kept:
    """What was counted in this process."""
    state = request.app.state
    if not hasattr(state, "desk_kept"):
        state.desk_kept = Kept(clock)
    found: Kept = state.desk_kept
    return found
