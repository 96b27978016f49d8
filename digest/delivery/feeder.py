"""The feeder: looks at the rows, claims as many as connections can send at once, waits for more.

Promise 3 bounds what is claimed: max(2 × connections, 0.25 s of the measured rate). Nothing is
claimed that no relay could take now: while all of them are paused, or their quota is used up. Of
several issues on their way each gets its turn.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.clock import Clock
from digest.delivery.claims import Claim, ClaimQueue
from digest.delivery.gate import Rate, RelayGate
from digest.delivery.letters import Letters
from digest.delivery.signing import SigningRoom
from digest.delivery.upkeep import look_after
from digest.rules.delivery import CANARY_WAVE, REST_WAVE, IssueState
from digest.rules.retry import wait
from digest.rules.throttle import Lane, issue_connections
from digest.store import progress
from digest.store.claims import take_turn_to_claim
from digest.store.deliveries import Claimed, claim_deliveries
from digest.store.notices import ClaimedNotice, claim_notices, expire_notices, next_notice_due
from digest.store.poison import hold_poison, suspects
from digest.store.progress import IssueProgress, defer_waiting, due_count, next_due, sending_count
from digest.store.session import Database, Session
from digest.store.workers import Lease

CLAIM_SECONDS = 0.25  # of the measured rate: what a claim holds at most
CLAIM_MOST = 1_000  # rows; a claim has a fixed cost, and more than that only wait longer
_PACED_SECONDS = 1.0  # of a configured rate: more would grow stale in the queue
_LOOK_AGAIN = 0.1  # seconds between two looks at a database that has nothing for us
_REFRESH = 0.25  # seconds after which a look is too old to claim by
_LONGEST_NAP = 1.0  # seconds: something may come at any time, and nobody say so
_PAUSED = 0.5  # seconds of a relay's pause from which on nothing is claimed for it
_UPKEEP = timedelta(minutes=1)
_NOTICES_AHEAD = 5  # messages of a quota reserved at a time for what goes before issues


@dataclass(frozen=True, slots=True)
class Errand:
    """What a run is to send. ``issue_id`` None: every issue on its way.

    ``no_retries``: each row is tried once. ``forever``: wait for whatever comes.
    """

    issue_id: int | None = None
    issues: bool = True  # False: notices only
    no_retries: bool = False
    forever: bool = False


@dataclass(frozen=True, slots=True)
class _Agenda:
    """What was found at a look: issues with rows due, and for how many connections."""

    issues: tuple[IssueProgress, ...]
    connections: int
    notices: bool

    @property
    def anything(self) -> bool:
        return self.connections > 0 or self.notices


@dataclass(slots=True)
class Feeder:
    """Fills the queue of one run.

    ``busy`` says whether claimed rows are on their way; ``give_back`` takes claims that came too
    late.
    """

    db: Database
    clock: Clock
    lease: Lease
    queue: ClaimQueue
    gates: Sequence[RelayGate]
    letters: Letters
    connections: int
    errand: Errand
    notices: bool
    busy: Callable[[], bool]
    give_back: Callable[[Sequence[Claim]], None]
    poisoned: Callable[[Session, int, int], Awaitable[None]]
    rate: Rate
    room: SigningRoom[Claimed] | None = None  # where there are keys to sign with
    retry_at: datetime | None = None
    _turn: int = 0
    _kept_up: datetime | None = None

    async def feed(self) -> None:
        """Claim until nothing is left to wait for, or the queue is closed."""
        if self.errand.no_retries:  # what was deferred is due only if it was due when we began
            self.retry_at = self.clock.now()
        await self._send_suspects()
        while not self.queue.closed:
            if not self.lease.held:  # until the next heartbeat tells
                await self.queue.nap(_LOOK_AGAIN)
                continue
            agenda = await self._look()
            await self._keep_up(agenda)
            if agenda.anything or self.busy():
                self._want_parts()
            if agenda.anything:
                self.queue.want(agenda.connections)
                if await self._claim_while_due(agenda) or self.queue.closed:
                    continue
                if await self._nothing_to_claim(agenda):
                    return
                await self.queue.nap(_LOOK_AGAIN)
            elif self.busy():
                await self.queue.nap(_LOOK_AGAIN / 10)
            elif await self._wait_for_more():
                return

    # Looking.

    async def _look(self) -> _Agenda:
        now = self.clock.now()
        due, issues, notice = 0, [], False
        async with self.db.read() as session:
            for issue in await self._issues(session):
                if issue.overtaken:
                    continue
                found = await due_count(
                    session,
                    issue.issue_id,
                    now,
                    most=self.connections,
                    wave=_wave(issue),
                    retry_at=self.retry_at,
                )
                due += found
                if found and issue.state is IssueState.SENDING:
                    issues.append(issue)
            if self.notices:
                notice_at = await next_notice_due(session)
                notice = notice_at is not None and notice_at <= now
        connections = min(due, self.connections)
        return _Agenda(tuple(issues), connections, notice)

    async def _issues(self, session: Session) -> list[IssueProgress]:
        if not self.errand.issues:
            return []
        if self.errand.issue_id is None:
            return await progress.issues_on_their_way(session)
        return [await progress.issue_progress(session, self.errand.issue_id)]

    async def _keep_up(self, agenda: _Agenda) -> None:
        """Once a minute, also of issues whose rows are always due."""
        now = self.clock.now()
        if self._kept_up is None or now - self._kept_up >= _UPKEEP:
            self._kept_up = now
            for issue in agenda.issues:
                await look_after(self.db, issue.issue_id, now, departed=False)

    # Claiming.

    async def _claim_while_due(self, agenda: _Agenda) -> int:
        """Claim as connections ask for more; how many rows it was until there were none."""
        claimed, looked_at = 0, self.clock.monotonic()
        while not self.queue.closed and self.lease.held:
            self._want_parts()  # this goes on for as long as the issue does
            if self.clock.monotonic() - looked_at > _REFRESH:  # a notice may have come, or a pause
                agenda, looked_at = await self._look(), self.clock.monotonic()
                if not agenda.issues:
                    self.give_back(self.queue.take_issues())
                    return claimed
            limit = self._limit()
            urgent = agenda.notices and not self.queue.notices
            if not urgent and not await self.queue.hungry(limit // 2, timeout=_LOOK_AGAIN):
                if not self.queue.ready:
                    return claimed
                continue
            claims = await self._claim(agenda, limit - len(self.queue))
            if not claims:
                return claimed
            claimed += len(claims)
            self.give_back(self.queue.put(claims))
            if urgent:
                return claimed
        return claimed

    def _want_parts(self) -> None:
        for gate in self.gates:
            gate.want()

    def _limit(self) -> int:
        """How many rows may be in memory and not begun."""
        limit = max(2 * self._hands, round(CLAIM_SECONDS * self.rate.per_second()))
        paced = sum(gate.pace.rate or math.inf for gate in self.gates)
        if paced * _PACED_SECONDS < limit:
            limit = math.ceil(paced * _PACED_SECONDS)
        return max(1, min(limit, CLAIM_MOST))

    @property
    def _hands(self) -> int:
        """How many connections for issues this process may have now, of all relays."""
        return sum(issue_connections(gate.hands) for gate in self.gates if gate.hands)

    async def _claim(self, agenda: _Agenda, limit: int) -> list[Claim]:
        claims: list[Claim] = []
        open_gates = [gate for gate in self.gates if gate.pause < _PAUSED]
        if not open_gates:
            return []
        async with self.db.begin() as session:
            await take_turn_to_claim(session, self.lease.worker_id)
            at, now = self.clock.monotonic(), self.clock.now()
            if self.notices and agenda.notices:
                notices = await self._claim_notices(session, open_gates, now)
                claims += [Claim(row, at) for row in notices]
            most = limit + len(self.queue)
            room = await self._reserve(session, open_gates, Lane.ISSUE, most, now)
            if room is not None:  # of which what waits in the queue has its part
                limit = min(limit, room - len(self.queue))
            for issue in self._in_turn(agenda.issues):
                rows = await claim_deliveries(
                    session,
                    worker_id=self.lease.worker_id,
                    issue_id=issue.issue_id,
                    limit=limit - len(claims),
                    now=now,
                    retry_at=self.retry_at,
                    wave=_wave(issue),
                )
                claims += [Claim(row, at, issue.issue_id) for row in rows]
        await self._get_ready(claims)
        return claims

    async def _get_ready(self, claims: Sequence[Claim]) -> None:
        """Have the versions of these rows at hand, and their signatures made from now on."""
        rows = [claim.row for claim in claims if isinstance(claim.row, Claimed)]
        await self.letters.load({row.version_id for row in rows})
        if self.room is not None:
            places = iter(self.room.begin(rows))
            for claim in claims:
                claim.prepared = next(places) if isinstance(claim.row, Claimed) else None

    def _in_turn(self, issues: Sequence[IssueProgress]) -> Sequence[IssueProgress]:
        """Another one first each time."""
        self._turn += 1
        first = self._turn % len(issues) if issues else 0
        return (*issues[first:], *issues[:first])

    async def _claim_notices(
        self, session: Session, gates: Sequence[RelayGate], now: datetime
    ) -> list[ClaimedNotice]:
        await expire_notices(session, now)
        room = await self._reserve(session, gates, Lane.OPERATOR, _NOTICES_AHEAD, now)
        limit = min(2 * self.connections, CLAIM_MOST if room is None else room)
        return await claim_notices(session, worker_id=self.lease.worker_id, limit=limit, now=now)

    @staticmethod
    async def _reserve(
        session: Session, gates: Sequence[RelayGate], lane: Lane, most: int, now: datetime
    ) -> int | None:
        """How many messages the relays' quotas have room for in a lane; None: no limit."""
        room = 0
        for gate in gates:
            await gate.purse.fill(session, gate.relay.relay_id, lane=lane, most=most, now=now)
            free = gate.purse.room(lane)
            if free is None:
                return None
            room += free
        return room

    async def _send_suspects(self) -> None:
        """First, and each of them alone, what was under way when workers died."""
        if not self.errand.issues:
            return
        now = self.clock.now()
        async with self.db.read() as session:
            issues = await self._issues(session)
        for issue in issues:
            async with self.db.begin() as session:
                for row_id in await hold_poison(session, issue.issue_id, now):
                    await self.poisoned(session, issue.issue_id, row_id)
                waiting = await suspects(session, issue.issue_id)
            for row_id in waiting:
                await self._send_alone(issue, row_id)

    async def _send_alone(self, issue: IssueProgress, row_id: int) -> None:
        at, now = self.clock.monotonic(), self.clock.now()
        async with self.db.begin() as session:
            rows = await claim_deliveries(
                session,
                worker_id=self.lease.worker_id,
                issue_id=issue.issue_id,
                limit=1,
                now=now,
                retry_at=self.retry_at,
                row_ids=(row_id,),
            )
        claims = [Claim(row, at, issue.issue_id) for row in rows]
        await self._get_ready(claims)
        self.queue.want(1)
        self.give_back(self.queue.put(claims))
        while self.busy() and not self.queue.closed:
            await self.queue.nap(_LOOK_AGAIN / 20)

    # Waiting.

    async def _nothing_to_claim(self, agenda: _Agenda) -> bool:
        """Rows are due and none could be claimed: see why; whether this run is over."""
        issue_id = self.errand.issue_id
        if issue_id is None:
            if not self.errand.forever:
                return not self.busy()
            for issue in agenda.issues:
                await look_after(self.db, issue.issue_id, self.clock.now())
            return False
        now = self.clock.now()
        unreachable = not self.queue.ready and all(gate.unreachable for gate in self.gates)
        if unreachable and self.errand.no_retries:
            error = next(gate.error for gate in self.gates if gate.error)
            async with self.db.begin() as session:
                until = now + wait(1, seed=issue_id)
                await defer_waiting(session, issue_id, until=until, reply=str(error))
            return True
        return await look_after(self.db, issue_id, now) is not IssueState.SENDING

    async def _wait_for_more(self) -> bool:
        """Nothing is due: wait for what will be; whether there is nothing to wait for."""
        self.queue.want(0)
        if not self.errand.issues:
            return True
        async with self.db.read() as session:
            issues = await self._issues(session)
        nap, waiting = _LONGEST_NAP, self.errand.forever
        for issue in issues:
            moved, seconds = await self._next(issue)
            waiting |= moved or seconds is not None
            nap = min(nap, 0.0 if moved else nap, seconds if seconds is not None else nap)
        if not waiting:
            return True
        await self.queue.idle(max(nap, _LOOK_AGAIN / 5))
        return False

    async def _next(self, issue: IssueProgress) -> tuple[bool, float | None]:
        """Whether the issue was moved along, and in how many seconds it has more."""
        async with self.db.read() as session:
            retries = not self.errand.no_retries
            due = await next_due(session, issue.issue_id, wave=_wave(issue), retries=retries)
            held_by_others = await sending_count(session, issue.issue_id)
        in_canary = issue.canary_passed_at is None
        if issue.overtaken and issue.state is IssueState.SENDING:  # its rows are being given up
            return False, _LONGEST_NAP
        now = self.clock.now()
        # Rows that wait for their time need nothing; the minute's upkeep is enough for them.
        if due is None or in_canary or issue.state is not IssueState.SENDING:
            state = await look_after(self.db, issue.issue_id, now)
            if state is not IssueState.SENDING:
                return False, None
        if in_canary:  # the rest waits for the first readers
            async with self.db.read() as session:
                issue = await progress.issue_progress(session, issue.issue_id)
            return (True, 0.0) if issue.canary_passed_at is not None else (False, _LONGEST_NAP)
        if due is not None and due <= now:
            return True, 0.0  # given back since we looked
        if due is None:
            return False, _LONGEST_NAP if held_by_others else None
        return False, max(0.0, (due - now).total_seconds())


def _wave(issue: IssueProgress) -> int:
    return CANARY_WAVE if issue.canary_passed_at is None else REST_WAVE
