"""Mails that come back, made for a delivery: reports of servers, complaints, answers."""

from __future__ import annotations


def dsn(
    *,
    to: str,
    address: str = "anne@example.org",
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "550 5.1.1 User unknown",
    returned: str = "",
) -> bytes:
    """A report of RFC 3464, as Postfix writes it."""
    return f"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

<{address}>: host mx.example.org said: {said}

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; {address}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--b
Content-Type: text/rfc822-headers

{returned or "Subject: A Weekly"}

--b--
""".replace("\n", "\r\n").encode()


def complaint(*, to: str, returned: str, kind: str = "abuse") -> bytes:
    """A report of RFC 5965 that names nobody."""
    return f"""\
Return-Path: <fbl@provider.example>
From: fbl@provider.example
To: {to}
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an email abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Loop/1.0
Version: 1

--b
Content-Type: message/rfc822

{returned}

text
--b--
""".replace("\n", "\r\n").encode()


def answer(*, to: str, text: str = "Thank you for the issue!", **headers: str) -> bytes:
    """What a person writes back."""
    given = {
        "Return-Path": "<anne@example.org>",
        "From": "Anne <anne@example.org>",
        "To": to,
        "Subject": "Re: A Weekly, Issue #182",
        "Message-ID": "<1@example.org>",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{head}\r\n{text}\r\n".encode()
