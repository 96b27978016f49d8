"""What sessions send: claims from the queue, composed, and what became of them to the recorder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

import structlog

from digest.audience.leave import Leavers
from digest.clock import Clock
from digest.delivery import outcomes
from digest.delivery.brakes import Brakes, Key
from digest.delivery.claims import Claim, ClaimQueue
from digest.delivery.destinations import Destinations
from digest.delivery.gate import Rate, RelayGate
from digest.delivery.letters import Letters
from digest.delivery.outcomes import Row
from digest.delivery.recorder import Recorder
from digest.delivery.session import Answer, Letter, SmtpSession
from digest.delivery.shares import Shares
from digest.delivery.signing import DkimSigning, signed
from digest.errors import DatabaseError, RelayError, SettingsError
from digest.rules.providers import most_at_once
from digest.rules.relay import RelayProfile
from digest.rules.shares import Budget
from digest.rules.throttle import Lane
from digest.rules.verdict import Phase, Verdict, judge
from digest.store.deliveries import Claimed
from digest.store.handover import Outcome
from digest.store.notices import ClaimedNotice
from digest.store.workers import Lease

log = structlog.get_logger(__name__)

NoticeWriter = Callable[[ClaimedNotice, RelayProfile], Awaitable[Letter]]
_IDLE = 5.0  # seconds a connection is kept without a message
_NAP = 0.25  # seconds of waiting before everything is looked at anew
_LATER = timedelta(seconds=0.5)  # until a row is due again whose provider has enough under way


class Done(NamedTuple):
    """A row and what became of it; ``issue_id`` of a row of an issue."""

    row: Row
    outcome: Outcome
    issue_id: int = 0


@dataclass(slots=True)
class Desk:
    """What all connections of one run share. ``fail`` is told of what must end the run."""

    clock: Clock
    lease: Lease
    leavers: Leavers
    letters: Letters
    queue: ClaimQueue
    recorder: Recorder[Done]
    brakes: Brakes
    rate: Rate
    write_notice: NoticeWriter | None
    signing: DkimSigning
    hold_in_doubt: bool
    fail: Callable[[BaseException], None]
    shares: Shares
    busy: int = 0  # claims taken from the queue that have no outcome yet
    destinations: Destinations = field(default_factory=Destinations)

    def work(
        self, session: SmtpSession, gate: RelayGate, *, index: int = 0, upper: bool = False
    ) -> SessionWork:
        """The work of a relay's ``index``-th connection; ``upper``: it is kept for notices."""
        return SessionWork(self, session, gate, index=index, upper=upper)

    def may_start(self, claim: Claim) -> bool:
        """Whether MAIL may be written for it, now."""
        if self.queue.closed or claim.stale or not self.lease.held:
            return False
        row = claim.row
        if not isinstance(row, Claimed):
            return True
        return row.subscription_id not in self.leavers and self.brakes.may_start(
            claim.issue_id, row
        )

    def not_started(self, claim: Claim) -> Outcome:
        """The outcome of a row whose MAIL was not written."""
        row = claim.row
        if isinstance(row, Claimed):
            if row.subscription_id in self.leavers:
                return outcomes.departed(row)
            if self.brakes.is_held(claim.issue_id, row):
                return outcomes.stopped(row)
        return outcomes.given_back(row)

    def part_at(self, provider: str, most: int) -> int:
        """How many of the messages a provider takes at the same time may be this process's."""
        share = self.shares.of(
            f"provider: {provider}",
            Budget(most),
            lambda: self.destinations.under_way(provider),
        )
        share.want()
        return share.units

    def settle(self, claim: Claim, outcome: Outcome) -> None:
        """A claim that was taken has its outcome."""
        self.busy -= 1
        self.recorder.add(Done(claim.row, outcome, claim.issue_id))
        self.rate.count(not outcome.uncharged)


