"""Addresses that are never mailed, kept as keyed hashes so that an erased one can be recognised.

A hash is HMAC-SHA-256 of the address key with the installation's pepper (RFC 2104); without the
pepper nobody can try addresses against it. A suppression for every newsletter also marks the
subscriber (``suppressed_at``), since planning cannot compute a hash in SQL.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, or_, select, true, update

from digest.errors import DatabaseError
from digest.rules.subscription import SuppressionReason
from digest.store import schema
from digest.store.session import Session

_t = schema.suppressions
_LASTING = (SuppressionReason.COMPLAINED, SuppressionReason.OPERATOR)  # no click lifts these
_LOOKED_UP = 20_000  # addresses, for one page of suppressions


@dataclass(frozen=True, slots=True)
class Suppression:
    """A suppression that holds; ``newsletter`` is a slug, None where it holds for all."""

    id: int
    newsletter: str | None
    reason: SuppressionReason
    created_at: datetime


def address_hash(pepper: bytes, address_key: str) -> str:
    """What stands for an address in ``suppressions``: 64 hexadecimal digits."""
    return hmac.digest(pepper, address_key.encode(), "sha256").hex()


async def read_pepper(session: Session) -> bytes:
    """The installation's pepper; DatabaseError where the installation has no row yet."""
    found = await session.execute(select(schema.installation.c.pepper))
    pepper: bytes | None = found.scalar_one_or_none()
    if pepper is None:
        raise DatabaseError("This installation has no row yet, and so no pepper.")
    return pepper


def in_force(newsletter_id: int) -> ColumnElement[bool]:
    """The condition on ``suppressions`` that hold for a newsletter now."""
    everywhere = or_(_t.c.newsletter_id.is_(None), _t.c.newsletter_id == newsletter_id)
    return everywhere & _t.c.lifted_at.is_(None)


async def any_suppression(session: Session, newsletter_id: int) -> bool:
    """Whether any address at all is suppressed for this newsletter."""
    found = await session.execute(select(_t.c.id).where(in_force(newsletter_id)).limit(1))
    return found.first() is not None


async def suppression_of(
    session: Session, newsletter_id: int, address_key: str
) -> SuppressionReason | None:
    """Why an address is not mailed by this newsletter, if so."""
    if not await any_suppression(session, newsletter_id):
        return None
    hashed = address_hash(await read_pepper(session), address_key)
    query = select(_t.c.reason).where(_t.c.address_hash == hashed, in_force(newsletter_id))
    found: SuppressionReason | None = (await session.execute(query.limit(1))).scalar_one_or_none()
    return found


async def suppression_page(
    session: Session,
    *,
    newsletter_id: int | None = None,
    address_key: str | None = None,
    after: int = 0,
    limit: int = 1_000,
) -> list[Suppression]:
    """The first ``limit`` suppressions with an id above ``after`` that hold (for a newsletter)."""
    names = schema.newsletters
    query = (
        select(_t.c.id, names.c.slug, _t.c.reason, _t.c.created_at)
        .select_from(_t.outerjoin(names, names.c.id == _t.c.newsletter_id))
        .where(_t.c.id > after, _t.c.lifted_at.is_(None))
        .order_by(_t.c.id)
        .limit(limit)
    )
    if newsletter_id is not None:
        query = query.where(in_force(newsletter_id))
    if address_key is not None:
        query = query.where(
            _t.c.address_hash == address_hash(await read_pepper(session), address_key)
        )
    return [Suppression(*row) for row in await session.execute(query)]


async def reasons_of(session: Session, address_keys: Collection[str]) -> dict[str, str]:
    """Why each of these addresses is never mailed, whatever it subscribes to; the latest word."""
    if not address_keys:
        return {}
    pepper = await read_pepper(session)
    keys = {address_hash(pepper, key): key for key in address_keys}
    query = select(_t.c.address_hash, _t.c.reason).where(
        _t.c.address_hash.in_(keys), _t.c.newsletter_id.is_(None), _t.c.lifted_at.is_(None)
    )
    rows = await session.execute(query.order_by(_t.c.id))
    return {keys[hashed]: reason.value for hashed, reason in rows}


