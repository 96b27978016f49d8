"""Links that may be used once: the secret is in the mail only, its hash is here.

A secret has 256 random bits, so a plain SHA-256 of it is as good as a slow hash would be, and
looking it up by an index tells nobody anything.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from digest.rules.subscription import PassPurpose
from digest.store.schema import passes
from digest.store.session import Session

_SECRET_BYTES = 32
_SECRET_MAX = 100  # characters


@dataclass(frozen=True, slots=True)
class NewPass:
    """What a link shall do: for which subscription, until when."""

    purpose: PassPurpose
    subscription_id: int
    expires_at: datetime
    address: str | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """A link somebody holds; ``used_at`` when they have acted on it."""

    id: int
    purpose: PassPurpose
    subscription_id: int
    address: str | None
    detail: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


async def write_pass(session: Session, new: NewPass, now: datetime) -> str:
    """Make a link's secret; it is nowhere but in what this returns."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    row = {
        "purpose": new.purpose,
        "secret_hash": _hash(secret),
        "subscription_id": new.subscription_id,
        "address": new.address,
        "detail": dict(new.detail) if new.detail is not None else None,
        "created_at": now,
        "expires_at": new.expires_at,
    }
    await session.execute(insert(passes).values(row))
    return secret


async def find_pass(
    session: Session, secret: str, purposes: Sequence[PassPurpose], now: datetime
) -> Pass | None:
    """The link with this secret; None when it is no such link, or not any more."""
    if len(secret) > _SECRET_MAX:
        return None
    query = select(
        *(passes.c.id, passes.c.purpose, passes.c.subscription_id, passes.c.address),
        *(passes.c.detail, passes.c.created_at, passes.c.expires_at, passes.c.used_at),
    ).where(
        passes.c.secret_hash == _hash(secret),
        passes.c.purpose.in_(list(purposes)),
        passes.c.expires_at > now,
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    return Pass(
        id=row.id,
        purpose=row.purpose,
        subscription_id=row.subscription_id,
        address=row.address,
        detail=row.detail or {},
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )


async def use_pass(session: Session, pass_id: int, now: datetime) -> bool:
    """Mark a link as used; False when it was, so that one of two who come at once acts."""
    mark = update(passes).where(passes.c.id == pass_id, passes.c.used_at.is_(None))
    return (await session.execute(mark.values(used_at=now))).rowcount == 1


async def revoke_passes(
    session: Session, subscription_ids: Sequence[int], purposes: Sequence[PassPurpose]
) -> None:
    """Take back links that have not been used."""
    await session.execute(
        delete(passes).where(
            passes.c.subscription_id.in_(list(subscription_ids)),
            passes.c.purpose.in_(list(purposes)),
            passes.c.used_at.is_(None),
        )
    )


async def last_pass(
    session: Session, subscription_id: int, purpose: PassPurpose
) -> datetime | None:
    """When the last link of this kind was made."""
    query = select(func.max(passes.c.created_at)).where(
        passes.c.subscription_id == subscription_id, passes.c.purpose == purpose
    )
    made: datetime | None = (await session.execute(query)).scalar_one_or_none()
    return made


async def forget_passes(session: Session, now: datetime) -> int:
    """Delete links that have expired."""
    return (await session.execute(delete(passes).where(passes.c.expires_at <= now))).rowcount


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