class SessionWork:
    """The jobs of one connection, from the queue that all connections share."""

    def __init__(
        self, desk: Desk, session: SmtpSession, gate: RelayGate, *, index: int, upper: bool
    ) -> None:
        self.desk = desk
        self.session = session
        self.gate = gate
        self._index = index
        self._upper = upper
        self._profile = gate.relay.config.profile
        self._caps = self._profile.answers_for_destination
        self._signs = desk.signing.wanted(self._profile)
        self._answered = 0.0  # when the last message ended

    def at_hand(self) -> LetterJob | None:
        """The next letter of an issue, unless something else comes first."""
        desk, queue = self.desk, self.desk.queue
        while not (self._upper or desk.recorder.full or queue.notices):
            if queue.next_lane(upper=False) is None or (self._signs and not queue.next_is_signed):
                return None  # a notice takes time to write, so does a signature: for the idle
            if self._is_over or self.gate.take(Lane.ISSUE):
                return None  # and so does a wait
            claim = queue.take(Lane.ISSUE)
            job = self._job(claim) if claim is not None else None
            if job is not None:
                return job
        return None

    async def wait(self) -> LetterJob | None:
        """The next letter, when it may go; None: there was none for a while."""
        while (claim := await self._next_claim()) is not None:
            if isinstance(claim.row, Claimed):
                await self._signature(claim)
                job = self._job(claim)
            else:
                job = await self._notice_job(claim, claim.row)
            if job is not None:
                return job
        return None

    def seconds_since(self, began: float) -> float:
        """How long the relay had for the message that ends now; what is pipelined waits first."""
        before, self._answered = self._answered, Clock.monotonic()
        return self._answered - max(before, began)

    async def _signature(self, claim: Claim) -> None:
        """Wait until the signature of a claim is there, where this relay's mail needs one."""
        if claim.prepared is None or not self._signs:
            return
        self.desk.busy += 1
        try:
            await claim.prepared.wait()
        except asyncio.CancelledError:
            self.desk.settle(claim, self.desk.not_started(claim))
            raise
        self.desk.busy -= 1

    @property
    def _is_over(self) -> bool:
        """Whether the relay's connections are shared with more workers than before."""
        return not self.gate.may_serve(self._index, upper=self._upper)

    async def _next_claim(self) -> Claim | None:
        desk, gate = self.desk, self.gate
        while (lane := await desk.queue.waiting(_IDLE, upper=self._upper)) is not None:
            if gate.pause > _IDLE or self._is_over:
                return None
            if desk.recorder.full:
                await desk.recorder.room()
                continue
            async with gate.turn(lane):
                if desk.queue.next_lane(upper=self._upper) is not lane:
                    continue
                seconds = gate.take(lane)
                if not seconds:
                    return desk.queue.take(lane)
                await desk.queue.nap(min(seconds, _NAP))
        return None

    def _job(self, claim: Claim) -> LetterJob | None:
        """The letter of a claimed row; None: it has its outcome already."""
        desk, row = self.desk, claim.row
        desk.busy += 1
        later = self._put_off(row)  # type: ignore[arg-type]  # a Claimed
        if later:
            desk.settle(claim, outcomes.put_off(row, desk.clock.now() + later))
            return None
        try:
            letter = desk.letters.compose(row, self._profile)  # type: ignore[arg-type]  # a Claimed
            if letter is not None and claim.prepared is not None and self._signs:
                letter = signed(letter, claim.prepared.signature())
        except Exception as error:  # our own defect must cost one row, not the issue
            log.exception("a message could not be composed", row=row.row_id)
            self._defect(claim, error)
            return None
        if letter is None:
            desk.settle(claim, outcomes.unwanted(row))
            return None
        return LetterJob(self, claim, letter)

    async def _notice_job(self, claim: Claim, notice: ClaimedNotice) -> LetterJob | None:
        desk = self.desk
        desk.busy += 1
        try:
            if desk.write_notice is None:
                raise RuntimeError("a notice was claimed, but nothing writes notices")
            letter = await desk.write_notice(notice, self.gate.relay.config.profile)
            if self._signs:
                first, now = notice.first_claimed_at, desk.clock.now()
                letter = signed(
                    letter, desk.signing.signature(letter, first_claimed_at=first, now=now)
                )
        except (DatabaseError, SettingsError) as error:
            desk.fail(error)
            desk.settle(claim, desk.not_started(claim))
            return None
        except Exception as error:  # our own defect must cost one notice, not the issue
            log.exception("a notice could not be written", notice=notice.row_id, kind=notice.kind)
            self._defect(claim, error)
            return None
        return LetterJob(self, claim, letter)

    def _put_off(self, row: Claimed) -> timedelta | None:
        """For how long it has to wait for its destination; None: it may go now."""
        desk = self.desk
        key, destinations = desk.brakes.destination(row), desk.destinations
        if self._caps and isinstance(key, str):
            most = most_at_once(key)
            if most is not None and destinations.under_way(key) >= desk.part_at(key, most):
                return _LATER

        def others_wait() -> bool:
            return desk.queue.has_issue(lambda row: desk.brakes.destination(row) != key)

        hands = self.gate.hands
        if destinations.crowds(key, hands, others_wait):
            return destinations.put_off(key, hands)
        return None

    def _defect(self, claim: Claim, error: Exception) -> None:
        now = self.desk.clock.now()
        self.desk.settle(claim, outcomes.of_defect(claim.row, error, now=now, begun=False))


