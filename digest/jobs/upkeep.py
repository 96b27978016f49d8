"""What is forgotten or taken up again once an hour, beside the pages."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import structlog

from digest.audience.upkeep import upkeep
from digest.clock import Clock
from digest.delivery.retention import forget_old, roll_up_finished
from digest.jobs.engine import Engine
from digest.store.session import Database

HOUR = 3600.0  # seconds

log = structlog.get_logger(__name__)


def keep_up(
    engine: Engine, db: Database, clock: Clock, *, keep_days: int, every: float = HOUR
) -> None:
    """Now and every ``every`` seconds, what time has made due.

    Rows of issues are kept for ``keep_days`` days, for ever where that is 0; what is of no use any
    more is forgotten then, too (``delivery.retention``).
    """

    async def work() -> None:
        done = await upkeep(db, clock.now())
        keep = timedelta(days=keep_days) if keep_days else None
        rolled_up = 0 if keep is None else await roll_up_finished(db, clock.now(), keep=keep)
        forgotten = await forget_old(db, clock.now(), keep=keep)
        log.debug("upkeep", **asdict(done), rolled_up=rolled_up, forgotten=forgotten)

    engine.register("upkeep", work)
    engine.every(every, "upkeep")
