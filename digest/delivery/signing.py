"""Composing and signing ahead of the connections, on every processor.

An RSA signature costs thirteen times what everything else about a message costs, so it is what
sending would wait for. ``cryptography`` and ``hashlib`` give up Python's lock while they work, so
threads sign the claims that wait in the queue while the event loop sends those that are signed.
Work is handed over in groups: to wake the event loop for each letter would cost a tenth of a
signature.

Where nothing is signed (no key for the sender, or a relay that signs itself) no thread is started
and a letter costs what it costs to compose.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Self, TypeVar

from digest.delivery.dkim_keys import KeyFolder, Signers
from digest.delivery.session import Letter
from digest.mail.dkim import sender_domain
from digest.rules.relay import RelayConfig
from digest.rules.retry import GIVEN_UP_AFTER
from digest.settings import Settings

_GROUP = 8  # letters handed to a thread at once: about 2 ms of signing

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class DkimSigning:
    """Signs letters of the domains that have a key; ``signers`` may be empty, then of none."""

    signers: Signers

    @classmethod
    def of(cls, settings: Settings, relays: Sequence[RelayConfig]) -> Self:
        """What ``settings`` ask for with these relays; SettingsError for a key that cannot be used.

        With ``auto``, mail is signed when at least one relay does not sign itself: which of them
        gets a message is not known yet when it is signed, and two signatures harm nobody.
        """
        wanted = settings.dkim.sign == "always" or (
            settings.dkim.sign == "auto" and any(not one.profile.signs_dkim for one in relays)
        )
        return cls(KeyFolder(settings.dkim_folder).signers() if wanted else Signers())

    def __bool__(self) -> bool:
        return bool(self.signers)

    def sign(self, letter: Letter, *, first_claimed_at: datetime, now: datetime) -> Letter:
        """``letter`` with its signature before it, or as it is where its sender has no key.

        The time in the signature is that of the first claim, so that a retry is the same bytes; a
        row that is sent once more after everything was over gets a signature of its own, for the
        first one would run out too soon. Any thread may call it.
        """
        signer = self.signers.of(sender_domain(letter.data)) if self.signers else None
        if signer is None:
            return letter
        at = first_claimed_at if now - first_claimed_at <= GIVEN_UP_AFTER else now
        return replace(letter, data=signer.sign(letter.data, at) + letter.data)


class Prepared:
    """One letter on its way through a thread; ``ready`` once ``letter()`` can tell."""

    __slots__ = ("_arrived", "_error", "_letter", "ready")

    def __init__(self) -> None:
        self._letter: Letter | None = None
        self._error: Exception | None = None
        self._arrived: asyncio.Event | None = None
        self.ready = False

    def letter(self) -> Letter | None:
        """What composing gave; raises what it raised."""
        if not self.ready:
            raise RuntimeError("the letter is not ready yet")
        if self._error is not None:
            raise self._error
        return self._letter

    async def wait(self) -> Letter | None:
        """The same, as soon as it is there."""
        if not self.ready:
            self._arrived = self._arrived or asyncio.Event()
            await self._arrived.wait()
        return self.letter()

    def arrive(self, result: Letter | Exception | None) -> None:
        """Told once, on the event loop."""
        if isinstance(result, Exception):
            self._error = result
        else:
            self._letter = result
        self.ready = True
        if self._arrived is not None:
            self._arrived.set()


class SigningRoom(Generic[Row]):
    """The threads that compose and sign; belongs to one event loop, closed when its run ends.

    ``write`` composes and signs the letter of one row (None: nothing of it is wanted); it is called
    in a thread. Rows given first are ready first, as far as threads keep in step.
    """

    def __init__(self, write: Callable[[Row], Letter | None], *, threads: int = 0) -> None:
        self._write = write
        self._threads = threads or processors()
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, rows: Sequence[Row]) -> list[Prepared]:
        """Have these rows' letters written; one place for each, in their order."""
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
        """Write no more. Only when nobody waits: what was not begun never arrives."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _group(
        self, loop: asyncio.AbstractEventLoop, rows: Sequence[Row], places: Sequence[Prepared]
    ) -> None:
        results: list[Letter | Exception | None] = []
        for row in rows:
            try:
                results.append(self._write(row))
            except Exception as error:  # noqa: BLE001 - handed to whoever waits for this one letter
                results.append(error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(_arrived, places, results)


def processors() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _arrived(places: Sequence[Prepared], results: Sequence[Letter | Exception | None]) -> None:
    for place, result in zip(places, results, strict=True):
        place.arrive(result)
