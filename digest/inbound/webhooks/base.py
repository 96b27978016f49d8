"""What every provider's webhook comes down to: a proof, and events in our words.

A hook verifies what was posted, then maps it by tables. Only a few events do anything; opened and
clicked are known, so that they are told from what nobody has described, and dropped. A provider
posts again until it gets a 2xx, in any order: whatever is written is written once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from digest.audience.feedback import Claim, Feedback
from digest.errors import InputError
from digest.mail.bounce import Kind, Reason
from digest.mail.bounce.classify import Command
from digest.mail.bounce.report import judged

FRESH = timedelta(minutes=5)  # how old or early a signed time may be
EVENTS_MAX = 10_000  # of one request
_UNSURE = frozenset({Reason.UNDEFINED, Reason.ON_HOLD})


class HookRefusedError(InputError):
    """What was posted does not prove whom it comes from."""


class EventType(StrEnum):
    """What providers tell, in the words most of them share."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    REJECTED = "rejected"  # the provider itself did not try
    FAILED = "failed"  # of the message, for everybody
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    SUBSCRIBED = "subscribed"
    AUTORESPONDED = "autoresponded"
    OPENED = "opened"
    CLICKED = "clicked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Posted:
    """A request as it came: header names in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``reason`` is what the provider's own words mean where ``said`` means nothing.

    ``key`` tells events apart; ``texts`` are where our token may stand.
    """

    type: EventType
    key: str
    address: str = ""
    texts: Sequence[str] = ()
    relay_id: str = ""
    said: str = ""
    status: str = ""
    reason: Reason = Reason.UNDEFINED
    complaint: str = "abuse"


class Hook(Protocol):
    """The webhook of one provider."""

    @property
    def name(self) -> str:
        """What its address ends in, and what the rows it leads to are from."""

    async def verify(self, posted: Posted, now: datetime) -> None:
        """Raise HookRefusedError unless the request proves whom it comes from."""

    def events(self, posted: Posted) -> Iterator[Event]:
        """The events of a verified request; InputError for what is none."""


_KINDS: Mapping[EventType, Kind] = {
    EventType.BOUNCED: Kind.BOUNCE,
    EventType.REJECTED: Kind.BOUNCE,
    EventType.FAILED: Kind.BOUNCE,
    EventType.COMPLAINED: Kind.COMPLAINT,
    EventType.UNSUBSCRIBED: Kind.COMPLAINT,
    EventType.DEFERRED: Kind.DELAYED,
    EventType.AUTORESPONDED: Kind.AUTOREPLY,
}


def as_feedback(event: Event, source: str, tokens: Sequence[str]) -> Feedback | None:
    """What an event says of a reader; None for those that change nothing and are not kept."""
    kind = _KINDS.get(event.type)
    if kind is None:
        return None
    claim = Claim(tuple(tokens), event.relay_id, event.address, trusted=True)
    feedback = Feedback(
        source=source,
        kind=kind,
        claim=claim,
        key=f"{source}:{event.key}",
        address=event.address,
        evidence=event.said[:300],
    )
    if kind is Kind.COMPLAINT:
        asked = "opt-out" if event.type is EventType.UNSUBSCRIBED else event.complaint
        return replace(feedback, complaint=asked, reason=Reason.FEEDBACK)
    told = judged(
        event.address, event.said, status=event.status, final=True, command=Command.UNKNOWN
    )
    reason = told.reason
    if event.type is not EventType.BOUNCED or reason in _UNSURE:
        reason = event.reason if event.reason is not Reason.UNDEFINED else reason
    final = kind is Kind.BOUNCE
    return replace(feedback, status=told.status, reply=told.reply, reason=reason, final=final)


def as_json(body: bytes) -> Any:
    """The JSON in ``body``; InputError where there is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("This is no JSON.") from None


def text(value: object, *names: str) -> str:
    """What stands at ``names`` inside ``value``, as text; "" where nothing does."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def fresh(seconds: str, now: datetime, *, within: timedelta = FRESH) -> None:
    """HookRefusedError unless ``seconds`` since 1970 is about now."""
    try:
        at = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        raise HookRefusedError("The time of the signature is no time.") from None
    if abs(now - at) > within:
        raise HookRefusedError("The signature is of another time.")


def key_of(*parts: object) -> str:
    """A key for what has no id of its own: the same parts, the same key."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]
