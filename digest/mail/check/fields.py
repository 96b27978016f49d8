"""Header fields: RFC 5322 §3.3 to §3.6, RFC 2047, and what receivers expect of bulk mail."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import date

from digest.errors import AddressError
from digest.mail.address import parse_address
from digest.mail.check.rules import Finding
from digest.mail.check.source import Field, Source, decode

NEEDED = ("From", "Date", "Message-ID")
ONCE = (
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Reply-To", "Cc", "Sender",
    "In-Reply-To", "References", "Content-Type", "Content-Transfer-Encoding", "List-Id",
    "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "Feedback-ID",
)  # fmt: skip  # a list reads as a block
ADDRESS_FIELDS = frozenset({"from", "to", "cc", "reply-to", "sender"})
_URI_FIELDS = frozenset(
    {"list-unsubscribe", "list-help", "list-archive", "list-owner", "list-post", "list-subscribe"}
)

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
_DATE = re.compile(
    rf"(?:({'|'.join(_DAYS)}), )? ?(\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}}) "
    r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60))? [+-](\d\d[0-5]\d)(?: \([^()]{0,80}\))?"
)
_ID = re.compile(r"<[^\s<>@\"\\]{1,250}@[^\s<>@\"\\]{1,250}>")
_WORD = re.compile(r"=\?([^\s?*]{1,60})(?:\*[^\s?]{1,30})?\?([^\s?]{1,5})\?([^\s?]{0,2000})\?=")
_LOOKALIKE = re.compile(r"=\?[^\s?]{1,60}\?[bBqQ]\?")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.){0,900}\"")
_COMMENT = re.compile(r"\([^()]{0,900}\)")
_GROUP = re.compile(r"[^:;<>@,]{1,200}:([^:;]{0,2000});?")  # RFC 5322 §3.4
_BRACKETS = re.compile(r"<([^<>]{0,900})>")


def _syntax(source: Source) -> Iterator[Finding]:
    for part in source.root.walk():
        for line in part.strays:
            yield Finding(line, "field-syntax", "This line of a header is no field.")
        for one in part.fields:
            if not one.tight:
                yield Finding(one.line, "field-syntax", f"A blank stands between {one.name} and :.")


def _counts(source: Source) -> Iterator[Finding]:
    root = source.root
    for name in NEEDED:
        if not root.all(name):
            yield Finding(1, "missing-field", f"There is no {name}.")
    if not root.all("To") and not root.all("Cc"):
        yield Finding(1, "missing-to", "There is no To.")
    for name in ONCE:
        for one in root.all(name)[1:]:
            first = root.all(name)[0].line
            yield Finding(one.line, "duplicate-field", f"{name} stands in line {first} already.")
    for one in root.all("Bcc"):
        yield Finding(one.line, "bcc", "Bcc is sent along.")
    subject = root.get("Subject")
    if subject is None or not subject.value:
        line = subject.line if subject else 1
        yield Finding(line, "empty-subject", "There is no subject.")


def _addresses(source: Source) -> Iterator[Finding]:
    for one in source.root.fields:
        if one.key not in ADDRESS_FIELDS:
            continue
        found = mailboxes(one.value)
        if one.key == "from" and len(found) != 1:
            yield Finding(one.line, "from-mailboxes", f"From names {len(found)} mailboxes.")
        if one.key in ("to", "cc") and len(found) > 1:
            yield Finding(one.line, "many-recipients", f"{one.name} names {len(found)} recipients.")
        for address in found[:20]:
            yield from _address(one, address)


def mailboxes(value: str) -> list[str]:
    """The addresses of a list of mailboxes, as they stand; names and comments are left out."""
    bare = _COMMENT.sub(" ", _QUOTED.sub(_quoted, value)).strip()
    group = _GROUP.fullmatch(bare)
    bare = group[1] if group else bare
    found = []
    for piece in bare.split(","):
        brackets = _BRACKETS.search(piece)
        address = brackets[1].strip() if brackets else piece.strip().rstrip(";")
        if address:
            found.append(address)
    return found


def _quoted(found: re.Match[str]) -> str:
    """A quoted string without its commas, unless it is a local part."""
    follows = found.string[found.end() : found.end() + 1]
    return found[0] if follows == "@" and "," not in found[0] else " "


def _address(one: Field, address: str) -> Iterator[Finding]:
    if "=?" in address:
        message = f"{one.name} holds an encoded-word inside an address."
        yield Finding(one.line, "encoded-word-place", message)
        return
    shown = ascii(address[:80])
    local, _, domain = address.rpartition("@")
    if not domain.isascii() and local.isascii():
        yield Finding(one.line, "idn-domain", f"{one.name}: {shown} has a domain beyond ASCII.")
        return
    try:
        parse_address(address.encode("utf-8", "replace").decode())
    except AddressError as error:
        yield Finding(one.line, "address-syntax", f"{one.name}: {shown}: {error.message}")


def _date_field(source: Source) -> Iterator[Finding]:
    for one in source.root.all("Date"):
        value = " ".join(one.value.split())
        found = _DATE.fullmatch(value)
        if found is None:
            yield Finding(one.line, "date-syntax", f"{value[:60]!a} is no date of a message.")
            continue
        weekday, day, month, year = found[1], found[2], found[3], found[4]
        try:
            real = date(int(year), _MONTHS.index(month) + 1, int(day))
        except ValueError:
            yield Finding(one.line, "date-syntax", "There is no such day.")
            continue
        if weekday and _DAYS[real.weekday()] != weekday:
            yield Finding(one.line, "date-syntax", f"That day is no {weekday}.")


def _ids(source: Source) -> Iterator[Finding]:
    """The form of Message-ID, and that neither it nor Feedback-ID names the reader."""
    root = source.root
    for one in root.all("Message-ID"):
        if not _ID.fullmatch(one.value):
            message = f"{one.value[:80]!a} is no Message-ID."
            yield Finding(one.line, "message-id-syntax", message)
    readers = [address.lower() for to in root.all("To") for address in mailboxes(to.value)[:20]]
    for name in ("Message-ID", "Feedback-ID"):
        for one in root.all(name):
            value = one.value.lower()
            if any(_names(value, address) for address in readers):
                yield Finding(one.line, "personal-data", f"{name} names the reader.")


def _names(value: str, address: str) -> bool:
    """Whether an id holds an address in one of its usual disguises."""
    local, at, domain = address.rpartition("@")
    if not at or not local:
        return False
    encoded = base64.b64encode(address.encode("utf-8", "replace")).decode("ascii").rstrip("=")
    disguises = (f"{local}@{domain}", f"{local}={domain}", f"{local}%40{domain}", encoded.lower())
    return any(disguise in value for disguise in disguises)


def _encoded_words(source: Source) -> Iterator[Finding]:
    for part in source.root.walk():
        for one in part.fields:
            if one.key == "dkim-signature" or not _LOOKALIKE.search(one.value):
                continue
            if one.key in _URI_FIELDS or one.key in ("message-id", "feedback-id"):
                message = f"{one.name} holds an encoded-word."
                yield Finding(one.line, "encoded-word-place", message)
                continue
            yield from _words(one)


def _words(one: Field) -> Iterator[Finding]:
    for number, raw in enumerate(one.lines, one.line):
        text = raw.decode("utf-8", "surrogateescape")
        whole = list(_WORD.finditer(text))
        if len(whole) < len(_LOOKALIKE.findall(text)):
            yield Finding(number, "encoded-word", f"An encoded-word of {one.name} has no end.")
        for word in whole:
            if len(word[0]) > 75:
                message = f"An encoded-word of {one.name} has {len(word[0])} characters."
                yield Finding(number, "encoded-word", message)
            elif not _decodes(word):
                message = f"An encoded-word of {one.name} cannot be decoded."
                yield Finding(number, "encoded-word", message)


def _decodes(word: re.Match[str]) -> bool:
    charset, how, text = word[1], word[2].lower(), word[3].encode("utf-8", "surrogateescape")
    try:
        if how == "b":
            data = base64.b64decode(text, validate=True)
        elif how == "q":
            data = binascii.a2b_qp(text, header=True)
        else:
            return False
        decode(data, charset)
    except (LookupError, ValueError, binascii.Error):
        return False
    return True


CHECKS = (_syntax, _counts, _addresses, _date_field, _ids, _encoded_words)
