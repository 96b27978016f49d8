"""Complaints: a reader has pressed "spam", or a provider reports abuse.

RFC 5965 (message/feedback-report), RFC 6591 (auth-failure reports), and the Junk Mail Reporting
Program of Microsoft, which sends no feedback report: a multipart/mixed with the message, in whose
headers ``X-HmXmrOriginalRecipient`` names the reader. Apple Mail asks to unsubscribe with a mail
marked ``X-Apple-Unsubscribe``; SpamCop writes to people. About one report in three names nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.mail.dsn import fields
from digest.mail.mime import Headers, Mail, Part
from digest.mail.scan import addresses, clean_address

RECIPIENTS_MAX = 100
_LOOK = 8 << 10  # bytes of a part in which a report would start
_REPORT = "message/feedback-report"
# Best first: the envelope's recipient, then what the message itself may tell.
_NAMED = ("original-rcpt-to", "removal-recipient", "original-recipient", "redacted-address")
_JMRP = ("x-hmxmroriginalrecipient", "x-ms-exchange-organization-original-recipient")
_ENVELOPE = ("x-original-to", "x-rcpt-to", "x-envelope-to", "delivered-to", "x-apparently-to")
# Kinds that say something of the message, not of a reader who does not want it.
NOT_OF_READERS = frozenset({"auth-failure", "dmarc", "dkim", "not-spam"})


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a report says: its kind ("abuse", "opt-out", …) and whom it names, perhaps nobody."""

    type: str
    recipients: tuple[str, ...]
    source: str


def read_complaint(mail: Mail, returned: Headers) -> Complaint | None:
    """The complaint ``mail`` is, or None where it is none."""
    for part in mail.parts:
        if part.type == _REPORT or (part.type.startswith("message/") and "feedback" in part.type):
            return _report(part, returned)
    if mail.headers.get("x-apple-unsubscribe").lower() == "true":
        return Complaint("opt-out", _only(clean_address(mail.headers.get("from"))), "apple")
    if mail.headers.get("from").lower().rstrip(">").endswith("@reports.spamcop.net"):
        return Complaint("abuse", _named_in(returned), "spamcop")
    if any(name in returned for name in _JMRP) and "message/delivery-status" not in mail.kinds:
        return Complaint("abuse", _named_in(returned), "jmrp")
    if _is_bare_report(mail):
        for part in mail.parts:
            if b"feedback-type:" in part.body[:_LOOK].lower():
                return _report(part, returned)
        return Complaint("abuse", _named_in(returned), "arf")
    return None


def _report(part: Part, returned: Headers) -> Complaint:
    kind = ""
    named: list[str] = []
    for field in fields(part.content().decode("utf-8", "replace").splitlines()):
        if field is None:
            continue
        name, value = field
        if name == "feedback-type" and not kind:
            kind = value.lower()
        elif name in _NAMED and len(named) < RECIPIENTS_MAX:
            address = clean_address(value)
            if address and address not in named:
                named.append(address)
    return Complaint(kind or "abuse", tuple(named) or _named_in(returned), "arf")


def _named_in(returned: Headers) -> tuple[str, ...]:
    """Whom the message was for: what the provider wrote into it, its To, its envelope."""
    for name in _JMRP:
        address = clean_address(returned.get(name))
        if address:
            return (address,)
    to = tuple(found for _, _, found in addresses(returned.get("to")))
    return to[:RECIPIENTS_MAX] or next(
        (_only(address) for name in _ENVELOPE if (address := clean_address(returned.get(name)))), ()
    )


def _only(address: str) -> tuple[str, ...]:
    return (address,) if address else ()


def _is_bare_report(mail: Mail) -> bool:
    """A report of type feedback-report whose machine-readable part was lost."""
    return "feedback-report" in mail.headers.get("content-type").lower()
