"""The schedule by itself: every few seconds, what is due of the newsletters' send slots."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from digest.clock import Clock
from digest.delivery.slots import SlotKeeper
from digest.jobs.embedded import EmbeddedEngine

TICK = 5.0  # seconds


@asynccontextmanager
async def slots_kept(
    keeper: SlotKeeper, clock: Clock, *, every: float = TICK
) -> AsyncIterator[None]:
    """While the block runs: now and every ``every`` seconds, whatever is due."""

    async def work() -> None:
        await keeper.tick(clock.now())

    engine = EmbeddedEngine()
    engine.register("slots", work)
    engine.every(every, "slots")
    await engine.start()
    try:
        yield
    finally:
        await engine.stop()
