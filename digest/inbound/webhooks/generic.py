"""Any other source: events in our own words, signed as Standard Webhooks are.

HMAC-SHA-256 of ``id.time.body``, in base64, as ``v1,…`` in ``webhook-signature``; a list of such,
parted by blanks, while a key is changed. The body is ``{"events": [{"type", "address", "token",
"relay_id", "said", "status", "id"}]}``; ``docs/how-to/bounces.md`` shows it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from digest.errors import InputError
from digest.inbound.webhooks.base import (
    EVENTS_MAX,
    Event,
    EventType,
    HookRefusedError,
    Posted,
    as_json,
    fresh,
    key_of,
    text,
)

_TYPES = frozenset(EventType)


@dataclass(frozen=True, slots=True)
class Generic:
    """``key`` is shared with whoever posts."""

    key: str = field(repr=False)
    name: str = "generic"

    async def verify(self, posted: Posted, now: datetime) -> None:
        """The signature over id, time and body, and that it is of now."""
        stamp = posted.headers.get("webhook-timestamp", "")
        head = f"{posted.headers.get('webhook-id', '')}.{stamp}.".encode()
        made = hmac.new(self.key.encode(), head + posted.body, hashlib.sha256).digest()
        wanted = b"v1," + base64.b64encode(made)
        given = posted.headers.get("webhook-signature", "").split()
        if not any(hmac.compare_digest(one.encode(), wanted) for one in given[:5]):
            raise HookRefusedError("The signature is another.")
        fresh(stamp, now)

    def events(self, posted: Posted) -> Iterator[Event]:
        """The events of a request, in its order."""
        given = as_json(posted.body)
        events = given.get("events") if isinstance(given, dict) else None
        if not isinstance(events, list):
            raise InputError("The body has no list of events.")
        for one in events[:EVENTS_MAX]:
            kind = text(one, "type")
            yield Event(
                type=EventType(kind) if kind in _TYPES else EventType.UNKNOWN,
                key=text(one, "id") or key_of(one),
                address=text(one, "address"),
                texts=(text(one, "token"),),
                relay_id=text(one, "relay_id"),
                said=text(one, "said"),
                status=text(one, "status"),
                complaint=text(one, "complaint") or "abuse",
            )
