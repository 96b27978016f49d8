"""What nobody asks for any more, of tables that would only grow: rows go, or lose their words.

What was established stays: that an address bounced or complained, who left, how somebody agreed,
who approved what. Each of these takes a moment and how many rows it may take at once, and gives how
many it took.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Table, TextClause, delete, select, text, update

from digest.rules.feedback import Effect
from digest.store.rows import among
from digest.store.schema import (
    audit,
    feedback,
    media,
    relay_usage,
    relays,
    schedulers,
    version_media,
)
from digest.store.session import Session

_Condition: TypeAlias = ColumnElement[bool] | TextClause
_f = feedback
WITH_WORDS = text("(address IS NOT NULL OR evidence IS NOT NULL OR sample IS NOT NULL)")
_QUARANTINED = text("effect = 'quarantined'")
# By a password, and by a provider, where the reason stands; each is written out, for its index.
_REFUSED = (text("result = 'refused'"), text("substr(result, 1, 9) = 'refused: '"))
_UNDECIDED = (Effect.HELD, Effect.ASKING)
_HOURS_OF_A_RAMP = 24 * 366  # from the first one on: a warm-up counts its days by them


async def forget_quarantined(session: Session, before: datetime, limit: int) -> int:
    """Delete what came back without a token of ours: it was about nobody."""
    return await _delete(session, feedback, _QUARANTINED, _f.c.received_at < before, limit=limit)


async def forget_words(session: Session, before: datetime, limit: int) -> int:
    """Take out of what came back the address as it was written and the words of servers.

    What it was, about whom, by which code and what followed stays; so does all of what waits for a
    decision.
    """
    old = (
        select(_f.c.id)
        .where(WITH_WORDS, _f.c.received_at < before, _f.c.effect.not_in(_UNDECIDED))
        .order_by(_f.c.received_at)
        .limit(limit)
    )
    ids = (await session.scalars(old)).all()
    nothing: dict[str, Any] = {"address": None, "evidence": None, "sample": None}
    await session.execute(update(_f).where(among(session, _f.c.id, ids)).values(**nothing))
    return len(ids)


async def forget_refusals(session: Session, before: datetime, limit: int) -> int:
    """Delete attempts to sign in that failed: whoever finds the page can write as many."""
    taken = 0
    for refused in _REFUSED:
        old = (refused, audit.c.at < before)
        taken += await _delete(session, audit, *old, limit=limit - taken)
    return taken


async def forget_schedulers(session: Session, before: datetime, limit: int) -> int:
    """Delete machines that kept the schedule once."""
    return await _delete(session, schedulers, schedulers.c.seen_at < before, limit=limit)


async def forget_pictures(session: Session, before: datetime, limit: int) -> int:
    """Delete pictures that somebody brought for a text and no version ever showed."""
    old = media.c.created_at < before
    unseen = media.c.sha256.not_in(select(version_media.c.sha256))
    rows = select(media.c.sha256).where(old, unseen).limit(limit)
    # Asked twice: of one that is brought again meanwhile, PostgreSQL looks at the row anew.
    return (await session.execute(delete(media).where(media.c.sha256.in_(rows), old))).rowcount


async def forget_usage(session: Session, before: datetime, limit: int) -> int:
    """Delete what relays were given hour by hour, but the first hours of each."""
    hour_at, taken = relay_usage.c.hour_at, 0
    for relay_id in (await session.scalars(select(relays.c.id))).all():
        mine = relay_usage.c.relay_id == relay_id
        used = select(hour_at).where(mine, relay_usage.c.messages > 0).order_by(hour_at)
        warm = await session.scalar(used.offset(_HOURS_OF_A_RAMP).limit(1))
        if warm is None:
            continue
        old = select(hour_at).where(mine, hour_at >= warm, hour_at < before).order_by(hour_at)
        hours = (await session.scalars(old.limit(limit - taken))).all()
        await session.execute(delete(relay_usage).where(mine, hour_at.in_(hours)))
        taken += len(hours)
        if taken >= limit:
            break
    return taken


async def _delete(session: Session, table: Table, *old: _Condition, limit: int) -> int:
    (key,) = table.primary_key.columns
    rows = select(key).where(*old).limit(limit)  # in any order: an index of these rows serves
    return (await session.execute(delete(table).where(key.in_(rows)))).rowcount
