"""The states of a subscription: one reader, one newsletter."""

from __future__ import annotations

from enum import StrEnum


class SubscriptionState(StrEnum):
    """Only ``active`` readers are ever part of an audience."""

    PENDING = "pending"  # asked, not yet confirmed
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class SuppressionReason(StrEnum):
    """Why an address is never mailed, whatever it subscribes to."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    LEFT = "left"
    ERASED = "erased"
    IMPORTED = "imported"
    OPERATOR = "operator"


class PassPurpose(StrEnum):
    """What a link with a secret, in a mail to one address, lets whoever got it do once."""

    CONFIRM = "confirm"  # the sign-up
    MOVE = "move"  # the mail, to the address this link was sent to
    MOVE_BACK = "move_back"
    DATA = "data"  # see it, take it along, have it erased
