"""A mail from outside as headers and parts, read by a walk that no input can make long or deep.

RFC 5322 §2.2 (fields, folding), RFC 2045 and RFC 2046 §5.1 (multipart), RFC 2047 (encoded-words),
RFC 6522 (reports). The standard library's parser recurses (RecursionError near 1,000 nested parts)
and knows no bounds; here at most 256 KiB are read, 20 levels, 200 parts, lines of 8 KiB. What lies
inside ``message/*`` is one opaque part: a returned mail never speaks for the mail that returns it.

Nothing raises: bytes that are no mail become a mail without headers and with one part of text.
"""

from __future__ import annotations

import binascii
import codecs
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

READ_MAX = 256 << 10  # bytes; 99 % of real bounces have less than 47 KiB
DEPTH_MAX = 20
MAILS_MAX = 10
PARTS_MAX = 200
LINE_MAX = 8 << 10
HEADER_LINES_MAX = 2_000
_LINE_IN = 2_000  # bytes, of a file whose lines end in line feeds
_JUNK_LINES_MAX = 40  # before the first header, in files that were cut out of something

_FIELD = re.compile(rb"[A-Za-z][A-Za-z0-9_-]{0,70}[ \t]{0,8}:")
_CHARSET = re.compile(r"charset\s{0,8}=\s{0,8}\"?([\w.:-]{1,40})", re.IGNORECASE)
_BOUNDARY = re.compile(
    r"boundary\s{0,8}=\s{0,8}(?:\"([^\"]{1,200})\"|([^\s;]{1,200}))", re.IGNORECASE
)
_WORD = re.compile(r"=\?([\w.:+*-]{1,40})\?([BbQq])\?([^?\s]{0,400})\?=(?:\s{1,8}(?==\?))?")
_TAG = re.compile(r"<[^<>]{0,4000}>")  # up to the next "<", so that a row of them costs nothing
_MAILTO = re.compile(r"<a\s[^<>]{0,400}?\bmailto:([^\s\"'<>?]{3,320})[^<>]{0,400}>", re.IGNORECASE)
_BREAKS = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d|/pre|/table)\b[^<>]{0,200}>", re.IGNORECASE)
_CELLS = re.compile(r"</t[dh]\b[^<>]{0,200}>", re.IGNORECASE)
_UNSHOWN = re.compile(r"<(style|script)\b")

# Only charsets whose decoders are linear: "idna" or "punycode" are codecs of Python, too.
_CHARSETS = frozenset(
    """ascii utf_8 utf_7 utf_16 utf_16_be utf_16_le iso8859_1 iso8859_2 iso8859_3 iso8859_4
    iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 iso8859_13 iso8859_14 iso8859_15
    cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp437 cp850 cp852 cp866 cp874
    koi8_r koi8_u euc_jp iso2022_jp iso2022_jp_2 shift_jis cp932 gb2312 gbk gb18030 big5 hz
    euc_kr iso2022_kr cp949 tis_620 mac_roman""".split()
)


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields by lower-case name, in the order they stood in; values are unfolded."""

    fields: Mapping[str, list[str]]

    def get(self, name: str, default: str = "") -> str:
        """The first value of the field."""
        found = self.fields.get(name)
        return found[0] if found else default

    def all(self, name: str) -> list[str]:
        """Every value of the field."""
        return self.fields.get(name, [])

    def words(self, name: str) -> str:
        """The first value with its encoded-words decoded."""
        return decode_words(self.get(name))

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def __bool__(self) -> bool:
        return bool(self.fields)


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of the outer mail: text, a report, or a returned message that is not looked into."""

    type: str  # "text/plain"
    headers: Headers
    body: bytes

    def content(self) -> bytes:
        """The body without its transfer encoding; as it stands where that is broken."""
        return _decoded(self.body, self.headers.get("content-transfer-encoding"))

    def text(self) -> str:
        """The content as text in lines, whatever its charset says; HTML without its tags."""
        charset = _CHARSET.search(self.headers.get("content-type"))
        shown = _as_text(self.content(), charset[1] if charset else "")
        return without_tags(shown) if self.type == "text/html" else shown


