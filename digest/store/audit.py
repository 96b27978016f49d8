"""What people did: a log that is only ever added to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import func, insert, select, text

from digest.store.schema import audit
from digest.store.session import Session
from digest.store.types import storable

Note: TypeAlias = Callable[[Session], Awaitable[None]]
"""Writes an act down, in the transaction that does it: both are there, or neither."""


async def unnoted(_session: Session) -> None:
    """Write nothing down: who does it leaves no name."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did, to what, and what came of it."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    result: str


async def write_down(
    session: Session,
    who: str,
    action: str,
    *,
    now: datetime,
    subject: str = "",
    result: str = "done",
) -> None:
    """Add a line."""
    row = {"who": _cut(who, 320), "action": _cut(action, 64), "subject": _cut(subject, 400)}
    await session.execute(insert(audit).values(**row, at=now, result=_cut(result, 400)))


async def list_deeds(session: Session, *, before: int | None = None, limit: int) -> list[Deed]:
    """The latest lines, or those before the one with this id."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    return [Deed(*row) for row in await session.execute(query)]


async def refused_since(session: Session, who: str, action: str, since: datetime) -> int:
    """How often somebody was refused this from a moment on, in whatever process."""
    query = select(func.count()).where(
        audit.c.result == text("'refused'"),  # written out, for the index
        audit.c.who == _cut(who, 320),
        audit.c.at >= since,
        audit.c.action == action,
    )
    return int((await session.execute(query)).scalar_one())


def _cut(text: str, most: int) -> str:
    return (storable(text) or "")[:most]
