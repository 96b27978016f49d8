"""A message compiled once per version and composed once per reader.

``multipart/alternative``, text first (RFC 2046 §5.1.4), under the headers of ``letterhead``.
Compiling folds, encodes and cuts everything that is the same for all; composing fills in the
values, leaves out the sections a reader muted, and joins once. For 64 KB that takes microseconds,
where ``EmailMessage`` takes 3.3 ms.

Rendered HTML and text carry marks made of the private characters U+E000 to U+E003: ``slot_mark(i)``
where value number ``i`` stands, ``section_mark(n)`` where section ``n`` begins (0 is the frame,
which is never left out). What authors write passes ``without_marks``, so that nobody can forge one.

The composed bytes end every line in CRLF, start none with a dot, and their body is its own
canonical form in the sense of DKIM (RFC 6376 §3.4): they go to the relay as they are.
"""

from __future__ import annotations

import hashlib
import html as markup
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from digest.mail import headers
from digest.mail.address import clean_name, parse_address
from digest.mail.letterhead import TOKEN_MAX, Letterhead, header_pieces
from digest.mail.quoted_printable import LINE, SOFT_BREAK, encode_fragment
from digest.mail.segments import (
    FIRST_NAME,
    FRAME,
    LEAVE_LINE,
    PREFERENCES_LINE,
    Layout,
    Piece,
)

__all__ = [
    "CompiledMessage",
    "Letterhead",
    "Recipient",
    "Slot",
    "compile_message",
    "fill_marks",
    "section_mark",
    "slot_mark",
    "without_marks",
]

_MARK = re.compile("\ue000([0-9]{1,6})\ue001|\ue002([0-9]{1,6})\ue003")
_MARK_CHARACTERS = re.compile("[\ue000-\ue003]")
_TOKEN = rf"[A-Za-z0-9_-]{{1,{TOKEN_MAX}}}"
_TOKENS = re.compile(" ".join([_TOKEN] * 3))
# No syntax check (the address was parsed when it came in), only a look that it cannot leave its
# brackets; anything unusual is parsed again.
_HARMLESS_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
# A name that is atoms in a header, itself in quoted-printable and HTML, and clean: as most are.
_SIMPLE_NAME = re.compile(r"(?!From )[A-Za-z0-9-]+(?: [A-Za-z0-9-]+)*")
_SIMPLE_MAX = 72  # with "To: " it fits a line
_TO = "To: "
_LAYOUTS_KEPT = 64  # per message; a layout is a copy of the message


@dataclass(frozen=True, slots=True)
class Slot:
    """A value that differs from reader to reader.

    ``name`` is ``name`` (the reader's, else ``fallback``), ``leave`` or ``preferences`` (the bare
    token that ends a URL).
    """

    name: str
    fallback: str = ""


class Recipient(NamedTuple):
    """Who one message is for; a tuple, since making a frozen dataclass costs three times as much.

    ``address`` is ``str()`` of a parsed address. ``token`` (of the delivery or notice) becomes the
    left side of the Message-ID. ``date`` has a zone and is the same on every retry.
    """

    address: str
    name: str
    token: str
    leave: str
    preferences: str
    date: datetime


class CompiledMessage:
    """The messages of all readers of one version; ``compile_message`` makes it.

    ``content`` is what the version hash is taken of: every segment and slot of the body, in order,
    the same for the same input; the headers (identity, subject, ids) are not in it. ``sections``
    are the numbers that can be muted.
    """

    __slots__ = ("_layouts", "_pieces", "_unnamed", "_whole", "content", "sections")

    def __init__(
        self, pieces: Sequence[Piece], fallbacks: Sequence[str], content: tuple[bytes, ...]
    ) -> None:
        self._pieces = tuple(pieces)
        self._unnamed = tuple(line for text in fallbacks for line in _spoken(text)[1])
        self._whole = Layout(self._pieces)
        self._layouts: dict[frozenset[int], Layout] = {}
        self.content = content
        self.sections = frozenset(piece.section for piece in self._pieces) - {FRAME}

    def compose(self, recipient: Recipient, *, muted: frozenset[int] = frozenset()) -> bytes:
        """The whole message for one reader, up to its last CRLF, without the final dot of SMTP.

        The reader's name is cleaned, never refused. ValueError for a token that is none or a date
        without zone, AddressError for an address that is none.
        """
        values = _values(recipient, self._unnamed)
        return (self._without(muted & self.sections) if muted else self._whole).fill(values)

    def _without(self, muted: frozenset[int]) -> Layout:
        if not muted:
            return self._whole
        layout = self._layouts.get(muted)
        if layout is None:
            layout = Layout(piece for piece in self._pieces if piece.section not in muted)
            if len(self._layouts) < _LAYOUTS_KEPT:
                self._layouts[muted] = layout
        return layout


def slot_mark(i: int) -> str:
    """The mark of slot number ``i`` inside rendered HTML or text."""
    return f"\ue000{i}\ue001"


def section_mark(n: int) -> str:
    """The border after which everything belongs to section ``n``; 0 leads back to the frame."""
    return f"\ue002{n}\ue003"


def without_marks(text: str) -> str:
    """``text`` without the characters that marks are made of."""
    return _MARK_CHARACTERS.sub("", text)


def fill_marks(text: str, values: Sequence[str]) -> str:
    """``text`` with the value of each slot in its place, by number, and without section marks."""
    return _MARK.sub(lambda mark: "" if mark[1] is None else values[int(mark[1])], text)


