"""A word to idle workers that there is something to send, so that none sleeps over it.

PostgreSQL's LISTEN and NOTIFY: who writes rows says so in the same transaction, and whoever listens
hears it at the commit. A hint and no more: rows are the truth, a worker that hears nothing looks
once a second anyway. SQLite has neither; its one sender looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import text

from digest.store.session import Database, Session

_CHANNEL = "digest_rows"
_NOTIFY = text(f"NOTIFY {_CHANNEL}")
_AGAIN = 10.0  # seconds until who could not listen tries to


async def announce(session: Session) -> None:
    """Tell idle workers, once this transaction is committed."""
    if session.dialect.name == "postgresql":
        await session.execute(_NOTIFY)


async def listen(db: Database, wake: Callable[[], None], *, again: float = _AGAIN) -> None:
    """Call ``wake`` whenever somebody announced something, until cancelled; never raises.

    It has a connection of its own. Returns at once on SQLite.
    """
    if db.dialect != "postgresql":
        return
    from psycopg import AsyncConnection, Error

    while True:
        with suppress(Error, OSError):
            async with await AsyncConnection.connect(db.conninfo, autocommit=True) as connection:
                await connection.execute(f"LISTEN {_CHANNEL}".encode())
                async for _ in connection.notifies():
                    wake()
        await asyncio.sleep(again)
