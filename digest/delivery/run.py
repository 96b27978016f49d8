"""One run of the sender under one lease: a feeder, the connections, a recorder, a heartbeat."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog

from digest.audience.leave import Leavers
from digest.clock import Clock
from digest.delivery import outcomes
from digest.delivery.brakes import Brakes, Tell
from digest.delivery.claims import Claim, ClaimQueue
from digest.delivery.connections import Connections
from digest.delivery.feeder import Errand, Feeder
from digest.delivery.gate import Rate, RelayGate
from digest.delivery.letters import Letters
from digest.delivery.recorder import Recorder
from digest.delivery.shares import Shares
from digest.delivery.sharing import Sharing
from digest.delivery.signing import DkimSigning, SigningRoom
from digest.delivery.tally import Tally
from digest.delivery.work import Desk, Done, NoticeWriter
from digest.errors import DatabaseError
from digest.mail.tokens import KeyRing
from digest.rules.balance import Balance
from digest.rules.brakes import Action, Decision
from digest.rules.delivery import OPEN_STATES, DeliveryState, StateReason
from digest.store import handover
from digest.store.deliveries import Claimed, record_outcomes
from digest.store.notices import SIGN_UP_LANE, ClaimedNotice, record_notice_outcomes
from digest.store.poison import note_deaths
from digest.store.progress import finish_sending, issues_on_their_way
from digest.store.reports import issue_totals
from digest.store.session import Database, Session
from digest.store.wakeups import listen
from digest.store.workers import BEAT, Lease

log = structlog.get_logger(__name__)

_LEAST_PATIENCE = 2.0  # seconds to record what is known, however short the grace
POISONED = "Message {row} ended the sending process twice and is held. The others go out."
UNWRITABLE = "Message {row} could not be written, three times, and is held. The others go out."
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
class Means:
    """What a run works with; as in ``sender.Sender``, which makes it."""

    db: Database
    keys: KeyRing
    clock: Clock
    leavers: Leavers
    helo: str
    unrecorded: int
    unrecorded_ms: int
    grace: float
    hold_in_doubt: bool
    write_notice: NoticeWriter | None
    tell: Tell | None
    signing: DkimSigning
    tally: Tally


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for cyclic garbage less often: sending makes hardly any (6 % of its CPU, measured)."""
    before = gc.get_threshold()
    gc.freeze()  # what is there stays, and need not be looked at again
    gc.set_threshold(20_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class SendingRun:
    """Everything that lives as long as one lease."""

    def __init__(
        self,
        means: Means,
        *,
        lease: Lease,
        relays: Sequence[outcomes.Relay],
        errand: Errand,
    ) -> None:
        self._means = means
        self._db = means.db
        self._clock = means.clock
        self._lease = lease
        self._errand = errand
        self._issue_id = errand.issue_id
        self._queue = ClaimQueue()
        self._recorder: Recorder[Done] = Recorder(
            self._write, unrecorded=means.unrecorded, unrecorded_ms=means.unrecorded_ms
        )
        self._brakes = Brakes(means.tell)
        self._shares = Shares(means.db, means.clock, lease)
        self._desk = Desk(
            clock=means.clock,
            lease=lease,
            leavers=means.leavers,
            letters=Letters(means.db, means.keys),
            queue=self._queue,
            recorder=self._recorder,
            brakes=self._brakes,
            rate=Rate(),
            write_notice=means.write_notice,
            signing=means.signing,
            hold_in_doubt=means.hold_in_doubt,
            fail=self._fail,
            shares=self._shares,
        )
        self._room = SigningRoom(self._signature) if means.signing else None
        self._gates = _gates(relays, means.clock, self._shares)
        self._sharing = Sharing(means.db, means.clock, self._gates, self._shares)
        self._connections = Connections(self._gates, self._queue, self._desk.work, helo=means.helo)
        self._feeder = Feeder(
            db=means.db,
            clock=means.clock,
            lease=lease,
            queue=self._queue,
            gates=self._gates,
            letters=self._desk.letters,
            rate=self._desk.rate,
            connections=len(self._connections),
            errand=errand,
            notices=means.write_notice is not None,
            busy=self._busy,
            give_back=self._give_back,
            poisoned=self._poisoned,
            room=self._room,
        )
        self._stopping = False
        self._deferred: set[int] = set()
        self.sent = self._settled = self._accepted = self._rejected = self._planned = 0
        self.progress: Callable[[Progress], None] | None = None
        self.fatal: BaseException | None = None

    @property
    def lease_lost(self) -> bool:
        """Whether others may think this worker dead."""
        return self._lease.lost

    async def until_done(self, stop: asyncio.Event) -> None:
        """Send until nothing is left, ``stop`` is set, or the lease is lost."""
        with _rare_collections():
            await self._until_done(stop)

    async def _until_done(self, stop: asyncio.Event) -> None:
        await self._rescue()
        await self._open_brakes()
        await self._count()
        await self._lease.beat(self._clock.now())  # the dead may have kept us waiting
        recording = asyncio.create_task(self._recorder.run())
        await self._sharing.begin()
        beside = (self._beat(), self._look_around(), self._sharing.go_on())
        tasks = [*beside, self._tend(), self._obey(stop)]
        if self._errand.forever:
            tasks.append(listen(self._db, self._queue.wake))
        helpers = [asyncio.create_task(task) for task in tasks]
        self._connections.start(self._fail)
        try:
            await self._feed()
        finally:
            await self._wind_up(recording, helpers, stop)
        if self._errand.issues and self.fatal is None:
            async with self._db.begin() as session:
                for issue in await issues_on_their_way(session):
                    if self._issue_id in (None, issue.issue_id):
                        await finish_sending(session, issue.issue_id, self._clock.now())

    async def _feed(self) -> None:
        try:
            await self._feeder.feed()
        except DatabaseError as error:
            # A claim may have been committed without our knowing: only a new lease can tell, for
            # which these rows are those of a dead worker.
            log.warning("the database failed, claims end", error=str(error))
            self._lease.lost = True
            self._end_claims()

    def _signature(self, row: Claimed) -> bytes:
        """What stands before the letter for ``row``; called in threads."""
        letter = self._desk.letters.compose(row)
        if letter is None:
            return b""
        return self._means.signing.signature(
            letter, first_claimed_at=row.first_claimed_at, now=self._clock.now()
        )

    def _busy(self) -> bool:
        return bool(len(self._queue) or self._desk.busy or self._recorder.unrecorded)

    async def _wind_up(
        self, recording: asyncio.Task[None], helpers: list[asyncio.Task[None]], stop: asyncio.Event
    ) -> None:
        """End in order: nothing new, then answers, then outcomes."""
        self._end_claims()
        await self._connections.finish(self._means.grace)
        if self._room is not None:
            self._room.close()
        self._recorder.close()
        await self._sharing.end()
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([recording, stopped], return_when=asyncio.FIRST_COMPLETED)
        # A database that is gone for good must not keep a stopped process for ever: what is not
        # recorded then is found as ours by the next sender, and marked maybe_sent.
        await asyncio.wait([recording], timeout=max(self._means.grace, _LEAST_PATIENCE))
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
            self._recorder.add(Done(claim.row, self._desk.not_started(claim)))

    async def _obey(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._end_claims()

    # The recorder's work.

    async def _write(self, group: Sequence[Done]) -> None:
        sent = [done.outcome for done in group if isinstance(done.row, Claimed)]
        notices = [done.outcome for done in group if isinstance(done.row, ClaimedNotice)]
        worker_id, now = self._lease.worker_id, self._clock.now()
        async with self._db.begin() as session:
            if sent:
                await record_outcomes(session, worker_id, sent, now)
            if notices:
                await record_notice_outcomes(session, worker_id, notices, now)
            if self._brakes.alarmed:
                await self._brakes.act(session, now)
            for done in group:
                if done.issue_id and done.outcome.reason is StateReason.POISON:
                    await self._poisoned(session, done.issue_id, done.outcome.row_id, UNWRITABLE)
        for done in group:
            self._tally(done)
        if self.progress is not None:
            self.progress(self._progress())

    def _tally(self, done: Done) -> None:
        outcome, row = done.outcome, done.row
        accepted = outcome.state is DeliveryState.ACCEPTED
        self.sent += accepted
        if isinstance(row, ClaimedNotice):
            lane = "sign-up" if row.lane == SIGN_UP_LANE else "operator"
            self._means.tally.count(lane, None, outcome)
            return
        provider = self._brakes.providers.get(row.destination_id)
        self._means.tally.count("issue", provider, outcome)
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

    # What is done beside the sending. Each on its own: a look at the dead waits for rows that
    # one of them may have locked, and must not hold up the heartbeat.

    async def _beat(self) -> None:
        beat_at = self._clock.monotonic()
        while not self._lease.lost:
            await asyncio.sleep(_TEND)  # in short steps: a process that slept beats as it wakes
            if self._clock.monotonic() - beat_at < BEAT.total_seconds():
                continue
            beat_at = self._clock.monotonic()
            try:
                await self._lease.beat(self._clock.now())
            except DatabaseError as error:
                log.warning("heartbeat failed", error=str(error))
        log.warning("the lease was lost: another worker may take our rows")
        self._end_claims()

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(BEAT.total_seconds())
            try:
                await self._rescue()
                await self._open_brakes()
            except DatabaseError as error:
                log.warning("a look at other workers and at brakes failed", error=str(error))

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TEND)
            self._give_back(self._queue.take_stale())

    async def _rescue(self) -> None:
        async with self._db.begin() as session:
            now = self._clock.now()
            dead = await self._lease.dead_owners(session, now)
            await note_deaths(session, dead, now)
            rescued = await handover.rescue(session, dead, now=now, hold=self._means.hold_in_doubt)
        if rescued:
            log.warning("rows of a dead worker were taken back", rows=rescued, workers=sorted(dead))

    async def _open_brakes(self) -> None:
        """Know what was rejected so far, here and by other processes."""
        if not self._errand.issues:
            return
        async with self._db.read() as session:
            issue_ids = (
                [self._issue_id]
                if self._issue_id is not None
                else [issue.issue_id for issue in await issues_on_their_way(session)]
            )
            for issue_id in issue_ids:
                await self._brakes.open(session, issue_id)

    async def _poisoned(
        self, session: Session, issue_id: int, row_id: int, words: str = POISONED
    ) -> None:
        decision = Decision(Action.HOLD_MESSAGE, words.format(row=row_id))
        log.error("a message is held", issue_id=issue_id, row=row_id, reason=decision.reason)
        if self._means.tell is not None:
            await self._means.tell(session, issue_id, decision, self._clock.now())


def _gates(relays: Sequence[outcomes.Relay], clock: Clock, shares: Shares) -> list[RelayGate]:
    """A gate before each relay; several share what there is to send by their weights."""
    balance = Balance()
    gates = [RelayGate(relay, clock=clock, balance=balance, shares=shares) for relay in relays]
    if len(gates) > 1:
        for gate in gates:
            gate.share_with_others()
    return gates
