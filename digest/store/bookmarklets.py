"""Bookmarklets: which editor may put links into which inbox by a page of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, insert, select, update

from digest.store.schema import bookmarklets, newsletter_people
from digest.store.session import Session

_b = bookmarklets


@dataclass(frozen=True, slots=True)
class Bookmarklet:
    """One that works: whose it is, and for which inbox."""

    id: int
    newsletter_id: int
    address: str


async def open_bookmarklet(
    session: Session, newsletter_id: int, address: str, *, now: datetime
) -> Bookmarklet:
    """The one that works for ``address``, or a new one."""
    mine = (_b.c.newsletter_id == newsletter_id) & (_b.c.address == address)
    query = select(_b.c.id).where(mine, _b.c.revoked_at.is_(None)).order_by(_b.c.id)
    found: int | None = await session.scalar(query.limit(1))
    if found is None:
        row = {"newsletter_id": newsletter_id, "address": address, "created_at": now}
        found = int((await session.execute(insert(_b).values(row).returning(_b.c.id))).scalar_one())
    return Bookmarklet(found, newsletter_id, address)


async def revoke_bookmarklets(
    session: Session, newsletter_id: int, address: str, *, now: datetime
) -> bool:
    """Have no bookmarklet of ``address`` work any more; False where none did."""
    mine = (_b.c.newsletter_id == newsletter_id) & (_b.c.address == address)
    end = update(_b).where(mine, _b.c.revoked_at.is_(None)).values(revoked_at=now)
    return bool((await session.execute(end)).rowcount)


async def find_bookmarklet(session: Session, bookmarklet_id: int) -> Bookmarklet | None:
    """The one with this id, as long as it works and whose it is has a part in the newsletter."""
    people = newsletter_people
    still = exists().where(
        people.c.newsletter_id == _b.c.newsletter_id, people.c.address == _b.c.address
    )
    query = select(_b.c.id, _b.c.newsletter_id, _b.c.address).where(
        _b.c.id == bookmarklet_id, _b.c.revoked_at.is_(None), still
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Bookmarklet(*row)
