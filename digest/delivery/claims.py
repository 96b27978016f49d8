"""Claimed rows on their way to a connection, in memory: few, and never for long.

Promise 3: a row claimed but not begun within 2 s is given back, so that whoever acknowledges an
unsubscribe knows after 2.5 s that it has begun or never will. Notices wait in a line of their own,
which goes before that of the issues.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from digest.clock import Clock
from digest.delivery.outcomes import Row
from digest.delivery.signing import Prepared
from digest.rules.throttle import Lane
from digest.store.deliveries import Claimed
from digest.store.notices import ClaimedNotice

BEGIN_WITHIN = 2.0  # seconds from the start of the claim to MAIL


@dataclass(slots=True)
class Claim:
    """A row and the monotonic time before its claim began."""

    row: Row
    at: float
    issue_id: int = 0  # of a row of an issue
    prepared: Prepared | None = None  # its signature, where there are keys

    @property
    def stale(self) -> bool:
        """Whether it is too old to be begun."""
        return Clock.monotonic() - self.at > BEGIN_WITHIN

    @property
    def lane(self) -> Lane:
        """What it shares a relay's rate with."""
        return Lane(self.row.lane) if isinstance(self.row, ClaimedNotice) else Lane.ISSUE


class ClaimQueue:
    """Where the feeder puts claims and connections take them, in order."""

    def __init__(self) -> None:
        self._issues: deque[Claim] = deque()
        self._notices: deque[Claim] = deque()
        self._arrived = asyncio.Event()
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._woken = asyncio.Event()
        self._connections = 0  # that should be open for issues
        self._low = 0  # so many claims left and the feeder wants to know
        self.ready = 0  # connections for issues that are open

    def __len__(self) -> int:
        return len(self._issues) + len(self._notices)

    @property
    def closed(self) -> bool:
        """Whether it is all over."""
        return self._closing.is_set()

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
                while not self.closed and (self.ready == 0 or len(self._issues) > at_most):
                    self._changed.clear()
                    await self._changed.wait()
        return not self.closed and self.ready > 0 and len(self._issues) <= at_most

    def put(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Add claims at the end; those that came too late, because it is all over."""
        if self.closed:
            return claims
        for claim in claims:
            (self._notices if isinstance(claim.row, ClaimedNotice) else self._issues).append(claim)
        self._arrived.set()
        self._wanted.set()
        return ()

    def take_stale(self) -> list[Claim]:
        """Take out what is too old to be begun."""
        stale = []
        for line in (self._notices, self._issues):
            while line and line[0].stale:
                stale.append(line.popleft())
        return stale

    def take_issues(self) -> list[Claim]:
        """Take out every row of an issue."""
        taken = list(self._issues)
        self._issues.clear()
        return taken

    def close(self) -> list[Claim]:
        """End it: connections get nothing more. What was left."""
        left = [*self._notices, *self._issues]
        self._notices.clear()
        self._issues.clear()
        for event in (self._closing, self._woken, self._arrived, self._wanted, self._changed):
            event.set()
        return left

    # A connection's side. ``upper``: it is kept for notices.

    async def wanted(self, number: int, *, upper: bool) -> bool:
        """Wait until connection ``number`` (from 0) should be open; False once it is all over."""
        while not self.closed:
            if self._notices or (not upper and (number < self._connections or self._issues)):
                return True
            self._wanted.clear()
            await self._wanted.wait()
        return False

    def opened(self, change: int) -> None:
        """A connection for issues is open (+1) or not any more (-1)."""
        self.ready += change
        self._changed.set()

    def next_lane(self, *, upper: bool) -> Lane | None:
        """The lane of the next claim; None when there is none."""
        if self._notices:
            return self._notices[0].lane
        return Lane.ISSUE if self._issues and not upper else None

    async def waiting(self, idle: float, *, upper: bool) -> Lane | None:
        """The lane of the next claim; None after ``idle`` seconds without one, or at the end."""
        lane = self.next_lane(upper=upper)
        if lane is None and not self.closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(idle):
                    while (lane := self.next_lane(upper=upper)) is None and not self.closed:
                        self._arrived.clear()
                        await self._arrived.wait()
        return lane

    async def nap(self, seconds: float) -> None:
        """Sleep, but not beyond the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def wake(self) -> None:
        """Whoever waits for something to come may look now."""
        self._woken.set()

    async def idle(self, seconds: float) -> None:
        """Sleep until ``wake``, which may have been before, but not beyond the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    @property
    def notices(self) -> int:
        """Notices that wait."""
        return len(self._notices)

    @property
    def next_is_signed(self) -> bool:
        """Whether the next claim of an issue, if there is one, waits for no signature."""
        prepared = self._issues[0].prepared if self._issues else None
        return prepared is None or prepared.ready

    def has_issue(self, fits: Callable[[Claimed], bool]) -> bool:
        """Whether a row of an issue waits that fits."""
        return any(fits(claim.row) for claim in self._issues)  # type: ignore[arg-type]  # no notices

    def take(self, lane: Lane) -> Claim | None:
        """The next claim of an issue, or of a notice for every other lane, if there is one now."""
        if lane is not Lane.ISSUE:
            return self._notices.popleft() if self._notices else None
        if not self._issues:
            return None
        if len(self._issues) <= self._low + 1:
            self._changed.set()
        return self._issues.popleft()
