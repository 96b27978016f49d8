"""Keys of programs that use the API: names, scopes, and the hash of a secret that is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import insert, or_, select, update

from digest.store.schema import api_keys
from digest.store.session import Session


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key, in whatever state; ``scopes`` are names of ``access.api_keys.Scope``."""

    id: int
    name: str
    secret_hash: str
    scopes: tuple[str, ...]
    last_used_on: date | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def alive(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key shall be."""

    name: str
    scopes: Sequence[str]
    expires_at: datetime | None = None


async def write_key(session: Session, new: NewKey, secret_hash: str, now: datetime) -> int:
    """Keep a key; its id."""
    row = {
        "name": new.name,
        "secret_hash": secret_hash,
        "scopes": list(new.scopes),
        "expires_at": new.expires_at,
        "created_at": now,
    }
    written = await session.execute(insert(api_keys).values(row).returning(api_keys.c.id))
    key_id: int = written.scalar_one()
    return key_id


async def find_key(session: Session, key_id: int) -> StoredKey | None:
    """The key with this id, revoked and expired ones too."""
    found = await _keys(session, key_id)
    return found[0] if found else None


async def list_keys(session: Session) -> list[StoredKey]:
    """Every key, oldest first."""
    return await _keys(session, None)


async def _keys(session: Session, key_id: int | None) -> list[StoredKey]:
    query = select(
        *(api_keys.c.id, api_keys.c.name, api_keys.c.secret_hash, api_keys.c.scopes),
        *(api_keys.c.last_used_on, api_keys.c.created_at, api_keys.c.expires_at),
        api_keys.c.revoked_at,
    ).order_by(api_keys.c.id)
    if key_id is not None:
        query = query.where(api_keys.c.id == key_id)
    return [
        StoredKey(id_, name, hashed, tuple(scopes), *rest)
        for id_, name, hashed, scopes, *rest in await session.execute(query)
    ]


async def revoke_key(session: Session, key_id: int, now: datetime) -> bool:
    """Have a key open nothing from now on; False where none is alive by that id."""
    end = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    return (await session.execute(end.values(revoked_at=now))).rowcount == 1


async def note_use(session: Session, key_id: int, day: date) -> None:
    """Write down that a key was used on ``day``."""
    earlier = or_(api_keys.c.last_used_on.is_(None), api_keys.c.last_used_on < day)
    mark = update(api_keys).where(api_keys.c.id == key_id, earlier)
    await session.execute(mark.values(last_used_on=day))
