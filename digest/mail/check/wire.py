"""Bytes and lines: RFC 5321 §2.3.8 and §4.5.3.1.6, RFC 5322 §2.1.1, RFC 6152, RFC 6532."""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.mail.check.rules import Finding
from digest.mail.check.source import Part, Source

LINE_MAX = 998
HEADER_LINE = 78

_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_HIGH = re.compile(rb"[\x80-\xff]")
_ADDRESS_FIELDS = frozenset({"from", "to", "cc", "reply-to", "sender"})
_FOLDABLE = re.compile(rb"(?<=[^ \t])[ \t]+(?=[^ \t])")


def _line_ends(source: Source) -> Iterator[Finding]:
    if source.lf_only:
        yield Finding(1, "lf-only", "Every line ends in LF; the checks take them for CRLF.")
    else:
        for line in _lines_of(_BARE_LF, source.data):
            yield Finding(line, "bare-lf", "The line ends in LF without CR.")
    for line in _lines_of(_BARE_CR, source.data):
        yield Finding(line, "bare-cr", "A CR stands here without LF.")
    if not source.data.endswith(b"\n"):
        line = source.data.count(b"\n") + 1
        yield Finding(line, "final-line-end", "The last line has no end.")


def _nul_bytes(source: Source) -> Iterator[Finding]:
    for line in _lines_of(re.compile(rb"\0"), source.data):
        yield Finding(line, "nul", "A NUL byte stands here.")


def _long_lines(source: Source) -> Iterator[Finding]:
    for number, text in enumerate(source.data.split(b"\n"), 1):
        length = len(text.removesuffix(b"\r"))
        if length > LINE_MAX:
            yield Finding(number, "line-length", f"The line has {length:,} octets.")
    for one in source.root.fields:
        for number, text in enumerate(one.lines, one.line):
            # The first word of a field cannot go to a line of its own.
            words = text.partition(b":")[2].strip() if number == one.line else text.strip()
            if HEADER_LINE < len(text) <= LINE_MAX and _FOLDABLE.search(words):
                message = f"A line of {one.name} has {len(text)} characters."
                yield Finding(number, "header-line-length", message)


def _eight_bit_headers(source: Source) -> Iterator[Finding]:
    for part in source.root.walk():
        for one in part.fields:
            if not _HIGH.search(b"".join(one.lines)):
                continue
            if one.key in _ADDRESS_FIELDS and _is_utf8(b"".join(one.lines)):
                message = f"{one.name} holds an address or a name in raw UTF-8."
                yield Finding(one.line, "smtputf8", message)
            else:
                yield Finding(one.line, "eight-bit-header", f"{one.name} holds bytes over 127.")


def _eight_bit_bodies(source: Source) -> Iterator[Finding]:
    for part in source.root.leaves():
        at = next((n for n, text in enumerate(part.body) if _HIGH.search(text)), None)
        if at is None:
            continue
        line = part.body_line + at
        if part.encoding == "8bit":
            yield Finding(line, "eight-bit-mime", "The part is sent as 8bit.")
        elif not _nested(part):
            message = f"The part says {part.encoding[:30]} and holds bytes over 127."
            yield Finding(line, "eight-bit-body", message)


def _nested(part: Part) -> bool:
    return part.encoding == "binary" or part.kind.startswith("message/")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _lines_of(pattern: re.Pattern[bytes], data: bytes) -> Iterator[int]:
    """The lines with a match; counted on from the last one, so that many cost no more than few."""
    line, at, told = 1, 0, 0
    for found in pattern.finditer(data):
        line += data.count(b"\n", at, found.start())
        at = found.start()
        if line != told:
            told = line
            yield line


CHECKS = (_line_ends, _nul_bytes, _long_lines, _eight_bit_headers, _eight_bit_bodies)
