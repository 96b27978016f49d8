"""What sessions send: claims from the queue, composed, and what became of them to the recorder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from digest.audience.leave import Leavers
from digest.clock import Clock
from digest.delivery import outcomes
from digest.delivery.claims import Claim, ClaimQueue
from digest.delivery.connections import RelayGate
from digest.delivery.feeder import Rate
from digest.delivery.letters import Letters
from digest.delivery.outcomes import Row
from digest.delivery.recorder import Recorder
from digest.delivery.session import Answer, Letter, SmtpSession
from digest.errors import DatabaseError, RelayError, SettingsError
from digest.rules.verdict import Phase
from digest.store.deliveries import Claimed
from digest.store.handover import Outcome
from digest.store.notices import ClaimedNotice
from digest.store.workers import Lease

log = structlog.get_logger(__name__)

NoticeWriter = Callable[[ClaimedNotice], Awaitable[Letter]]
_IDLE = 5.0  # seconds a connection is kept without a message


@dataclass(frozen=True, slots=True)
class Done:
    """A row and what became of it."""

    row: Row
    outcome: Outcome


@dataclass(slots=True)
class Desk:
    """What all connections of one run share. ``fail`` is told of what must end the run."""

    clock: Clock
    lease: Lease
    leavers: Leavers
    letters: Letters
    queue: ClaimQueue
    recorder: Recorder[Done]
    rate: Rate
    write_notice: NoticeWriter | None
    hold_in_doubt: bool
    fail: Callable[[BaseException], None]
    busy: int = 0  # claims taken from the queue that have no outcome yet

    def work(self, session: SmtpSession, gate: RelayGate) -> SessionWork:
        """The work of one connection."""
        return SessionWork(self, session, gate)

    def may_start(self, claim: Claim) -> bool:
        """Whether MAIL may be written for it, now."""
        if self.queue.closed or self.lease.lost or claim.stale:
            return False
        return not self._has_left(claim.row)

    def not_started(self, row: Row) -> Outcome:
        """The outcome of a row whose MAIL was not written."""
        return outcomes.departed(row) if self._has_left(row) else outcomes.given_back(row)

    def _has_left(self, row: Row) -> bool:
        return isinstance(row, Claimed) and row.subscription_id in self.leavers

    def settle(self, claim: Claim, outcome: Outcome) -> None:
        """A claim that was taken has its outcome."""
        self.busy -= 1
        self.recorder.add(Done(claim.row, outcome))
        self.rate.count(not outcome.uncharged)


class SessionWork:
    """The jobs of one connection, from the queue that all connections share."""

    def __init__(self, desk: Desk, session: SmtpSession, gate: RelayGate) -> None:
        self._desk = desk
        self._session = session
        self._gate = gate

    def at_hand(self) -> LetterJob | None:
        """The next letter of an issue, unless outcomes have to be recorded first."""
        desk = self._desk
        while not desk.recorder.full:
            claim = desk.queue.take(Claimed)  # a notice takes time to write: that waits for idle
            if claim is None:
                return None
            desk.busy += 1
            try:
                letter = desk.letters.compose(claim.row)  # type: ignore[arg-type]  # a Claimed
            except Exception as error:  # our own defect must cost one row, not the issue
                log.exception("a message could not be composed", row=claim.row.row_id)
                self._defect(claim, error)
                continue
            if letter is not None:
                return LetterJob(desk, self._session, self._gate, claim, letter)
            desk.settle(claim, outcomes.unwanted(claim.row))
        return None

    async def wait(self) -> LetterJob | None:
        """The next letter, when there is one and outcomes are recorded."""
        desk = self._desk
        while (claim := await desk.queue.get(_IDLE)) is not None:
            desk.busy += 1
            try:
                letter = await self._compose(claim)
            except (DatabaseError, SettingsError) as error:
                desk.fail(error)
                desk.settle(claim, desk.not_started(claim.row))
                continue
            except Exception as error:  # our own defect must cost one row, not the issue
                log.exception("a message could not be composed", row=claim.row.row_id)
                self._defect(claim, error)
                continue
            if letter is None:
                desk.settle(claim, outcomes.unwanted(claim.row))
                continue
            if desk.recorder.full:
                await desk.recorder.room()
            return LetterJob(desk, self._session, self._gate, claim, letter)
        return None

    async def _compose(self, claim: Claim) -> Letter | None:
        row = claim.row
        if isinstance(row, Claimed):
            return self._desk.letters.compose(row)
        if self._desk.write_notice is None:
            raise RuntimeError("a notice was claimed, but nothing writes notices")
        return await self._desk.write_notice(row)

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
        self._begun = self._desk.may_start(self._claim)
        self._desk.recorder.under_way += self._begun
        return self._begun

    def finish(self, result: Answer | Exception | None) -> None:
        """Record what became of it."""
        row, desk = self._claim.row, self._desk
        try:
            outcome = self._outcome(result)
        except Exception as error:  # the row is tried again, whatever is wrong with our verdict
            log.exception("an answer could not be judged", row=row.row_id)
            outcome = outcomes.of_defect(row, error, now=desk.clock.now(), begun=self._begun)
        desk.recorder.under_way -= self._begun
        desk.settle(self._claim, outcome)

    def _outcome(self, result: Answer | Exception | None) -> Outcome:
        row, desk = self._claim.row, self._desk
        if isinstance(result, Answer):
            self._gate.worked()
            return outcomes.of_answer(row, result, self._gate.relay, desk.clock.now())
        if result is None:
            return desk.not_started(row)
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
