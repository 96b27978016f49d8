"""How a database would find the rows of every statement some code sends, by its ``EXPLAIN``."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import event, text

from digest.store.session import Database, Session

Asked = Callable[[Session], Awaitable[object]]
_EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
# With as few rows as a test has, going through all of them is the cheapest there is: what is left
# when that costs as much as a table that has grown is what an index serves. Joins row by row for
# the same reason: a hash of one table has to go through it.
_AS_IF_GROWN = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")


async def plans_of(db: Database, code: Asked) -> list[list[str]]:
    """The plan of each statement, line by line.

    SEARCH is the use of a part of an index, SCAN of the whole of a table or an index: SQLite's
    words, in which PostgreSQL's plans are told too. A part begins with a condition on the first
    column of the index.
    """
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, given: Any, *rest: Any) -> None:
        sent.append((sql, given[0] if rest[-1] else given))

    engine = db.engine.sync_engine
    async with db.begin() as session:
        event.listen(engine, "before_cursor_execute", note)
        undone = await session.begin_nested()  # so that no question finds what another changed
        try:
            await code(session)
        finally:
            await undone.rollback()
            event.remove(engine, "before_cursor_execute", note)
        asked = [(sql, given) for sql, given in sent if sql.lstrip().startswith(_EXPLAINED)]
        explain = _of_sqlite if db.dialect == "sqlite" else _of_postgresql
        return await explain(session, asked)


async def _of_sqlite(session: Session, asked: Sequence[tuple[str, Any]]) -> list[list[str]]:
    plans = []
    for sql, given in asked:
        rows: Any = await session.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)
        plans.append([row.detail for row in rows])
    return plans


async def _of_postgresql(session: Session, asked: Sequence[tuple[str, Any]]) -> list[list[str]]:
    rows: Any = await session.execute(_FIRST_COLUMNS)
    firsts = dict(tuple(row) for row in rows)
    for name in _AS_IF_GROWN:
        await session.execute(text(f"SET LOCAL {name} = off"))
    plans = []
    for sql, given in asked:
        found = await session.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", given)
        (whole,) = found.scalar_one()
        plans.append(list(_lines(whole["Plan"], firsts, None)))
    return plans


_FIRST_COLUMNS = text(
    "SELECT relname, pg_get_indexdef(indexrelid, 1, true) FROM pg_index"
    " JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace"
)


def _lines(node: dict[str, Any], firsts: dict[str, str], table: str | None) -> Iterator[str]:
    """Every scan of a table in a plan. One of a bitmap names its table in the node above."""
    table, index = node.get("Relation Name", table), node.get("Index Name")
    if index is not None:
        wanted = re.search(rf"\b{firsts[index]}\b", node.get("Index Cond", ""))
        yield f"{'SEARCH' if wanted else 'SCAN'} {table} USING INDEX {index}"
    elif node["Node Type"] == "Seq Scan":
        yield f"SCAN {table}"
    for below in node.get("Plans", ()):
        yield from _lines(below, firsts, table)
