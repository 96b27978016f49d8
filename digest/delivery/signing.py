"""Signing ahead of the connections, on every processor.

An RSA signature costs many times what everything else about a message costs, so it is what sending
would wait for. ``cryptography`` and ``hashlib`` give up Python's lock while they work, so threads
sign the claims that wait in the queue while the event loop sends those that are signed. Work is
handed over in groups: to wake the event loop for each letter would cost a tenth of a signature.

What a thread leaves is the signature alone. A letter is composed where it is sent, for it depends
on the relay: profiles add fields that no signature covers, and where the relay signs itself ours is
left out. Composing is cheap and gives the same bytes each time; a queue of letters would hold 64 KB
for each of its claims.

Where nothing is signed (no key for the sender, relays that sign themselves) no thread is started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Self, TypeVar

from digest.delivery.dkim_keys import KeyFolder, Signers
from digest.delivery.session import Letter
from digest.mail.dkim import sender_domain
from digest.rules.relay import RelayConfig, RelayProfile
from digest.rules.retry import GIVEN_UP_AFTER
from digest.settings import Settings

_GROUP = 8  # letters handed to a thread at once: about 2 ms of signing

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class DkimSigning:
    """Signs letters of the domains that have a key; ``signers`` may be empty, then of none."""

    signers: Signers = field(default_factory=Signers)
    always: bool = False  # also through relays that sign themselves: two signatures harm nobody

    @classmethod
    def of(cls, settings: Settings, relays: Sequence[RelayConfig]) -> Self:
        """What ``settings`` ask for with these relays; SettingsError for a key that cannot be used.

        Keys that no relay needs are not looked at.
        """
        always = settings.dkim.sign == "always"
        needed = always or any(not relay.profile.signs_dkim for relay in relays)
        if settings.dkim.sign == "never" or not needed:
            return cls()
        return cls(KeyFolder(settings.dkim_folder).signers(), always=always)

    def __bool__(self) -> bool:
        return bool(self.signers)

    def wanted(self, profile: RelayProfile) -> bool:
        """Whether mail through a relay of ``profile`` is signed by us."""
        return bool(self.signers) and (self.always or not profile.signs_dkim)

    def signature(self, letter: Letter, *, first_claimed_at: datetime, now: datetime) -> bytes:
        """What stands before the letter's bytes: a DKIM-Signature, or nothing without a key.

        The time in it is that of the first claim, so that a retry is the same bytes; a row that is
        sent once more after everything was over gets a signature of its own, for the first one
        would run out too soon. Any thread may call it.
        """
        signer = self.signers.of(sender_domain(letter.data)) if self.signers else None
        if signer is None:
            return b""
        at = first_claimed_at if now - first_claimed_at <= GIVEN_UP_AFTER else now
        return signer.sign(letter.data, at)


class Prepared:
    """The signature of one letter on its way through a thread; ``ready`` once it is there."""

    __slots__ = ("_arrived", "_result", "ready")

    def __init__(self) -> None:
        self._result: bytes | Exception = b""
        self._arrived: asyncio.Event | None = None
        self.ready = False

    def signature(self) -> bytes:
        """What stands before the letter; raises what composing or signing it raised."""
        if not self.ready:
            raise RuntimeError("the signature is not ready yet")
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    async def wait(self) -> None:
        """Return as soon as it is there, or has failed."""
        if not self.ready:
            self._arrived = self._arrived or asyncio.Event()
            await self._arrived.wait()

    def arrive(self, result: bytes | Exception) -> None:
        """Told once, on the event loop."""
        self._result = result
        self.ready = True
        if self._arrived is not None:
            self._arrived.set()


class SigningRoom(Generic[Row]):
    """The threads that sign; belongs to one event loop, closed when its run ends.

    ``sign`` composes the letter of one row and returns its signature; it is called in a thread.
    Rows given first are ready first, as far as threads keep in step.
    """

    def __init__(self, sign: Callable[[Row], bytes], *, threads: int = 0) -> None:
        self._sign = sign
        self._threads = threads or processors()
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, rows: Sequence[Row]) -> list[Prepared]:
        """Have these rows' letters signed; one place for each, in their order."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="sign")
        loop = asyncio.get_running_loop()
        places = [Prepared() for _ in rows]
        # Few rows are spread over all threads too, not put into one group.
        size = min(_GROUP, max(1, -(-len(rows) // self._threads)))
        for at in range(0, len(rows), size):
            self._pool.submit(self._group, loop, rows[at : at + size], places[at : at + size])
        return places

    def close(self) -> None:
        """Sign no more. Only when nobody waits: what was not begun never arrives."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _group(
        self, loop: asyncio.AbstractEventLoop, rows: Sequence[Row], places: Sequence[Prepared]
    ) -> None:
        results: list[bytes | Exception] = []
        for row in rows:
            try:
                results.append(self._sign(row))
            except Exception as error:  # noqa: BLE001 - handed to whoever waits for this one letter
                results.append(error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(_arrived, places, results)


def signed(letter: Letter, signature: bytes) -> Letter:
    """``letter`` with its signature before it."""
    return letter._replace(data=signature + letter.data) if signature else letter


def processors() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _arrived(places: Sequence[Prepared], results: Sequence[bytes | Exception]) -> None:
    for place, result in zip(places, results, strict=True):
        place.arrive(result)
