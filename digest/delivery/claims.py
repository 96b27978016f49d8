"""Claimed rows on their way to a connection, in memory: few, and never for long.

Promise 3: a row claimed but not begun within 2 s is given back, so that whoever acknowledges an
unsubscribe knows after 2.5 s that it has begun or never will.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from digest.clock import Clock
from digest.delivery.outcomes import Row

BEGIN_WITHIN = 2.0  # seconds from the start of the claim to MAIL


@dataclass(frozen=True, slots=True)
class Claim:
    """A row and the monotonic time before its claim began."""

    row: Row
    at: float

    @property
    def stale(self) -> bool:
        """Whether it is too old to be begun."""
        return Clock.monotonic() - self.at > BEGIN_WITHIN


class ClaimQueue:
    """Where the feeder puts claims and connections take them, in order."""

    def __init__(self) -> None:
        self._claims: deque[Claim] = deque()
        self._arrived = asyncio.Event()
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()
        self._connections = 0  # that should be open
        self._low = 0  # so many claims left and the feeder wants to know
        self.ready = 0  # connections that are open
        self.closed = False

    def __len__(self) -> int:
        return len(self._claims)

    # The feeder's side.

    def want(self, connections: int) -> None:
        """Ask for so many open connections, because there are rows for them."""
        self._connections = connections
        self._wanted.set()

    async def hungry(self, at_most: int, *, timeout: float) -> bool:
        """Wait until a connection is open and no more than ``at_most`` claims wait; whether so."""
        self._low = at_most
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self.closed and (self.ready == 0 or len(self._claims) > at_most):
                    self._changed.clear()
                    await self._changed.wait()
        return not self.closed and self.ready > 0 and len(self._claims) <= at_most

    def put(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Add claims at the end; those that came too late, because it is all over."""
        if self.closed:
            return claims
        self._claims.extend(claims)
        self._arrived.set()
        return ()

    def take_stale(self) -> list[Claim]:
        """Take out what is too old to be begun."""
        stale = []
        while self._claims and self._claims[0].stale:
            stale.append(self._claims.popleft())
        return stale

    def close(self) -> list[Claim]:
        """End it: connections get nothing more. What was left."""
        self.closed = True
        left = list(self._claims)
        self._claims.clear()
        for event in (self._arrived, self._wanted, self._changed):
            event.set()
        return left

    # A connection's side.

    async def wanted(self, number: int) -> bool:
        """Wait until connection ``number`` (from 0) should be open; False once it is all over."""
        while not self.closed:
            if number < self._connections or self._claims:
                return True
            self._wanted.clear()
            await self._wanted.wait()
        return False

    def opened(self, change: int) -> None:
        """A connection is open (+1) or not any more (-1)."""
        self.ready += change
        self._changed.set()

    async def get(self, idle: float) -> Claim | None:
        """The next claim; None after ``idle`` seconds without one, or once it is all over."""
        if not self._claims and not self.closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(idle):
                    while not self._claims and not self.closed:
                        self._arrived.clear()
                        await self._arrived.wait()
        return self.take()

    def take(self, kind: type[Row] | None = None) -> Claim | None:
        """The next claim if there is one now; with ``kind`` only if its row is of that kind."""
        if not self._claims or (kind is not None and not isinstance(self._claims[0].row, kind)):
            return None
        if len(self._claims) <= self._low + 1:
            self._changed.set()
        return self._claims.popleft()
