"""Sessions of those who are signed in: each a row, so that it ends when the row goes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update

from digest.store.schema import user_sessions, users
from digest.store.session import Session
from digest.store.users import User

_t = user_sessions


@dataclass(frozen=True, slots=True)
class UserSession:
    """One browser that is signed in."""

    id: int
    user_id: int
    browser: str
    created_at: datetime
    seen_at: datetime


_COLUMNS = tuple(_t.c[name] for name in UserSession.__slots__)


async def write_session(
    session: Session, user_id: int, token_hash: str, *, browser: str, now: datetime
) -> int:
    """Begin a session; its id."""
    row = {"user_id": user_id, "token_hash": token_hash, "browser": browser}
    written = await session.execute(
        insert(_t).values(**row, created_at=now, seen_at=now).returning(_t.c.id)
    )
    return int(written.scalar_one())


async def find_session(
    session: Session, token_hash: str, *, begun_after: datetime, seen_after: datetime
) -> tuple[UserSession, User] | None:
    """The session with this token and whose it is, unless it is too old or idle."""
    query = (
        select(*_COLUMNS, *users.c)
        .join_from(_t, users, users.c.id == _t.c.user_id)
        .where(
            _t.c.token_hash == token_hash, _t.c.created_at > begun_after, _t.c.seen_at > seen_after
        )
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    return UserSession(*row[: len(_COLUMNS)]), User(*row[len(_COLUMNS) :])


async def touch_session(session: Session, session_id: int, now: datetime) -> None:
    """Write down that somebody is still there."""
    await session.execute(update(_t).where(_t.c.id == session_id).values(seen_at=now))


async def list_sessions(session: Session, user_id: int | None = None) -> list[UserSession]:
    """The sessions of a user, or of everybody, the latest first."""
    query = select(*_COLUMNS).order_by(_t.c.seen_at.desc(), _t.c.id.desc())
    if user_id is not None:
        query = query.where(_t.c.user_id == user_id)
    return [UserSession(*row) for row in await session.execute(query)]


async def end_session(session: Session, session_id: int, *, user_id: int | None = None) -> bool:
    """End one session (of this user alone, where one is given); False where there is none."""
    query = delete(_t).where(_t.c.id == session_id)
    if user_id is not None:
        query = query.where(_t.c.user_id == user_id)
    return (await session.execute(query)).rowcount == 1


async def end_sessions(session: Session, user_id: int, *, but: int | None = None) -> int:
    """End every session of a user, ``but`` one; how many there were."""
    query = delete(_t).where(_t.c.user_id == user_id)
    if but is not None:
        query = query.where(_t.c.id != but)
    return (await session.execute(query)).rowcount


async def forget_sessions(
    session: Session, *, begun_before: datetime, seen_before: datetime
) -> int:
    """Delete sessions that open nothing any more."""
    old = or_(_t.c.created_at <= begun_before, _t.c.seen_at <= seen_before)
    return (await session.execute(delete(_t).where(old))).rowcount
