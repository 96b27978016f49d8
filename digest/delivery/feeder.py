"""The feeder: looks at the rows, claims as many as connections can send at once, waits for more.

Promise 3 bounds what is claimed: max(2 × connections, 0.25 s of the measured rate).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.clock import Clock
from digest.delivery.claims import Claim, ClaimQueue
from digest.delivery.connections import RelayGate
from digest.delivery.letters import Letters
from digest.rules.delivery import IssueState
from digest.rules.retry import wait
from digest.store.deliveries import Claimed, cancel_departed, claim_deliveries
from digest.store.notices import ClaimedNotice, claim_notices, expire_notices, next_notice_due
from digest.store.progress import (
    defer_waiting,
    due_count,
    issue_progress,
    next_due,
    sending_count,
)
from digest.store.session import Database
from digest.store.workers import Lease

CLAIM_SECONDS = 0.25  # of the measured rate: what a claim holds at most
_LOOK_AGAIN = 0.1  # seconds between two looks at a database that has nothing for us
_LONGEST_NAP = 1.0  # seconds: notices may come at any time


class Rate:
    """Messages a second, smoothed over about a second."""

    def __init__(self) -> None:
        self._messages = 0
        self._since = Clock.monotonic()
        self._smoothed = 0.0

    def count(self, messages: int) -> None:
        """So many more messages were sent."""
        self._messages += messages

    @property
    def per_second(self) -> float:
        elapsed = Clock.monotonic() - self._since
        if elapsed > 0.1:
            latest = self._messages / elapsed
            self._smoothed = latest if not self._smoothed else (self._smoothed + latest) / 2
            self._messages, self._since = 0, Clock.monotonic()
        return self._smoothed


@dataclass(slots=True)
class Feeder:
    """Fills the queue of one run.

    ``due_at`` is set where nothing is tried twice: rows count as due that were due then. ``busy``
    says whether claimed rows are on their way; ``give_back`` takes claims that came too late.
    """

    db: Database
    clock: Clock
    lease: Lease
    queue: ClaimQueue
    gates: Sequence[RelayGate]
    letters: Letters
    connections: int
    issue_id: int | None
    due_at: datetime | None
    notices: bool
    busy: Callable[[], bool]
    give_back: Callable[[Sequence[Claim]], None]
    rate: Rate

    async def feed(self) -> None:
        """Claim until nothing is left to wait for, or the queue is closed."""
        while not self.queue.closed:
            due = await self._count_due()
            if due:
                self.queue.want(due)
                if await self._claim_while_due() or self.queue.closed:
                    continue
                if await self._nothing_to_claim():
                    return
                await asyncio.sleep(_LOOK_AGAIN)
            elif self.busy():
                await asyncio.sleep(_LOOK_AGAIN / 10)
            elif await self._wait_for_more():
                return

    async def _count_due(self) -> int:
        """How many connections there is work for."""
        due = 0
        now = self.clock.now()
        async with self.db.read() as session:
            if self.issue_id is not None:
                due_at = self.due_at or now
                due = await due_count(session, self.issue_id, due_at, most=self.connections)
            if self.notices:
                notice_at = await next_notice_due(session)
                due += notice_at is not None and notice_at <= now
        return due

    async def _claim_while_due(self) -> int:
        """Claim as connections ask for more; how many rows it was until there were none."""
        claimed = 0
        while not self.queue.closed:
            limit = max(2 * self.connections, round(CLAIM_SECONDS * self.rate.per_second))
            if not await self.queue.hungry(limit // 2, timeout=_LOOK_AGAIN):
                if self._unreachable:
                    return claimed
                continue
            claims = await self._claim(limit - len(self.queue))
            if not claims:
                return claimed
            claimed += len(claims)
            self.give_back(self.queue.put(claims))
        return claimed

    async def _claim(self, limit: int) -> list[Claim]:
        at = self.clock.monotonic()
        now = self.clock.now()
        rows: list[Claimed | ClaimedNotice] = []
        async with self.db.begin() as session:
            if self.notices:
                await expire_notices(session, now)
                rows += await claim_notices(
                    session, worker_id=self.lease.worker_id, limit=limit, now=now
                )
            if self.issue_id is not None:
                rows += await claim_deliveries(
                    session,
                    worker_id=self.lease.worker_id,
                    issue_id=self.issue_id,
                    limit=limit - len(rows),
                    now=now,
                    due_at=self.due_at,
                )
        await self.letters.load({row.version_id for row in rows if isinstance(row, Claimed)})
        return [Claim(row, at) for row in rows]

    @property
    def _unreachable(self) -> bool:
        return self.queue.ready == 0 and all(gate.unreachable for gate in self.gates)

    async def _nothing_to_claim(self) -> bool:
        """Rows are due and none could be claimed: see why; whether this run is over."""
        if self.issue_id is None:
            return not self.busy()
        now = self.clock.now()
        if self._unreachable and self.due_at is not None:
            error = next(gate.error for gate in self.gates if gate.error)
            async with self.db.begin() as session:
                until = now + wait(1, seed=self.issue_id)
                await defer_waiting(session, self.issue_id, until=until, reply=str(error))
            return True
        async with self.db.begin() as session:
            await cancel_departed(session, self.issue_id, now)
            return (await issue_progress(session, self.issue_id)).state is not IssueState.SENDING

    async def _wait_for_more(self) -> bool:
        """Nothing is due: wait for what will be; whether there is nothing to wait for."""
        self.queue.want(0)
        if self.issue_id is None:
            return True
        async with self.db.read() as session:
            state = (await issue_progress(session, self.issue_id)).state
            held_by_others = await sending_count(session, self.issue_id)
            due = None if self.due_at else await next_due(session, self.issue_id)
        if state is not IssueState.SENDING or (due is None and not held_by_others):
            return True
        nap = _LONGEST_NAP
        if due is not None:
            nap = min(nap, max(0.0, (due - self.clock.now()).total_seconds()))
        await asyncio.sleep(max(nap, _LOOK_AGAIN))
        return False