async def count_suppressed(session: Session) -> int:
    """How many addresses are never mailed, whatever they subscribe to."""
    hashes = select(func.count(_t.c.address_hash.distinct()))
    query = hashes.where(_t.c.newsletter_id.is_(None), _t.c.lifted_at.is_(None))
    count: int = (await session.execute(query)).scalar_one()
    return count


async def suppress(
    session: Session,
    address_key: str,
    *,
    reason: SuppressionReason,
    now: datetime,
    evidence: str = "",
) -> bool:
    """Never mail this address again, from any newsletter; False when it was suppressed already."""
    hashed = address_hash(await read_pepper(session), address_key)
    # A complaint is written beside a bounce, which a click lifts.
    already = select(_t.c.id).where(
        _t.c.address_hash == hashed,
        _t.c.newsletter_id.is_(None),
        _t.c.lifted_at.is_(None),
        _t.c.reason.in_(_LASTING) if reason in _LASTING else true(),
    )
    if (await session.execute(already.limit(1))).first() is not None:
        return False
    row = {"address_hash": hashed, "reason": reason, "evidence": evidence, "created_at": now}
    await session.execute(insert(_t).values(row))
    readers = schema.subscribers
    mark = update(readers).where(readers.c.address_key == address_key)
    await session.execute(mark.values(suppressed_at=now))
    return True


async def suppress_many(
    session: Session, reasons: Mapping[str, SuppressionReason], *, now: datetime
) -> int:
    """Never mail these address keys again; how many of them were not suppressed before."""
    if not reasons:
        return 0
    pepper = await read_pepper(session)
    hashes = {address_hash(pepper, key): key for key in sorted(reasons)}
    held = select(_t.c.address_hash).where(
        _t.c.address_hash.in_(hashes), _t.c.newsletter_id.is_(None), _t.c.lifted_at.is_(None)
    )
    there = set((await session.execute(held)).scalars())
    rows = [
        {"address_hash": hashed, "reason": reasons[key], "evidence": "import", "created_at": now}
        for hashed, key in hashes.items()
        if hashed not in there
    ]
    if rows:
        await session.execute(insert(_t), rows)
        readers = schema.subscribers
        mark = update(readers).where(readers.c.address_key.in_(reasons))
        await session.execute(
            mark.where(readers.c.suppressed_at.is_(None)).values(suppressed_at=now)
        )
    return len(rows)


async def lift_suppressions(
    session: Session, address_key: str, newsletter_id: int, *, now: datetime
) -> int:
    """Lift what the reader can lift by showing that they read and want it; how many that were.

    A complaint, or the operator's word, is nothing a reader lifts by a click.
    """
    liftable = _t.c.reason.not_in(_LASTING)
    return await _lift(session, address_key, in_force(newsletter_id) & liftable, now=now)


async def unsuppress(
    session: Session,
    address_key: str,
    reasons: Collection[SuppressionReason] = tuple(SuppressionReason),
    *,
    now: datetime,
) -> int:
    """Lift the suppressions of an address that have one of ``reasons``; how many there were."""
    which = _t.c.reason.in_(list(reasons)) & _t.c.lifted_at.is_(None)
    return await _lift(session, address_key, which, now=now)


async def _lift(
    session: Session, address_key: str, which: ColumnElement[bool], *, now: datetime
) -> int:
    hashed = address_hash(await read_pepper(session), address_key)
    lifted = await session.execute(
        update(_t).where(_t.c.address_hash == hashed, which).values(lifted_at=now)
    )
    left = select(_t.c.id).where(
        _t.c.address_hash == hashed, _t.c.newsletter_id.is_(None), _t.c.lifted_at.is_(None)
    )
    if (await session.execute(left.limit(1))).first() is None:
        readers = schema.subscribers
        mark = update(readers).where(readers.c.address_key == address_key)
        await session.execute(mark.values(suppressed_at=None))
    return lifted.rowcount


