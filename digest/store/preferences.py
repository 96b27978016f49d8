"""What a reader may choose about a subscription, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert, select, text, update

from digest.rules.subscription import SubscriptionState
from digest.store import schema
from digest.store.destinations import destination_ids
from digest.store.session import Session
from digest.store.subscribers import Proof, add_consent

_r = schema.subscribers
_s = schema.subscriptions


@dataclass(frozen=True, slots=True)
class Choice:
    """How a reader wants a newsletter: without which sections, and every issue or one a month."""

    muted: tuple[str, ...] = ()
    monthly: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """A reader by id, with what is theirs whatever they read."""

    id: int
    address: str
    key: str
    name: str
    language: str | None
    suppressed_at: datetime | None


async def person(session: Session, subscriber_id: int) -> Person | None:
    """The reader with this id."""
    columns = (_r.c.id, _r.c.address, _r.c.address_key, _r.c.name, _r.c.language)
    query = select(*columns, _r.c.suppressed_at).where(_r.c.id == subscriber_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Person(*row)


async def choose(
    session: Session,
    subscription_id: int,
    choice: Choice,
    *,
    origin: str | None,
    source: str = "page",
    now: datetime,
) -> bool:
    """Have a subscription as its reader wants it; False when it was like that."""
    wanted: dict[str, Any] = {
        "muted": list(choice.muted) or None,
        "cadence": "monthly" if choice.monthly else "every",
    }
    mine = select(_s.c.muted, _s.c.cadence).where(_s.c.id == subscription_id)
    row = (await session.execute(mine)).one_or_none()
    if row is None or (row.muted or None, row.cadence) == tuple(wanted.values()):
        return False
    await session.execute(update(_s).where(_s.c.id == subscription_id).values(**wanted))
    proof = Proof(origin=origin, detail=wanted)
    await add_consent(
        session, subscription_id, kind="preferences", source=source, now=now, proof=proof
    )
    return True


async def languages_of(session: Session, subscription_id: int) -> tuple[str | None, ...]:
    """The languages for the reader of a subscription: their own, then its newsletter's."""
    n = schema.newsletters
    query = (
        select(_r.c.language, n.c.language)
        .select_from(
            _s.join(_r, _r.c.id == _s.c.subscriber_id).join(n, n.c.id == _s.c.newsletter_id)
        )
        .where(_s.c.id == subscription_id)
    )
    row = (await session.execute(query)).one_or_none()
    return () if row is None else tuple(row)


async def rename(session: Session, subscriber_id: int, name: str) -> None:
    """Call a reader ``name``, as clean_name gave it."""
    await session.execute(update(_r).where(_r.c.id == subscriber_id).values(name=name))


async def speak_to(session: Session, subscriber_id: int, language: str | None) -> None:
    """Write to a reader in ``language``; None leaves it to each newsletter."""
    await session.execute(update(_r).where(_r.c.id == subscriber_id).values(language=language))


async def pause(
    session: Session, subscription_id: int, until: datetime, *, origin: str, now: datetime
) -> bool:
    """Send nothing until ``until``; False unless the subscription is active or paused."""
    may = _s.c.state.in_((SubscriptionState.ACTIVE, SubscriptionState.PAUSED))
    change = update(_s).where(_s.c.id == subscription_id, may)
    values = {"state": SubscriptionState.PAUSED, "paused_until": until}
    if (await session.execute(change.values(**values))).rowcount == 0:
        return False
    proof = Proof(origin=origin, detail={"until": until.isoformat(timespec="minutes")})
    await add_consent(session, subscription_id, kind="paused", source="page", now=now, proof=proof)
    return True


async def resume(session: Session, subscription_id: int, *, origin: str, now: datetime) -> bool:
    """End a pause now; False when there is none."""
    paused = _s.c.state == SubscriptionState.PAUSED
    change = update(_s).where(_s.c.id == subscription_id, paused)
    values = {"state": SubscriptionState.ACTIVE, "paused_until": None}
    if (await session.execute(change.values(**values))).rowcount == 0:
        return False
    proof = Proof(origin=origin)
    await add_consent(session, subscription_id, kind="resumed", source="page", now=now, proof=proof)
    return True


async def end_pauses(session: Session, now: datetime) -> int:
    """Make those active again whose pause is over; how many there were.

    Whoever plans an issue calls this first, in the same transaction.
    """
    over = and_(text("state = 'paused'"), _s.c.paused_until <= now)  # as its index has it
    change = update(_s).where(over).values(state=SubscriptionState.ACTIVE, paused_until=None)
    ids = list((await session.execute(change.returning(_s.c.id))).scalars())
    if ids:
        events = [
            {"subscription_id": one, "kind": "resumed", "source": "its time was over", "at": now}
            for one in ids
        ]
        await session.execute(insert(schema.consent_events), events)
    return len(ids)


async def set_address(
    session: Session, subscriber_id: int, address: str, key: str, *, suppressed_at: datetime | None
) -> bool:
    """Write to a reader at ``address`` from now on; False when somebody else reads there."""
    taken = select(_r.c.id).where(_r.c.address_key == key, _r.c.id != subscriber_id)
    if (await session.execute(taken)).first() is not None:
        return False
    destination = (await destination_ids(session, [address.rpartition("@")[2]])).popitem()[1]
    values = {
        "address": address,
        "address_key": key,
        "destination_id": destination,
        "suppressed_at": suppressed_at,
    }
    await session.execute(update(_r).where(_r.c.id == subscriber_id).values(**values))
    return True


async def subscriptions_of(
    session: Session, subscriber_id: int, states: Sequence[SubscriptionState]
) -> list[int]:
    """The ids of a reader's subscriptions in one of ``states``."""
    query = select(_s.c.id).where(_s.c.subscriber_id == subscriber_id, _s.c.state.in_(list(states)))
    return list((await session.execute(query.order_by(_s.c.id))).scalars())
