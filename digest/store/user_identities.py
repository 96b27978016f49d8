"""Who may sign in by a provider of identities, and whom it means by which subject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from digest.rules.admission import Way
from digest.store.schema import user_identities
from digest.store.session import Session
from digest.store.types import insert as upsert

_t = user_identities


@dataclass(frozen=True, slots=True)
class Identity:
    """That a user may come in by a provider; without a subject, until they first have."""

    user_id: int
    way: Way
    issuer: str | None
    subject: str | None


_COLUMNS = tuple(_t.c[name] for name in Identity.__slots__)


async def allow_identity(session: Session, user_id: int, way: Way, now: datetime) -> None:
    """Let a user come in by a provider, whoever first proves their address; instead of whoever did
    before.
    """
    await forbid_identity(session, user_id)
    await session.execute(insert(_t).values(user_id=user_id, way=way, created_at=now))


async def forbid_identity(session: Session, user_id: int) -> None:
    """Let a user come in by no provider any more."""
    await session.execute(delete(_t).where(_t.c.user_id == user_id))


async def bind_identity(session: Session, user_id: int, *, issuer: str, subject: str) -> bool:
    """Write down whom the provider means; False where two came at once, and this is the later."""
    mine = update(_t).where(_t.c.user_id == user_id, _t.c.subject.is_(None))
    bound = await session.execute(mine.values(issuer=issuer, subject=subject))
    return bound.rowcount == 1


async def unbind_identity(session: Session, user_id: int) -> None:
    """Forget whom the provider means: whoever proves the address next."""
    mine = update(_t).where(_t.c.user_id == user_id)
    await session.execute(mine.values(issuer=None, subject=None))


async def make_identity(
    session: Session, user_id: int, *, issuer: str, subject: str, now: datetime
) -> bool:
    """Bind somebody who is new; False where that subject has a user by now."""
    row = {"user_id": user_id, "issuer": issuer, "subject": subject, "created_at": now}
    made = upsert(_t).values(way=Way.GRANTED, **row).on_conflict_do_nothing()
    return (await session.execute(made)).rowcount == 1


async def find_identity(session: Session, *, issuer: str, subject: str) -> Identity | None:
    """Whom a provider means by ``subject``."""
    query = select(*_COLUMNS).where(_t.c.issuer == issuer, _t.c.subject == subject)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Identity(*row)


async def identity_of(session: Session, user_id: int) -> Identity | None:
    """How a user may come in by a provider; None: not at all."""
    row = (await session.execute(select(*_COLUMNS).where(_t.c.user_id == user_id))).one_or_none()
    return None if row is None else Identity(*row)


async def list_identities(session: Session) -> dict[int, Identity]:
    """All of them, by the user's id."""
    return {row.user_id: Identity(*row) for row in await session.execute(select(*_COLUMNS))}
