"""Notices: mail that is no issue (confirmation, sign-in, test, operator mail).

The same states, claim, fencing and outcomes as deliveries; no audience, no brakes, no superseding.
Lane 0 (confirmation, sign-in) goes before lane 1 (test, operator), and both before any issue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, literal, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from digest.rules.delivery import DeliveryState
from digest.store import handover
from digest.store.handover import Outcome
from digest.store.old_notices import OF_SOMEBODY, was_forgotten
from digest.store.rows import begins
from digest.store.schema import notices
from digest.store.session import Session
from digest.store.wakeups import announce

SIGN_UP_LANE, OPERATOR_LANE = 0, 1

_TO_DO = "due.state IN ('queued', 'deferred')"  # written out, so that the partial index serves
_DUE = notices.alias("due")


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail to be sent. ``params`` are what its template needs; it is rendered when it is sent.

    ``dedupe_key``: the same key is written once, for ever, also after the notice is forgotten.
    """

    kind: str
    lane: int
    address: str
    language: str
    params: Mapping[str, Any] = field(default_factory=dict)
    newsletter_id: int | None = None
    subscription_id: int | None = None
    dedupe_key: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A notice that is ours to send."""

    row_id: int
    kind: str
    lane: int
    newsletter_id: int | None
    subscription_id: int | None
    address: str
    language: str
    params: Mapping[str, Any]
    attempts: int
    first_claimed_at: datetime
    maybe_sent: bool


async def was_told(session: Session, key: str) -> bool:
    """Whether there is a notice whose ``dedupe_key`` begins like that."""
    told = exists().where(begins(session, notices.c.dedupe_key, key))
    return bool(await session.scalar(select(told)))


async def write_notice(session: Session, notice: Notice, now: datetime) -> int | None:
    """Put a notice in the queue; its id, or None when its ``dedupe_key`` was written before."""
    dialect = postgresql if session.dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(notices)
        .values(
            kind=notice.kind,
            lane=notice.lane,
            newsletter_id=notice.newsletter_id,
            subscription_id=notice.subscription_id,
            address=notice.address,
            language=notice.language,
            params=dict(notice.params),
            dedupe_key=notice.dedupe_key,
            expires_at=notice.expires_at,
            state=DeliveryState.QUEUED,
            not_before=now,
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(notices.c.id)
    )
    notice_id: int | None = (await session.execute(statement)).scalar()
    if notice_id is not None and await was_forgotten(session, notice.dedupe_key, notice.address):
        await session.execute(delete(notices).where(notices.c.id == notice_id))
        return None
    if notice_id is not None:
        await announce(session)
    return notice_id


async def claim_notices(
    session: Session, *, worker_id: int, limit: int, now: datetime
) -> list[ClaimedNotice]:
    """Take up to ``limit`` notices that are due and not expired, the upper lane first."""
    if limit < 1:
        return []
    taken = await session.execute(
        update(notices)
        .where(notices.c.id.in_(_due_ids(session, now).limit(limit)))
        .values(
            state=DeliveryState.SENDING,
            owner=worker_id,
            claimed_at=now,
            attempts=notices.c.attempts + 1,
            first_claimed_at=func.coalesce(
                notices.c.first_claimed_at, literal(now, notices.c.first_claimed_at.type)
            ),
        )
        .returning(notices.c.id)
    )
    ids = sorted(taken.scalars())
    return await _load(session, ids) if ids else []


def _due_ids(session: Session, now: datetime) -> Select[tuple[int]]:
    query = (
        select(_DUE.c.id)
        .where(
            text(_TO_DO),
            _DUE.c.not_before <= now,
            or_(_DUE.c.expires_at.is_(None), _DUE.c.expires_at > now),
        )
        .order_by(_DUE.c.lane, _DUE.c.not_before, _DUE.c.id)
    )
    if session.dialect.name == "postgresql":
        query = query.with_for_update(of=_DUE, skip_locked=True)
    return query


async def _load(session: Session, ids: Sequence[int]) -> list[ClaimedNotice]:
    columns = (
        *(notices.c.id, notices.c.kind, notices.c.lane),
        *(notices.c.newsletter_id, notices.c.subscription_id),
        *(notices.c.address, notices.c.language, notices.c.params, notices.c.attempts),
        *(notices.c.first_claimed_at, notices.c.maybe_sent),
    )
    rows = await session.execute(
        select(*columns).where(notices.c.id.in_(ids)).order_by(notices.c.lane, notices.c.id)
    )
    return [
        ClaimedNotice(
            row_id=row.id,
            kind=row.kind,
            lane=row.lane,
            newsletter_id=row.newsletter_id,
            subscription_id=row.subscription_id,
            address=row.address,
            language=row.language,
            params=row.params,
            attempts=row.attempts,
            first_claimed_at=row.first_claimed_at,
            maybe_sent=row.maybe_sent,
        )
        for row in rows
    ]


async def expire_notices(session: Session, now: datetime) -> int:
    """Settle notices nobody needs any more (``expires_at``); how many there were."""
    statement = (
        update(notices)
        .where(
            text(_TO_DO.replace("due.", "notices.")),
            notices.c.expires_at.is_not(None),
            notices.c.expires_at <= now,
        )
        .values(state=DeliveryState.EXPIRED, settled_at=now)
    )
    return (await session.execute(statement)).rowcount


async def next_notice_due(session: Session) -> datetime | None:
    """When the next notice that waits is due; None when none waits."""
    due: datetime | None = (
        await session.execute(select(func.min(_DUE.c.not_before)).where(text(_TO_DO)))
    ).scalar()
    return due


async def record_notice_outcomes(
    session: Session, worker_id: int, outcomes: Sequence[Outcome], now: datetime
) -> int:
    """Write what became of notices ``worker_id`` still holds; how many rows that were."""
    return await handover.record(session, notices, worker_id=worker_id, outcomes=outcomes, now=now)


async def forget_links(session: Session) -> int:
    """Take what a settled sign-up notice was filled with out of its row: it may be a secret."""
    waits = and_(OF_SOMEBODY, notices.c.lane == SIGN_UP_LANE, notices.c.params != {})
    return (await session.execute(update(notices).where(waits).values(params={}))).rowcount
