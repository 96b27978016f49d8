"""Plain makers of letterheads and readers, and a second reading of what goes over the wire."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from digest.mail.message import Letterhead, Recipient

DATE = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
LEAVE = "https://news.example.org/u/"
ONE_OF_EACH = (
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Id", "List-Unsubscribe",
    "List-Unsubscribe-Post", "List-Help", "Feedback-ID", "Content-Type",
)  # fmt: skip  # a list reads as a block
CONTROLS = ("\r\n", "\r", "\n", "\0", "\x0b", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u200f")

_NASTY = [
    "Anne", "Bart", "Cris", " ", "  ", "\r\n", "\nBcc: q@example.org", "\0", "\t", "\x85", "\u2028",
    "\u202e", "\u200f", "😀", "👩\u200d🚀", "שלום", "علي", "é", "e\u0301", ",", ";", ":", '"', "\\",
    "=?utf-8?q?x?=", "=?utf-8?b?eA==?=", "<q@example.org>", "@", "(c)", ".", "..", "{name}",
    "{{7*7}}", "\ue0000\ue001", "&amp;", "<b>", "'", "=", "=41", "From ", "F", "-" * 30, "x" * 80,
    "Ж" * 60,
]  # fmt: skip  # a list reads as a block
names = st.one_of(
    st.lists(st.sampled_from(_NASTY), max_size=8).map("".join),
    st.text(max_size=30),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=90),
)


def letterhead(**changed: Any) -> Letterhead:
    """The letterhead of a weekly, with some things changed."""
    usual: dict[str, Any] = {
        "from_name": "A Weekly",
        "from_address": "hello@news.example.org",
        "reply_to": None,
        "subject": "A Weekly, Issue #182",
        "list_id": "weekly.news.example.org",
        "list_name": "A Weekly",
        "message_id_domain": "news.example.org",
        "leave_url": LEAVE,
        "leave_mailto": "leave+{token}@bounces.news.example.org",
        "help_url": "https://news.example.org/help",
        "feedback_id": "182:weekly:issue:digest",
    }
    return Letterhead(**(usual | changed))


def reader(**changed: Any) -> Recipient:
    """Anne, with some things changed."""
    usual: dict[str, Any] = {
        "address": "anne@example.org",
        "name": "Anne Bell",
        "token": "d" * 40,
        "leave": "l" * 40,
        "preferences": "p" * 40,
        "date": DATE,
    }
    return Recipient(**(usual | changed))


def relaxed(body: bytes) -> bytes:
    """A body in DKIM's relaxed canonical form (RFC 6376 §3.4.4)."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def assert_fit_for_the_wire(data: bytes) -> None:
    """What every message has to be before it may follow DATA."""
    assert data.endswith(b"\r\n")
    assert b"\r\n." not in data
    assert not data.startswith(b".")
    assert not re.search(rb"[^\r]\n|\r[^\n]", data)
    assert not re.search(rb"[^\r\n -~]", data), "not 7-bit clean"
    head, _, body = data.partition(b"\r\n\r\n")
    assert relaxed(body) == body
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    for line in head.split(b"\r\n"):
        assert len(line) <= 998
        assert line.strip(), "a header line of blanks only"
        foldable = (
            b" " in line.partition(b": ")[2].strip() if line[:1] != b" " else b" " in line[1:]
        )
        assert len(line) <= 78 or not foldable, line


def assert_shows(display_name: str, name: str) -> None:
    """That a parser of the standard library read ``name``.

    It shows a blank between two encoded-words of a phrase, which RFC 2047 §6.2 says to ignore; its
    older parser does ignore it, and ``test_headers`` asks that one too.
    """
    assert display_name.replace(" ", "") == name.replace(" ", "")


def header_values(data: bytes, name: str) -> list[str]:
    """The values of a field, unfolded (RFC 5322 §2.2.3): a second reading, without any library."""
    head = data.partition(b"\r\n\r\n")[0].decode()
    fields = re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n")
    return [
        field.partition(": ")[2] for field in fields if field.lower().startswith(name.lower() + ":")
    ]


def parts(data: bytes) -> dict[str, str]:
    """The text of each part by its type: split, unfolded and decoded without any library."""
    boundary = re.search(r'boundary="([^"]+)"', header_values(data, "Content-Type")[0])
    assert boundary is not None
    body = b"\r\n" + data.partition(b"\r\n\r\n")[2]
    border = f"\r\n--{boundary[1]}".encode()
    preamble, *pieces, rest = body.split(border)
    assert (preamble, rest) == (b"", b"--\r\n")
    found = {}
    for piece in pieces:
        head, _, text = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        text = text.replace(b"=\r\n", b"")
        text = re.sub(rb"=([0-9A-F]{2})", lambda pair: bytes([int(pair[1], 16)]), text)
        assert b"charset=utf-8" in head
        assert b"Content-Transfer-Encoding: quoted-printable" in head
        kind = head.split(b";")[0].removeprefix(b"Content-Type: ").decode()
        found[kind] = text.decode().replace("\r\n", "\n")
    return found
