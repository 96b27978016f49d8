"""How long rows are kept: those of readers who got an issue become counts in time, and what nobody
asks for any more is forgotten.

A few thousand rows at a time, each time in a transaction of its own, so that nobody who sends
waits for it; what one hour does not get to, the next one does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from digest.store.forgetting import (
    forget_pictures,
    forget_quarantined,
    forget_refusals,
    forget_schedulers,
    forget_usage,
    forget_words,
)
from digest.store.old_notices import forget_notices
from digest.store.rollup import next_to_roll_up, note_rolled_up, roll_up
from digest.store.session import Database, Session

BATCH = 2_000  # rows, a few hundredths of a second
SHORTEST = timedelta(days=35)  # mail that comes back is believed for 30 days after settling
AT_MOST = 250  # batches an hour: 500,000 rows, 84,000,000 a week

Forget: TypeAlias = Callable[[Session, datetime, int], Awaitable[int]]
"""Forgets so many rows that are older than a moment; how many it found."""

# How long each is of use. None: as long as rows of an issue are kept.
KEPT: Mapping[Forget, timedelta | None] = {
    forget_notices: SHORTEST,
    forget_quarantined: timedelta(days=90),
    forget_words: None,
    forget_refusals: timedelta(days=90),
    forget_pictures: timedelta(days=90),
    forget_usage: SHORTEST,
    forget_schedulers: timedelta(days=90),
}


async def forget_old(
    db: Database, now: datetime, *, keep: timedelta | None, batch: int = BATCH
) -> int:
    """Forget what was kept long enough; how many rows that were.

    ``keep``: how long rows of an issue are kept; None: for ever.
    """
    forgotten = 0
    for forget, kept in KEPT.items():
        after = kept or (keep and max(keep, SHORTEST))
        if after is not None:
            forgotten += await _all_older(db, now - after, forget, batch)
    return forgotten


async def _all_older(db: Database, before: datetime, forget: Forget, batch: int) -> int:
    taken = 0
    for _ in range(AT_MOST):
        async with db.begin() as session:
            found = await forget(session, before, batch)
        taken += found
        if found < batch:
            break
    return taken


async def roll_up_finished(
    db: Database, now: datetime, *, keep: timedelta, batch: int = BATCH, at_most: int = AT_MOST
) -> int:
    """Roll up what was finished longer than ``keep`` ago; how many issues are through."""
    before, through = now - max(keep, SHORTEST), 0
    while at_most > 0:
        async with db.read() as session:
            issue_id = await next_to_roll_up(session, before)
        if issue_id is None:
            break
        after: int | None = 0
        while after is not None and at_most > 0:
            async with db.begin() as session:
                after = await roll_up(session, issue_id, after=after, limit=batch)
                if after is None:
                    await note_rolled_up(session, issue_id, now)
                    through += 1
            at_most -= 1
    return through
