"""What goes in and out of the API about an issue on its way, and who got it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from digest.web.api.issue_models import IssueCounts, IssueName, IssueState
from digest.web.api.models import Address, Answer, Asked, Paging

REASON_MAX = 200  # characters
RESENT_MAX = 100  # addresses
State: TypeAlias = Literal[
    "queued",
    "sending",
    "accepted",
    "deferred",
    "rejected",
    "expired",
    "cancelled",
    "suppressed",
    "skipped",
    "held",
]
StateReason: TypeAlias = Literal["left", "stopped", "in_doubt", "poison", "breaker", "superseded"]
YesNo: TypeAlias = Literal["true", "false"]
Moment: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^20[0-9]{2}(-[0-9]{2}){2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?$"
    ),
]


class PauseAsked(Asked):
    """Why an issue is paused."""

    reason: Annotated[str, Field(max_length=REASON_MAX, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class TimeAsked(Asked):
    """When an issue goes out."""

    at: Moment | None
    """Like `2027-03-04T09:30`, in the newsletter's time zone where it names none; null: with the
    newsletter's next slot."""


class ResendAsked(Asked):
    """Who gets an issue once more: everybody it did not reach, or these."""

    missed: bool = False
    to: Annotated[list[Address], Field(max_length=RESENT_MAX)] = Field(default_factory=list)


class IssueMoved(Answer):
    """An issue after something was done to it."""

    issue: IssueName
    state: IssueState
    paused_reason: str | None
    scheduled_at: datetime | None
    changed: bool
    """Whether it was this call that did it."""


class Resent(Answer):
    """Who an issue is queued for once more."""

    issue: IssueName
    queued: int
    refused: dict[str, int]
    """Who may not get it, counted by why."""
    addresses: dict[str, str]
    """Why, of each address that was named and refused."""


class DestinationLook(Answer):
    """How far an issue is at one destination."""

    destination: str
    waiting: int
    accepted: int
    deferred: int
    rejected: int
    held: int


class RelayLook(Answer):
    """A relay that asked us to be slower."""

    relay: str
    until: datetime | None
    """It is left alone until then."""
    messages_per_minute: int | None
    reply: str | None
    """What it said."""


class IssueLook(IssueCounts):
    """An issue at one moment: how far it is, how fast it goes, and what holds it."""

    next: str | None
    """When it goes out, in words, while it is approved."""
    percent: float
    """How much of it needs nothing more."""
    messages_per_second: float | None
    """How fast it goes; null before there were two looks."""
    seconds_left: int | None
    canary_waiting: int | None
    """How many of the first few are not answered yet; null: the rest may follow."""
    planning: bool
    """Whether everybody but the first few is still being planned."""
    destinations: list[DestinationLook]
    relays: list[RelayLook]


class DeliveryFilter(Paging):
    """Which deliveries of an issue."""

    state: State | None = None
    reason: StateReason | None = None
    missed: YesNo = "false"
    """Those it did not reach, or not yet."""
    destination: Annotated[str, Field(max_length=253, pattern=r"^[\x20-\x7e]+$")] | None = None
    """A provider or a domain, as a receipt names it."""


class Delivery(Answer):
    """One reader's delivery, and what became of it."""

    id: int
    newsletter: str
    issue: IssueName
    address: str
    ordinal: int
    """0: the issue itself; more: a deliberate re-send."""
    version: int
    destination: str
    state: str
    reason: str | None
    verdict: str | None
    blame: str | None
    words: str
    """What became of it, in words."""
    reply: str | None
    """What the relay said last."""
    attempts: int
    maybe_sent: bool
    relay: str | None
    not_before: datetime | None
    first_claimed_at: datetime | None
    settled_at: datetime | None


class Deliveries(Answer):
    """A page of deliveries."""

    items: list[Delivery]
    next: str | None
    """Give it as `after` for the next page; null: this was the last."""


class ReceiptLine(Answer):
    """How many deliveries came to one end."""

    state: str
    reason: str | None
    words: str
    deliveries: int


class ReceiptCause(Answer):
    """Why deliveries are in a state, with one reply that said so."""

    state: str
    verdict: str | None
    words: str | None
    deliveries: int
    reply: str | None


class ReceiptVersion(Answer):
    """How many deliveries one text is for."""

    version: int
    hash: str
    planned: int
    accepted: int


class ReceiptDestination(Answer):
    """How an issue fared at one destination."""

    destination: str
    planned: int
    accepted: int
    rejected: int
    deferred: int
    waiting: int
    held: int


class ReceiptRelay(Answer):
    """How many deliveries one relay took."""

    relay: str
    accepted: int


class IssueReceipt(IssueCounts):
    """What became of every delivery: `lines` add up to `planned`."""

    title: str
    planned_at: datetime | None
    finished_at: datetime | None
    first_accepted_at: datetime | None
    last_accepted_at: datetime | None
    repeated: int
    lines: list[ReceiptLine]
    causes: list[ReceiptCause]
    versions: list[ReceiptVersion]
    destinations: list[ReceiptDestination]
    relays: list[ReceiptRelay]
