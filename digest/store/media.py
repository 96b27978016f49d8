"""Pictures by the hash of their bytes: stored once, served for ever."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from digest.store import schema
from digest.store.session import Session
from digest.store.types import insert

_t = schema.media


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A picture; ``extension`` without a dot says its type."""

    sha256: str
    extension: str
    width: int
    height: int
    data: bytes = field(repr=False)


async def put_media(session: Session, pictures: Iterable[StoredMedia], *, now: datetime) -> None:
    """Store what is not there yet; of what is, that it was brought again."""
    rows = [
        {
            "sha256": one.sha256,
            "extension": one.extension,
            "width": one.width,
            "height": one.height,
            "data": one.data,
            "created_at": now,
        }
        # Always in the same order: two who store the same pictures do not lock each other out.
        for one in sorted(pictures, key=lambda one: one.sha256)
    ]
    # Whoever forgets pictures that no version shows sees by the moment that this one may be about
    # to get one (``forgetting.forget_pictures``).
    for row in rows:
        new = insert(_t).values(row)
        again = new.on_conflict_do_update(index_elements=["sha256"], set_={"created_at": now})
        await session.execute(again)


async def get_media(session: Session, sha256: str) -> StoredMedia | None:
    """The picture with this hash."""
    query = select(_t.c.sha256, _t.c.extension, _t.c.width, _t.c.height, _t.c.data)
    row = (await session.execute(query.where(_t.c.sha256 == sha256))).one_or_none()
    return None if row is None else StoredMedia(*row)


async def find_media(session: Session, beginning: str) -> StoredMedia | None:
    """The one picture whose hash begins like this; None where there is none, or several."""
    digits = _t.c.sha256
    query = select(digits).where(digits >= beginning, digits < beginning + "g").limit(2)
    found = (await session.scalars(query)).all()
    return await get_media(session, found[0]) if len(found) == 1 else None


async def file_names(session: Session, hashes: Collection[str]) -> dict[str, str]:
    """``<sha256>.<extension>`` of each stored picture among ``hashes``, by its hash."""
    query = select(_t.c.sha256, _t.c.extension).where(_t.c.sha256.in_(hashes))
    return {sha256: f"{sha256}.{extension}" for sha256, extension in await session.execute(query)}


async def media_of_version(session: Session, version_id: int) -> list[str]:
    """The hashes of a version's pictures, sorted."""
    used = schema.version_media
    query = select(used.c.sha256).where(used.c.version_id == version_id).order_by(used.c.sha256)
    return list((await session.execute(query)).scalars())
