"""Makers of mails that come back: reports in the formats of many programs, in words of our own."""

from __future__ import annotations

RETURNED = """\
Return-Path: <b-token@bounces.example.net>
Received: from out.example.net (out.example.net [192.0.2.1]) by mx.example.org
Message-ID: <token@news.example.net>
List-Unsubscribe: <https://news.example.net/u/leave>
From: A Weekly <hello@news.example.net>
To: Anne <anne@example.org>
Subject: A Weekly, Issue #182

Hello.
"""


def mail(
    text: str,
    *,
    sender: str = "Mail Delivery System <MAILER-DAEMON@mx.example.org>",
    subject: str = "Undelivered Mail Returned to Sender",
    headers: str = "",
) -> bytes:
    """A mail of plain text to the envelope sender."""
    head = f"From: {sender}\nTo: b-token@bounces.example.net\nSubject: {subject}\n{headers}\n"
    return (head + text).encode()


def letter(text: str, *, subject: str, headers: str = "") -> bytes:
    """A mail that Bart wrote."""
    return mail(text, sender="Bart <bart@example.com>", subject=subject, headers=headers)


def multipart(*parts: tuple[str, str], kind: str = "mixed", headers: str = "") -> bytes:
    """A multipart mail of (content type, body)."""
    edge = f"edge-{len(''.join(body for _, body in parts))}"  # another one inside than outside
    body = "".join(f"--{edge}\nContent-Type: {type_}\n\n{text}\n" for type_, text in parts)
    content = f'Content-Type: multipart/{kind}; boundary="{edge}"\n'
    return mail(f"{body}--{edge}--\n", headers=headers + content)


def report(status: str, *, text: str = "Sorry.", returned: str = RETURNED) -> bytes:
    """A delivery status notification (RFC 3464) with these recipient fields."""
    return multipart(
        ("text/plain", text),
        ("message/delivery-status", f"Reporting-MTA: dns; mx.example.org\n\n{status}"),
        ("message/rfc822", returned),
        kind="report; report-type=delivery-status",
    )


def complaint(fields: str, *, returned: str = RETURNED) -> bytes:
    """A feedback report (RFC 5965) with these fields."""
    return multipart(
        ("text/plain", "This is a report of abuse."),
        ("message/feedback-report", f"User-Agent: Loop/1\nVersion: 1\n{fields}"),
        ("message/rfc822", returned),
        kind="report; report-type=feedback-report",
    )
