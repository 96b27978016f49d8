"""The one row about this installation: its key, its epoch, the pepper of its hashes; and where its
schedule is kept.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import case, select, update

from digest.errors import DatabaseError, SettingsError
from digest.store import schema
from digest.store.session import Session
from digest.store.types import insert

_PEPPER_BYTES = 32

_t = schema.installation
_s = schema.schedulers


@dataclass(frozen=True, slots=True)
class Installation:
    """Who we are: ``pepper`` keys the hashes of suppressed addresses and never changes."""

    installation_id: str
    epoch: int
    key_fingerprint: str
    pepper: bytes = field(repr=False)
    created_at: datetime
    take_over_reason: str | None = None  # why nothing is sent until somebody says so


async def get_installation(session: Session) -> Installation | None:
    """The row, or None in a database nobody has started on."""
    query = select(
        *(_t.c.installation_id, _t.c.epoch, _t.c.key_fingerprint, _t.c.pepper, _t.c.created_at),
        _t.c.take_over_reason,
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Installation(*row)


async def ensure_installation(
    session: Session, *, fingerprints: Sequence[str], now: datetime
) -> Installation:
    """The row, made on the first call, for who holds the keys with these ``fingerprints``.

    The first is that of the key in use, the others are of ``DIGEST_OLD_SECRET_KEYS``: when the
    database was made with one of those, the key has been changed on purpose and the new one is
    remembered. Raises SettingsError for any other key, since mail that is already out carries
    tokens of the old one.
    """
    key_fingerprint, *old_fingerprints = fingerprints
    fresh = {
        "id": 1,
        "installation_id": str(uuid.uuid4()),
        "epoch": 0,
        "key_fingerprint": key_fingerprint,
        "pepper": secrets.token_bytes(_PEPPER_BYTES),
        "created_at": now,
    }
    found = await get_installation(session)
    if found is None:
        await session.execute(insert(_t).values(fresh).on_conflict_do_nothing())
        found = await get_installation(session)
    if found is None:
        raise DatabaseError("The row of this installation could not be written.")
    if found.key_fingerprint == key_fingerprint:
        return found
    if found.key_fingerprint not in old_fingerprints:
        raise SettingsError(
            "This database was made with another secret key.",
            where="DIGEST_SECRET_KEY",
            fix="Set the key it was made with, or put that one into DIGEST_OLD_SECRET_KEYS.",
        )
    await session.execute(update(_t).values(key_fingerprint=key_fingerprint))
    return replace(found, key_fingerprint=key_fingerprint)


async def next_epoch(session: Session, *, above: int = 0) -> int:
    """Count one more start of a scheduler or a sender; the number of this one, more than ``above``.

    Who holds the row by it goes first: the next one waits until this transaction ends.
    """
    highest = case((_t.c.epoch < above, above), else_=_t.c.epoch)
    raised = await session.execute(update(_t).values(epoch=highest + 1).returning(_t.c.epoch))
    epoch: int | None = raised.scalar_one_or_none()
    if epoch is None:
        raise DatabaseError("This installation has no row yet.", fix="Run: digest db upgrade.")
    return epoch


async def allow_sending(session: Session) -> None:
    """This database is the one: what ``take_over_reason`` said is settled."""
    await session.execute(update(_t).values(take_over_reason=None))


# Which machines keep the schedule.


async def note_scheduler(session: Session, machine: str, *, host: str, now: datetime) -> None:
    """A scheduler is alive on ``machine``, an id of its state folder."""
    statement = insert(_s).values(machine=machine, host=host, seen_at=now)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["machine"], set_={"host": host, "seen_at": now}
        )
    )


async def scheduler_elsewhere(session: Session, *, host: str) -> tuple[str, datetime] | None:
    """The other host on which a scheduler was seen last, and when."""
    query = select(_s.c.host, _s.c.seen_at).where(_s.c.host != host)
    row = (await session.execute(query.order_by(_s.c.seen_at.desc()).limit(1))).one_or_none()
    return None if row is None else (row.host, row.seen_at)
