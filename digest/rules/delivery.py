"""The states of a delivery, of an issue and of a notice, and which moves are allowed.

A delivery is *settled* in any state but ``queued``, ``sending`` and ``deferred``. An issue is
finished only when every delivery of it is settled; progress is never a cursor.
"""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a delivery or a notice stands."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    SKIPPED = "skipped"
    HELD = "held"


class StateReason(StrEnum):
    """Why a row is ``cancelled``, ``held`` or ``expired``."""

    LEFT = "left"
    STOPPED = "stopped"
    IN_DOUBT = "in_doubt"
    POISON = "poison"
    BREAKER = "breaker"
    SUPERSEDED = "superseded"


class IssueState(StrEnum):
    """Where an issue stands."""

    DRAFT = "draft"
    APPROVED = "approved"
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


CANARY_WAVE, REST_WAVE = 0, 1  # of a delivery: the few that go first, and all others

OPEN_STATES = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED})
SETTLED_STATES = frozenset(DeliveryState) - OPEN_STATES
WAITING_STATES = OPEN_STATES - {DeliveryState.SENDING}  # nobody holds them

DELIVERY_MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.QUEUED: frozenset(DeliveryState) - {DeliveryState.ACCEPTED, DeliveryState.QUEUED},
    DeliveryState.SENDING: frozenset(DeliveryState) - {DeliveryState.SENDING},
    DeliveryState.DEFERRED: frozenset(DeliveryState)
    - {DeliveryState.ACCEPTED, DeliveryState.DEFERRED},
    DeliveryState.HELD: frozenset(
        {DeliveryState.QUEUED, DeliveryState.ACCEPTED, DeliveryState.CANCELLED}
    ),
}
ISSUE_MOVES: dict[IssueState, frozenset[IssueState]] = {
    IssueState.DRAFT: frozenset({IssueState.APPROVED}),
    IssueState.APPROVED: frozenset({IssueState.DRAFT, IssueState.SENDING}),
    IssueState.SENDING: frozenset({IssueState.PAUSED, IssueState.FINISHED, IssueState.CANCELLED}),
    IssueState.PAUSED: frozenset({IssueState.SENDING, IssueState.CANCELLED}),
    IssueState.FINISHED: frozenset({IssueState.SENDING}),  # a deliberate re-send opens it again
    IssueState.CANCELLED: frozenset(),
}
UNPLANNED = frozenset({IssueState.DRAFT, IssueState.APPROVED})  # nobody has been sent it
