"""Header fields as bytes: folded, encoded and safe, by a serializer of our own.

Stands on RFC 5322 §2.1.1 (lines of 78, never more than 998), §2.2.3 (folding), §3.3 (dates), §3.4
(mailboxes); RFC 2047 (encoded-words of 75 characters, lines of 76); RFC 2369 and RFC 8058 (URIs of
list headers, which are never encoded and fold only between URIs); RFC 6532 (an address with a
non-ASCII local part stands as it is). ``email.message.EmailMessage`` is not used: it encodes a long
List-Unsubscribe, which breaks one-click, writes invalid addresses and lets NUL into a Subject.

Every function returns whole lines with their final CRLF, and raises ValueError for what must never
reach a header: control characters, line separators, surrogates and marks that reverse text. Text
from outside is cleaned where it comes in, by ``clean_line``.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime

LINE = 78  # RFC 5322 §2.1.1: should not exceed
LINE_MAX = 998  # RFC 5322 §2.1.1: must not exceed
_ENCODED_LINE = 76  # RFC 2047 §2: a line that holds an encoded-word
_ENCODED_WORD = 75

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_FORBIDDEN = "\\x00-\\x1f\\x7f-\\x9f\u2028\u2029\ud800-\udfff" + _BIDI
# Beyond these a cleaned line loses what nobody sees: soft hyphens, zero-width spaces, interlinear
# marks, tags, private characters. The joiners U+200C and U+200D stay: Persian and emoji need them.
_INVISIBLE = (
    "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
    "\ue000-\uf8ff\U000e0000-\U000e007f\U000f0000-\U0010ffff"
)
_REFUSE = re.compile(f"[{_FORBIDDEN}]")
_REMOVE = re.compile(f"[{_FORBIDDEN}{_INVISIBLE}]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?: [A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*")
_ENCODED_LOOKALIKE = "=?"
_Q_ESCAPE = re.compile(r"[^ A-Za-z0-9!*+/-]")  # RFC 2047 §5 (3): the rest may stand in a phrase
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-;=?-~]+")
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
_ID_RIGHT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clean_line(text: str) -> str:
    """``text`` as one line fit for a header: every kind of white space and line break becomes one
    blank, controls, invisible characters, marks that reverse text and private characters go.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    cleaned = _REMOVE.sub("", " ".join(text.split()))
    # What was removed may have stood between two blanks, or between a letter and its accent.
    return unicodedata.normalize("NFC", " ".join(cleaned.split()))


def refuse_controls(text: str) -> str:
    """``text`` itself; ValueError when it holds what must never reach a header."""
    found = _REFUSE.search(text)
    if found:
        raise ValueError(f"U+{ord(found[0]):04X} must not stand in a header")
    return text


def unstructured(name: str, text: str) -> bytes:
    """A field of free text (Subject): ASCII folded at blanks, anything else as encoded-words."""
    prefix = f"{_field_name(name)}: "
    refuse_controls(text)
    words = text.split(" ")
    plain = text.isascii() and _ENCODED_LOOKALIKE not in text and all(words)
    if plain and max(len(prefix) + len(words[0]), *map(len, words)) < LINE:
        return _fold(prefix, words)
    if not text:
        return f"{name}:\r\n".encode("ascii")
    return f"{prefix}{encoded_words(text, len(prefix))}\r\n".encode("ascii")


def structured(name: str, value: str) -> bytes:
    """A field machines read: ASCII as it is, folded at blanks; a long word stays whole."""
    prefix = f"{_field_name(name)}: "
    refuse_controls(value)
    if not value.isascii():
        raise ValueError(f"{name} holds a character that is not ASCII")
    line = _fold(prefix, value.split(" "))
    if max(map(len, line.split(b"\r\n"))) > LINE_MAX:
        raise ValueError(f"{name} has a line of more than {LINE_MAX} characters")
    return line


def mailbox(name: str, display: str, address: str) -> bytes:
    """A field with one mailbox (From, To, Reply-To) or a list's name and id (List-Id).

    ``address`` stands between the angle brackets as it is: the caller has parsed it.
    """
    prefix = f"{_field_name(name)}: "
    return (prefix + mailbox_value(phrase(display, len(prefix)), address, len(prefix))).encode()


