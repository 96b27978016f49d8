"""Hints are enough: a job runs when woken, one at a time, and an error does not end it."""

from __future__ import annotations

import asyncio

from digest.jobs.embedded import EmbeddedEngine


class Work:
    """A job that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.most_at_once = 0
        self.ran = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.fails = False

    async def __call__(self) -> None:
        self.runs += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.ran.set()
        await self.may_end.wait()
        self.at_once -= 1
        if self.fails:
            self.fails = False
            raise RuntimeError("once")


async def test_a_woken_job_runs_and_one_that_is_not_does_not() -> None:
    engine, work, other = EmbeddedEngine(), Work(), Work()
    engine.register("work", work)
    engine.register("other", other)
    await engine.start()
    engine.wake("work")
    await work.ran.wait()
    await engine.stop()
    assert (work.runs, other.runs) == (1, 0)


async def test_woken_while_it_runs_it_runs_once_more_and_never_twice_at_once() -> None:
    engine, work = EmbeddedEngine(), Work()
    engine.register("work", work)
    await engine.start()
    work.may_end.clear()
    engine.wake("work")
    await work.ran.wait()
    for _ in range(5):
        engine.wake("work")
    work.ran.clear()
    work.may_end.set()
    await work.ran.wait()
    await engine.stop()
    assert work.runs == 2
    assert work.most_at_once == 1


async def test_a_job_that_fails_runs_again_at_the_next_hint() -> None:
    engine, work = EmbeddedEngine(), Work()
    work.fails = True
    engine.register("work", work)
    await engine.start()
    engine.wake("work")
    await work.ran.wait()
    work.ran.clear()
    engine.wake("work")
    await work.ran.wait()
    await engine.stop()
    assert work.runs == 2


async def test_the_clock_wakes_a_job_again_and_again() -> None:
    engine, work = EmbeddedEngine(), Work()
    engine.register("work", work)
    engine.every(0.01, "work")
    await engine.start()
    while work.runs < 3:
        work.ran.clear()
        await work.ran.wait()
    await engine.stop()
