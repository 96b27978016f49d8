"""Counts that take long are kept for a while, and no longer than the issue stands still."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from digest.clock import Clock
from digest.web.kept import Kept, for_pages


class Hand(Clock):
    """A clock that is moved by hand."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def kept_by(clock: Clock) -> Kept:
    return replace(for_pages(), clock=clock)


class Counter:
    """Counts how often it was asked, and takes as long as it is told."""

    def __init__(self, clock: Hand, takes: float) -> None:
        self.clock, self.takes, self.asked = clock, takes, 0

    async def __call__(self) -> int:
        await asyncio.sleep(0)
        self.clock.seconds += self.takes
        self.asked += 1
        return self.asked


async def test_what_took_long_is_shown_again_for_a_hundred_times_as_long() -> None:
    clock = Hand()
    kept, counter = kept_by(clock), Counter(clock, 0.5)
    assert [await kept.get("issue", counter) for _ in range(3)] == [1, 1, 1]
    clock.seconds += 49.9
    assert await kept.get("issue", counter) == 1
    clock.seconds += 0.2
    assert await kept.get("issue", counter) == 2
    assert await kept.get("issue, paused", counter) == 3  # it has moved on


async def test_what_is_counted_at_once_is_counted_anew_each_time() -> None:
    clock = Hand()
    kept, counter = kept_by(clock), Counter(clock, 0.05)
    assert [await kept.get("issue", counter) for _ in range(3)] == [1, 2, 3]


async def test_one_counts_for_all_who_ask_meanwhile() -> None:
    clock = Hand()
    kept, counter = kept_by(clock), Counter(clock, 1.0)
    assert await asyncio.gather(*(kept.get("issue", counter) for _ in range(50))) == [1] * 50