class LetterJob:
    """One letter on its way over a session (``session.Job``)."""

    __slots__ = ("_begun", "_claim", "_desk", "_since", "_where", "_work", "letter")

    def __init__(self, work: SessionWork, claim: Claim, letter: Letter) -> None:
        self.letter = letter
        self._work = work
        self._desk = work.desk
        self._claim = claim
        self._begun = False
        self._since = 0.0  # when it was begun
        self._where: Key | None = None  # its destination

    def may_start(self) -> bool:
        """Asked right before MAIL; from then on it counts as a message that may be unrecorded."""
        desk = self._desk
        if not desk.may_start(self._claim):
            return False
        self._begun, self._since = True, Clock.monotonic()
        desk.recorder.under_way += 1
        row = self._claim.row
        if isinstance(row, Claimed):
            desk.brakes.began(self._claim.issue_id)
            self._where = desk.brakes.destination(row)
            desk.destinations.began(self._where)
        return True

    def may_end(self) -> bool:
        """Asked right before the body: a process that slept may have lost its rows meanwhile."""
        return self._desk.lease.held

    def finish(self, result: Answer | Exception | None) -> None:
        """Record what became of it."""
        row, desk = self._claim.row, self._desk
        verdict = None
        try:
            if isinstance(result, Answer):
                verdict = judge(result.reply, result.phase)
                self._work.gate.replied(result.reply, result.phase)
            outcome = self._outcome(result, verdict)
        except Exception as error:  # the row is tried again, whatever is wrong with our verdict
            log.exception("an answer could not be judged", row=row.row_id)
            outcome = outcomes.of_defect(row, error, now=desk.clock.now(), begun=self._begun)
        if self._begun:
            self._end(verdict)
        desk.settle(self._claim, outcome)

    def _end(self, verdict: Verdict | None) -> None:
        desk, row = self._desk, self._claim.row
        desk.recorder.under_way -= 1
        seconds = self._work.seconds_since(self._since)
        if isinstance(row, Claimed) and self._where is not None:
            desk.brakes.ended(self._claim.issue_id, row, verdict)
            if desk.destinations.ended(self._where, seconds):
                domain = row.address.rpartition("@")[2]
                log.warning("a destination answers late", domain=domain, seconds=round(seconds, 1))

    def _outcome(self, result: Answer | Exception | None, verdict: Verdict | None) -> Outcome:
        row, desk = self._claim.row, self._desk
        if result is None:
            return desk.not_started(self._claim)
        if isinstance(result, Answer):
            verdict = verdict or judge(result.reply, result.phase)
            relay, now = self._work.gate.relay, desk.clock.now()
            return outcomes.of_answer(row, result, relay, verdict=verdict, now=now)
        if isinstance(result, RelayError):
            return self._silence(result)
        if isinstance(result, SettingsError):
            desk.fail(result)
            return outcomes.given_back(row)
        log.error("a message could not be sent", row=row.row_id, exc_info=result)
        return outcomes.of_defect(row, result, now=desk.clock.now(), begun=False)

    def _silence(self, error: RelayError) -> Outcome:
        row, desk = self._claim.row, self._desk
        if error.phase == Phase.MAIL and self._work.session.sent > 1:
            if error.code is not None:
                self._work.gate.asked(error)
            return outcomes.given_back(row)  # the relay closed a connection it had enough of
        if self._work.session.sent <= 1:
            self._work.gate.failed(error)
        return outcomes.of_silence(
            row,
            error,
            self._work.gate.relay,
            now=desk.clock.now(),
            hold=desk.hold_in_doubt,
            stopping=desk.queue.closed,
        )