@dataclass(frozen=True, slots=True)
class Mail:
    """The outer mail: its headers and its leaves."""

    headers: Headers
    parts: tuple[Part, ...]
    kinds: frozenset[str] = field(default=frozenset())  # every type met, multiparts included


def split_mbox(data: bytes) -> list[bytes]:
    """The mails of a mailbox file, at most 10; ``data`` alone where it is no such file."""
    if not data.startswith(b"From "):
        return [data]
    data = _with_line_feeds(data[:READ_MAX])
    mails: list[bytes] = []
    start = 0
    while len(mails) < MAILS_MAX:
        end = data.find(b"\n\nFrom ", start)
        while end >= 0 and not _FIELD.match(data, data.find(b"\n", end + 2) + 1):
            end = data.find(b"\n\nFrom ", end + 2)
        mails.append(data[start : end if end >= 0 else len(data)])
        if end < 0:
            break
        start = end + 2
    return mails


def read_mail(data: bytes) -> Mail:
    """The mail in ``data``, of which the first 256 KiB count."""
    data = _from_first_header(_with_line_feeds(data[:READ_MAX]))
    headers, body = _split(data)
    if "from" not in headers and "subject" not in headers and _FIELD.match(body):
        # An empty line got in among the header fields.
        rest, body = _split(body)
        headers = Headers({**rest.fields, **headers.fields})
    kinds: set[str] = set()
    parts: list[Part] = []
    for part in _leaves(headers, body, kinds, 0):
        parts.append(part)
        if len(parts) == PARTS_MAX:
            break
    return Mail(headers, tuple(parts), frozenset(kinds))


def read_headers(data: bytes | str) -> Headers:
    """The header fields ``data`` starts with, up to the first empty line."""
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    return _split(raw.lstrip(b"\r\n").replace(b"\r\n", b"\n"))[0]


def decode_words(value: str) -> str:
    """``value`` with its encoded-words (RFC 2047) decoded; broken ones stay as they are."""
    if "=?" not in value:
        return value
    return _WORD.sub(_word, value)


def without_tags(document: str) -> str:
    """The text of an HTML document, in lines where it shows lines."""
    document = _CELLS.sub(" ", _BREAKS.sub("\n", _shown(document)))
    text = html.unescape(_TAG.sub("", document))
    if "@" not in text:  # addresses may stand in links alone
        text = html.unescape(_TAG.sub("", _MAILTO.sub(r" \1 ", document)))
    return "\n".join(line.strip() for line in text.replace("\xa0", " ").split("\n"))


def _shown(document: str) -> str:
    """``document`` without style sheets and scripts; what is never closed hides the rest."""
    lowered = document.lower()
    if len(lowered) != len(document):  # a few letters grow when lowered: then offsets differ
        document = lowered
    pieces: list[str] = []
    start, hidden = 0, _UNSHOWN.search(lowered)
    while hidden:
        pieces.append(document[start : hidden.start()])
        start = lowered.find(f"</{hidden[1]}", hidden.end())
        if start < 0:
            return "".join(pieces)
        hidden = _UNSHOWN.search(lowered, start)
    return "".join(pieces) + document[start:]


def _with_line_feeds(data: bytes) -> bytes:
    """``data`` with line feeds only; gateways have written CR CR LF, and CR alone."""
    data = data.replace(b"\r\n", b"\n").replace(b"\r\n", b"\n")
    return data if b"\n" in data[:_LINE_IN] else data.replace(b"\r", b"\n")


