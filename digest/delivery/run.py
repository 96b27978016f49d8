"""One run of the sender under one lease: a feeder, the connections, a recorder, a heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from digest.delivery import outcomes
from digest.delivery.claims import Claim, ClaimQueue
from digest.delivery.connections import Connections, RelayGate
from digest.delivery.feeder import Feeder
from digest.delivery.letters import Letters
from digest.delivery.recorder import Recorder
from digest.delivery.smtp import Letter, SmtpSession
from digest.errors import DatabaseError, RelayError, SettingsError
from digest.rules.delivery import OPEN_STATES, DeliveryState
from digest.rules.verdict import Phase
from digest.store import handover
from digest.store.deliveries import Claimed, Outcome, record_outcomes
from digest.store.notices import ClaimedNotice, record_notice_outcomes
from digest.store.progress import finish_sending
from digest.store.reports import issue_totals
from digest.store.workers import BEAT, Lease

if TYPE_CHECKING:
    from digest.delivery.sender import Sender

log = structlog.get_logger(__name__)

_LEAST_PATIENCE = 2.0  # seconds to record what is known, however short the grace
_TEND = 1.0  # seconds between two looks at stale claims


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an issue is; ``settled`` of ``planned`` rows need nothing more."""

    planned: int
    settled: int
    accepted: int
    rejected: int
    deferred: int


@dataclass(frozen=True, slots=True)
class _Done:
    row: Claimed | ClaimedNotice
    outcome: Outcome


