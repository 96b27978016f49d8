"""DKIM signatures over the bytes that are sent, and the record that lets others check them.

RFC 6376 with RFC 8301 (rsa-sha256, keys of 1,024 to 4,096 bits), relaxed/relaxed, never ``l=``.
Bodies are not rewritten: what ``mail.message`` composes is its own canonical form in both senses
(``quoted_printable``), so a body costs one SHA-256 and the RSA signature is nearly all of the work.
Fields that a reader acts on are *oversigned*: named once more than they stand there, so that none
can be added either (RFC 6376 §8.15). List-Unsubscribe and List-Unsubscribe-Post are covered as RFC
8058 §3.1 demands. A second ed25519 signature (RFC 8463) is not made: few receivers check it yet.

The time of signing is an argument. With the time of a row's first claim a retry has the same bytes
as the first try, signature included: RSA signatures of this kind are deterministic (RFC 8017 §8.2).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

KEY_BITS = 2048  # RFC 8301 §3.2: should have at least
KEY_BITS_MIN, KEY_BITS_MAX = 1024, 4096  # what signers must not go below, verifiers must take
# A delivery is given up 48 hours after its first claim; then others queue it for up to a week.
LIFETIME = timedelta(days=9)
STRING_MAX = 255  # octets of one string of a TXT record (RFC 1035 §3.3)

OVERSIGNED = (
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Reply-To", "Cc",
    "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID", "CFBL-Address",
)  # fmt: skip  # a list reads as a block
# Covered where they stand; nobody gains by adding one.
SIGNED = (
    "Sender", "Content-Transfer-Encoding", "In-Reply-To", "References", "List-Help", "List-Archive",
    "List-Owner", "List-Subscribe", "List-Post", "Auto-Submitted",
)  # fmt: skip  # as above

_LINE = 78
_B_LINE = 72  # characters of b= on a line
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_FROM_DOMAIN = re.compile(rb"@([A-Za-z0-9.-]+)>?$")
_PADDING, _HASH = padding.PKCS1v15(), SHA256()
_COVERED = tuple((name, name.lower().encode(), 1) for name in OVERSIGNED) + tuple(
    (name, name.lower().encode(), 0) for name in SIGNED
)

Fields = dict[bytes, list[bytes]]


class Signer:
    """Signs for one domain with one key; may be used by many threads at once.

    ``domain`` is ``d=`` and ``selector`` is ``s=``. ValueError for a key that verifiers refuse and
    for names that cannot stand in DNS.
    """

    __slots__ = ("_aligned", "_key", "domain", "selector")

    def __init__(self, key: RSAPrivateKey, *, domain: str, selector: str) -> None:
        check_key_size(key.key_size)
        for name in (domain, selector):
            if not _NAME.fullmatch(name) or len(name) > 200:
                raise ValueError(f"{name!r} cannot stand in the name of a DNS record")
        self.domain = domain.lower()
        self.selector = selector
        self._key = key
        self._aligned: set[bytes] = set()  # From fields that were looked at: one per newsletter

    def __repr__(self) -> str:
        return f"Signer({self.selector}._domainkey.{self.domain})"

    def sign(self, message: bytes, now: datetime) -> bytes:
        """The DKIM-Signature field to put before ``message``, folded, with its final CRLF.

        ``message`` is what is sent, without the final dot: header, empty line, a body that is
        canonical (see above). ValueError where it is not, as far as a look at its end can tell, and
        where From is not of this domain or below it (DMARC alignment, RFC 9989).
        """
        head, body = _split(message)
        fields = _canonical_fields(head)
        self._check_from(fields)
        time = int(now.timestamp())
        present = tuple(len(fields.get(lowered, ())) for _, lowered, _ in _COVERED)
        tags, canonical_tags = _tags(self.domain, self.selector, time, present)
        body_hash = base64.b64encode(hashlib.sha256(body).digest())
        own = b"dkim-signature:%b bh=%b; b=" % (canonical_tags, body_hash)
        signed = b"".join([*_signed_lines(fields), own])
        signature = base64.b64encode(self._key.sign(signed, _PADDING, _HASH))
        lines = [signature[at : at + _B_LINE] for at in range(0, len(signature), _B_LINE)]
        return b"%b\r\n bh=%b;\r\n b=%b\r\n" % (tags, body_hash, b"\r\n  ".join(lines))

    def _check_from(self, fields: Fields) -> None:
        senders = fields.get(b"from", [])
        if len(senders) != 1:
            raise ValueError("a message to be signed has exactly one From")
        if senders[0] in self._aligned:
            return
        domain = from_domain(senders[0])
        if domain != self.domain and not domain.endswith(f".{self.domain}"):
            raise ValueError(f"From is of {domain or 'no domain'}, the key of {self.domain}")
        if len(self._aligned) < 1000:
            self._aligned.add(senders[0])


def record_value(key: RSAPublicKey) -> str:
    """What the TXT record of a key says (RFC 6376 §3.6.1)."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode('ascii')}"


