"""How SQLite would find the rows of every statement some code sends, by ``EXPLAIN QUERY PLAN``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import event

from digest.store.session import Database, Session


async def plans_of(db: Database, code: Callable[[Session], Awaitable[object]]) -> list[list[str]]:
    """The plan of each statement, line by line: SEARCH is the use of an index, SCAN of none."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, given: Any, *_rest: Any) -> None:
        sent.append((sql, given))

    engine = db.engine.sync_engine
    async with db.begin() as session:
        event.listen(engine, "before_cursor_execute", note)
        try:
            await code(session)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        plans = []
        for sql, given in sent:
            rows: Any = await session.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)
            plans.append([row.detail for row in rows])
        return plans
