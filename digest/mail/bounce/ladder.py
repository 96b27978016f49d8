"""What came back: a bounce, a delay notice, a complaint, an answer of a person or of a machine.

The ladder: RFC 3464 in the outer report, never inside the returned message; RFC 5965 and the JMRP;
notifications of Amazon SES; the families of reports for people beside this module; the transcript
of a session; loose words. Disposition notifications (RFC 8098) and automatic answers (RFC 3834) are
told apart. Nothing here raises, and no input costs more than its bounded length.
"""

from __future__ import annotations

import re
from dataclasses import replace

from digest.mail.arf import Complaint, read_complaint
from digest.mail.bounce import kinds
from digest.mail.bounce.classify import Command
from digest.mail.bounce.layout import forwarded_statuses, split_returned
from digest.mail.bounce.people import as_text, named_in
from digest.mail.bounce.reason import Reason
from digest.mail.bounce.report import (
    RECIPIENTS_MAX,
    Kind,
    Mailed,
    Recipient,
    Report,
    judged,
    reply_in,
    shortened,
    status_in,
)
from digest.mail.bounce.sns import Notice, read_notice
from digest.mail.bounce.statuses import as_statuses
from digest.mail.mime import Headers, Mail, Part, read_headers, read_mail, split_mbox

_RETURNED_PARTS = frozenset(
    """message/rfc822 message/global message/rfc822-headers text/rfc822-headers text/rfc822-header
    message/global-headers text/rfc822 message/partial""".split()
)
_SES = re.compile(r"\"(?:notificationType|eventType)|notificationType")
_MDN_PARTS = frozenset(
    {"message/disposition-notification", "message/global-disposition-notification"}
)


def read_report(data: bytes) -> Report:
    """What the mail in ``data`` is and what it says. Any bytes will do."""
    reports = [_read_one(read_mail(one)) for one in split_mbox(data)]
    first = reports[0]
    # Several mails in one file: those that say the same kind of thing are one report.
    named = {
        r.address.lower(): r
        for one in reports[::-1]
        if one.kind is first.kind
        for r in one.recipients[::-1]
    }
    if len(reports) == 1:
        return first
    return replace(first, recipients=tuple(named.values())[::-1][:RECIPIENTS_MAX])


def _read_one(mail: Mail) -> Report:
    mail = _unwrapped(mail)
    text, returned = _texts(mail)
    read = Mailed(mail, text, text.lower(), returned)
    rungs = (_as_complaint, as_statuses, _as_disposition, _as_notice, _as_answer, as_text)
    for rung in rungs:
        report = rung(read)
        if report is not None:
            return report
    return Report(Kind.NOT_BOUNCE, (), returned)


def _unwrapped(mail: Mail) -> Mail:
    """The report itself, where a gateway put it into a mail of its own that still calls itself one.

    What comes behind it is the gateway's disclaimer. A report with a returned message starts with
    something else.
    """
    full = [part for part in mail.parts if part.body.strip()]
    if full and full[0].type == "message/rfc822" and "delivery-status" in _type(mail.headers):
        return read_mail(full[0].content())
    return mail


def _type(headers: Headers) -> str:
    return headers.get("content-type").lower()


def _texts(mail: Mail) -> tuple[str, Headers]:
    """The report for people, and the headers of the returned mail."""
    plain: list[Part] = []
    styled: list[Part] = []
    inside: Headers | None = None
    for part in mail.parts:
        if part.type in _RETURNED_PARTS:
            inside = inside or read_headers(part.content()[: 64 << 10])
        elif part.type == "text/plain" or "/" not in part.type:
            plain.append(part)
        elif part.type == "text/html":
            styled.append(part)
    text = "\n\n".join(part.text() for part in plain[:10])
    if not text.strip():
        text = "\n\n".join(part.text() for part in styled[:3])
    forwarded = forwarded_statuses(text)
    text, behind = split_returned(text)
    if forwarded:
        text = f"{text}\n{forwarded}"
    if inside is None or not inside:
        inside = read_headers(behind)
    return text, inside


def _as_complaint(read: Mailed) -> Report | None:
    found = read_complaint(read.mail, read.returned)
    return None if found is None else _complaint(found, read.returned)


def _complaint(found: Complaint, returned: Headers) -> Report:
    recipients = tuple(Recipient(a, reason=Reason.FEEDBACK) for a in found.recipients)
    return Report(Kind.COMPLAINT, recipients, returned, found.source, found.type)


def _as_disposition(read: Mailed) -> Report | None:
    if read.mail.kinds & _MDN_PARTS or "=disposition-notification" in _type(read.headers):
        report = _refused_by_reader(read)
        return report or Report(Kind.MDN, (), read.returned, "mdn")
    return None


def _refused_by_reader(read: Mailed) -> Report | None:
    """A full mailbox that a delivery agent (Dovecot's) tells with a disposition notification."""
    if "automatically rejected" not in read.lowered:
        return None
    recipients = tuple(
        judged(one.address, read.text, status="", final=True, command=Command.UNKNOWN)
        for one in named_in(read)[:1]
    )
    if any(one.reason is not Reason.MAILBOX_FULL for one in recipients):
        return None
    return Report(Kind.BOUNCE, recipients, read.returned, "mdn")


def _as_notice(read: Mailed) -> Report | None:
    notice = read_notice(read.text) if _SES.search(read.text[:4_000]) else None
    if notice is None:
        return None
    returned = Headers(notice.headers) if notice.headers else read.returned
    if notice.kind == "complaint":
        complaint = Complaint(
            notice.type or "abuse", tuple(a for a, _, _ in notice.recipients), "ses"
        )
        return _complaint(complaint, returned)
    return _notice(notice, returned)


def _notice(notice: Notice, returned: Headers) -> Report | None:
    if notice.kind == "delivery":
        found = tuple(
            Recipient(
                a, status_in(said), reply_in(said), Reason.DELIVERED, evidence=shortened(said)
            )
            for a, _, said in notice.recipients
        )
        return Report(Kind.SUCCESS, found, returned, "ses")
    if notice.kind != "bounce":
        return None
    recipients = tuple(
        judged(a, f"{said} {notice.type}", status=status, final=True, command=Command.UNKNOWN)
        for a, status, said in notice.recipients
    )
    return Report(Kind.BOUNCE, recipients, returned, "ses")


def _as_answer(read: Mailed) -> Report | None:
    head = read.lowered[:4_000]
    if "x-failed-recipients" in read.headers:
        return None
    if kinds.is_challenge(read.mail, head):
        return Report(Kind.CHALLENGE, (), read.returned, "challenge")
    if kinds.is_automatic(read.headers, head):
        return Report(Kind.AUTOREPLY, (), read.returned, "autoreply")
    return None
