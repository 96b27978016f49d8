"""Postmark: one event a request, proved by the user and password in its address.

"Bounce webhook", "Bounce types", "Subscription change webhook" of Postmark's developer pages. Our
token is the metadata ``digest``. Its "soft bounce", "transient" and the like say nothing final of
an address.
"""

from __future__ import annotations

import base64
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
    key_of,
    text,
)
from digest.mail.bounce import Reason

_RECORDS: Mapping[str, EventType] = {
    "Delivery": EventType.DELIVERED,
    "Open": EventType.OPENED,
    "Click": EventType.CLICKED,
    "SpamComplaint": EventType.COMPLAINED,
}
_BOUNCES: Mapping[str, tuple[EventType, Reason]] = {
    "HardBounce": (EventType.BOUNCED, Reason.USER_UNKNOWN),
    "BadEmailAddress": (EventType.BOUNCED, Reason.USER_UNKNOWN),
    "SoftBounce": (EventType.BOUNCED, Reason.FILTERED),
    "DnsError": (EventType.BOUNCED, Reason.HOST_UNKNOWN),
    "Undeliverable": (EventType.BOUNCED, Reason.EXPIRED),
    "Unknown": (EventType.BOUNCED, Reason.ON_HOLD),
    "Blocked": (EventType.BOUNCED, Reason.BLOCKED),
    "SpamNotification": (EventType.BOUNCED, Reason.SPAM_DETECTED),
    "VirusNotification": (EventType.BOUNCED, Reason.VIRUS_DETECTED),
    "DMARCPolicy": (EventType.BOUNCED, Reason.AUTH_FAILURE),
    "SMTPApiError": (EventType.FAILED, Reason.SYNTAX_ERROR),
    "TemplateRenderingFailed": (EventType.FAILED, Reason.SYNTAX_ERROR),
    "ManuallyDeactivated": (EventType.REJECTED, Reason.SUPPRESSED),
    "Transient": (EventType.DEFERRED, Reason.EXPIRED),
    "AutoResponder": (EventType.AUTORESPONDED, Reason.VACATION),
    "AddressChange": (EventType.AUTORESPONDED, Reason.VACATION),
    "ChallengeVerification": (EventType.AUTORESPONDED, Reason.VACATION),
    "OpenRelayTest": (EventType.UNKNOWN, Reason.UNDEFINED),
    "SpamComplaint": (EventType.COMPLAINED, Reason.FEEDBACK),
    "Unsubscribe": (EventType.UNSUBSCRIBED, Reason.FEEDBACK),
    "Subscribe": (EventType.SUBSCRIBED, Reason.FEEDBACK),
}
_SUPPRESSIONS: Mapping[str, tuple[EventType, Reason]] = {
    "HardBounce": (EventType.BOUNCED, Reason.USER_UNKNOWN),
    "SpamComplaint": (EventType.COMPLAINED, Reason.FEEDBACK),
    "ManualSuppression": (EventType.UNSUBSCRIBED, Reason.FEEDBACK),
}
_NEITHER = (EventType.UNKNOWN, Reason.UNDEFINED)


@dataclass(frozen=True, slots=True)
class Postmark:
    """``login`` is the ``user:password`` that stands in the address Postmark posts to."""

    login: str = field(repr=False)
    name: str = "postmark"

    async def verify(self, posted: Posted, now: datetime) -> None:
        """Basic authentication (RFC 7617), compared in constant time."""
        del now
        wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
        given = posted.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise HookRefusedError("User or password are others.")

    def events(self, posted: Posted) -> Iterator[Event]:
        """The one event of a request."""
        data = as_json(posted.body)
        if not isinstance(data, dict):
            raise InputError("This is no event of Postmark.")
        kind, reason = _kind(data)
        record = text(data, "RecordType")
        yield Event(
            type=kind,
            key=key_of(record, text(data, "ID"), text(data, "MessageID"), text(data, "ChangedAt")),
            address=text(data, "Email") or text(data, "Recipient"),
            texts=(text(data, "Metadata", "digest"), text(data, "MessageID")),
            relay_id=text(data, "MessageID"),
            said=text(data, "Details").removeprefix("smtp;") or text(data, "Description"),
            reason=reason,
        )


def _kind(data: Mapping[str, object]) -> tuple[EventType, Reason]:
    record = text(data, "RecordType")
    if record == "Bounce":
        return _BOUNCES.get(text(data, "Type"), _NEITHER)
    if record == "SubscriptionChange":
        if not data.get("SuppressSending"):
            return EventType.SUBSCRIBED, Reason.FEEDBACK
        return _SUPPRESSIONS.get(text(data, "SuppressionReason"), _NEITHER)
    return _RECORDS.get(record, EventType.UNKNOWN), Reason.UNDEFINED