class SendingRun:
    """Everything that lives as long as one lease."""

    def __init__(
        self,
        *,
        sender: Sender,
        lease: Lease,
        relays: Sequence[outcomes.Relay],
        issue_id: int | None,
        no_retries: bool,
    ) -> None:
        self._sender = sender
        self._db = sender.db
        self._clock = sender.clock
        self._lease = lease
        self._issue_id = issue_id
        self._letters = Letters(sender.db, sender.keys)
        self._queue = ClaimQueue()
        self._recorder: Recorder[_Done] = Recorder(
            self._write, unrecorded=sender.unrecorded, unrecorded_ms=sender.unrecorded_ms
        )
        gates = [RelayGate(relay) for relay in relays]
        self._connections = Connections(gates, self._queue, self._handle, helo=sender.helo)
        self._feeder = Feeder(
            db=self._db,
            clock=self._clock,
            lease=lease,
            queue=self._queue,
            gates=gates,
            letters=self._letters,
            connections=len(self._connections),
            issue_id=issue_id,
            # Without retries a row is due only if it was due when we began: each is tried once.
            due_at=self._clock.now() if no_retries else None,
            notices=sender.write_notice is not None,
            busy=self._busy,
            give_back=self._give_back,
        )
        self._in_flight = 0
        self._stopping = False
        self._deferred: set[int] = set()
        self._settled = self._accepted = self._rejected = self._planned = 0
        self.progress: Callable[[Progress], None] | None = None
        self.sent = 0
        self.fatal: BaseException | None = None

    @property
    def lease_lost(self) -> bool:
        """Whether others may think this worker dead."""
        return self._lease.lost

    async def until_done(self, stop: asyncio.Event) -> None:
        """Send until nothing is left, ``stop`` is set, or the lease is lost."""
        await self._rescue()
        await self._count()
        recording = asyncio.create_task(self._recorder.run())
        helpers = [asyncio.create_task(self._tend()), asyncio.create_task(self._obey(stop))]
        self._connections.start(self._fail)
        try:
            await self._feed()
        finally:
            await self._wind_up(recording, helpers, stop)
        if self._issue_id is not None and self.fatal is None:
            async with self._db.begin() as session:
                await finish_sending(session, self._issue_id, self._clock.now())

    async def _feed(self) -> None:
        try:
            await self._feeder.feed()
        except DatabaseError as error:
            # A claim may have been committed without our knowing: only a new lease can tell, for
            # which these rows are those of a dead worker.
            log.warning("the database failed, claims end", error=str(error))
            self._lease.lost = True
            self._end_claims()

    def _busy(self) -> bool:
        return bool(len(self._queue) or self._in_flight or self._recorder.unrecorded)

    async def _wind_up(
        self, recording: asyncio.Task[None], helpers: list[asyncio.Task[None]], stop: asyncio.Event
    ) -> None:
        """End in order: nothing new, then answers, then outcomes."""
        self._end_claims()
        await self._connections.finish(self._sender.grace)
        self._recorder.close()
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([recording, stopped], return_when=asyncio.FIRST_COMPLETED)
        # A database that is gone for good must not keep a stopped process for ever: what is not
        # recorded then is found as ours by the next sender, and marked maybe_sent.
        await asyncio.wait([recording], timeout=max(self._sender.grace, _LEAST_PATIENCE))
        for task in (*helpers, recording, stopped):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _fail(self, error: BaseException) -> None:
        self.fatal = self.fatal or error
        self._end_claims()

    def _end_claims(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._give_back(self._queue.close())

    def _give_back(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            self._recorder.add(_Done(claim.row, self._not_started(claim.row)))

    async def _obey(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._end_claims()

    # A connection's work.

    async def _handle(self, session: SmtpSession, gate: RelayGate, claim: Claim) -> None:
        self._in_flight += 1
        try:
            if self._recorder.full:
                await self._recorder.room()
            outcome = await self._transact(session, gate, claim)
            self._recorder.add(_Done(claim.row, outcome))
            self._feeder.rate.count(not outcome.uncharged)
        finally:
            self._in_flight -= 1

    async def _transact(self, session: SmtpSession, gate: RelayGate, claim: Claim) -> Outcome:
        row = claim.row
        begun = session.sent
        if not self._may_start(claim):
            return self._not_started(row)
        try:
            letter = await self._compose(row)
            if letter is None:
                return outcomes.unwanted(row)
            answer = await session.send(letter, may_start=lambda: self._may_start(claim))
        except RelayError as error:
            return self._silence(session, gate, row, error)
        except (DatabaseError, SettingsError) as error:
            self._fail(error)
            return outcomes.given_back(row)
        except Exception as error:  # our own defect must cost one row, not the issue
            log.exception("a message could not be sent", row=row.row_id)
            if session.sent > begun:
                session.abort()
            return outcomes.of_defect(row, error, now=self._clock.now(), begun=session.sent > begun)
        if answer is None:
            return self._not_started(row)
        gate.worked()
        return outcomes.of_answer(row, answer, gate.relay, self._clock.now())

    def _may_start(self, claim: Claim) -> bool:
        """Asked right before MAIL, with nothing awaited in between."""
        if self._stopping or self._lease.lost or claim.stale:
            return False
        return not self._has_left(claim.row)

    def _has_left(self, row: Claimed | ClaimedNotice) -> bool:
        return isinstance(row, Claimed) and row.subscription_id in self._sender.leavers

    def _not_started(self, row: Claimed | ClaimedNotice) -> Outcome:
        return outcomes.departed(row) if self._has_left(row) else outcomes.given_back(row)

    async def _compose(self, row: Claimed | ClaimedNotice) -> Letter | None:
        if isinstance(row, Claimed):
            return self._letters.compose(row)
        if self._sender.write_notice is None:
            raise RuntimeError("a notice was claimed, but nothing writes notices")
        return await self._sender.write_notice(row)

    def _silence(
        self,
        session: SmtpSession,
        gate: RelayGate,
        row: Claimed | ClaimedNotice,
        error: RelayError,
    ) -> Outcome:
        if error.phase == Phase.MAIL and session.sent > 1:
            return outcomes.given_back(row)  # the relay closed a connection it had enough of
        if session.sent <= 1:
            gate.failed(error)
        return outcomes.of_silence(
            row,
            error,
            gate.relay,
            now=self._clock.now(),
            hold=self._sender.hold_in_doubt,
            stopping=self._stopping,
        )

    # The recorder's work.

    async def _write(self, group: Sequence[_Done]) -> None:
        sent = [done.outcome for done in group if isinstance(done.row, Claimed)]
        notices = [done.outcome for done in group if isinstance(done.row, ClaimedNotice)]
        worker_id, now = self._lease.worker_id, self._clock.now()
        async with self._db.begin() as session:
            if sent:
                await record_outcomes(session, worker_id, sent, now)
            if notices:
                await record_notice_outcomes(session, worker_id, notices, now)
        for done in group:
            self._tally(done)
        if self.progress is not None:
            self.progress(self._progress())

    def _tally(self, done: _Done) -> None:
        outcome = done.outcome
        accepted = outcome.state is DeliveryState.ACCEPTED
        self.sent += accepted
        if isinstance(done.row, ClaimedNotice):
            return
        self._accepted += accepted
        self._rejected += outcome.state is DeliveryState.REJECTED
        self._settled += outcome.state not in OPEN_STATES
        if outcome.state is DeliveryState.DEFERRED:
            self._deferred.add(outcome.row_id)
        else:
            self._deferred.discard(outcome.row_id)

    def _progress(self) -> Progress:
        return Progress(
            planned=self._planned,
            settled=self._settled,
            accepted=self._accepted,
            rejected=self._rejected,
            deferred=len(self._deferred),
        )

    async def _count(self) -> None:
        if self._issue_id is None:
            return
        async with self._db.read() as session:
            totals = await issue_totals(session, self._issue_id)
        self._planned, self._accepted = totals.planned, totals.accepted
        self._rejected, self._settled = totals.rejected, totals.planned - totals.waiting

    # The heartbeat.

    async def _tend(self) -> None:
        beat_at = self._clock.monotonic()
        while True:
            await asyncio.sleep(_TEND)
            self._give_back(self._queue.take_stale())
            if self._clock.monotonic() - beat_at < BEAT.total_seconds():
                continue
            beat_at = self._clock.monotonic()
            try:
                await self._lease.beat(self._clock.now())
                await self._rescue()
            except DatabaseError as error:
                log.warning("heartbeat failed", error=str(error))
            if self._lease.lost:
                log.warning("the lease was lost: another worker may take our rows")
                self._end_claims()
                return

    async def _rescue(self) -> None:
        async with self._db.begin() as session:
            now = self._clock.now()
            dead = await self._lease.dead_owners(session, now)
            rescued = await handover.rescue(session, dead, now=now, hold=self._sender.hold_in_doubt)
        if rescued:
            log.warning("rows of a dead worker were taken back", rows=rescued, workers=sorted(dead))
