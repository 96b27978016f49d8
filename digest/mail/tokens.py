"""Tokens that say who a letter, a link or a bounce belongs to, and that nobody else can make.

A token is 25 bytes: key id (1), kind (1), id (7, big-endian) and the first 16 bytes of an
HMAC-SHA256 (RFC 2104, truncated as its §5 allows) over the nine bytes before it. Written in base32
(RFC 4648 §6) in lower case it is exactly 40 characters without padding, so it fits a local part (64
octets, RFC 5321 §4.5.3.1.1) and survives relays that change its case.

A key is never stored: the database knows its fingerprint only. Key id, fingerprint and MAC are each
derived from the secret in a way of their own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from functools import lru_cache

from digest.errors import SettingsError

SECRET_MIN = 32  # characters; as many as HMAC-SHA256 has bytes of output (RFC 2104 §3)
TOKEN_LENGTH = 40

_ID_BYTES = 7
_HEAD = 2 + _ID_BYTES
_MAC_BYTES = 16
_BLOCK = 64  # of SHA-256
# From digits of base64 that are below 32 to those of base32, in lower case.
_DIGITS = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef", b"abcdefghijklmnopqrstuvwxyz234567")


class TokenKind(IntEnum):
    """What a token lets its bearer do; the numbers are on the wire and never change."""

    DELIVERY = 1
    NOTICE = 2
    LEAVE = 3
    PREFERENCES = 4
    TEST = 5
    FORM = 6  # id = when a form was shown, in milliseconds since 1970
    UNDO = 7  # id = when somebody left (minutes since 2025, 24 bits), and the subscription (32)
    SHARE = 8  # id = the last day it is shown (days since 2025, 24 bits), and the version (32)
    APPROVE = 9  # id = the notice that was a test
    BOOKMARKLET = 10  # id = the row that says whose it is
    CLICK = 11  # id = whether it is of a test (1 bit), the version (32), the link's place (16)
    CLICKS = 12  # id = the last day it is shown (16 bits), the version (24), the link's place (16)


@dataclass(frozen=True, slots=True)
class Token:
    """What a token that verified says: its kind and the id of the row it belongs to."""

    kind: TokenKind
    id: int


class _Key:
    """One secret, ready to sign: the two halves of its HMAC are computed once and copied."""

    __slots__ = ("_inner", "_outer", "fingerprint", "number")

    def __init__(self, secret: bytes) -> None:
        self.number = _derive(secret, "key id")[0]
        self.fingerprint = _derive(secret, "key fingerprint").hex()[:16]
        block = _derive(secret, "token signing").ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def mac(self, head: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(head)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()[:_MAC_BYTES]


class KeyRing:
    """The key that signs and the old ones that still verify.

    ``current`` and ``old`` are secrets of at least 32 characters, else SettingsError.
    ``fingerprint`` (16 hexadecimal characters) names the current key, ``fingerprints`` all of them,
    the current one first.
    """

    __slots__ = ("_current", "_heads", "_keys", "fingerprint", "fingerprints")

    def __init__(self, current: str | bytes, old: Sequence[str | bytes] = ()) -> None:
        self._current = _Key(_secret(current, "DIGEST_SECRET_KEY"))
        keys = [self._current, *(_Key(_secret(key, "DIGEST_OLD_SECRET_KEYS")) for key in old)]
        self.fingerprint = self._current.fingerprint
        self.fingerprints = tuple(key.fingerprint for key in keys)
        # A key id is one byte, so two keys may share it: then both are tried.
        self._keys: dict[int, list[_Key]] = {}
        for key in keys:
            self._keys.setdefault(key.number, []).append(key)
        self._heads = {kind: bytes((self._current.number, kind)) for kind in TokenKind}

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.fingerprints)})"

    def sign(self, kind: TokenKind, row_id: int) -> str:
        """The token of row ``row_id``: 40 characters of ``a-z2-7``.

        The id is at least 0 and below 2**56, else ValueError.
        """
        return _base32(self._signed(kind, row_id))

    def sign_all(self, *owners: tuple[TokenKind, int]) -> list[str]:
        """The tokens of several rows, each given by kind and id: three cost little more than one.

        Raises ValueError as ``sign`` does.
        """
        signed = [self._signed(kind, row_id) for kind, row_id in owners]
        text = _base32(b"".join(signed))
        return [text[at : at + TOKEN_LENGTH] for at in range(0, len(text), TOKEN_LENGTH)]

    def _signed(self, kind: TokenKind, row_id: int) -> bytes:
        try:
            head = self._heads[kind] + row_id.to_bytes(_ID_BYTES, "big")
        except OverflowError as error:
            raise ValueError(f"an id is at least 0 and below 2**56, not {row_id}") from error
        return head + self._current.mac(head)

    def read(self, token: str) -> Token | None:
        """What ``token`` says, in whatever case it came back; None for anything that is not ours.

        Decoded and encoded again to compare, so that one token has one spelling only.
        """
        if len(token) != TOKEN_LENGTH or not token.isascii():
            return None
        try:
            data = base64.b32decode(token, casefold=True)
        except binascii.Error:
            return None
        if base64.b32encode(data).decode("ascii").lower() != token.lower():
            return None
        head, mac = data[:_HEAD], data[_HEAD:]
        if not any(hmac.compare_digest(key.mac(head), mac) for key in self._keys.get(head[0], ())):
            return None
        try:
            kind = TokenKind(head[1])
        except ValueError:  # signed by a newer version of this program
            return None
        return Token(kind, int.from_bytes(head[2:], "big"))


_SHARED_FROM = date(2025, 1, 1)
_LOW = (1 << 32) - 1
_PLACE = (1 << 16) - 1


def share_token(keys: KeyRing, version_id: int, until: date) -> str:
    """Shows the version until the end of that day (UTC)."""
    return keys.sign(TokenKind.SHARE, (until - _SHARED_FROM).days << 32 | version_id)


def shared_by(token: Token) -> tuple[int, date]:
    """The version that a token of that kind shows, and the last day of it."""
    return token.id & _LOW, _SHARED_FROM + timedelta(days=token.id >> 32)


@dataclass(frozen=True, slots=True)
class ClickedLink:
    """What a link that counts clicks says: which link of which version, and whether of a test."""

    version_id: int
    position: int
    test: bool = False


def click_token(keys: KeyRing, link: ClickedLink) -> str:
    """Leads to the link's page. Names no reader: it is the same in all their mails."""
    head = (link.test << 32 | link.version_id) << 16 | link.position
    return keys.sign(TokenKind.CLICK, head)


