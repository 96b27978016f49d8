"""The last rungs of the ladder: reports written for people, by whatever program.

The recipients come from ``X-Failed-Recipients`` (Exim, Gmail), from the families of reports, from
the transcript of a session, and last from the only address a report, its subject or its returned
message names. Nothing of this is a standard.
"""

from __future__ import annotations

import re

from digest.mail.bounce import kinds
from digest.mail.bounce.classify import command_of
from digest.mail.bounce.layout import (
    CONTACTS,
    Named,
    named_recipients,
    said_of,
    transcript_recipients,
)
from digest.mail.bounce.reason import Reason
from digest.mail.bounce.report import (
    RECIPIENTS_MAX,
    Kind,
    Mailed,
    Recipient,
    Report,
    judged,
    shortened,
    status_in,
)
from digest.mail.mime import Headers
from digest.mail.scan import REPLY, addresses, clean_address, first_address

_REFUSAL = re.compile(r"(?<![\w.])5\d\d[ -]5\.\d{1,2}\.\d")  # no other number looks like it


def as_text(read: Mailed) -> Report | None:
    """The report for people that ``read`` is, or None where it is none."""
    if not _is_report(read):
        return None
    named = named_in(read)
    subject = read.headers.words("subject")
    delayed = kinds.is_delayed(read.lowered, subject.lower())
    if kinds.has_arrived(read.lowered, subject.lower()):
        return _arrived(named, read)
    command = command_of(read.lowered[:8_000])
    whole = f"{subject}\n{read.text}"
    recipients = tuple(
        judged(
            one.address,
            one.text,
            status=status_in(one.text) or ("" if len(named) > 1 else status_in(whole)),
            final=not delayed,
            command=command_of(one.text.lower()) or command,
            more=lambda: whole,
        )
        for one in named[:RECIPIENTS_MAX]
    )
    if not recipients and not kinds.has_failed_subject(read.headers):
        return None
    kind = Kind.DELAYED if delayed else Kind.BOUNCE
    return Report(kind, recipients, read.returned, named[0].family if named else "subject")


def _arrived(named: list[Named], read: Mailed) -> Report:
    recipients = tuple(
        Recipient(
            one.address,
            status_in(one.text),
            reason=Reason.DELIVERED,
            evidence=shortened(one.text),
        )
        for one in named[:RECIPIENTS_MAX]
    )
    return Report(Kind.SUCCESS, recipients, read.returned, "success")


def _is_report(read: Mailed) -> bool:
    """Whether a mail system wrote this about a mail of ours."""
    headers = read.headers
    if "x-failed-recipients" in headers or "delivery-status" in headers.get("content-type").lower():
        return True
    daemon, subject = kinds.from_daemon(headers), kinds.has_failed_subject(headers)
    null = headers.get("return-path") == "<>"
    if daemon and (subject or null or "mailer-daemon" in headers.get("from").lower()):
        return True
    if not (daemon or subject or null):
        return False
    if daemon and _REFUSAL.search(read.text):
        return True
    failed = kinds.tells_failure(read.lowered)
    refused = REPLY.search(read.text) is not None
    if read.returned and (subject or refused or failed):
        return True
    # A shop writes of parcels that could not be delivered, too, and a postmaster has questions.
    if not failed:
        return False
    return (subject and refused) or any(one.family not in _LOOSE for one in named_in(read))


def named_in(read: Mailed) -> list[Named]:
    """The recipients, by the first rung that names any."""
    failed = [
        address
        for value in read.headers.all("x-failed-recipients")
        for _, _, address in addresses(value)
    ]
    if failed:
        return [
            Named(address, said_of(read.text, address, failed), "x-failed-recipients")
            for address in dict.fromkeys(failed)
        ]
    own = _own(read.headers)
    sender = first_address(read.headers.get("from"))
    found = (
        named_recipients(read.text, own=own, domain=sender.partition("@")[2].lower())
        or transcript_recipients(read.text)
        or _loose(read, own)
    )
    if len(found) == 1 and found[0].family in _LOOSE:
        return [_as_returned(found[0], read)]
    return found


def _as_returned(found: Named, read: Mailed) -> Named:
    """Loosely found, unless the report also names somebody the returned message was for."""
    for name in ("to", "cc"):
        for _, _, address in addresses(read.returned.get(name)):
            if address.lower() in read.lowered:
                return Named(address, found.text, found.family)
    return found


def _own(headers: Headers) -> list[str]:
    """Addresses that take part in sending the report, not in what it tells."""
    values = (
        headers.get(name) for name in ("to", "from", "return-path", "reply-to", "delivered-to")
    )
    return [address.lower() for value in values for _, _, address in addresses(value)]


def _loose(read: Mailed, own: list[str]) -> list[Named]:
    """The first of few addresses of the report or its subject, the one of the returned message."""
    for text in (read.headers.words("subject"), read.text):
        found = dict.fromkeys(
            address
            for start, _, address in addresses(text)
            if address not in own
            and not address.startswith(CONTACTS)
            and not _sends(text[max(0, start - 40) : start])
        )
        if 0 < len(found) <= _FEW:
            return [Named(next(iter(found)), read.text, "first-address")]
    address = returned_to(read.returned)
    return [Named(address, read.text, "returned-to")] if address else []


def _sends(before: str) -> bool:
    """Whether what stands before an address calls it a sender's."""
    return before.lower().rstrip(" \t:=<([\"'").endswith(_SENDERS)


_LOOSE = frozenset({"sentence", "before", "first-address", "returned-to"})
_OF_LISTS = ("list-post", "x-beenthere", "mailing-list", "x-mailing-list", "list-archive")
_FEW = 3  # of so many addresses, the first is the recipient; a text with more explains something
_SENDERS = (
    *("from", "sender", "return-path", "return path", "reply-to", "contact", "absender"),
    *("expéditeur", "remitente", "mittente", "remetente", "afzender", "nadawca", "отправитель"),
    *("发件人", "差出人", "送信者"),
)


def returned_to(returned: Headers) -> str:
    """Whom the returned message was for, when its headers name exactly one.

    The To of a list's mail names the list.
    """
    if any(name in returned for name in _OF_LISTS):
        return ""
    for name in ("x-envelope-to", "x-original-to", "x-rcpt-to", "delivered-to"):
        address = clean_address(returned.get(name))
        if address:
            return address
    values = (value for name in ("to", "cc") for value in returned.all(name))
    found = list(dict.fromkeys(a for value in values for _, _, a in addresses(value)))
    return found[0] if len(found) == 1 else ""
