"""Passwords: argon2id with the parameters of RFC 9106 §4 (second recommendation), in a thread.

A hash takes 64 MB and some 50 ms, so no more than two are made at a time, whoever asks.
"""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.profiles import RFC_9106_LOW_MEMORY

from digest.errors import InputError

SHORTEST = 12  # characters
_LONGEST = 256
_AT_ONCE = 2

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
# The hash of what nobody types, for those who are nobody: made of 32 random bytes, kept nowhere.
_NOBODYS = (
    "$argon2id$v=19$m=65536,t=3,p=4$mu6aIpn7xWOpuNgAzFW2tg$"
    "h2/p4ApsGhzeO2hsL+62ODXWTcy55YHqfs4fwe82nLc"
)


def check_new(password: str, *, address: str) -> None:
    """Raise InputError for a password that is too easily guessed."""
    if not SHORTEST <= len(password) <= _LONGEST:
        raise InputError(f"A password has {SHORTEST} characters or more.", where="password")
    if len(set(password)) < 5 or password.casefold() in address.casefold():
        raise InputError("This password is too easily guessed.", where="password")


async def hash_password(password: str) -> str:
    """What is kept of a password."""
    async with _turn():
        return await asyncio.to_thread(_hasher.hash, password)


async def is_password(password: str, kept: str | None) -> bool:
    """Whether ``password`` is the one that was kept; takes as long where none was."""
    async with _turn():
        fits = await asyncio.to_thread(_verified, kept or _NOBODYS, password[:_LONGEST])
    return fits and kept is not None


def _verified(kept: str, password: str) -> bool:
    try:
        return _hasher.verify(kept, password)
    except (Argon2Error, InvalidHashError):
        return False


_turns: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def _turn() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    if loop not in _turns:
        _turns.clear()  # one loop at a time, as a rule; the others are over
        _turns[loop] = asyncio.Semaphore(_AT_ONCE)
    return _turns[loop]
