"""The one quoted-printable encoder, for static text and for values alike (RFC 2045 §6.7).

Text is encoded in *fragments*: a fragment starts at the beginning of a line and ends its last line,
with a hard CRLF where its text ended in a line break, with a soft break (``=`` CRLF) where not. So
fragments can be joined, left out and exchanged freely, and nothing beside them is encoded again.

Beyond the standard, for what happens to mail on its way:

- a line never starts with ``.`` (no dot-stuffing, RFC 5321 §4.5.2) nor with ``From `` (mbox);
- a blank is ``=20`` before a line end and before another blank, a tab always ``=09``, so that the
  body is its own canonical form in DKIM's relaxed and simple sense (RFC 6376 §3.4);
- soft breaks end in CRLF, which ``binascii.b2a_qp`` gets wrong.
"""

from __future__ import annotations

import re

LINE = 76  # RFC 2045 §6.7 (5), the soft break's "=" included
SOFT_BREAK = b"=\r\n"

# What most values are, tokens and names: nothing to encode, no blank at the end or beside another.
_PLAIN = re.compile(r"(?!From )[A-Za-z0-9_:/-]+(?: [A-Za-z0-9_:/-]+)*")
_ENCODE = re.compile(rb"[^ !-<>-~]| (?= |\Z)")
_BREAKS = re.compile(r"\r\n?")


def encode_fragment(text: str) -> bytes:
    """``text`` (line breaks in any form) as whole encoded lines, none where it is empty."""
    if len(text) < LINE and _PLAIN.fullmatch(text):
        return text.encode("ascii") + SOFT_BREAK
    *lines, last = _BREAKS.sub("\n", text).split("\n")
    encoded = [part for line in lines for part in _encode_line(line, b"\r\n")]
    if last:
        encoded += _encode_line(last, SOFT_BREAK)
    return b"".join(encoded)


def _encode_line(line: str, end: bytes) -> list[bytes]:
    """One line of text as encoded lines of at most 76 characters, the last of them with ``end``."""
    rest = _guard(_ENCODE.sub(_escape, line.encode("utf-8")))
    reserve = len(end) - 2  # a soft break's "=" is part of the line, a CRLF is not
    lines = []
    while len(rest) > LINE - reserve:
        cut = LINE - 1
        escape = rest.rfind(b"=", cut - 2, cut)  # never inside an "=XX"
        if escape >= 0:
            cut = escape
        lines.append(rest[:cut] + SOFT_BREAK)
        rest = _guard(rest[cut:])
    lines.append(rest + end)
    return lines


def _guard(line: bytes) -> bytes:
    if line.startswith(b"."):
        return b"=2E" + line[1:]
    if line.startswith(b"From "):
        return b"=46" + line[1:]
    return line


def _escape(found: re.Match[bytes]) -> bytes:
    return b"=%02X" % found[0][0]
