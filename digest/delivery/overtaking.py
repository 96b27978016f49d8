"""Giving up what waits of issues that the next one has overtaken (``store.overtaking``)."""

from __future__ import annotations

from datetime import datetime

from digest.store.overtaking import give_up_page, overtaken_issues
from digest.store.session import Database

PAGE = 10_000  # rows, some tenths of a second


async def finish_overtaking(db: Database, now: datetime, *, page: int = PAGE) -> None:
    """Settle every row that is still to be given up.

    Whoever starts an issue does; whoever keeps the schedule does it for who died meanwhile. It is
    done before anything is put back into such an issue: that is not to be given up.
    """
    async with db.read() as session:
        issue_ids = await overtaken_issues(session)
    for one in issue_ids:
        after: int | None = 0
        while after is not None:
            async with db.begin() as session:
                after = await give_up_page(session, one, now, after=after, limit=page)
