"""Locks of PostgreSQL, which have no event that a test could wait for."""

from __future__ import annotations

from sqlalchemy import text

from digest.store.session import Database


async def somebody_waits(db: Database) -> bool:
    """Whether a statement waits for another transaction."""
    async with db.read() as session:
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool((await session.execute(waiting)).scalar_one())
