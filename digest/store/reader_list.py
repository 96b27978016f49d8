"""A newsletter's readers, page by page: a million of them fit into no list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, select

from digest.rules.subscription import SubscriptionState
from digest.rules.traits import Attributes
from digest.store.reader_pages import ERASED
from digest.store.schema import subscribers as _r
from digest.store.schema import subscription_tags, subscriptions
from digest.store.session import Session
from digest.store.tags import tags_of

PAGE = 1_000

_s = subscriptions


@dataclass(frozen=True, slots=True)
class ReaderRow:
    """A line of a newsletter's list of readers."""

    subscriber_id: int
    subscription_id: int
    address: str
    address_key: str
    name: str
    language: str | None
    state: SubscriptionState
    created_at: datetime
    confirmed_at: datetime | None
    paused_until: datetime | None
    ended_at: datetime | None
    suppressed_at: datetime | None
    attributes: Attributes | None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuppressedRow:
    """A subscriber whose address is never mailed."""

    id: int
    address: str
    address_key: str
    suppressed_at: datetime


async def list_readers(
    session: Session,
    newsletter_id: int,
    *,
    state: SubscriptionState | None = None,
    tag: str | None = None,
    after: int = 0,
    limit: int = PAGE,
) -> list[ReaderRow]:
    """A page of a newsletter's readers but the erased; the next one is ``after`` its last
    ``subscriber_id``.
    """
    wanted = [
        _s.c.newsletter_id == newsletter_id,
        _s.c.subscriber_id > after,
        _r.c.address_key.not_like(f"{ERASED}%"),
    ]
    if state is not None:
        wanted.append(_s.c.state == state)
    if tag is not None:
        wanted.append(_tagged(tag))
    query = (
        select(
            *(_r.c.id, _s.c.id, _r.c.address, _r.c.address_key, _r.c.name, _r.c.language),
            *(_s.c.state, _s.c.created_at, _s.c.confirmed_at, _s.c.paused_until, _s.c.ended_at),
            *(_r.c.suppressed_at, _r.c.attributes),
        )
        .join_from(_s, _r)
        .where(*wanted)
        .order_by(_s.c.subscriber_id)
        .limit(limit)
    )
    found: Any = await session.execute(query)
    rows = [ReaderRow(*row) for row in found]
    tags = await tags_of(session, [row.subscription_id for row in rows])
    return [replace(row, tags=tags.get(row.subscription_id, ())) if tags else row for row in rows]


async def list_suppressed(
    session: Session, *, after: int = 0, limit: int = PAGE
) -> list[SuppressedRow]:
    """A page of the subscribers no newsletter mails any more, but the erased."""
    query = select(_r.c.id, _r.c.address, _r.c.address_key, _r.c.suppressed_at).where(
        _r.c.id > after, _r.c.suppressed_at.is_not(None), _r.c.address_key.not_like(f"{ERASED}%")
    )
    found: Any = await session.execute(query.order_by(_r.c.id).limit(limit))
    return [SuppressedRow(*row) for row in found]


def _tagged(tag: str) -> ColumnElement[bool]:
    t = subscription_tags
    return exists().where(t.c.tag == tag, t.c.subscription_id == _s.c.id)
