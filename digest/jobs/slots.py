"""The schedule by itself: what is due of the newsletters' send slots, at the moment it is due.

Every few seconds somebody looks; whoever sees that something will be due before the next look asks
for one at that moment. Where it dies meanwhile, the next look is soon enough. The rows of what has
started are another job's, so that no slot waits for those of another newsletter.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from digest.clock import Clock
from digest.delivery.slots import SlotKeeper
from digest.jobs.engine import Engines
from digest.rules.epoch import SEEN_EVERY

TICK = 5.0  # seconds


def keep_slots(engines: Engines, keeper: SlotKeeper, clock: Clock, *, every: float = TICK) -> None:
    """Now, every ``every`` seconds and at the moment it is due, whatever is due."""

    async def work() -> None:
        now = clock.now()
        if await keeper.tick(now):
            engines.shared.wake("rows")
        due = await keeper.next_moment(now)
        if due is not None and due - now < timedelta(seconds=every):
            seconds = (due - clock.now()).total_seconds()
            asyncio.get_running_loop().call_later(max(seconds, 0), engines.shared.wake, "slots")

    async def finish() -> None:
        await keeper.finish(clock.now())

    async def be_seen() -> None:
        await keeper.be_seen(clock.now())

    engines.shared.register("slots", work)
    engines.shared.every(every, "slots")
    engines.shared.register("rows", finish)
    engines.shared.every(every, "rows")
    engines.local.register("be seen", be_seen)
    engines.local.every(SEEN_EVERY.total_seconds(), "be seen")
