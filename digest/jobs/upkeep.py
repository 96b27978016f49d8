"""What is forgotten or taken up again once an hour, beside the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

import structlog

from digest.audience.upkeep import upkeep
from digest.clock import Clock
from digest.jobs.embedded import EmbeddedEngine
from digest.store.session import Database

HOUR = 3600.0  # seconds

log = structlog.get_logger(__name__)


@asynccontextmanager
async def kept_up(db: Database, clock: Clock, *, every: float = HOUR) -> AsyncIterator[None]:
    """While the block runs: now and every ``every`` seconds, what time has made due."""

    async def work() -> None:
        done = await upkeep(db, clock.now())
        log.debug("upkeep", **asdict(done))

    engine = EmbeddedEngine()
    engine.register("upkeep", work)
    engine.every(every, "upkeep")
    await engine.start()
    try:
        yield
    finally:
        await engine.stop()
