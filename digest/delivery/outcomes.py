"""What becomes of a claimed row, from what the relay said or did not say.

Pure: rows, answers and times in, outcomes out. Where a message may have been taken without our
knowing (silence after the final dot, RFC 1047), the policy decides: ``resend`` tries again, at the
risk of a second copy with the same Message-ID; ``hold`` waits for the operator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.delivery.session import Answer
from digest.errors import RelayError
from digest.mail.reply import retry_after
from digest.rules.backoff import Backoff
from digest.rules.delivery import DeliveryState, StateReason
from digest.rules.relay import RelayConfig
from digest.rules.retry import next_attempt
from digest.rules.verdict import Blame, Phase, Reason, Verdict
from digest.store.deliveries import Claimed
from digest.store.handover import Outcome
from digest.store.notices import ClaimedNotice

POISON_ATTEMPTS = 3  # a row that breaks our own code so often is held for a human

Row = Claimed | ClaimedNotice


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay as the sender knows it: how to reach it, and its id in the database."""

    config: RelayConfig
    relay_id: int
    backoff: Backoff = field(default_factory=Backoff)


def of_answer(
    row: Row, answer: Answer, relay: Relay, *, verdict: Verdict, now: datetime
) -> Outcome:
    """The relay said something: accepted, deferred with the time of the next try, or rejected."""
    reply = answer.reply
    state, not_before = verdict.state, None
    if state is DeliveryState.ACCEPTED:  # in the order of the fields, which takes half as long
        name = relay.config.profile.read_message_id(reply)
        said = (reply.code, reply.status, reply.text, relay.relay_id, name)
        return Outcome(row.row_id, row.attempts, state, None, None, answer.phase, None, *said)
    if state is DeliveryState.DEFERRED:
        state, not_before = _retry(row, verdict, now, asked=retry_after(reply))
    return Outcome(
        row_id=row.row_id,
        attempts=row.attempts,
        state=state,
        not_before=not_before,
        phase=answer.phase,
        blame=verdict.blame,
        verdict=verdict.reason,
        code=reply.code,
        status=reply.status,
        text=reply.text,
        relay_id=relay.relay_id,
    )


def of_silence(
    row: Row, error: RelayError, relay: Relay, *, now: datetime, hold: bool, stopping: bool
) -> Outcome:
    """The relay gave no answer. Only after the dot may the message have been taken.

    ``stopping``: we ended the wait ourselves, so the row waits for nothing but the next sender.
    """
    in_doubt = error.phase == Phase.DOT
    reason = None
    state: DeliveryState = DeliveryState.QUEUED
    not_before = None
    if in_doubt and hold:
        state, reason = DeliveryState.HELD, StateReason.IN_DOUBT
    elif not stopping:
        silence = Verdict(DeliveryState.DEFERRED, Blame.RELAY, Reason.SILENCE)
        state, not_before = _retry(row, silence, now, asked=None)
    return Outcome(
        row_id=row.row_id,
        attempts=row.attempts,
        state=state,
        reason=reason,
        not_before=not_before,
        phase=error.phase,
        blame=error.blame,
        verdict=Reason.SILENCE,
        text=error.message,
        relay_id=relay.relay_id,
        maybe_sent=in_doubt,
        uncharged=stopping and not in_doubt,
    )


def of_defect(row: Row, error: Exception, *, now: datetime, begun: bool) -> Outcome:
    """Our own code broke: tried again, and held as poison when it breaks again and again.

    ``begun``: it broke after MAIL, so the message may be out.
    """
    state, not_before = _retry(
        row, Verdict(DeliveryState.DEFERRED, Blame.MESSAGE, Reason.INTERNAL), now, asked=None
    )
    reason = None
    if row.attempts >= POISON_ATTEMPTS:
        state, reason, not_before = DeliveryState.HELD, StateReason.POISON, None
    return Outcome(
        row_id=row.row_id,
        attempts=row.attempts,
        state=state,
        reason=reason,
        not_before=not_before,
        phase=Phase.COMPOSE,
        blame=Blame.MESSAGE,
        verdict=Reason.INTERNAL,
        text=f"{type(error).__name__} in our own code",
        maybe_sent=begun,
    )


def given_back(row: Row) -> Outcome:
    """Claimed, but MAIL was not sent: as if it had not been claimed."""
    return Outcome(row.row_id, row.attempts, DeliveryState.QUEUED, uncharged=True)


def put_off(row: Row, until: datetime) -> Outcome:
    """Claimed, but its destination takes no more just now: later, and as if not claimed."""
    return Outcome(row.row_id, row.attempts, DeliveryState.QUEUED, not_before=until, uncharged=True)


def stopped(row: Row) -> Outcome:
    """A brake was put on its destination between the claim and MAIL."""
    return Outcome(
        row.row_id, row.attempts, DeliveryState.HELD, StateReason.BREAKER, uncharged=True
    )


def departed(row: Row) -> Outcome:
    """Its reader left between the claim and MAIL."""
    return Outcome(
        row.row_id, row.attempts, DeliveryState.CANCELLED, StateReason.LEFT, uncharged=True
    )


def unwanted(row: Row) -> Outcome:
    """Its reader has muted everything in it."""
    return Outcome(row.row_id, row.attempts, DeliveryState.SKIPPED, uncharged=True)


def _retry(
    row: Row, verdict: Verdict, now: datetime, *, asked: timedelta | None
) -> tuple[DeliveryState, datetime | None]:
    not_before = next_attempt(
        row.attempts,
        now=now,
        first_attempt_at=row.first_claimed_at,
        seed=row.row_id,
        reason=verdict.reason,
        asked=asked,
    )
    if not_before is None:
        return DeliveryState.EXPIRED, None
    return DeliveryState.DEFERRED, not_before
