"""SendGrid: many events a request, signed with ECDSA over its time and the body.

"Event Webhook Reference" and "Signed Event Webhook" of Twilio's documentation. Our token is the
unique argument ``digest``, which stands in the event itself.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from digest.errors import InputError, SettingsError
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
from digest.mail.bounce import Reason

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIME = "x-twilio-email-event-webhook-timestamp"
_EVENTS: Mapping[str, EventType] = {
    "processed": EventType.QUEUED,
    "delivered": EventType.DELIVERED,
    "deferred": EventType.DEFERRED,
    "bounce": EventType.BOUNCED,
    "dropped": EventType.REJECTED,
    "spamreport": EventType.COMPLAINED,
    "unsubscribe": EventType.UNSUBSCRIBED,
    "group_unsubscribe": EventType.UNSUBSCRIBED,
    "group_resubscribe": EventType.SUBSCRIBED,
    "open": EventType.OPENED,
    "click": EventType.CLICKED,
}
# Why it was not tried; all others are about an address SendGrid has given up.
_DROPPED: Mapping[str, Reason] = {
    "Invalid": Reason.USER_UNKNOWN,
    "Invalid SMTPAPI header": Reason.SYNTAX_ERROR,
    "Spam Content": Reason.SPAM_DETECTED,
    "Spam Content (if Spam Checker app is enabled)": Reason.SPAM_DETECTED,
    "Recipient List over Package Quota": Reason.REJECTED,
}


class SendGrid:
    """``public_key`` is the "verification key" of the account; SettingsError where it is none."""

    name = "sendgrid"

    def __init__(self, public_key: str) -> None:
        try:
            key = load_der_public_key(base64.b64decode(public_key, validate=True))
        except (ValueError, binascii.Error):
            key = None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise SettingsError(
                "This is no verification key of SendGrid.",
                where="DIGEST_HOOKS__SENDGRID",
                fix="Copy it from Settings, Mail Settings, Event Webhook, Signature Verification.",
            )
        self._key = key

    async def verify(self, posted: Posted, now: datetime) -> None:
        """The signature over time and body, and that it is of now."""
        stamp = posted.headers.get(_TIME, "")
        try:
            signature = base64.b64decode(posted.headers.get(_SIGNATURE, ""), validate=True)
            signed = stamp.encode() + posted.body
            self._key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, binascii.Error, ValueError):
            raise HookRefusedError("The signature is another.") from None
        fresh(stamp, now)

    def events(self, posted: Posted) -> Iterator[Event]:
        """The events of a request, in its order."""
        given = as_json(posted.body)
        if not isinstance(given, list):
            raise InputError("These are no events of SendGrid.")
        for one in given[:EVENTS_MAX]:
            if isinstance(one, dict):
                yield _event(one)


def _event(one: Mapping[str, object]) -> Event:
    kind = _EVENTS.get(text(one, "event"), EventType.UNKNOWN)
    why = text(one, "reason")
    reason = Reason.UNDEFINED
    if kind is EventType.REJECTED:
        reason = _DROPPED.get(why, Reason.SUPPRESSED)
    elif kind is EventType.BOUNCED and text(one, "type") == "blocked":
        reason = Reason.BLOCKED
    return Event(
        type=kind,
        key=text(one, "sg_event_id") or key_of(one),
        address=text(one, "email"),
        texts=(text(one, "digest"), text(one, "smtp-id")),
        relay_id=text(one, "sg_message_id").partition(".")[0],
        said=why or text(one, "response"),
        status=text(one, "status"),
        reason=reason,
    )
