"""What sessions send: claims from the queue, composed, and what became of them to the recorder."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

import structlog

from digest.audience.leave import Leavers
from digest.clock import Clock
from digest.delivery import outcomes
from digest.delivery.brakes import Brakes
from digest.delivery.claims import Claim, ClaimQueue
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
    at_provider: Counter[str] = field(default_factory=Counter)  # messages under way

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

    def provider(self, row: Row) -> str | None:
        """Who runs the destination of a row of an issue, where that is known."""
        return self.brakes.providers.get(row.destination_id) if isinstance(row, Claimed) else None

    def part_at(self, provider: str, most: int) -> int:
        """How many of the messages a provider takes at the same time may be this process's."""
        under_way = self.at_provider
        share = self.shares.of(f"provider: {provider}", Budget(most), lambda: under_way[provider])
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
        self._desk = desk
        self._session = session
        self._gate = gate
        self._index = index
        self._upper = upper
        self._profile = gate.relay.config.profile
        self._caps = self._profile.answers_for_destination
        self._signs = desk.signing.wanted(self._profile)

    def at_hand(self) -> LetterJob | None:
        """The next letter of an issue, unless something else comes first."""
        desk, queue = self._desk, self._desk.queue
        while not (self._upper or desk.recorder.full or queue.notices):
            if queue.next_lane(upper=False) is None or (self._signs and not queue.next_is_signed):
                return None  # a notice takes time to write, so does a signature: for the idle
            if self._is_over or self._gate.take(Lane.ISSUE):
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

    async def _signature(self, claim: Claim) -> None:
        """Wait until the signature of a claim is there, where this relay's mail needs one."""
        if claim.prepared is None or not self._signs:
            return
        self._desk.busy += 1
        try:
            await claim.prepared.wait()
        except asyncio.CancelledError:
            self._desk.settle(claim, self._desk.not_started(claim))
            raise
        self._desk.busy -= 1

    @property
    def _is_over(self) -> bool:
        """Whether the relay's connections are shared with more workers than before."""
        return not self._gate.may_serve(self._index, upper=self._upper)

    async def _next_claim(self) -> Claim | None:
        desk, gate = self._desk, self._gate
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
        desk, row = self._desk, claim.row
        desk.busy += 1
        if self._caps and not self._fits(row):
            later = desk.clock.now() + _LATER
            desk.settle(claim, outcomes.put_off(row, later))
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
        return LetterJob(desk, self._session, self._gate, claim, letter)

    async def _notice_job(self, claim: Claim, notice: ClaimedNotice) -> LetterJob | None:
        desk = self._desk
        desk.busy += 1
        try:
            if desk.write_notice is None:
                raise RuntimeError("a notice was claimed, but nothing writes notices")
            letter = await desk.write_notice(notice, self._gate.relay.config.profile)
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
        return LetterJob(desk, self._session, self._gate, claim, letter)

    def _fits(self, row: Row) -> bool:
        """Whether its provider takes another message at the same time."""
        provider = self._desk.provider(row)
        most = most_at_once(provider)
        if provider is None or most is None:
            return True
        return self._desk.at_provider[provider] < self._desk.part_at(provider, most)

    def _defect(self, claim: Claim, error: Exception) -> None:
        now = self._desk.clock.now()
        self._desk.settle(claim, outcomes.of_defect(claim.row, error, now=now, begun=False))


class LetterJob:
    """One letter on its way over a session (``session.Job``)."""

    __slots__ = ("_begun", "_claim", "_desk", "_gate", "_session", "letter")

    def __init__(
        self, desk: Desk, session: SmtpSession, gate: RelayGate, claim: Claim, letter: Letter
    ) -> None:
        self.letter = letter
        self._desk = desk
        self._session = session
        self._gate = gate
        self._claim = claim
        self._begun = False

    def may_start(self) -> bool:
        """Asked right before MAIL; from then on it counts as a message that may be unrecorded."""
        desk = self._desk
        if not desk.may_start(self._claim):
            return False
        self._begun = True
        desk.recorder.under_way += 1
        if self._claim.issue_id:
            desk.brakes.began(self._claim.issue_id)
        provider = desk.provider(self._claim.row)
        if provider is not None:
            desk.at_provider[provider] += 1
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
                self._gate.replied(result.reply, result.phase)
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
        if isinstance(row, Claimed):
            desk.brakes.ended(self._claim.issue_id, row, verdict)
            provider = desk.provider(row)
            if provider is not None:
                desk.at_provider[provider] -= 1

    def _outcome(self, result: Answer | Exception | None, verdict: Verdict | None) -> Outcome:
        row, desk = self._claim.row, self._desk
        if result is None:
            return desk.not_started(self._claim)
        if isinstance(result, Answer):
            verdict = verdict or judge(result.reply, result.phase)
            relay, now = self._gate.relay, desk.clock.now()
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
        if error.phase == Phase.MAIL and self._session.sent > 1:
            if error.code is not None:
                self._gate.asked(error)
            return outcomes.given_back(row)  # the relay closed a connection it had enough of
        if self._session.sent <= 1:
            self._gate.failed(error)
        return outcomes.of_silence(
            row,
            error,
            self._gate.relay,
            now=desk.clock.now(),
            hold=desk.hold_in_doubt,
            stopping=desk.queue.closed,
        )