def phrase(display: str, column: int) -> str:
    """A display name as RFC 5322 has it: atoms, a quoted string or encoded-words, perhaps folded.

    ``column`` is how many characters the first line has already.
    """
    refuse_controls(display)
    if not display:
        return ""
    if display.isascii() and _ENCODED_LOOKALIKE not in display:
        if _ATOMS.fullmatch(display):
            text = display
        else:
            text = '"' + display.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if column + len(text) <= LINE:
            return text
    return encoded_words(display, column)


def mailbox_value(shown: str, address: str, column: int) -> str:
    """``shown <address>`` with its CRLF, folded before the address where the line would be long."""
    if not shown:
        return f"<{address}>\r\n"
    _, folded, last = shown.rpartition("\r\n")
    limit = _ENCODED_LINE if last.endswith("?=") else LINE
    used = len(last) + (0 if folded else column)
    gap = " " if used + len(" <>") + len(address) <= limit else "\r\n "
    return f"{shown}{gap}<{address}>\r\n"


def uri_list(name: str, *uris: str) -> bytes:
    """``<uri>, <uri>`` folded only between URIs (RFC 2369 §2); an encoded-word can never arise.

    ValueError for what is no ASCII URI or would make a line of more than 998 characters.
    """
    prefix = f"{_field_name(name)}: "
    text = prefix + ",\r\n ".join(f"<{check_uri(uri)}>" for uri in uris) + "\r\n"
    if max(map(len, text.split("\r\n"))) > LINE_MAX:
        raise ValueError(f"{name} has a line of more than {LINE_MAX} characters")
    return text.encode("ascii")


def check_uri(uri: str) -> str:
    """``uri`` itself; ValueError unless it is ASCII without blanks, commas and angle brackets."""
    if not _URI.fullmatch(uri) or "," in uri:
        raise ValueError(
            f"{uri!r} cannot stand in a list header: write commas, blanks and such as %XX"
        )
    return uri


def check_id_domain(domain: str) -> str:
    """``domain`` itself; ValueError unless it can stand right of a Message-ID's @ or in List-Id."""
    if len(domain) > 255 or not _ID_RIGHT.fullmatch(domain) or ".." in domain:
        raise ValueError(f"{domain!r} cannot stand in a Message-ID or List-Id")
    return domain


def date_value(date: datetime) -> str:
    """An RFC 5322 §3.3 date in UTC: ``Mon, 23 Nov 2026 06:54:27 +0000``; ValueError when naive."""
    if date.tzinfo is None:
        raise ValueError("a Date header needs a time with its zone")
    utc = date.astimezone(UTC)
    day = f"{_DAYS[utc.weekday()]}, {utc.day:02d} {_MONTHS[utc.month - 1]} {utc.year:04d}"
    return f"{day} {utc.hour:02d}:{utc.minute:02d}:{utc.second:02d} +0000"


def encoded_words(text: str, column: int) -> str:
    """``text`` as RFC 2047 encoded-words of whole characters, one a line; B or Q, what is shorter.

    White space between two encoded-words is no part of the text, so the fold adds nothing.
    """
    use_q = len(_q(text)) <= len(_b(text))
    lead, encode = ("=?utf-8?q?", _q) if use_q else ("=?utf-8?b?", _b)
    room = _ENCODED_LINE - column - len(lead) - len("?=")
    words = []
    while text:
        # Every character takes one place at least, so only the first ``room`` of them can fit.
        cuts = range(1, min(len(text), room) + 1)
        cut = bisect_right(cuts, room, key=lambda end: len(encode(text[:end]))) or 1
        words.append(f"{lead}{encode(text[:cut])}?=")
        text, room = text[cut:], _ENCODED_WORD - len(lead) - len("?=")
    return "\r\n ".join(words)


def _q(text: str) -> str:
    return _Q_ESCAPE.sub(_q_escape, text).replace(" ", "_")


def _q_escape(found: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in found[0].encode())


def _b(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _fold(prefix: str, words: Sequence[str]) -> bytes:
    lines, line = [], prefix + words[0]
    for word in words[1:]:
        if word and len(line) + 1 + len(word) > LINE:
            lines.append(line)
            line = " " + word
        else:
            line += " " + word
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _field_name(name: str) -> str:
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header field")
    return name