def _from_first_header(data: bytes) -> bytes:
    """Without what stands before the header: empty lines, an mbox line, a few lines of junk."""
    data = data.lstrip(b"\n \t\xef\xbb\xbf")
    if _FIELD.match(data):
        return data
    start = 0
    for _ in range(_JUNK_LINES_MAX):
        end = data.find(b"\n", start)
        if end < 0:
            break
        start = end + 1
        second = data.find(b"\n", start) + 1
        if _FIELD.match(data, start) and (
            _FIELD.match(data, second) or data[second : second + 1] in (b" ", b"\t")
        ):
            return data[start:]
    return b"\n" + data if not data.startswith(b"From ") else data


def _split(data: bytes) -> tuple[Headers, bytes]:
    if data.startswith(b"\n"):
        return Headers({}), data[1:]
    end = data.find(b"\n\n")
    head, body = (data, b"") if end < 0 else (data[:end], data[end + 2 :])
    fields: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in _as_text(head, "").split("\n", HEADER_LINES_MAX)[:HEADER_LINES_MAX]:
        if line[:1] in (" ", "\t"):
            if current is not None and len(current[-1]) < LINE_MAX:
                current[-1] += " " + line[:LINE_MAX].strip()
            continue
        name, colon, value = line[:LINE_MAX].partition(":")
        if colon and len(name) < 80:
            current = fields.setdefault(name.strip().lower(), [])
            current.append(value.strip())
    return Headers(fields), body


def _leaves(headers: Headers, body: bytes, kinds: set[str], depth: int) -> Iterator[Part]:
    value = headers.get("content-type")
    kind = value.partition(";")[0].strip().lower() or "text/plain"
    kinds.add(kind)
    pieces: list[bytes] = []
    if kind.startswith("multipart/") and depth < DEPTH_MAX:
        found = _BOUNDARY.search(value)
        pieces = _pieces(body, (found[1] or found[2]).rstrip() if found else "")
    if not pieces:
        # A multipart whose boundary never comes is text, as far as anybody can read it.
        yield Part("text/plain" if kind.startswith("multipart/") else kind, headers, body)
        return
    for piece in pieces:
        inner, content = _split(piece)
        yield from _leaves(inner, content, kinds, depth + 1)


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """What stands between the lines ``--boundary``; at most 200."""
    if not boundary:
        return []
    mark = b"--" + boundary.encode("utf-8", "replace")
    pieces: list[bytes] = []
    start, at = -1, body.find(mark)
    while at >= 0 and len(pieces) < PARTS_MAX:
        end = body.find(b"\n", at)
        end = len(body) if end < 0 else end
        rest = body[at + len(mark) : min(end, at + len(mark) + 80)].strip()
        if (at == 0 or body[at - 1] == 0x0A) and rest in (b"", b"--"):
            if start >= 0:
                pieces.append(body[start : max(at - 1, start)])
            if rest:
                return pieces
            start = end + 1
        at = body.find(mark, end)
    if 0 <= start < len(body) and len(pieces) < PARTS_MAX:
        pieces.append(body[start:])
    return pieces


def _decoded(body: bytes, encoding: str) -> bytes:
    encoding = encoding.strip().lower()
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding == "base64":
        try:
            return binascii.a2b_base64(body + b"===")
        except binascii.Error:
            return body
    return body


def _as_text(data: bytes, charset: str) -> str:
    """``data`` decoded; unknown charsets and broken bytes are read as UTF-8, else as Latin-1."""
    name = charset.lower().removeprefix("unicode-1-1-").removeprefix("x-")
    if name and name not in ("us-ascii", "utf-8"):
        try:
            known = codecs.lookup(name).name.replace("-", "_")
        except (LookupError, ValueError):
            known = ""
        if known in _CHARSETS:
            return data.decode(known, "replace").replace("\r\n", "\n")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return data.decode("latin-1").replace("\r\n", "\n")


def _word(found: re.Match[str]) -> str:
    charset, how, text = found[1].partition("*")[0], found[2].lower(), found[3]
    raw = text.encode("utf-8", "replace")
    if how == "q":
        return _as_text(binascii.a2b_qp(raw, header=True), charset)
    return _as_text(_decoded(raw, "base64"), charset)
