"""What was sent is written down soon, in order, and never given up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from digest.delivery.recorder import GROUP_MAX, Recorder


class Book:
    """Takes groups when it is open."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refusals = 0
        self.refused = asyncio.Event()

    async def write(self, group: Sequence[int]) -> None:
        if self.refusals:
            self.refusals -= 1
            self.refused.set()
            raise OSError("disk full")
        await self.open.wait()
        self.groups.append(list(group))

    @property
    def written(self) -> list[int]:
        return [number for group in self.groups for number in group]


async def finish(recorder: Recorder[int], running: asyncio.Task[None]) -> None:
    recorder.close()
    await running


async def test_everything_is_written_in_order_and_in_groups() -> None:
    book = Book()
    recorder = Recorder(book.write)
    for number in range(GROUP_MAX * 2 + 10):
        recorder.add(number)
    running = asyncio.create_task(recorder.run())
    await finish(recorder, running)
    assert book.written == list(range(GROUP_MAX * 2 + 10))
    assert max(len(group) for group in book.groups) == GROUP_MAX


async def test_senders_wait_when_too_much_is_unrecorded() -> None:
    book = Book()
    book.open.clear()
    recorder = Recorder(book.write, unrecorded=10, unrecorded_ms=10_000)
    running = asyncio.create_task(recorder.run())
    for number in range(9):
        recorder.add(number)
    assert not recorder.full
    recorder.add(9)
    assert recorder.full
    waiting = asyncio.create_task(recorder.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    book.open.set()
    await waiting
    assert recorder.unrecorded < 10
    await finish(recorder, running)


async def test_senders_wait_for_an_outcome_that_is_too_old() -> None:
    book = Book()
    book.open.clear()
    recorder = Recorder(book.write, unrecorded=500, unrecorded_ms=1)
    running = asyncio.create_task(recorder.run())
    recorder.add(1)
    while not recorder.full:  # noqa: ASYNC110 - it is time that passes
        await asyncio.sleep(0.001)
    book.open.set()
    await recorder.room()
    await finish(recorder, running)


async def test_while_the_database_refuses_nothing_is_lost_and_nothing_begins() -> None:
    book = Book()
    book.refusals = 2
    recorder = Recorder(book.write)
    running = asyncio.create_task(recorder.run())
    recorder.add(1)
    await book.refused.wait()
    assert recorder.full
    recorder.add(2)
    await recorder.room()
    await finish(recorder, running)
    assert book.written == [1, 2]
