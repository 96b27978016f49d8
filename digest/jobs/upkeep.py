"""What is forgotten or taken up again once an hour, beside the pages."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import structlog

from digest.audience.upkeep import upkeep
from digest.clock import Clock
from digest.delivery.retention import roll_up_finished
from digest.jobs.engine import Engine
from digest.store.session import Database

HOUR = 3600.0  # seconds

log = structlog.get_logger(__name__)


def keep_up(
    engine: Engine, db: Database, clock: Clock, *, keep_days: int, every: float = HOUR
) -> None:
    """Now and every ``every`` seconds, what time has made due.

    Rows of issues are kept for ``keep_days`` days, for ever where that is 0.
    """

    async def work() -> None:
        done = await upkeep(db, clock.now())
        rolled_up = 0
        if keep_days:
            keep = timedelta(days=keep_days)
            rolled_up = await roll_up_finished(db, clock.now(), keep=keep)
        log.debug("upkeep", **asdict(done), rolled_up=rolled_up)

    engine.register("upkeep", work)
    engine.every(every, "upkeep")
