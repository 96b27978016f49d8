"""A witness of every move of a delivery's state, whoever makes it: triggers in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from digest.rules.delivery import DELIVERY_MOVES, ISSUE_MOVES, DeliveryState, IssueState
from digest.store.session import Database

_SQLITE = """CREATE TRIGGER {table}_moved AFTER UPDATE OF state ON {table}
    WHEN OLD.state <> NEW.state BEGIN INSERT INTO moves VALUES ('{table}', OLD.state, NEW.state);
    END"""
_POSTGRESQL = """CREATE TRIGGER {table}_moved AFTER UPDATE ON {table} FOR EACH ROW
    WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_move()"""
_FUNCTION = """CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO moves VALUES (TG_TABLE_NAME, OLD.state, NEW.state); RETURN NEW; END $$"""


@asynccontextmanager
async def moves_watched(db: Database) -> AsyncIterator[None]:
    """Note every move. Afterwards the database is as it was, and so another test's as well."""
    async with db.begin() as session:
        await session.execute(text("CREATE TABLE moves (kind TEXT, was TEXT, is_now TEXT)"))
        if db.dialect == "postgresql":
            await session.execute(text(_FUNCTION))
        trigger = _POSTGRESQL if db.dialect == "postgresql" else _SQLITE
        for table in ("deliveries", "issues"):
            await session.execute(text(trigger.format(table=table)))
    yield
    if db.dialect == "postgresql":
        async with db.begin() as session:
            await session.execute(text("DROP TABLE moves"))
            await session.execute(text("DROP FUNCTION note_move CASCADE"))


async def seen_moves(db: Database) -> set[tuple[str, str, str]]:
    """Every kind of move there was."""
    async with db.read() as session:
        rows = await session.execute(text("SELECT DISTINCT kind, was, is_now FROM moves"))
        return {(row[0], row[1], row[2]) for row in rows}


async def forbidden_moves(db: Database) -> list[tuple[str, str, str]]:
    """Those no table allows."""
    return sorted(move for move in await seen_moves(db) if not _allowed(*move))


def _allowed(kind: str, was: str, is_now: str) -> bool:
    if kind == "issues":
        return IssueState(is_now) in ISSUE_MOVES[IssueState(was)]
    return DeliveryState(is_now) in DELIVERY_MOVES.get(DeliveryState(was), frozenset())