@dataclass(frozen=True, slots=True)
class Evidence:
    """A suppression with why; ``address`` where somebody with this address is still known."""

    id: int
    address: str | None
    newsletter: str | None
    reason: SuppressionReason
    evidence: str
    created_at: datetime


async def evidence_of(session: Session, address_key: str) -> list[Evidence]:
    """Why nothing is mailed to one address, the latest first."""
    names = schema.newsletters
    hashed = address_hash(await read_pepper(session), address_key)
    query = (
        select(_t.c.id, names.c.slug, _t.c.reason, _t.c.evidence, _t.c.created_at)
        .select_from(_t.outerjoin(names, names.c.id == _t.c.newsletter_id))
        .where(_t.c.address_hash == hashed, _t.c.lifted_at.is_(None))
        .order_by(_t.c.id.desc())
    )
    return [
        Evidence(row.id, None, row.slug, row.reason, row.evidence or "", row.created_at)
        for row in await session.execute(query)
    ]


async def latest_evidence(
    session: Session, *, before: int | None = None, limit: int = 50
) -> list[Evidence]:
    """What holds, the latest first; the next page is ``before`` the last id of this one.

    Who is meant is looked up among the readers no newsletter mails, who have an index.
    """
    names = schema.newsletters
    query = (
        select(
            _t.c.id, _t.c.address_hash, names.c.slug, _t.c.reason, _t.c.evidence, _t.c.created_at
        )
        .select_from(_t.outerjoin(names, names.c.id == _t.c.newsletter_id))
        .where(_t.c.lifted_at.is_(None))
        .order_by(_t.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(_t.c.id < before)
    rows = (await session.execute(query)).all()
    addresses = await _addresses(session, min(row.created_at for row in rows)) if rows else {}
    return [
        Evidence(
            id=row.id,
            address=addresses.get(row.address_hash),
            newsletter=row.slug,
            reason=row.reason,
            evidence=row.evidence or "",
            created_at=row.created_at,
        )
        for row in rows
    ]


async def _addresses(session: Session, since: datetime) -> dict[str, str]:
    """The addresses of who was suppressed from a moment on, by their hashes; not of everybody."""
    readers, pepper = schema.subscribers, await read_pepper(session)
    known = await session.execute(
        select(readers.c.address, readers.c.address_key)
        .where(readers.c.suppressed_at >= since)
        .order_by(readers.c.suppressed_at)
        .limit(_LOOKED_UP)
    )
    return {address_hash(pepper, row.address_key): row.address for row in known}


async def list_evidence(
    session: Session, *, after: int = 0, limit: int = 1_000, address_key: str | None = None
) -> list[Evidence]:
    """What holds, with its evidence, oldest first; the next page is ``after`` the last id."""
    page = await suppression_page(session, after=after, limit=limit, address_key=address_key)
    pepper = await read_pepper(session)
    readers = schema.subscribers
    known = await session.execute(
        select(readers.c.address, readers.c.address_key).where(readers.c.suppressed_at.is_not(None))
    )
    addresses = {address_hash(pepper, row.address_key): row.address for row in known}
    query = select(_t.c.id, _t.c.address_hash, _t.c.evidence)
    rows = await session.execute(query.where(_t.c.id.in_([one.id for one in page])))
    more = {row.id: row for row in rows}
    return [
        Evidence(
            id=one.id,
            address=addresses.get(more[one.id].address_hash),
            newsletter=one.newsletter,
            reason=one.reason,
            evidence=more[one.id].evidence or "",
            created_at=one.created_at,
        )
        for one in page
    ]