def compile_message(
    letterhead: Letterhead, *, html: str, plain: str, slots: Sequence[Slot]
) -> CompiledMessage:
    """Everything that is the same for all readers, folded, encoded, and cut at slots and sections.

    A part that does not end in a line break gets one. ValueError for a header value that cannot
    stand in its field, and for a mark that is broken or has no slot.
    """
    fallbacks = list(dict.fromkeys(slot.fallback for slot in slots if slot.name == "name"))
    parts = [("plain", plain, 0), ("html", html, 1)]
    bodies = {
        kind: list(_body_pieces(text, [_value(slot, fallbacks, side) for slot in slots]))
        for kind, text, side in parts
    }
    content = tuple(line for kind, pieces in bodies.items() for line in _content(kind, pieces))
    # "=_" cannot arise in quoted-printable, so no value of any reader holds the boundary.
    boundary = "=_" + hashlib.sha256(b"".join(content)).hexdigest()[:24]
    pieces = list(header_pieces(letterhead, boundary))
    for kind, body in bodies.items():
        pieces += [Piece(FRAME, _part_head(kind, boundary)), *body]
    pieces.append(Piece(FRAME, f"\r\n--{boundary}--\r\n".encode("ascii")))
    return CompiledMessage(pieces, fallbacks, content)


def _value(slot: Slot, fallbacks: Sequence[str], side: int) -> tuple[int, str]:
    """Where the slot's value stands among a reader's values, and its label."""
    match slot.name:
        case "leave":
            return LEAVE_LINE, "leave"
        case "preferences":
            return PREFERENCES_LINE, "preferences"
        case "name":
            at = FIRST_NAME + 2 * fallbacks.index(slot.fallback) + side
            return at, f"name|{slot.fallback}"
        case _:
            raise ValueError(f"there is no slot {slot.name!r}")


def _body_pieces(text: str, values: Sequence[tuple[int, str]]) -> Iterator[Piece]:
    section, at = FRAME, 0
    text = text if text.endswith("\n") else text + "\n"
    for mark in _MARK.finditer(text):
        yield Piece(section, _static(text[at : mark.start()]))
        at = mark.end()
        if mark[2] is not None:
            section = int(mark[2])
        elif int(mark[1]) < len(values):
            value, label = values[int(mark[1])]
            yield Piece(section, value=value, label=label)
        else:
            raise ValueError(f"slot {mark[1]} is marked, but there are only {len(values)}")
    yield Piece(section, _static(text[at:]))


def _static(text: str) -> bytes:
    if _MARK_CHARACTERS.search(text):
        raise ValueError("a mark is broken, or its characters stand in the text")
    return encode_fragment(text)


def _content(kind: str, pieces: Sequence[Piece]) -> Iterator[bytes]:
    """Each piece with its part, section and length before it: different bodies never look alike."""
    for piece in pieces:
        what, data = ("text", piece.data) if piece.value is None else ("slot", piece.label.encode())
        yield f"{kind} {what} {piece.section} {len(data)}\n".encode("ascii")
        yield data


def _part_head(kind: str, boundary: str) -> bytes:
    # The CRLF before a boundary belongs to the boundary (RFC 2046 §5.1.1).
    return (
        f"\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode("ascii")


def _spoken(name: str) -> tuple[str, tuple[bytes, bytes]]:
    """A name as the To field has it, and as the lines of text and HTML have it."""
    if len(name) <= _SIMPLE_MAX and _SIMPLE_NAME.fullmatch(name):
        line = name.encode("ascii") + SOFT_BREAK
        return name, (line, line)
    return _spoken_with_care(name)


@lru_cache(maxsize=4096)  # a simple name costs less than a memo that misses, others five times that
def _spoken_with_care(name: str) -> tuple[str, tuple[bytes, bytes]]:
    name = clean_name(name)
    phrase = headers.phrase(name, len(_TO))
    return phrase, (encode_fragment(name), encode_fragment(markup.escape(name)))


@lru_cache(maxsize=1024)  # the readers of one claim share their date
def _date(date: datetime) -> bytes:
    return headers.date_value(date).encode("ascii")


def _values(recipient: Recipient, unnamed: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """One reader's values, each where ``segments`` says."""
    address, name, token, leave, preferences, date = recipient
    if not _TOKENS.fullmatch(f"{token} {leave} {preferences}"):
        raise ValueError(f"a token is 1 to {TOKEN_MAX} letters, digits, hyphens and underscores")
    phrase, lines = _spoken(name)
    return (
        _to(phrase, address),
        _date(date),
        token.encode("ascii"),
        leave.encode("ascii"),
        _token_line(leave),
        _token_line(preferences),
        *(lines * (len(unnamed) // 2) if phrase else unnamed),
    )


def _token_line(token: str) -> bytes:
    """As ``encode_fragment`` has it, sooner: the letters of a token stand for themselves."""
    return token.encode("ascii") + SOFT_BREAK if len(token) < LINE else encode_fragment(token)


def _to(phrase: str, address: str) -> bytes:
    if not _HARMLESS_ADDRESS.fullmatch(address) and str(parse_address(address)) != address:
        raise ValueError("the reader's address is not in its normal form")
    return (_TO + headers.mailbox_value(phrase, address, len(_TO))).encode("utf-8")
