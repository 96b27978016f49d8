"""Amazon SES, by way of SNS: signed with a certificate of Amazon's.

"Verifying the signatures of Amazon SNS messages" and "Notification contents" of Amazon's developer
guides. The certificate is fetched only from a host of SNS itself, and only messages of the one
topic that is set are believed: anybody can have Amazon sign messages of a topic of their own. A
request to confirm a subscription is shown in the log, and never followed by itself.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

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

log = structlog.get_logger(__name__)

FetchCertificate = Callable[[str], Awaitable[bytes]]

_HOST = re.compile(r"sns\.[a-z0-9-]{2,40}\.amazonaws\.com(\.cn)?")
_FRESH = timedelta(hours=1)  # SNS tries for about that long, with the time of the first try
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Mapping[str, Sequence[str]] = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "1": hashes.SHA1(),  # noqa: S303 - the form SNS signs with unless the topic says otherwise
    "2": hashes.SHA256(),
}
_EVENTS: Mapping[str, EventType] = {
    "send": EventType.SENT,
    "delivery": EventType.DELIVERED,
    "deliverydelay": EventType.DEFERRED,
    "bounce": EventType.BOUNCED,
    "complaint": EventType.COMPLAINED,
    "reject": EventType.REJECTED,
    "rendering failure": EventType.FAILED,
    "open": EventType.OPENED,
    "click": EventType.CLICKED,
    "subscription": EventType.UNSUBSCRIBED,
}
# Bounces by type and subtype. Out-of-office answers come as Transient or Undetermined: nothing
# final is read into those but what names the mailbox or the message.
_BOUNCES: Mapping[tuple[str, str], Reason] = {
    ("Permanent", "NoEmail"): Reason.USER_UNKNOWN,
    ("Permanent", "Suppressed"): Reason.SUPPRESSED,
    ("Permanent", "OnAccountSuppressionList"): Reason.SUPPRESSED,
    ("Permanent", "UnsubscribedRecipient"): Reason.SUPPRESSED,
    ("Permanent", ""): Reason.ON_HOLD,
    ("Transient", "MailboxFull"): Reason.MAILBOX_FULL,
    ("Transient", "MessageTooLarge"): Reason.MESSAGE_TOO_BIG,
    ("Transient", "ContentRejected"): Reason.CONTENT_ERROR,
    ("Transient", "AttachmentRejected"): Reason.CONTENT_ERROR,
}
_LISTS = {"bounce": "bouncedRecipients", "complaint": "complainedRecipients"}


@dataclass(slots=True)
class Ses:
    """``topic`` is the ARN whose messages are believed; ``fetch`` gets a certificate (PEM)."""

    topic: str
    fetch: FetchCertificate
    name: str = "ses"
    _certificates: dict[str, bytes] = field(default_factory=dict)

    async def verify(self, posted: Posted, now: datetime) -> None:
        """The topic, the time, where the certificate lies, and the signature."""
        given = as_json(posted.body)
        names = _SIGNED.get(text(given, "Type"))
        if names is None:
            raise HookRefusedError("This is no message of SNS.")
        if not hmac.compare_digest(text(given, "TopicArn").encode(), self.topic.encode()):
            raise HookRefusedError("It is of another topic.")
        _check_time(text(given, "Timestamp"), now)
        algorithm = _HASHES.get(text(given, "SignatureVersion"))
        if algorithm is None:
            raise HookRefusedError("It is signed in a way we do not know.")
        signed = "".join(f"{name}\n{text(given, name)}\n" for name in names if name in given)
        key = await self._key(text(given, "SigningCertURL"))
        try:
            signature = base64.b64decode(text(given, "Signature"), validate=True)
            key.verify(signature, signed.encode(), padding.PKCS1v15(), algorithm)
        except (InvalidSignature, binascii.Error, ValueError):
            raise HookRefusedError("The signature is another.") from None

    async def _key(self, url: str) -> rsa.RSAPublicKey:
        if url not in self._certificates:
            parts = urlsplit(url)
            ours = parts.scheme == "https" and _HOST.fullmatch(parts.netloc) is not None
            if not ours or not parts.path.endswith(".pem") or parts.query:
                raise HookRefusedError("Its certificate does not lie with SNS.")
            self._certificates.clear()  # Amazon changes it every few months
            self._certificates[url] = await self.fetch(url)
        try:
            key = x509.load_pem_x509_certificate(self._certificates[url]).public_key()
        except ValueError:
            key = None
        if not isinstance(key, rsa.RSAPublicKey):
            del self._certificates[url]
            raise HookRefusedError("Its certificate is none.")
        return key

    def events(self, posted: Posted) -> Iterator[Event]:
        """One event for each recipient of a notification; none of a request to confirm."""
        given = as_json(posted.body)
        if text(given, "Type") != "Notification":
            url = text(given, "SubscribeURL")
            log.warning("SNS asks to confirm a topic: open this to do so", url=url[:500])
            return
        yield from ses_events(as_json(text(given, "Message").encode()), text(given, "MessageId"))


def _check_time(stamp: str, now: datetime) -> None:
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        raise HookRefusedError("The time of the message is no time.") from None
    if at.tzinfo is None or abs(now - at) > _FRESH:
        raise HookRefusedError("The message is of another time.")


def ses_events(data: object, message_id: str) -> Iterator[Event]:
    """The events of one notification of SES."""
    if not isinstance(data, dict):
        raise InputError("This is no notification of SES.")
    name = (text(data, "notificationType") or text(data, "eventType")).lower()
    kind = _EVENTS.get(name, EventType.UNKNOWN)
    mail = data.get("mail")
    mail = mail if isinstance(mail, dict) else {}
    body = data.get(name)
    body = body if isinstance(body, dict) else {}
    said = text(body, "reason") or text(data, "failure", "errorMessage")
    reason = Reason.UNDEFINED
    if kind is EventType.BOUNCED:
        kind, reason = _bounce(text(body, "bounceType"), text(body, "bounceSubType"))
    elif kind in (EventType.REJECTED, EventType.FAILED):
        reason = Reason.CONTENT_ERROR
    for at, one in enumerate(_recipients(name, body, mail)):
        yield Event(
            type=kind,
            key=key_of(message_id, name, at),
            address=one.get("emailAddress", ""),
            texts=tuple(_token_places(mail)),
            relay_id=text(mail, "messageId"),
            said=one.get("diagnosticCode", "").partition(";")[2].strip() or said,
            status=one.get("status", ""),
            reason=reason,
            complaint=text(body, "complaintFeedbackType") or "abuse",
        )


def _bounce(type_: str, subtype: str) -> tuple[EventType, Reason]:
    reason = _BOUNCES.get((type_, subtype))
    if reason is None and type_ == "Permanent":
        reason = _BOUNCES["Permanent", ""]
    if reason is None:
        return EventType.AUTORESPONDED, Reason.VACATION
    return EventType.BOUNCED, reason


def _recipients(
    name: str, body: Mapping[str, object], mail: Mapping[str, object]
) -> Iterator[dict[str, str]]:
    named = body.get(_LISTS.get(name, "recipients")) or mail.get("destination")
    for one in named if isinstance(named, list) else []:
        if isinstance(one, str):
            yield {"emailAddress": one}
        elif isinstance(one, dict):
            yield {key: value for key, value in one.items() if isinstance(value, str)}


def _token_places(mail: Mapping[str, object]) -> Iterator[str]:
    """The tag ``digest``, the envelope sender, and the headers where SNS sends them along."""
    tags = mail.get("tags")
    tag = tags.get("digest") if isinstance(tags, dict) else None
    yield from (one for one in (tag if isinstance(tag, list) else []) if isinstance(one, str))
    yield text(mail, "source")
    headers = mail.get("headers")
    for one in headers if isinstance(headers, list) else []:
        if text(one, "name").lower() in ("message-id", "list-unsubscribe", "x-ses-message-tags"):
            yield text(one, "value")
