"""Parts and their content: RFC 2045, RFC 2046, and what a reader sees of them."""

from __future__ import annotations

import binascii
import html
import re
from collections.abc import Iterator, Sequence

from digest.mail.check.rules import Finding
from digest.mail.check.source import DEPTH_MAX, Part, Source, decode
from digest.mail.mime import without_tags

KB = 1024
SIZE_WARNING, SIZE_LIMIT = 70 * KB, 90 * KB
ENCODED_LINE = 76

_ENCODINGS = frozenset({"7bit", "8bit", "binary", "quoted-printable", "base64"})
_QP_BROKEN = re.compile(rb"=(?![0-9A-Fa-f]{2}|$)")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_LINK = re.compile(
    r"<a\s[^<>]{0,4000}?href\s{0,8}=\s{0,8}[\"'](https?://[^\"'<>\s]{1,4000})", re.IGNORECASE
)
_NO_SPACE = re.compile(r"\s+")


def _structure(source: Source) -> Iterator[Finding]:
    root = source.root
    declared = root.get("Content-Type")
    if declared is not None and root.get("MIME-Version") is None:
        yield Finding(declared.line, "mime-version", "There is no MIME-Version.")
    for part in root.walk():
        found = part.get("Content-Type")
        line = found.line if found else part.line
        if not part.kind:
            value = ascii(found.value[:60]) if found else "nothing"
            yield Finding(line, "content-type", f"{value} is no type of content.")
        if not part.kind.startswith("multipart/"):
            continue
        if part.depth >= DEPTH_MAX:
            yield Finding(line, "too-deep", f"Parts are nested {part.depth} deep.")
        elif not part.children:
            yield Finding(line, "boundary-missing", "The boundary never comes, or is not named.")
        elif not part.closed:
            end = part.body_line + len(part.body) - 1
            yield Finding(end, "boundary-open", "The last boundary is missing.")


def _encodings(source: Source) -> Iterator[Finding]:
    for part in source.root.walk():
        found = part.get("Content-Transfer-Encoding")
        line = found.line if found else part.line
        multipart = part.kind.startswith("multipart/")
        if part.encoding not in _ENCODINGS:
            yield Finding(line, "transfer-encoding", f"There is no {part.encoding[:40]!a}.")
        elif multipart and part.encoding in ("quoted-printable", "base64"):
            yield Finding(line, "transfer-encoding", f"A multipart is never {part.encoding}.")
        elif not multipart and part.encoding == "quoted-printable":
            yield from _quoted_printable(part)
        elif not multipart and part.encoding == "base64":
            yield from _base64(part)


def _quoted_printable(part: Part) -> Iterator[Finding]:
    for number, text in enumerate(part.body, part.body_line):
        line = text.removesuffix(b"\r")
        if len(line) > ENCODED_LINE:
            message = f"The line has {len(line)} characters; {ENCODED_LINE} are the most."
            yield Finding(number, "quoted-printable", message)
        if _QP_BROKEN.search(line):
            yield Finding(number, "quoted-printable", "A = is followed by no two digits.")
        if line.endswith((b" ", b"\t")):
            yield Finding(number, "quoted-printable", "A blank stands at the end of the line.")


def _base64(part: Part) -> Iterator[Finding]:
    lines = list(part.body)
    while lines and not lines[-1].strip():
        lines.pop()
    for number, text in enumerate(lines, part.body_line):
        line = text.removesuffix(b"\r")
        if len(line) > ENCODED_LINE:
            message = f"The line has {len(line)} characters; {ENCODED_LINE} are the most."
            yield Finding(number, "base64", message)
        if not _BASE64.fullmatch(line):
            yield Finding(number, "base64", "The line holds what is no base64.")
        elif line.endswith(b"=") and number != part.body_line + len(lines) - 1:
            yield Finding(number, "base64", "Something follows the end.")
    if sum(len(line) for line in lines) % 4:
        yield Finding(part.body_line, "base64", "Characters are missing.")


def _charsets(source: Source) -> Iterator[Finding]:
    for part in source.root.leaves():
        if not part.kind.startswith("text/") or _attached(part):
            continue
        charset = part.parameters.get("charset", "us-ascii")
        line = (part.get("Content-Type") or part).line
        try:
            decode(_content(part), charset)
        except (LookupError, ValueError) as error:
            known = not isinstance(error, LookupError)
            what = "The text is not written in" if known else "Nobody knows the charset"
            yield Finding(line, "charset", f"{what} {charset[:40]!a}.")


def _alternatives(source: Source) -> Iterator[Finding]:
    root = source.root
    leaves = [part for part in root.leaves() if not _attached(part)]
    kinds = [part.kind for part in leaves]
    if "text/html" in kinds and "text/plain" not in kinds:
        page = leaves[kinds.index("text/html")]
        yield Finding(page.line, "html-only", "There is no text part.")
    for part in root.walk():
        if part.kind == "multipart/alternative":
            yield from _alternative(part)


def _alternative(part: Part) -> Iterator[Finding]:
    plains = [one for one in part.leaves() if one.kind == "text/plain" and not _attached(one)]
    pages = [one for one in part.leaves() if one.kind == "text/html" and not _attached(one)]
    if not plains or not pages:
        return
    plain, page = plains[0], pages[0]
    if plain.line > page.line:
        yield Finding(plain.line, "text-after-html", "The text stands behind the HTML.")
    text, document = _text(plain), _text(page)
    if not text.strip() and without_tags(document).strip():
        yield Finding(plain.line, "empty-text", "The text part is empty.")
        return
    joined = _NO_SPACE.sub("", text)
    links = dict.fromkeys(html.unescape(link) for link in _LINK.findall(document))
    lost = [link for link in links if link.rstrip("/") not in joined]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        message = f"{lost[0][:100]!a}{more} cannot be found in the text part."
        yield Finding(page.line, "link-not-in-text", message)


def _sizes(source: Source) -> Iterator[Finding]:
    for part in source.root.leaves():
        if part.kind != "text/html" or _attached(part):
            continue
        size = len(_content(part))
        if size > SIZE_WARNING:
            code = "size" if size > SIZE_LIMIT else "size-warning"
            yield Finding(part.line, code, f"The HTML has {size / KB:.1f} KB.")


def _attached(part: Part) -> bool:
    found = part.get("Content-Disposition")
    return found is not None and found.value.lower().startswith("attachment")


def _content(part: Part) -> bytes:
    """The part without its transfer encoding, as far as that can be undone."""
    data = _joined(part.body)
    if part.encoding == "quoted-printable":
        return binascii.a2b_qp(data)
    if part.encoding == "base64":
        try:
            return binascii.a2b_base64(data + b"===")
        except binascii.Error:
            return b""
    return data


def _joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _text(part: Part) -> str:
    try:
        return decode(_content(part), part.parameters.get("charset", "utf-8"))
    except (LookupError, ValueError):
        return _content(part).decode("utf-8", "replace")


CHECKS = (_structure, _encodings, _charsets, _alternatives, _sizes)
