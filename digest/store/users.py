"""Who works here, and the links with which they set a password: hashes only, no secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from digest.rules.rights import Role
from digest.store.schema import user_identities, user_links, user_sessions, users
from digest.store.session import Session
from digest.store.types import insert as upsert


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in, once they have set a password."""

    id: int
    address: str
    name: str
    role: Role
    password_hash: str | None
    code_secret: str | None
    code_step: int | None
    created_at: datetime

    @property
    def called(self) -> str:
        """Their name, or their address where there is none."""
        return self.name or self.address


async def write_user(
    session: Session, address: str, *, name: str, role: Role, now: datetime
) -> int | None:
    """Make a user; their id, or None where the address is taken."""
    row = {"address": address, "name": name, "role": role, "created_at": now}
    statement = upsert(users).values(row).on_conflict_do_nothing().returning(users.c.id)
    user_id: int | None = (await session.execute(statement)).scalar_one_or_none()
    return user_id


async def find_user(session: Session, address: str) -> User | None:
    """The user with this address."""
    row = (await session.execute(select(users).where(users.c.address == address))).one_or_none()
    return None if row is None else User(*row)


async def user_by_id(session: Session, user_id: int) -> User | None:
    """The user with this id."""
    row = (await session.execute(select(users).where(users.c.id == user_id))).one_or_none()
    return None if row is None else User(*row)


async def list_users(session: Session) -> list[User]:
    """Everybody, by address."""
    return [User(*row) for row in await session.execute(select(users).order_by(users.c.address))]


async def any_user(session: Session) -> bool:
    """Whether there is anybody at all."""
    return (await session.execute(select(users.c.id).limit(1))).first() is not None


async def count_owners(session: Session) -> int:
    """How many may say who works here."""
    query = select(func.count()).where(users.c.role == Role.OWNER)
    return int((await session.execute(query)).scalar_one())


async def change_user(session: Session, user_id: int, **values: Any) -> None:
    """Set columns of a user's row."""
    await session.execute(update(users).where(users.c.id == user_id).values(**values))


async def take_code_step(session: Session, user_id: int, step: int) -> bool:
    """Use up a one-time code; False where it, or a later one, was used before."""
    unused = func.coalesce(users.c.code_step, -1) < step
    mark = update(users).where(users.c.id == user_id, unused).values(code_step=step)
    return (await session.execute(mark)).rowcount == 1


async def delete_user(session: Session, user_id: int) -> None:
    """Remove a user with their sessions, links and identity."""
    for table in (user_sessions, user_links, user_identities):
        await session.execute(delete(table).where(table.c.user_id == user_id))
    await session.execute(delete(users).where(users.c.id == user_id))


@dataclass(frozen=True, slots=True)
class Link:
    """A link that sets a password; without a user it makes the first one."""

    id: int
    user_id: int | None


async def write_link(
    session: Session,
    user_id: int | None,
    secret_hash: str,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep a link instead of any this user had."""
    await delete_links(session, user_id)
    row = {"user_id": user_id, "secret_hash": secret_hash, "created_at": now}
    await session.execute(insert(user_links).values(**row, expires_at=expires_at))


async def find_link(session: Session, secret_hash: str, now: datetime) -> Link | None:
    """The link with this secret, unless its time is over."""
    query = select(user_links.c.id, user_links.c.user_id).where(
        user_links.c.secret_hash == secret_hash, user_links.c.expires_at > now
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Link(*row)


async def use_link(session: Session, link_id: int) -> bool:
    """Take a link away; False where it is gone, so that one of two who come at once acts."""
    used = delete(user_links).where(user_links.c.id == link_id)
    return (await session.execute(used)).rowcount == 1


async def delete_links(session: Session, user_id: int | None) -> None:
    """Take back the links of a user; of None: those that make the first one."""
    theirs = user_links.c.user_id.is_not_distinct_from(user_id)
    await session.execute(delete(user_links).where(theirs))
