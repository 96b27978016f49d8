"""Feeds that are due are asked, beside the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from digest.clock import Clock
from digest.collect.asking import Asker
from digest.collect.feeds import collect_due
from digest.jobs.engine import Engine
from digest.settings import Settings
from digest.store.session import Database

LOOK = 60.0  # seconds between two looks for feeds that are due

__all__ = ["collecting"]


@asynccontextmanager
async def collecting(
    engine: Engine, settings: Settings, db: Database, clock: Clock, *, every: float = LOOK
) -> AsyncIterator[None]:
    """Now and every ``every`` seconds, the feeds that are due; the block outlives the engine."""
    async with Asker.of(settings).fetcher("feed reader of a newsletter") as fetcher:

        async def work() -> None:
            await collect_due(db, fetcher, clock.now())

        engine.register("feeds", work)
        engine.every(every, "feeds")
        yield