def record_strings(value: str) -> tuple[str, ...]:
    """A TXT record's value in strings of at most 255 octets; readers join them without a blank."""
    return tuple(value[at : at + STRING_MAX] for at in range(0, len(value), STRING_MAX))


def check_key_size(bits: int) -> None:
    """ValueError for a size signers must not use or verifiers need not take (RFC 8301 §3.2)."""
    if not KEY_BITS_MIN <= bits <= KEY_BITS_MAX:
        raise ValueError(f"an RSA key for DKIM has 1,024 to 4,096 bits, not {bits:,}")


def from_domain(value: bytes) -> str:
    """The domain a From field ends in, in lower case; "" where it does not end in an address."""
    found = _FROM_DOMAIN.search(value.rstrip())
    return found[1].decode("ascii").lower().rstrip(".") if found else ""


def sender_domain(message: bytes) -> str:
    """The domain of the first From field of ``message``; "" where there is none. ValueError for
    what is no message.
    """
    head, _ = _split(message)
    start = 0 if head[:5].lower() == b"from:" else head.lower().find(b"\r\nfrom:") + 2
    if start < 2 and start != 0:
        return ""
    end = start
    while (end := head.find(b"\r\n", end)) >= 0 and head[end + 2 : end + 3] in (b" ", b"\t"):
        end += 2
    return from_domain(head[start:end])


def _split(message: bytes) -> tuple[bytes, memoryview]:
    end = message.find(b"\r\n\r\n")
    if end < 0:
        raise ValueError("a message to be signed has an empty line after its header")
    body = memoryview(message)[end + 4 :]
    # RFC 6376 §3.4.3: empty lines at the end are not part of a canonical body.
    if body and (bytes(body[-2:]) != b"\r\n" or message.endswith(b"\r\n\r\n")):
        raise ValueError("a body to be signed ends in one line end")
    return message[: end + 2], body


def _canonical_fields(head: bytes) -> Fields:
    """Values by lower-case name, as RFC 6376 §3.4.2 has them, in the order they stand in."""
    _refuse_broken(head)
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    # Ours have single blanks only, and then a value is canonical but for the one before it.
    plain = b"  " not in unfolded and b"\t" not in unfolded and b" \r\n" not in unfolded
    fields: Fields = {}
    for line in unfolded.split(b"\r\n")[:-1]:
        name, colon, value = line.partition(b":")
        if not colon or name.endswith((b" ", b"\t")):  # a blank there is of RFC 822, and trouble
            raise ValueError("the header holds a line that is no field")
        value = value.removeprefix(b" ") if plain else b" ".join(value.split())
        name = name.lower()
        if name in fields:
            fields[name].append(value)
        else:
            fields[name] = [value]
    return fields


def _refuse_broken(head: bytes) -> None:
    """ValueError for line ends that are none, and for blanks that only some take for blanks."""
    ends = head.count(b"\r\n")
    if head.count(b"\n") != ends or head.count(b"\r") != ends:
        raise ValueError("the header holds half a line end")
    if b"\0" in head or b"\v" in head or b"\f" in head:
        raise ValueError("the header holds a control character")


def _signed_lines(fields: Fields) -> Iterator[bytes]:
    """The fields as they are hashed: of several with one name, the last one first (§5.4.2)."""
    for _, lowered, _ in _COVERED:
        values = fields.get(lowered)
        if values is not None:
            for value in reversed(values):
                yield b"%b:%b\r\n" % (lowered, value)


@lru_cache(maxsize=256)  # the messages of one second share it
def _tags(domain: str, selector: str, time: int, present: tuple[int, ...]) -> tuple[bytes, bytes]:
    """Everything up to ``bh=``: as it is written, and in its canonical form."""
    names = [
        name
        for (name, _, over), count in zip(_COVERED, present, strict=True)
        for _ in range(count + over)
    ]
    expires = time + int(LIFETIME.total_seconds())
    tags = [
        *("v=1;", "a=rsa-sha256;", "c=relaxed/relaxed;", f"d={domain};", f"s={selector};"),
        *(f"t={time};", f"x={expires};"),
        *_h_words(names),
    ]
    text = "\r\n ".join(_filled("DKIM-Signature:", tags)).encode("ascii")
    return text, b" ".join(text.partition(b":")[2].split())


def _h_words(names: list[str]) -> list[str]:
    """``h=`` cut where it may be folded: behind a colon."""
    return [f"h={names[0]}:", *(f"{name}:" for name in names[1:-1]), f"{names[-1]};"]


def _filled(start: str, words: Iterable[str]) -> Iterator[str]:
    """Lines of at most 78 characters; a name in ``h=`` follows the one before without a blank."""
    line = start
    for word in words:
        gap = "" if line.endswith(":") and line != start else " "
        if len(line) + len(gap) + len(word) > _LINE - 1:  # every line but the first has a blank
            yield line
            line, gap = "", ""
        line += gap + word
    yield line
