"""The headers of an issue: what they say, and how they are cut into pieces.

RFC 5322 §3.6 (From, To, Subject, Date, Message-ID), RFC 2045 (MIME-Version), RFC 2919 (List-Id),
RFC 2369 (List-Help, List-Unsubscribe, List-Archive, List-Owner), RFC 8058 §3.1
(List-Unsubscribe-Post: exactly one https URI, the mailto one after it), and Feedback-ID as Gmail's
feedback loop reads it. Exactly one of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from digest.mail import headers
from digest.mail.address import parse_address
from digest.mail.segments import DATE, FRAME, LEAVE, TO, TOKEN, Piece

TOKEN_MAX = 400  # characters; our own have 40
_OWN_FIELDS = (
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Id",
    "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "List-Archive", "List-Owner",
    "Feedback-ID", "Content-Type", "Content-Transfer-Encoding", "Sender", "Cc", "Bcc",
    "Return-Path", "Received", "DKIM-Signature",
)  # fmt: skip  # a list reads as a block


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What the headers of an issue say, the same for every reader.

    ``leave_url`` is the https address that a leave token is appended to (http on loopback);
    ``leave_mailto`` holds ``{token}``, and is None where no mail is received. A value of ``extra``
    may hold ``{token}`` too, which becomes the token of the delivery: for relays that keep neither
    Message-ID nor envelope sender. ``archive_url`` leads to earlier issues, ``owner`` is the
    address of whom to ask; without them their fields are left out.
    """

    from_name: str
    from_address: str
    reply_to: str | None
    subject: str
    list_id: str
    list_name: str
    message_id_domain: str
    leave_url: str
    leave_mailto: str | None
    help_url: str
    feedback_id: str
    extra: tuple[tuple[str, str], ...] = ()
    archive_url: str | None = None
    owner: str | None = None


def header_pieces(letterhead: Letterhead, boundary: str) -> Iterator[Piece]:
    """All header fields, up to the empty line that is not part of them.

    ValueError for a value that cannot stand in its field, AddressError for a From or Reply-To that
    is no address.
    """
    yield Piece(FRAME, _from_field(letterhead))
    yield Piece(FRAME, value=TO)
    if letterhead.reply_to is not None:
        address = str(parse_address(letterhead.reply_to))
        yield Piece(FRAME, headers.mailbox("Reply-To", "", address))
    yield Piece(FRAME, headers.unstructured("Subject", letterhead.subject) + b"Date: ")
    yield Piece(FRAME, value=DATE)
    yield Piece(FRAME, b"\r\nMessage-ID: <")
    yield Piece(FRAME, value=TOKEN)
    right = headers.check_id_domain(letterhead.message_id_domain)
    yield Piece(FRAME, f"@{right}>\r\nMIME-Version: 1.0\r\n".encode("ascii"))
    list_id = headers.check_id_domain(letterhead.list_id)
    yield Piece(FRAME, headers.mailbox("List-Id", letterhead.list_name, list_id))
    yield from _leave_pieces(letterhead)
    yield Piece(FRAME, headers.uri_list("List-Help", letterhead.help_url))
    if letterhead.archive_url is not None:
        yield Piece(FRAME, headers.uri_list("List-Archive", letterhead.archive_url))
    if letterhead.owner is not None:
        yield Piece(FRAME, headers.uri_list("List-Owner", _mailto(letterhead.owner)))
    yield Piece(FRAME, headers.structured("Feedback-ID", letterhead.feedback_id))
    yield from _extra_pieces(letterhead.extra)
    kind = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'
    yield Piece(FRAME, kind.encode("ascii"))


def _from_field(letterhead: Letterhead) -> bytes:
    address = parse_address(letterhead.from_address)
    if address.needs_smtputf8:
        # Every reader's relay would have to know SMTPUTF8, and few do.
        raise ValueError("the From address must be ASCII before its @-sign")
    return headers.mailbox("From", letterhead.from_name, str(address))


def _mailto(address: str) -> str:
    """RFC 6068 §2: what is beyond letters, digits and a few marks is percent-encoded."""
    return "mailto:" + quote(str(parse_address(address)), safe="@+-._~!$'*")


def _leave_pieces(letterhead: Letterhead) -> Iterator[Piece]:
    if not letterhead.leave_url.startswith(("https://", "http://")):
        raise ValueError("the address to leave at must be http or https")
    uris = [letterhead.leave_url + "{token}"]
    if letterhead.leave_mailto is not None:
        uris.append("mailto:" + letterhead.leave_mailto.removeprefix("mailto:"))
    if any(uri.count("{token}") != 1 for uri in uris):
        raise ValueError("an address to leave at holds {token} once, the one on the web at its end")
    # Tried with the longest token there can be, so that no reader's line is too long later.
    longest = "t" * TOKEN_MAX
    headers.uri_list("List-Unsubscribe", *(uri.replace("{token}", longest) for uri in uris))
    field = headers.uri_list("List-Unsubscribe", *uris)
    yield from _with_value(field.decode("ascii"), LEAVE)
    yield Piece(FRAME, b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")


def _extra_pieces(extra: Sequence[tuple[str, str]]) -> Iterator[Piece]:
    taken = {name.lower() for name in _OWN_FIELDS}
    for name, value in extra:
        if name.lower() in taken:
            raise ValueError(f"there is a field {name} already")
        taken.add(name.lower())
        yield from _with_value(headers.structured(name, value).decode("ascii"), TOKEN)


def _with_value(field: str, value: int) -> Iterator[Piece]:
    first, *rest = field.split("{token}")
    yield Piece(FRAME, first.encode("ascii"))
    for text in rest:
        yield Piece(FRAME, value=value)
        yield Piece(FRAME, text.encode("ascii"))
