"""The schedule by itself: every few seconds, what is due of the newsletters' send slots."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from digest.clock import Clock
from digest.delivery.slots import SlotKeeper
from digest.jobs.embedded import EmbeddedEngine
from digest.rules.epoch import SEEN_EVERY

TICK = 5.0  # seconds


@asynccontextmanager
async def slots_kept(
    keeper: SlotKeeper, clock: Clock, *, beat: Callable[[], None], every: float = TICK
) -> AsyncIterator[None]:
    """While the block runs: now and every ``every`` seconds, whatever is due. ``beat`` is called
    when a slot has gone as it should.
    """

    async def work() -> None:
        done = await keeper.tick(clock.now())
        if any(one.as_it_should for one in done):
            beat()

    async def be_seen() -> None:
        await keeper.be_seen(clock.now())

    engine = EmbeddedEngine()
    engine.register("slots", work)
    engine.every(every, "slots")
    engine.register("be seen", be_seen)
    engine.every(SEEN_EVERY.total_seconds(), "be seen")
    await engine.start()
    try:
        yield
    finally:
        await engine.stop()
