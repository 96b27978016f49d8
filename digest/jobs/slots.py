"""The schedule by itself: every few seconds, what is due of the newsletters' send slots."""

from __future__ import annotations

from digest.clock import Clock
from digest.delivery.slots import SlotKeeper
from digest.jobs.engine import Engines
from digest.rules.epoch import SEEN_EVERY

TICK = 5.0  # seconds


def keep_slots(engines: Engines, keeper: SlotKeeper, clock: Clock, *, every: float = TICK) -> None:
    """Now and every ``every`` seconds, whatever is due."""

    async def work() -> None:
        await keeper.tick(clock.now())

    async def be_seen() -> None:
        await keeper.be_seen(clock.now())

    engines.shared.register("slots", work)
    engines.shared.every(every, "slots")
    engines.local.register("be seen", be_seen)
    engines.local.every(SEEN_EVERY.total_seconds(), "be seen")
