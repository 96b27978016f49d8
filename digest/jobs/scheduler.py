"""Everything a scheduler does: what becomes due by time, what others are told, what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from digest.audience.feedback import FeedbackDesk
from digest.delivery.checks import Gate
from digest.delivery.epoch import begin_here
from digest.delivery.slots import SlotKeeper
from digest.jobs.alarms import alarmed
from digest.jobs.automatic import make_issues
from digest.jobs.collecting import collecting
from digest.jobs.engine import Engines, running
from digest.jobs.inbox import ask_for_hosts
from digest.jobs.outgoing import Outgoing, posting, telling
from digest.jobs.slots import keep_slots
from digest.jobs.upkeep import keep_up
from digest.settings import Settings
from digest.store.session import Database


async def begin_keeping(
    db: Database, gate: Gate, settings: Settings, *, now: datetime, take_over: bool
) -> SlotKeeper:
    """Become a machine that keeps the schedule; raises as ``epoch.begin_here``."""
    began = await begin_here(db, settings.state_dir, now=now, scheduler=True, take_over=take_over)
    return SlotKeeper(db, gate, began.machine)


@asynccontextmanager
async def scheduled(
    engines: Engines, settings: Settings, keeper: SlotKeeper, desk: FeedbackDesk
) -> AsyncIterator[None]:
    """While the block runs, do it; of several schedulers each job is done by one at a time."""
    db, clock, shared = desk.db, desk.clock, engines.shared
    async with (
        collecting(shared, settings, db, clock),
        posting(settings) as post,
        telling(shared, Outgoing(db, clock, post)),
        alarmed(engines, db, clock, settings),
    ):
        keep_up(shared, db, clock, keep_days=settings.keep_days)
        make_issues(shared, settings, db, clock)
        ask_for_hosts(shared, desk)
        keep_slots(engines, keeper, clock)
        async with running(engines):
            yield
