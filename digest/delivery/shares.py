"""This process's parts of what relays and providers take, shared with the other workers.

A part is held for five seconds and renewed every second, while there is something to send; a
process that cannot renew it (its database is away, it slept) has nothing left of it and begins no
message. On SQLite the one sender has all of everything.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from digest.clock import Clock
from digest.rules.shares import IDLE, LEASE, RENEWED, Budget
from digest.store.budgets import Wanted, hold_parts
from digest.store.session import Database
from digest.store.workers import Lease


@dataclass(slots=True)
class Share:
    """The part of one budget; ``workers`` share it."""

    name: str
    budget: Budget
    in_use: Callable[[], int] | None = None  # None: of a rate, where nothing is held
    workers: int = 1
    _units: int = 0
    _most: float = math.inf  # while it is renewed
    _of: int = 1  # the units of the budget when it was granted
    _until: float = -math.inf
    _wanted_until: float = -math.inf

    @property
    def units(self) -> int:
        """What may be used now."""
        return int(min(self._units, self._most)) if Clock.monotonic() < self._until else 0

    @property
    def held(self) -> bool:
        """Whether there is a part, also while it is renewed."""
        return self._units > 0 and Clock.monotonic() < self._until

    @property
    def granted(self) -> bool:
        """Whether it was asked for, and answered."""
        return self._until > -math.inf

    @property
    def fraction(self) -> float:
        """What may be used now, of all."""
        return self.units / self._of

    def grant(self, units: int, *, workers: int, until: float) -> None:
        """So much may be used until then (monotonic)."""
        self._units, self._of, self._until = units, self.budget.units, until
        self._most, self.workers = math.inf, workers

    def ask(self) -> Wanted:
        """What is asked for. Until it is granted no more is begun than what is under way now: the
        part may get smaller, and be another's before we are told.
        """
        used = self.used
        if self.in_use is not None:
            self._most = used
        return Wanted(self.name, self.budget, used)

    @property
    def used(self) -> int:
        """What is under way now."""
        return 0 if self.in_use is None else self.in_use()

    def want(self) -> None:
        """There is something to send."""
        self._wanted_until = Clock.monotonic() + IDLE

    @property
    def wanted(self) -> bool:
        """Whether there was something to send of late, or something is under way."""
        return Clock.monotonic() < self._wanted_until or self.used > 0


@dataclass(slots=True)
class Shares:
    """All parts that this process has or wants."""

    db: Database
    clock: Clock
    lease: Lease
    _shares: dict[str, Share] = field(default_factory=dict)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def alone(self) -> bool:
        """Whether no other process can send from this database."""
        return self.db.dialect == "sqlite"

    def of(self, name: str, budget: Budget, in_use: Callable[[], int] | None = None) -> Share:
        """The part of the budget called ``name``, which may have changed its size."""
        share = self._shares.get(name)
        if share is None:
            share = self._shares[name] = Share(name, budget, in_use)
            self.ask()
        share.budget = budget
        if self.alone:
            share.grant(budget.units, workers=1, until=math.inf)
        return share

    def ask(self) -> None:
        """Renew soon, not at the next second."""
        self._asked.set()

    async def until_due(self) -> None:
        """Return when parts are to be renewed, or a new one is asked for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RENEWED):
                await self._asked.wait()
        self._asked.clear()

    async def renew(self, *, give_up: bool = False) -> None:
        """Hold what is wanted, and give up the rest (``give_up``: all that is not in use)."""
        if self.alone:
            return
        wanted = [
            share
            for share in self._shares.values()
            if (share.used > 0 if give_up else share.wanted)
        ]
        held = [share for share in self._shares.values() if share.units]
        if not wanted and not held:
            return
        began = Clock.monotonic()
        for share in held:  # first, so that nothing is begun with what is given up
            if share not in wanted:
                share.grant(0, workers=1, until=began)
        asked = [share.ask() for share in wanted]
        async with self.db.begin() as session:
            parts = await hold_parts(session, self.lease.worker_id, asked, now=self.clock.now())
        for share in wanted:
            part = parts[share.name]
            share.grant(part.units, workers=part.workers, until=began + LEASE.total_seconds())
