"""Mailgun: one event a request, signed with HMAC-SHA-256 over its time and a token.

"Webhooks" and "Events" of Mailgun's documentation; the form before 2018 (``dropped``, ``bounced``)
is read, too. Our token is the user variable ``digest``, and Mailgun keeps our Message-ID.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from digest.errors import InputError
from digest.inbound.webhooks.base import (
    Event,
    EventType,
    HookRefusedError,
    Posted,
    as_json,
    fresh,
    key_of,
    text,
)
from digest.mail.bounce import Reason
from digest.mail.scan import STATUS, clean_address

# By event and severity ("" stands for any).
_EVENTS: Mapping[tuple[str, str], EventType] = {
    ("accepted", ""): EventType.QUEUED,
    ("delivered", ""): EventType.DELIVERED,
    ("failed", "permanent"): EventType.BOUNCED,
    ("failed", "temporary"): EventType.DEFERRED,
    ("rejected", ""): EventType.REJECTED,
    ("complained", ""): EventType.COMPLAINED,
    ("unsubscribed", ""): EventType.UNSUBSCRIBED,
    ("opened", ""): EventType.OPENED,
    ("clicked", ""): EventType.CLICKED,
    ("dropped", ""): EventType.REJECTED,
    ("bounced", ""): EventType.BOUNCED,
}
# Why it was not tried, or given up, where the server's words are none.
_REASONS: Mapping[str, Reason] = {
    "suppress-bounce": Reason.SUPPRESSED,
    "suppress-complaint": Reason.SUPPRESSED,
    "suppress-unsubscribe": Reason.SUPPRESSED,
    "old": Reason.EXPIRED,
    "hardfail": Reason.SUPPRESSED,
    "espblock": Reason.BLOCKED,
}


@dataclass(frozen=True, slots=True)
class Mailgun:
    """``key`` is the "HTTP webhook signing key" of the account."""

    key: str = field(repr=False)
    name: str = "mailgun"

    async def verify(self, posted: Posted, now: datetime) -> None:
        """The signature over time and token, and that it is of now."""
        given = as_json(posted.body)
        stamp, token = text(given, "signature", "timestamp"), text(given, "signature", "token")
        wanted = hmac.new(self.key.encode(), (stamp + token).encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(text(given, "signature", "signature").encode(), wanted.encode()):
            raise HookRefusedError("The signature is another.")
        fresh(stamp, now)

    def events(self, posted: Posted) -> Iterator[Event]:
        """The one event of a request."""
        given = as_json(posted.body)
        data = given.get("event-data", given) if isinstance(given, dict) else None
        if not isinstance(data, dict):
            raise InputError("This is no event of Mailgun.")
        name, severity = text(data, "event"), text(data, "severity")
        kind = _EVENTS.get((name, severity)) or _EVENTS.get((name, ""), EventType.UNKNOWN)
        headers = data.get("message", {})
        message_id = text(headers, "headers", "message-id")
        said = _said(data)
        code = STATUS.search(said)
        address = text(data, "recipient") or clean_address(text(headers, "headers", "to"))
        fallback = Reason.SUPPRESSED if name == "dropped" else Reason.UNDEFINED
        if name == "rejected":
            fallback = Reason.REJECTED  # an account or a domain that may not send: ours
        yield Event(
            type=kind,
            key=text(data, "id") or key_of(data),
            address=address,
            texts=(text(data, "user-variables", "digest"), message_id),
            said=said,
            status=code[1] if code else "",
            reason=_REASONS.get(text(data, "reason"), fallback),
        )


def _said(data: Mapping[str, object]) -> str:
    """The other server's words, with the code that Mailgun keeps apart from them."""
    status = data.get("delivery-status")
    message = text(status, "message") or text(status, "description")
    if message:
        code = text(status, "code")
        return message if message.startswith(code) else f"{code} {message}"
    return (
        text(data, "error") or text(data, "description") or text(data.get("reject"), "reason") or ""
    ).removeprefix("smtp;")
