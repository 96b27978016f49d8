"""The schedule by itself: every few seconds, what is due of the newsletters' send slots."""

from __future__ import annotations

from collections.abc import Callable

from digest.clock import Clock
from digest.delivery.slots import SlotKeeper
from digest.jobs.engine import Engines
from digest.rules.epoch import SEEN_EVERY

TICK = 5.0  # seconds


def keep_slots(
    engines: Engines,
    keeper: SlotKeeper,
    clock: Clock,
    *,
    beat: Callable[[], None],
    every: float = TICK,
) -> None:
    """Now and every ``every`` seconds, whatever is due. ``beat`` is called when a slot has gone as
    it should.
    """

    async def work() -> None:
        done = await keeper.tick(clock.now())
        if any(one.as_it_should for one in done):
            beat()

    async def be_seen() -> None:
        await keeper.be_seen(clock.now())

    engines.shared.register("slots", work)
    engines.shared.every(every, "slots")
    engines.local.register("be seen", be_seen)
    engines.local.every(SEEN_EVERY.total_seconds(), "be seen")
