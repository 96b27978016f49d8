"""A sealed file: encrypted in pieces, so that it can be written and read as a stream.

AES-256-GCM (NIST SP 800-38D) over pieces of 64 KiB, in the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizár (2015): each piece has its number and whether it is the last one in
its nonce, so none can be changed, left out, put elsewhere or cut off unseen. The key comes from a
passphrase by scrypt (RFC 7914) or from the bytes of a key file by HKDF (RFC 5869), with a salt of
this file alone; the head of the file, which says how, is authenticated with every piece.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from digest.errors import InputError

PIECE = 1 << 16  # bytes of content in a piece
MINIMUM = 32  # bytes of a key file
_TAG, _KEY, _SALT, _PREFIX = 16, 32, 16, 7
_MAGIC = b"digest backup 1\n"
_HEAD = struct.Struct(f">16s4B{_SALT}s{_PREFIX}s")
_PASSPHRASE, _KEY_FILE = 1, 2
# RFC 7914 §2 with 128 MiB of memory: half a second for us, and for each guess of anybody else.
_COST, _BLOCK, _PARALLEL = 17, 8, 1
_HIGHEST_COST = 20  # 1 GiB: more would be an attack on who reads the file


@dataclass(frozen=True, slots=True)
class Secret:
    """What opens a file: a passphrase, or the bytes of a key file."""

    value: bytes = field(repr=False)
    kind: int = _PASSPHRASE

    @classmethod
    def passphrase(cls, text: str) -> Secret:
        """Words of a person."""
        return cls(text.encode())

    @classmethod
    def key(cls, content: bytes) -> Secret:
        """The content of a key file, at least ``MINIMUM`` bytes of chance."""
        return cls(content, _KEY_FILE)


class SealedWriter:
    """Takes bytes and writes them sealed; without ``close`` the file is no whole one."""

    def __init__(self, file: BinaryIO, secret: Secret) -> None:
        salt, prefix = os.urandom(_SALT), os.urandom(_PREFIX)
        self._head = _HEAD.pack(_MAGIC, secret.kind, _COST, _BLOCK, _PARALLEL, salt, prefix)
        self._cipher = _cipher(secret, self._head)
        self._file = file
        self._buffer = bytearray()
        self._number = 0
        file.write(self._head)

    def write(self, data: bytes) -> None:
        """Add content."""
        self._buffer += data
        while len(self._buffer) > PIECE:  # never all of it: the last piece is another one
            self._put(bytes(self._buffer[:PIECE]), last=False)
            del self._buffer[:PIECE]

    def close(self) -> None:
        """Write what is left, and that there is no more."""
        self._put(bytes(self._buffer), last=True)
        self._buffer.clear()

    def _put(self, content: bytes, *, last: bool) -> None:
        nonce = _nonce(self._head, self._number, last=last)
        self._file.write(self._cipher.encrypt(nonce, content, self._head))
        self._number += 1


def unsealed(file: BinaryIO, secret: Secret, *, name: str) -> Iterator[bytes]:
    """The content, piece by piece; nothing is given out that was not authenticated.

    InputError, which names the file as ``name``, for another secret, and for a file that was
    changed, cut off or made longer.
    """
    head = file.read(_HEAD.size)
    kind = _kind(head, name)
    if kind != secret.kind:
        wanted = "a passphrase" if kind == _PASSPHRASE else "a key file"
        raise InputError(f"This backup opens with {wanted}.", where=name)
    cipher = _cipher(secret, head)
    number, content = 0, file.read(PIECE + _TAG)
    while True:
        following = file.read(PIECE + _TAG)
        nonce = _nonce(head, number, last=not following)
        try:
            yield cipher.decrypt(nonce, content, head)
        except InvalidTag:
            raise _damaged(name, number) from None
        if not following:
            return
        number, content = number + 1, following


def opens_with_passphrase(file: BinaryIO, *, name: str) -> bool:
    """Whether a passphrase opens it, and no key file; reads the head and goes back."""
    kind = _kind(file.read(_HEAD.size), name)
    file.seek(0)
    return kind == _PASSPHRASE


def _kind(head: bytes, name: str) -> int:
    if len(head) < _HEAD.size or not head.startswith(_MAGIC):
        raise InputError("This is no backup made by digest.", where=name)
    kind, cost, block, parallel = head[16:20]
    sane = cost <= _HIGHEST_COST and 0 < block <= 16 and 0 < parallel <= 4 and cost > 0
    if kind not in (_PASSPHRASE, _KEY_FILE) or not sane:
        raise InputError("The head of this backup is damaged.", where=name)
    return int(kind)


def _damaged(name: str, number: int) -> InputError:
    if number == 0:
        return InputError(
            "This backup does not open: the passphrase or key is another one, or the file is "
            "damaged.",
            where=name,
            fix="Try the secret it was made with, then another copy.",
        )
    return InputError(
        f"This backup is damaged or cut off behind byte {number * (PIECE + _TAG) + _HEAD.size:,}.",
        where=name,
        fix="Take another copy.",
    )


def _cipher(secret: Secret, head: bytes) -> AESGCM:
    _magic, kind, cost, block, parallel, salt, _prefix = _HEAD.unpack(head)
    if kind == _PASSPHRASE:
        scrypt = Scrypt(salt=salt, length=_KEY, n=1 << cost, r=block, p=parallel)
        return AESGCM(scrypt.derive(secret.value))
    hkdf = HKDF(algorithm=SHA256(), length=_KEY, salt=salt, info=_MAGIC)
    return AESGCM(hkdf.derive(secret.value))


def _nonce(head: bytes, number: int, *, last: bool) -> bytes:
    return head[-_PREFIX:] + struct.pack(">IB", number, last)
