"""How long the rows of an issue are kept: those of readers who got it become counts in time.

A few thousand rows at a time, each time in a transaction of its own, so that nobody who sends
waits for it; what one hour does not get to, the next one does.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from digest.store.rollup import next_to_roll_up, note_rolled_up, roll_up
from digest.store.session import Database

BATCH = 2_000  # rows, a few hundredths of a second
SHORTEST = timedelta(days=35)  # mail that comes back is believed for 30 days after settling
AT_MOST = 250  # batches an hour: 500,000 rows, 84,000,000 a week


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
