"""The messages a sink has kept, read for showing: an index of its ledger, messages on demand.

The ledger says where in the file of messages each one lies, so a list of a thousand reads the
twenty-five that are on its page. Messages come from ourselves, but nothing here relies on that.
RFC 5322 §2 (header and body), RFC 2046 §5.1.4 (alternative).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from digest.delivery.ledger import LEDGER, MESSAGES, SinkVerdict

PREVIEW_LENGTH = 160  # characters an inbox shows at most
_DECLUTTER = 40_000  # characters of the HTML that can hold the preview line
_NOT_SHOWN = re.compile(
    r"<!--.*?-->|<(head|style|script|title)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE
)
# Invisible characters that keep the body's text out of an inbox's preview.
_FILLER = re.compile("[\u00a0\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2060\u2007\ufeff]+")


@dataclass(frozen=True, slots=True)
class Captured:
    """A line of the ledger: one recipient and what it was answered."""

    number: int
    recipient: str
    sender: str
    verdict: str
    code: int
    reply: str
    message_id: str
    offset: int | None
    size: int


@dataclass(frozen=True, slots=True)
class InboxRow:
    """What an inbox shows of a message."""

    sender: str
    subject: str
    preview: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A message taken apart."""

    row: InboxRow
    to: str
    date: str
    html: str
    plain: str
    source: str


class Capture:
    """The folder of a sink, read as it grows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_up_to = 0
        self._lines: list[Captured] = []
        self._by_verdict: dict[str, list[Captured]] = {one.value: [] for one in SinkVerdict}

    def refresh(self) -> None:
        """Take in the lines written since the last time; an unfinished one waits for the next."""
        try:
            with (self._folder / LEDGER).open("rb") as ledger:
                ledger.seek(self._read_up_to)
                data = ledger.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._read_up_to += len(whole)
        for line in whole.splitlines():
            self._add(json.loads(line))

    def _add(self, line: dict[str, Any]) -> None:
        captured = Captured(
            number=len(self._lines) + 1,
            recipient=line["rcpt"],
            sender=line["sender"],
            verdict=line["verdict"],
            code=line["code"],
            reply=line["reply"],
            message_id=line["message_id"] or "",
            offset=line["offset"],
            size=line["size"] or 0,
        )
        self._lines.append(captured)
        self._by_verdict.setdefault(captured.verdict, []).append(captured)

    def lines(self, verdict: str) -> Sequence[Captured]:
        """The recipients answered with ``verdict``, in the order they came."""
        return self._by_verdict.get(verdict, [])

    def line(self, number: int) -> Captured | None:
        """The line ``number``, from 1."""
        return self._lines[number - 1] if 1 <= number <= len(self._lines) else None

    def source(self, captured: Captured) -> bytes:
        """The bytes of a message; empty when they were not kept."""
        if captured.offset is None:
            return b""
        with (self._folder / MESSAGES).open("rb") as messages:
            messages.seek(captured.offset)
            return messages.read(captured.size)


def read_letter(source: bytes) -> Letter:
    """Take ``source`` apart; what cannot be read is empty."""
    message = message_from_bytes(source, EmailMessage, policy=policy.default)
    html_text, plain = _part(message, "html"), _part(message, "plain")
    sender = _header(message, "From")
    row = InboxRow(
        sender=parseaddr(sender)[0] or sender,
        subject=_header(message, "Subject"),
        preview=preview_line(html_text) or " ".join(plain.split())[:PREVIEW_LENGTH],
    )
    return Letter(
        row=row,
        to=_header(message, "To"),
        date=_header(message, "Date"),
        html=html_text,
        plain=plain,
        source=source.decode("ascii", "backslashreplace"),
    )


def preview_line(html_text: str) -> str:
    """The first words of a letter, as inboxes show them behind the subject."""
    text = html.unescape(_NOT_SHOWN.sub(" ", html_text[:_DECLUTTER]))
    return " ".join(_FILLER.sub(" ", text).split())[:PREVIEW_LENGTH]


def _part(message: EmailMessage, subtype: str) -> str:
    try:
        part = message.get_body(preferencelist=(subtype,))
        content = part.get_content() if part is not None else ""
    except (MessageError, LookupError, ValueError, AttributeError):
        return ""
    return content if isinstance(content, str) else ""


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, ""))
    except (MessageError, ValueError, IndexError, AttributeError):  # the parser's own, on odd input
        return ""
