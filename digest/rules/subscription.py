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


class Standing(StrEnum):
    """How a reader of another list stands there, which decides what an import makes of them.

    Later ones win where a file has the same address twice.
    """

    ACTIVE = "active"
    PAUSED = "paused"
    UNCONFIRMED = "unconfirmed"  # asked, but never confirmed: nobody we may write to
    ENDED = "ended"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    COMPLAINED = "complained"


# An address with one of these is kept out, and not stored.
KEPT_OUT = {
    Standing.BOUNCED: SuppressionReason.BOUNCED,
    Standing.SUPPRESSED: SuppressionReason.IMPORTED,
    Standing.COMPLAINED: SuppressionReason.COMPLAINED,
}


class PassPurpose(StrEnum):
    """What a link with a secret, in a mail to one address, lets whoever got it do once."""

    CONFIRM = "confirm"  # the sign-up
    MOVE = "move"  # the mail, to the address this link was sent to
    MOVE_BACK = "move_back"
    DATA = "data"  # see it, take it along, have it erased