def clicked_by(token: Token) -> ClickedLink:
    """What a token of that kind leads to."""
    head = token.id >> 16
    return ClickedLink(head & _LOW, token.id & _PLACE, test=bool(head >> 32))


def clicks_token(keys: KeyRing, version_id: int, position: int, until: date) -> str:
    """Shows how often one link was clicked, until the end of that day (UTC)."""
    days = (until - _SHARED_FROM).days
    return keys.sign(TokenKind.CLICKS, (days << 24 | version_id) << 16 | position)


def clicks_shown_by(token: Token) -> tuple[int, int, date]:
    """The version and the place of the link that a token of that kind shows, and its last day."""
    head = token.id >> 16
    until = _SHARED_FROM + timedelta(days=head >> 24)
    return head & ((1 << 24) - 1), token.id & _PLACE, until


def _base32(data: bytes) -> str:
    """RFC 4648 §6 in lower case, of whole groups of five bytes, by way of base64.

    ``base64.b32encode`` is Python and works digit by digit: four times the cost of this for one
    token, ten times for three. Here all digits move at once: an integer's groups of five bits are
    drawn apart to six, which ``b2a_base64`` writes in C.
    """
    number = int.from_bytes(data, "big")
    for upper, factor in _moves(len(data)):
        number += (number & upper) * factor
    spread = number.to_bytes(len(data) * 6 // 5, "big")
    return binascii.b2a_base64(spread, newline=False).translate(_DIGITS).decode("ascii")


@lru_cache(maxsize=8)
def _moves(size: int) -> tuple[tuple[int, int], ...]:
    """What draws the digits of ``size`` bytes apart: in every step the upper half of each block of
    digits moves up by one bit for each digit below it, until blocks are single digits.

    A move is the mask of those halves, and what times them has to be added to move them.
    """
    digits = size * 8 // 5
    block = 1 << (digits - 1).bit_length()
    moves = []
    while block > 1:
        half = block // 2
        ones = (1 << 5 * half) - 1
        upper = sum(ones << (6 * first + 5 * half) for first in range(0, digits, block))
        moves.append((upper, (1 << half) - 1))
        block = half
    return tuple(moves)


def _derive(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, b"digest " + purpose.encode("ascii"), "sha256")


def _secret(key: str | bytes, name: str) -> bytes:
    if len(key) < SECRET_MIN:
        raise SettingsError(
            f"The secret key has {len(key)} characters; it needs at least {SECRET_MIN}.",
            where=name,
            fix="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return key.encode("utf-8") if isinstance(key, str) else bytes(key)
