"""Passwords cost time and memory on purpose: who else is served meanwhile, and who can tell."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import CHEAPEST, RFC_9106_LOW_MEMORY

from digest.access import passwords
from digest.access.passwords import hash_password, is_password
from digest.access.users import add_user, follow_link, known_user
from digest.rules.rights import Role
from digest.store.session import Database
from tests.build import NOW

PASSWORD = "a horse, a battery and a staple"
ANNE, BART = "anne@example.org", "bart@example.org"


class Watched(PasswordHasher):
    """Argon2, which tells what it was asked for and waits until it may go on."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.asked: list[str] = []  # the kept hash, "" where one is made
        self.may_go = threading.Event()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        with self._watched(""):
            return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - as it is there
        with self._watched(str(hash)):
            return super().verify(hash, password)

    @contextmanager
    def _watched(self, kept: str) -> Iterator[None]:
        self.asked.append(kept)
        assert self.may_go.wait(5), "Nobody else did anything meanwhile."
        yield


class Threads(ThreadPoolExecutor):
    """The threads of a loop, and how much they were given."""

    given = 0

    def submit(self, *call: Any, **more: Any) -> Future[Any]:
        self.given += 1
        return super().submit(*call, **more)


def test_others_are_served_while_two_passwords_are_worked_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rest waits outside: 64 MB each, for whoever asks."""
    hasher = Watched.from_parameters(CHEAPEST)
    assert isinstance(hasher, Watched)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    kept = PasswordHasher.from_parameters(CHEAPEST).hash(PASSWORD)

    async def all_at_once() -> None:
        threads = Threads()
        asyncio.get_running_loop().set_default_executor(threads)
        verified = [asyncio.ensure_future(is_password(PASSWORD, kept)) for _ in range(3)]
        hashed = [asyncio.ensure_future(hash_password(PASSWORD)) for _ in range(2)]
        await asyncio.sleep(0)  # each has begun; only a loop that goes on comes back from here
        assert threads.given == 2
        hasher.may_go.set()
        assert await asyncio.gather(*verified) == [True] * 3
        assert len(set(await asyncio.gather(*hashed))) == 2
        assert threads.given == 5

    asyncio.run(all_at_once())


async def test_an_address_nobody_has_costs_what_a_wrong_password_costs(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is none, and that of somebody who has set no password yet."""
    async with await Database.open(sqlite_url) as db:
        async with db.begin() as session:
            secret = await add_user(session, ANNE, role=Role.EDITOR, now=NOW)
            await add_user(session, BART, role=Role.EDITOR, now=NOW)
        anne = await follow_link(db, secret, password=PASSWORD, now=NOW)
        hasher = Watched.from_parameters(RFC_9106_LOW_MEMORY)
        assert isinstance(hasher, Watched)
        hasher.may_go.set()
        monkeypatch.setattr(passwords, "_hasher", hasher)
        for number, address in enumerate((ANNE, BART, "nobody@example.org", "x"), start=1):
            assert await known_user(db, address, "not that one", code="", now=NOW) is None
            assert len(hasher.asked) == number, address
            assert extract_parameters(hasher.asked[-1]) == RFC_9106_LOW_MEMORY, address
    assert hasher.asked[0] == anne.password_hash
