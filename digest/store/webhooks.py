"""Telling other programs: who wants to know what, and what is still to be told (an outbox).

``announce`` is called in the very transaction in which something happens to a reader: then it is
told at least once, whatever dies in between, and never of what was rolled back. ``event_id`` is the
same for every try and every receiver, so that one who is told twice can see it.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from digest.rules.webhooks import KEEP, WebhookEvent, heard
from digest.store import schema
from digest.store.session import Session

_w = schema.webhooks
_o = schema.webhook_deliveries
_ERASED = "erased:"  # how the key of an erased address begins
_open: ColumnElement[bool] = _o.c.settled_at.is_(None)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who wants to be told. ``failures`` in a row since ``failing_since``."""

    id: int
    url: str
    secret: str = field(repr=False)
    events: tuple[WebhookEvent, ...]
    failures: int
    failing_since: datetime | None
    retry_at: datetime | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """One thing to tell one webhook. ``address`` is None where the reader was erased."""

    id: int
    event_id: str
    event: WebhookEvent
    happened_at: datetime
    newsletter: str | None = None
    reader: int | None = None
    address: str | None = None
    attempts: int = 0


async def add_webhook(
    session: Session, url: str, events: Sequence[WebhookEvent], now: datetime
) -> tuple[int, str]:
    """Keep somebody to tell; the id, and the secret that both sides sign with."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    row = {
        "url": url,
        "secret": secret,
        "events": [event.value for event in events],
        "created_at": now,
    }
    added = await session.execute(insert(_w).values(row).returning(_w.c.id))
    return added.scalar_one(), secret


async def list_webhooks(session: Session, webhook_id: int | None = None) -> list[Webhook]:
    """Everybody who is told, or was until it was disabled; or the one with this id."""
    columns = (_w.c.id, _w.c.url, _w.c.secret, _w.c.events, _w.c.failures, _w.c.failing_since)
    query = select(*columns, _w.c.retry_at, _w.c.created_at, _w.c.disabled_at).order_by(_w.c.id)
    if webhook_id is not None:
        query = query.where(_w.c.id == webhook_id)
    return [
        Webhook(id_, url, secret, tuple(WebhookEvent(one) for one in events), *rest)
        for id_, url, secret, events, *rest in await session.execute(query)
    ]


async def remove_webhook(session: Session, webhook_id: int) -> bool:
    """Tell this one nothing any more, not even what waits; False where there is none."""
    await session.execute(delete(_o).where(_o.c.webhook_id == webhook_id))
    return (await session.execute(delete(_w).where(_w.c.id == webhook_id))).rowcount == 1


async def count_open(session: Session) -> dict[int, int]:
    """How much is still to be told, by webhook."""
    query = select(_o.c.webhook_id, func.count()).where(_o.c.settled_at.is_(None))
    return dict(tuple(row) for row in await session.execute(query.group_by(_o.c.webhook_id)))


async def announce(
    session: Session,
    event: WebhookEvent,
    *,
    newsletter_id: int | None,
    subscriber_ids: Sequence[int | None],
    now: datetime,
) -> int:
    """Have it told that ``event`` happened to readers; how many want to know.

    Call it in the transaction in which it happens, as ``activate_subscription``,
    ``leave_subscriptions`` and ``audience.feedback`` do.
    """
    query = select(_w.c.id, _w.c.events).where(_w.c.disabled_at.is_(None))
    wanting = [id_ for id_, events in await session.execute(query) if event.value in events]
    told = [
        {
            "event_id": new_event_id(),
            "event": event,
            "newsletter_id": newsletter_id,
            "subscriber_id": subscriber_id,
            "happened_at": now,
            "not_before": now,
        }
        for subscriber_id in subscriber_ids
    ]
    if wanting and told:
        await session.execute(
            insert(_o), [{"webhook_id": id_, **one} for one in told for id_ in wanting]
        )
    return len(wanting)


def new_event_id() -> str:
    """A name for one thing that happened, which no other has."""
    return f"evt_{secrets.token_hex(16)}"


async def due_webhooks(session: Session, now: datetime) -> list[Webhook]:
    """Those who can be told something now."""
    something = select(_o.c.webhook_id).where(_open, _o.c.not_before <= now)
    ids = set((await session.execute(something.distinct())).scalars())
    return [
        one
        for one in (await list_webhooks(session) if ids else [])
        if one.id in ids
        and one.disabled_at is None
        and (one.retry_at is None or one.retry_at <= now)
    ]


async def claim_told(
    session: Session, webhook_id: int, *, lease: timedelta, limit: int, now: datetime
) -> list[Told]:
    """Take what is to be told to one webhook, oldest first; nobody else has it for ``lease``.

    Whoever dies with it leaves it to be told once more, later.
    """
    due = (
        select(_o.c.id)
        .where(_o.c.webhook_id == webhook_id, _open, _o.c.not_before <= now)
        .order_by(_o.c.id)
        .limit(limit)
    )
    if session.dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    mine = update(_o).where(_o.c.id.in_(due.scalar_subquery())).values(not_before=now + lease)
    ids = list((await session.execute(mine.returning(_o.c.id))).scalars())
    readers, newsletters = schema.subscribers, schema.newsletters
    query = (
        select(
            *(_o.c.id, _o.c.event_id, _o.c.event, newsletters.c.slug, _o.c.subscriber_id),
            *(readers.c.address, readers.c.address_key, _o.c.attempts, _o.c.happened_at),
        )
        .select_from(
            _o.outerjoin(readers, readers.c.id == _o.c.subscriber_id).outerjoin(
                newsletters, newsletters.c.id == _o.c.newsletter_id
            )
        )
        .where(_o.c.id.in_(ids))
        .order_by(_o.c.id)
    )
    return [
        Told(
            id=row.id,
            event_id=row.event_id,
            event=row.event,
            newsletter=row.slug,
            reader=row.subscriber_id,
            address=None if (row.address_key or _ERASED).startswith(_ERASED) else row.address,
            attempts=row.attempts,
            happened_at=row.happened_at,
        )
        for row in await session.execute(query)
    ]


async def settle_told(
    session: Session, told: Told, webhook_id: int, *, status: int | None, now: datetime
) -> None:
    """It was heard, or is given up: not told again."""
    values = {"settled_at": now, "status": status, "attempts": told.attempts + 1}
    await session.execute(update(_o).where(_o.c.id == told.id).values(**values))
    fine = {"failures": 0, "failing_since": None, "retry_at": None}
    if heard(status):
        await session.execute(update(_w).where(_w.c.id == webhook_id).values(**fine))


async def put_off_told(
    session: Session,
    told: Sequence[Told],
    *,
    first: datetime,
    others: datetime,
    status: int | None,
) -> None:
    """Tell the first of ``told``, which was tried, and the others, which were not, later."""
    values = {"attempts": told[0].attempts + 1, "status": status, "not_before": first}
    await session.execute(update(_o).where(_o.c.id == told[0].id, _open).values(**values))
    rest = [one.id for one in told[1:]]
    await session.execute(update(_o).where(_o.c.id.in_(rest)).values(not_before=others))


async def note_failure(
    session: Session, webhook: Webhook, *, retry_at: datetime, now: datetime
) -> None:
    """A webhook did not hear: leave it alone until ``retry_at``."""
    values = {
        "failures": webhook.failures + 1,
        "failing_since": webhook.failing_since or now,
        "retry_at": retry_at,
    }
    await session.execute(update(_w).where(_w.c.id == webhook.id).values(**values))


async def disable_webhook(session: Session, webhook_id: int, now: datetime) -> bool:
    """Tell this one nothing until it is enabled again; False when it was disabled."""
    mark = update(_w).where(_w.c.id == webhook_id, _w.c.disabled_at.is_(None))
    if (await session.execute(mark.values(disabled_at=now))).rowcount == 0:
        return False
    waits = update(_o).where(_o.c.webhook_id == webhook_id, _open)
    await session.execute(waits.values(settled_at=now))
    return True


async def enable_webhook(session: Session, webhook_id: int) -> bool:
    """Tell this one again, from now on; False where there is none."""
    values = {"disabled_at": None, "failures": 0, "failing_since": None, "retry_at": None}
    again = update(_w).where(_w.c.id == webhook_id).values(**values)
    return (await session.execute(again)).rowcount == 1


async def forget_told(session: Session, now: datetime) -> int:
    """Delete what was told long ago."""
    old = delete(_o).where(_o.c.settled_at.is_not(None), _o.c.settled_at < now - KEEP)
    return (await session.execute(old)).rowcount
