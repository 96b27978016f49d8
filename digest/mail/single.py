"""One message for one person: a notice. The same bytes as an issue's, without a list's headers.

``multipart/alternative``, text first (RFC 2046 §5.1.4), quoted-printable, marked as written by a
machine (RFC 3834 §5: Auto-Submitted), so that no autoresponder answers it. Nothing of it is
compiled beforehand: notices are few.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.mail import headers
from digest.mail.address import parse_address
from digest.mail.quoted_printable import encode_fragment


@dataclass(frozen=True, slots=True)
class SingleHead:
    """What the headers of a notice say. ``token`` is the left side of its Message-ID.

    A value of ``extra`` may hold ``{token}``.
    """

    from_name: str
    from_address: str
    to: str
    reply_to: str | None
    subject: str
    date: datetime
    token: str
    id_domain: str
    extra: Sequence[tuple[str, str]] = ()


def compose_single(head: SingleHead, *, plain: str, html: str) -> bytes:
    """The whole message up to its last CRLF, without the final dot of SMTP.

    ValueError for what cannot stand in a header (a line break, a control character), AddressError
    for an address that is none.
    """
    parts = [("plain", _whole_lines(plain)), ("html", _whole_lines(html))]
    # "=_" cannot arise in quoted-printable, so no part holds the boundary.
    boundary = "=_" + hashlib.sha256(b"".join(body for _, body in parts)).hexdigest()[:24]
    out = [_header_lines(head, boundary)]
    for kind, body in parts:
        part = (
            f"\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        )
        out += [part.encode("ascii"), body]
    out.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return b"".join(out)


def _whole_lines(text: str) -> bytes:
    return encode_fragment(text if text.endswith("\n") else text + "\n")


def _header_lines(head: SingleHead, boundary: str) -> bytes:
    lines = [
        headers.mailbox("From", head.from_name, str(parse_address(head.from_address))),
        headers.mailbox("To", "", str(parse_address(head.to))),
    ]
    if head.reply_to:
        lines.append(headers.mailbox("Reply-To", "", str(parse_address(head.reply_to))))
    message_id = f"{head.token}@{headers.check_id_domain(head.id_domain)}"
    lines += [
        headers.unstructured("Subject", head.subject),
        f"Date: {headers.date_value(head.date)}\r\n".encode("ascii"),
        f"Message-ID: <{message_id}>\r\nMIME-Version: 1.0\r\n".encode("ascii"),
        b"Auto-Submitted: auto-generated\r\n",
    ]
    lines += [
        headers.structured(name, value.replace("{token}", head.token)) for name, value in head.extra
    ]
    kind = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'
    return b"".join([*lines, kind.encode("ascii")])
