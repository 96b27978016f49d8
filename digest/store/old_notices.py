"""What is left of a notice in time: nothing, or the key by which it is not written again.

Nobody asks for whom a mail of long ago was or what it said, and a token of it acts no more
(``rules.feedback.ACTS_FOR``). A notice without a key goes with its attempts. One with a key stays
as a row that names nobody: its key may be asked for again after any time, so an address in it
becomes a keyed hash, which the same asker meets again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, select, text, update

from digest.store.rows import among
from digest.store.schema import attempts, installation, notices
from digest.store.session import Session
from digest.store.suppressions import address_hash, read_pepper

OF_SOMEBODY = text("settled_at IS NOT NULL AND address <> ''")  # written out, for the index
_OF_A_TEST = ("number", "version_id")  # by which the next test of the issue counts and compares
_HEAD = 180  # characters of a key that stay readable
_KNOWN_BY = 64  # of an address, which a key may hold cut off


async def forget_notices(session: Session, before: datetime, limit: int) -> int:
    """Forget up to ``limit`` notices that were settled before then, the oldest first; how many."""
    query = (
        select(notices.c.id, notices.c.dedupe_key.is_(None))
        .where(OF_SOMEBODY, notices.c.settled_at < before)
        .order_by(notices.c.settled_at)
        .limit(limit)
        .with_for_update()
    )
    rows = (await session.execute(query)).all()
    keyless = [notice_id for notice_id, without_key in rows if without_key]
    ids = [notice_id for notice_id, _ in rows]
    await session.execute(delete(attempts).where(among(session, attempts.c.notice_id, ids)))
    await session.execute(delete(notices).where(among(session, notices.c.id, keyless)))
    await empty_notices(session, set(ids) - set(keyless), address="")
    return len(ids)


async def empty_notices(session: Session, ids: Collection[int], *, address: str) -> None:
    """Take out of rows, and what relays said to them, whom they were for and what they said.

    ``address`` stands there instead.
    """
    mine = among(session, attempts.c.notice_id, ids)
    await session.execute(update(attempts).where(mine).values(text=None))
    columns = (
        *(notices.c.id, notices.c.kind, notices.c.params),
        *(notices.c.address, notices.c.dedupe_key),
    )
    found = (await session.execute(select(*columns).where(among(session, notices.c.id, ids)))).all()
    pepper = await read_pepper(session) if found else b""
    for row in found:
        kept = {name: row.params[name] for name in _OF_A_TEST if name in row.params}
        values: dict[str, Any] = {
            "address": address,
            "params": kept if row.kind == "test" else {},
            "dedupe_key": forgotten_key(pepper, row.dedupe_key, row.address),
            "reply_text": None,
            "relay_message_id": None,
        }
        await session.execute(update(notices).where(notices.c.id == row.id).values(**values))


async def was_forgotten(session: Session, key: str | None, address: str) -> bool:
    """Whether a notice with this key was forgotten.

    Asked after the row was written: whoever forgets the one before at this moment is waited for by
    then.
    """
    pepper = await session.scalar(select(installation.c.pepper)) if key else None
    hashed = forgotten_key(pepper, key, address) if pepper else key
    if hashed == key:
        return False
    return bool(await session.scalar(select(exists().where(notices.c.dedupe_key == hashed))))


def forgotten_key(pepper: bytes, key: str | None, address: str) -> str | None:
    """What a key becomes where ``address`` is in it: the same one for the same key."""
    at = key.find(address[:_KNOWN_BY]) if key and address else -1
    if key is None or at < 0:
        return key
    return f"{key[:at][:_HEAD]}{address_hash(pepper, key)}"
