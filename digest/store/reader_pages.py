"""Readers, and what they agreed to, page by page in the order of their ids.

A page begins after the last id of the one before, so a row that comes or goes meanwhile neither
repeats nor hides another. Who was erased is in no page.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from digest.rules.subscription import SubscriptionState
from digest.store import schema
from digest.store.session import Session
from digest.store.subscribers import Reader, Subscription, subscriptions_query

_r = schema.subscribers
_s = schema.subscriptions
_t = schema.subscription_tags
_e = schema.consent_events
_b = schema.consent_batches
_w = schema.wordings
ERASED = "erased:"  # how the key of an erased address begins


@dataclass(frozen=True, slots=True)
class WhichReaders:
    """Which readers a page is of: those with a subscription like this, or all."""

    newsletter_id: int | None = None
    state: SubscriptionState | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """One thing a reader agreed to or changed; without an id, the import of a file."""

    id: int | None
    kind: str
    source: str
    wording: str | None
    words: str | None
    origin: str | None
    detail: dict[str, Any] | None
    at: datetime


async def reader_page(
    session: Session, which: WhichReaders, *, after: int, limit: int
) -> list[Reader]:
    """The first ``limit`` readers with an id above ``after``."""
    query = select(_r).where(_r.c.id > after, _r.c.address_key.not_like(f"{ERASED}%"))
    fitting = []
    if which.newsletter_id is not None:
        fitting.append(_s.c.newsletter_id == which.newsletter_id)
    if which.state is not None:
        fitting.append(_s.c.state == which.state)
    if which.tag is not None:
        tagged = (_t.c.subscription_id == _s.c.id) & (_t.c.tag == which.tag)
        fitting.append(select(_t.c.tag).where(tagged).exists())
    if fitting:
        fits = select(_s.c.id).where(_s.c.subscriber_id == _r.c.id, *fitting).exists()
        query = query.where(fits)
    rows = (await session.execute(query.order_by(_r.c.id).limit(limit))).all()
    return await _with_subscriptions(session, rows)


async def reader_by_id(session: Session, reader_id: int) -> Reader | None:
    """The reader with this id, unless they were erased."""
    query = select(_r).where(_r.c.id == reader_id, _r.c.address_key.not_like(f"{ERASED}%"))
    found = await _with_subscriptions(session, (await session.execute(query)).all())
    return found[0] if found else None


async def _with_subscriptions(session: Session, rows: Any) -> list[Reader]:
    query = subscriptions_query().where(_s.c.subscriber_id.in_([row.id for row in rows]))
    theirs: dict[int, list[Subscription]] = defaultdict(list)
    for one in await session.execute(query.order_by(schema.newsletters.c.slug)):
        subscription = Subscription(*one)
        theirs[subscription.subscriber_id].append(subscription)
    return [
        Reader(
            id=row.id,
            address=row.address,
            name=row.name,
            language=row.language,
            created_at=row.created_at,
            suppressed_at=row.suppressed_at,
            attributes=row.attributes or {},
            subscriptions=tuple(theirs[row.id]),
        )
        for row in rows
    ]


async def consent_page(
    session: Session, subscription_id: int, *, after: int, limit: int
) -> list[Consent]:
    """The first ``limit`` consent events with an id above ``after``, oldest first.

    The import a subscription came with stands before the first of them.
    """
    columns = (_e.c.id, _e.c.kind, _e.c.source, _e.c.text_version, _w.c.text, _e.c.origin)
    query = (
        select(*columns, _e.c.detail, _e.c.at)
        .join_from(_e, _w, _w.c.version == _e.c.text_version, isouter=True)
        .where(_e.c.subscription_id == subscription_id, _e.c.id > after)
        .order_by(_e.c.id)
        .limit(limit)
    )
    found = [Consent(*row) for row in await session.execute(query)]
    return found if after else await _import(session, subscription_id) + found


async def _import(session: Session, subscription_id: int) -> list[Consent]:
    query = (
        select(_b.c.source, _b.c.file_name, _b.c.created_at)
        .join_from(_s, _b, _b.c.id == _s.c.consent_batch_id)
        .where(_s.c.id == subscription_id)
    )
    return [
        Consent(None, "imported", source, None, None, None, {"file": file} if file else None, at)
        for source, file, at in await session.execute(query)
    ]
