"""A message as lines, fields and parts, each with the number of its line.

Reads anything: what is broken is kept as it stands, for the checks to tell. Bounded like
``mail.mime``: 20 levels, 200 parts, so that no input takes long. A file whose lines all end in LF
(most systems save so) is read as if they ended in CRLF.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DEPTH_MAX = 20
PARTS_MAX = 200
FIELDS_MAX = 2_000

_FIELD = re.compile(rb"([!-9;-~]{1,998})([ \t]*):(.*)", re.DOTALL)
_PARAMETER = re.compile(
    r";\s{0,80}([A-Za-z0-9*_-]{1,40})\s{0,8}=\s{0,8}(?:\"([^\"]{0,900})\"|([^\s;\"]{1,900}))"
)
# Codecs of Python that are no charsets, some of them slow beyond reason on long texts.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
_KIND = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")


@dataclass(frozen=True, slots=True)
class Field:
    """A header field: ``lines`` as they stand, ``value`` unfolded and without blanks around it."""

    name: str
    line: int
    lines: tuple[bytes, ...]
    value: str
    tight: bool = True  # no blank before the colon

    @property
    def key(self) -> str:
        """The name in lower case."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Part:
    """A message or a part of one. ``body`` are its lines, the first of them is ``body_line``."""

    line: int
    fields: tuple[Field, ...]
    strays: tuple[int, ...]  # lines of the header that are no fields
    body: tuple[bytes, ...]
    body_line: int
    kind: str  # text/plain
    parameters: dict[str, str]
    children: tuple[Part, ...] = ()
    closed: bool = True  # the last boundary is there
    depth: int = 0

    def all(self, name: str) -> list[Field]:
        """Every field of that name."""
        key = name.lower()
        return [one for one in self.fields if one.key == key]

    def get(self, name: str) -> Field | None:
        """The first field of that name."""
        found = self.all(name)
        return found[0] if found else None

    @property
    def encoding(self) -> str:
        """Its transfer encoding in lower case."""
        found = self.get("Content-Transfer-Encoding")
        return found.value.lower().partition(";")[0].strip() if found else "7bit"

    def walk(self) -> Iterator[Part]:
        """It and every part below."""
        yield self
        for child in self.children:
            yield from child.walk()

    def leaves(self) -> Iterator[Part]:
        """The parts that hold content."""
        return (part for part in self.walk() if not part.kind.startswith("multipart/"))


@dataclass(slots=True)
class _Reader:
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a message and what they were read as."""

    data: bytes
    lf_only: bool
    root: Part


def read_source(data: bytes) -> Source:
    """Read a message; nothing raises."""
    lf_only = b"\n" in data and b"\r\n" not in data
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return Source(data, lf_only, _part(lines, 1, 0, _Reader()))


def body_bytes(data: bytes) -> bytes:
    """What follows the header, in CRLF lines."""
    normal = data if b"\r\n" in data else data.replace(b"\n", b"\r\n")
    return b"" if normal.startswith(b"\r\n") else normal.partition(b"\r\n\r\n")[2]


def decode(data: bytes, charset: str) -> str:
    """``data`` as text; LookupError where nobody knows the charset, ValueError where it is
    another.
    """
    known = codecs.lookup(charset).name
    if known in _NO_CHARSETS:
        raise LookupError(f"{known} is no charset of mail")
    return data.decode(known)


def _part(lines: Sequence[bytes], line: int, depth: int, reader: _Reader) -> Part:
    reader.parts += 1
    end = next((at for at, text in enumerate(lines) if not text), len(lines))
    fields, strays = _fields(lines[:end], line)
    body, body_line = tuple(lines[end + 1 :]), line + end + 1
    declared = next((one.value for one in fields if one.key == "content-type"), "text/plain")
    kind = declared.partition(";")[0].strip().lower()
    kind = kind if _KIND.fullmatch(kind) else ""
    parameters = {
        name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(declared[:8000])
    }
    children: list[Part] = []
    closed = True
    if kind.startswith("multipart/") and depth < DEPTH_MAX:
        pieces, closed = _pieces(body, parameters.get("boundary", ""))
        for start, stop in pieces:
            if reader.parts < PARTS_MAX:
                children.append(_part(body[start:stop], body_line + start, depth + 1, reader))
    return Part(
        line=line,
        fields=tuple(fields),
        strays=tuple(strays),
        body=body,
        body_line=body_line,
        kind=kind,
        parameters=parameters,
        children=tuple(children),
        closed=closed,
        depth=depth,
    )


def _fields(lines: Sequence[bytes], first: int) -> tuple[list[Field], list[int]]:
    """The fields of a header, and the numbers of lines that are none."""
    groups: list[tuple[int, list[bytes]]] = []
    strays: list[int] = []
    for number, text in enumerate(lines, first):
        if text[:1] in (b" ", b"\t") and groups:
            groups[-1][1].append(text)
        elif _FIELD.match(text) and len(groups) < FIELDS_MAX:
            groups.append((number, [text]))
        else:
            strays.append(number)
    return [_field(number, group) for number, group in groups], strays


def _field(number: int, group: list[bytes]) -> Field:
    found = _FIELD.match(group[0])
    assert found is not None, "groups begin with a field"
    value = b"".join([found[3], *group[1:]]).decode("utf-8", "surrogateescape").strip(" \t")
    return Field(found[1].decode("ascii"), number, tuple(group), value, tight=not found[2])


def _pieces(body: Sequence[bytes], boundary: str) -> tuple[list[tuple[int, int]], bool]:
    """Where the parts between boundaries start and stop, and whether the last one is closed."""
    mark = b"--" + boundary.encode("utf-8", "surrogateescape")
    pieces: list[tuple[int, int]] = []
    start: int | None = None
    if not boundary:
        return [], False
    for at, text in enumerate(body):
        if not text.startswith(mark):
            continue
        rest = text[len(mark) :].strip(b" \t")
        if rest not in (b"", b"--"):
            continue
        if start is not None:
            pieces.append((start, at))
        if rest:
            return pieces, True
        start = at + 1
    if start is not None:
        pieces.append((start, len(body)))
    return pieces, False
