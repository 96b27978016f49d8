"""What is forgotten or taken up again once an hour, beside the pages."""

from __future__ import annotations

from dataclasses import asdict

import structlog

from digest.audience.upkeep import upkeep
from digest.clock import Clock
from digest.jobs.engine import Engine
from digest.store.session import Database

HOUR = 3600.0  # seconds

log = structlog.get_logger(__name__)


def keep_up(engine: Engine, db: Database, clock: Clock, *, every: float = HOUR) -> None:
    """Now and every ``every`` seconds, what time has made due."""

    async def work() -> None:
        done = await upkeep(db, clock.now())
        log.debug("upkeep", **asdict(done))

    engine.register("upkeep", work)
    engine.every(every, "upkeep")
