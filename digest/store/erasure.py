"""Taking a reader's address and name out of every table.

Rows stay where receipts need them, as ``erased-<id>@erased.invalid`` (RFC 2606 §2). The record of
consents has no address in it and is append-only. Tests read every column of every table, and the
file itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, select, text, update

from digest.rules.delivery import DeliveryState
from digest.store import schema
from digest.store.destinations import destination_ids
from digest.store.forgetting import WITH_WORDS
from digest.store.old_notices import empty_notices
from digest.store.preferences import Person
from digest.store.session import Session
from digest.store.suppressions import address_hash, read_pepper

if TYPE_CHECKING:
    from digest.store.session import Database

NOWHERE = "erased.invalid"
_OPEN = (DeliveryState.QUEUED, DeliveryState.DEFERRED)


async def anonymise(session: Session, reader: Person, now: datetime) -> None:
    """Forget who ``reader`` is, everywhere. Their subscriptions have ended before."""
    await _forget_links(session, reader)
    await _forget_tags(session, reader)
    await _forget_replies(session, reader)
    await _forget_notices(session, reader, now)
    hashed = address_hash(await read_pepper(session), reader.key)
    marks = schema.suppressions
    await session.execute(update(marks).where(marks.c.address_hash == hashed).values(evidence=None))
    destination = (await destination_ids(session, [NOWHERE]))[NOWHERE]
    table = schema.subscribers
    await session.execute(
        update(table)
        .where(table.c.id == reader.id)
        .values(
            address=f"erased-{reader.id}@{NOWHERE}",
            address_key=f"erased:{reader.id}",
            name="",
            language=None,
            attributes=None,
            destination_id=destination,
        )
    )


async def _forget_links(session: Session, reader: Person) -> None:
    """Links that are out do nothing any more; what was asked for this address is forgotten."""
    mine = select(schema.subscriptions.c.id).where(
        schema.subscriptions.c.subscriber_id == reader.id
    )
    passes, signups = schema.passes, schema.signups
    for theirs in (passes.c.subscription_id.in_(mine), passes.c.address == reader.address):
        await session.execute(delete(passes).where(theirs))  # each by its index
    asked = signups.c.address.in_((reader.address, reader.key))
    await session.execute(delete(signups).where(signups.c.settled_at.is_(None), asked))


async def _forget_tags(session: Session, reader: Person) -> None:
    mine = select(schema.subscriptions.c.id).where(
        schema.subscriptions.c.subscriber_id == reader.id
    )
    tags = schema.subscription_tags
    await session.execute(delete(tags).where(tags.c.subscription_id.in_(mine)))


async def _forget_replies(session: Session, reader: Person) -> None:
    """Servers like to repeat the address in what they answer."""
    rows, attempts, feedback = schema.deliveries, schema.attempts, schema.feedback
    subscribed = select(schema.subscriptions.c.newsletter_id).where(
        schema.subscriptions.c.subscriber_id == reader.id
    )
    # Through the issues: (issue, subscriber, ordinal) is the index there is.
    issues = select(schema.issues.c.id).where(schema.issues.c.newsletter_id.in_(subscribed))
    theirs = and_(rows.c.issue_id.in_(issues), rows.c.subscriber_id == reader.id)
    nothing: dict[str, Any] = {"address": None, "reply": None, "evidence": None}
    named = and_(WITH_WORDS, feedback.c.address.in_((reader.address, reader.key)))
    for about in (feedback.c.subscriber_id == reader.id, named):
        await session.execute(update(feedback).where(about).values(**nothing))
    mine = select(rows.c.id).where(theirs)
    await session.execute(
        update(attempts).where(attempts.c.delivery_id.in_(mine)).values(text=None)
    )
    await session.execute(update(rows).where(theirs).values(reply_text=None))


async def _forget_notices(session: Session, reader: Person, now: datetime) -> None:
    notices = schema.notices
    named = notices.c.address.in_((reader.address, reader.key))
    to_them = and_(text("address <> ''"), named)  # written out, for the index
    waits = to_them & notices.c.state.in_(_OPEN)
    cancelled = {"state": DeliveryState.CANCELLED, "settled_at": now}
    await session.execute(update(notices).where(waits).values(**cancelled))
    ids = (await session.scalars(select(notices.c.id).where(to_them))).all()
    await empty_notices(session, ids, address=f"erased-{reader.id}@{NOWHERE}")


async def wipe(db: Database) -> None:
    """Have SQLite write what was erased over in its file, too, instead of keeping it in the log."""
    if db.dialect != "sqlite":
        return
    async with db.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
