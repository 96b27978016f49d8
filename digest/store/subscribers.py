"""Subscribers, and their subscriptions with what they agreed to.

A subscription that ended is never opened again from here: only its reader can, by signing up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, insert, select, text, update

from digest.errors import RefusedError
from digest.mail.address import address_key, clean_name, parse_address
from digest.rules.delivery import DeliveryState, StateReason
from digest.rules.subscription import SubscriptionState
from digest.rules.webhooks import WebhookEvent
from digest.store import schema
from digest.store.destinations import destination_ids
from digest.store.session import Session
from digest.store.suppressions import suppression_of
from digest.store.types import Id, UtcDateTime
from digest.store.types import insert as upsert
from digest.store.webhooks import announce

_r = schema.subscribers
_s = schema.subscriptions
_d = schema.deliveries


@dataclass(frozen=True, slots=True)
class Subscription:
    """One reader of one newsletter; ``newsletter`` is its slug."""

    id: int
    newsletter_id: int
    newsletter: str
    subscriber_id: int
    state: SubscriptionState
    muted: list[str] | None
    cadence: str
    created_at: datetime
    confirmed_at: datetime | None
    paused_until: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reader:
    """A subscriber with every subscription, by the newsletter's name."""

    id: int
    address: str
    name: str
    language: str | None
    created_at: datetime
    suppressed_at: datetime | None
    attributes: Mapping[str, Any]
    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """How somebody agreed: to which wording, from which network, and what else there is to say."""

    wording: str | None = None
    origin: str | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding a reader; ``new`` is false when the subscription was there as asked."""

    subscription_id: int
    subscriber_id: int
    new: bool


async def add_reader(
    session: Session,
    newsletter_id: int,
    *,
    address: str,
    name: str = "",
    state: SubscriptionState = SubscriptionState.ACTIVE,
    source: str = "",
    now: datetime,
) -> Added:
    """Subscribe one reader; ``source`` says how they agreed, and is kept.

    A pending subscription becomes active. Raises AddressError, and RefusedError for who left or
    whose address is suppressed: neither can be brought back by anyone but the reader.
    """
    parsed = parse_address(address.strip())
    key = address_key(parsed)
    reason = await suppression_of(session, newsletter_id, key)
    if reason is not None:
        raise RefusedError(f"This address is not mailed any more: {reason}.", where=str(parsed))
    subscriber_id = await ensure_subscriber(session, str(parsed), key, clean_name(name), now=now)
    existing = await subscription_of(session, newsletter_id, subscriber_id)
    if existing is not None:
        return await _again(session, existing, state, source=source, now=now)
    confirmed = now if state is SubscriptionState.ACTIVE else None
    row = {
        "subscriber_id": subscriber_id,
        "newsletter_id": newsletter_id,
        "state": state,
        "created_at": now,
        "confirmed_at": confirmed,
    }
    statement = upsert(_s).values(row).on_conflict_do_nothing().returning(_s.c.id)
    subscription_id = (await session.execute(statement)).scalar_one_or_none()
    if subscription_id is None:  # somebody else was quicker
        existing = await subscription_of(session, newsletter_id, subscriber_id)
        assert existing is not None
        return await _again(session, existing, state, source=source, now=now)
    await add_consent(session, subscription_id, kind="added", source=source, now=now)
    return Added(subscription_id, subscriber_id, new=True)


async def ensure_subscriber(
    session: Session, address: str, key: str, name: str = "", *, now: datetime
) -> int:
    """The id of who has this address key, written down on the first call."""
    destination = (await destination_ids(session, [address.rpartition("@")[2]])).popitem()[1]
    row = {
        "address": address,
        "address_key": key,
        "name": name,
        "destination_id": destination,
        "created_at": now,
    }
    await session.execute(upsert(_r).values(row).on_conflict_do_nothing())
    found: int = (
        await session.execute(select(_r.c.id).where(_r.c.address_key == key))
    ).scalar_one()
    return found


async def subscription_of(
    session: Session, newsletter_id: int, subscriber_id: int
) -> Subscription | None:
    """This reader's subscription to this newsletter, in whatever state."""
    query = subscriptions_query().where(
        _s.c.newsletter_id == newsletter_id, _s.c.subscriber_id == subscriber_id
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Subscription(*row)


async def _again(
    session: Session,
    existing: Subscription,
    state: SubscriptionState,
    *,
    source: str,
    now: datetime,
) -> Added:
    if existing.state is SubscriptionState.ENDED:
        raise RefusedError(
            "This reader has left.", fix="Only they themselves can subscribe again, by signing up."
        )
    unchanged = Added(existing.id, existing.subscriber_id, new=False)
    if not (existing.state is SubscriptionState.PENDING and state is SubscriptionState.ACTIVE):
        return unchanged
    change = update(_s).where(_s.c.id == existing.id, _s.c.state == SubscriptionState.PENDING)
    await session.execute(change.values(state=state, confirmed_at=now))
    await add_consent(session, existing.id, kind="added", source=source, now=now)
    return Added(existing.id, existing.subscriber_id, new=True)


async def add_consent(
    session: Session,
    subscription_id: int,
    *,
    kind: str,
    source: str,
    now: datetime,
    proof: Proof | None = None,
) -> None:
    """Write down what happened to a consent; no such row ever changes, so none has an address."""
    row = {"subscription_id": subscription_id, "kind": kind, "source": source, "at": now}
    if proof is not None:
        row |= {"text_version": proof.wording, "origin": proof.origin, "detail": proof.detail}
    await session.execute(insert(schema.consent_events).values(row))


async def get_subscription(session: Session, subscription_id: int) -> Subscription | None:
    """The subscription with this id."""
    row = (
        await session.execute(subscriptions_query().where(_s.c.id == subscription_id))
    ).one_or_none()
    return None if row is None else Subscription(*row)


async def find_reader(session: Session, address: str) -> Reader | None:
    """Who reads at this address, however its local part is spelt; AddressError if it is none."""
    key = address_key(parse_address(address.strip()))
    row = (await session.execute(select(_r).where(_r.c.address_key == key))).one_or_none()
    if row is None:
        return None
    subscriptions = await list_subscriptions(session, row.id)
    return Reader(
        id=row.id,
        address=row.address,
        name=row.name,
        language=row.language,
        created_at=row.created_at,
        suppressed_at=row.suppressed_at,
        attributes=row.attributes or {},
        subscriptions=subscriptions,
    )


async def list_subscriptions(session: Session, subscriber_id: int) -> tuple[Subscription, ...]:
    """Everything a reader has subscribed to, in whatever state, by the newsletter's name."""
    query = subscriptions_query().where(_s.c.subscriber_id == subscriber_id)
    rows = await session.execute(query.order_by(schema.newsletters.c.slug))
    return tuple(Subscription(*one) for one in rows)


async def subscriber_key(session: Session, subscriber_id: int) -> str:
    """The address key of a reader, as ``suppressions`` are asked by; "" where there is none."""
    query = select(_r.c.address_key).where(_r.c.id == subscriber_id)
    return (await session.execute(query)).scalar_one_or_none() or ""


async def leave_subscription(
    session: Session, subscription_id: int, now: datetime, *, source: str = ""
) -> bool:
    """End one subscription, as ``leave_subscriptions``; False when there was nothing to end."""
    return bool(await leave_subscriptions(session, {subscription_id: source}, now))


async def leave_subscriptions(
    session: Session, sources: Mapping[int, str], now: datetime
) -> set[int]:
    """End subscriptions and cancel what of them has not begun; those there was one to end of.

    ``sources`` says of each by which door. A delivery some sender holds stays ``sending``: whoever
    acknowledges waits for it (``sending_claims``).
    """
    left = (await session.execute(_END, {"ids": list(sources), "now": now})).all()
    if not left:
        return set()
    await session.execute(
        insert(schema.consent_events),
        [
            {"subscription_id": row.id, "kind": "left", "source": sources[row.id], "at": now}
            for row in left
        ],
    )
    await session.execute(_STOP_NOTICES, {"ids": [row.id for row in left], "now": now})
    readers: dict[int, list[int]] = {}
    for row in left:
        readers.setdefault(row.newsletter_id, []).append(row.subscriber_id)
    for newsletter, gone in readers.items():
        await announce(
            session, WebhookEvent.LEFT, newsletter_id=newsletter, subscriber_ids=gone, now=now
        )
        await session.execute(
            _STOP_DELIVERIES, {"newsletter": newsletter, "readers": gone, "now": now}
        )
    return {row.id for row in left}


# Made once: each is a good part of what a leave costs.
_END = (
    update(_s)
    .where(_s.c.id.in_(bindparam("ids", expanding=True)), _s.c.state != SubscriptionState.ENDED)
    .values(state=SubscriptionState.ENDED, ended_at=bindparam("now"))
    .returning(_s.c.id, _s.c.newsletter_id, _s.c.subscriber_id)
)

# Written out, so that the index of what is to do serves: no leave may look through all notices.
_STOP_NOTICES = text("""
UPDATE notices SET state = 'cancelled', reason = 'left', settled_at = :now
WHERE state IN ('queued', 'deferred') AND kind = 'welcome' AND subscription_id IN :ids
""").bindparams(bindparam("now", type_=UtcDateTime), bindparam("ids", type_=Id, expanding=True))

# Through an issue the unique index (issue, subscriber, ordinal) finds a reader's rows; a reader has
# no index of their own, which every planned row would have to pay for.
_STOP_DELIVERIES = (
    update(_d)
    .where(
        _d.c.issue_id.in_(
            select(schema.issues.c.id).where(
                schema.issues.c.newsletter_id == bindparam("newsletter")
            )
        ),
        _d.c.subscriber_id.in_(bindparam("readers", expanding=True)),
        _d.c.state.in_((DeliveryState.QUEUED, DeliveryState.DEFERRED)),
    )
    .values(state=DeliveryState.CANCELLED, reason=StateReason.LEFT, settled_at=bindparam("now"))
)


async def activate_subscription(
    session: Session,
    subscription_id: int,
    now: datetime,
    *,
    kind: str,
    source: str,
    proof: Proof | None = None,
) -> bool:
    """Let a reader have every issue from now on, at their own word; False when they do already.

    Promise 4: whoever calls has shown that the reader asks, and that no suppression forbids it.
    """
    change = update(_s).where(_s.c.id == subscription_id, _s.c.state != SubscriptionState.ACTIVE)
    values: dict[str, Any] = {
        "state": SubscriptionState.ACTIVE,
        "ended_at": None,
        "paused_until": None,
    }
    if kind == "confirmed":
        values["confirmed_at"] = now
    changed = change.values(**values).returning(_s.c.newsletter_id, _s.c.subscriber_id)
    row = (await session.execute(changed)).one_or_none()
    if row is None:
        return False
    await add_consent(session, subscription_id, kind=kind, source=source, now=now, proof=proof)
    await announce(
        session,
        WebhookEvent.CONFIRMED,
        newsletter_id=row.newsletter_id,
        subscriber_ids=[row.subscriber_id],
        now=now,
    )
    return True


async def ask_pending(
    session: Session, newsletter_id: int, *, subscriber_id: int, now: datetime
) -> int:
    """The subscription of this reader, made as pending where there was none; its id."""
    row = {
        "subscriber_id": subscriber_id,
        "newsletter_id": newsletter_id,
        "state": SubscriptionState.PENDING,
        "created_at": now,
    }
    await session.execute(upsert(_s).values(row).on_conflict_do_nothing())
    found = await subscription_of(session, newsletter_id, subscriber_id)
    assert found is not None
    again = update(_s).where(_s.c.id == found.id, _s.c.state == SubscriptionState.PENDING)
    await session.execute(again.values(created_at=now))  # it expires so long after the last time
    return found.id


async def sending_claims(
    session: Session, subscription_ids: Collection[int]
) -> list[tuple[int, datetime]]:
    """Who holds deliveries of these subscriptions, as (worker's id, since when)."""
    rows = await session.execute(_CLAIMS, {"ids": list(subscription_ids)})
    return [(row.owner, row.claimed_at) for row in rows]


_CLAIMS = (
    select(_d.c.owner, _d.c.claimed_at)
    .select_from(_s)
    .join(schema.issues, schema.issues.c.newsletter_id == _s.c.newsletter_id)
    .join(_d, and_(_d.c.issue_id == schema.issues.c.id, _d.c.subscriber_id == _s.c.subscriber_id))
    .where(_s.c.id.in_(bindparam("ids", expanding=True)), _d.c.state == DeliveryState.SENDING)
)


def subscriptions_query() -> Any:
    """A query whose rows are the fields of Subscription, in order."""
    newsletters = schema.newsletters
    return select(
        _s.c.id,
        _s.c.newsletter_id,
        newsletters.c.slug,
        _s.c.subscriber_id,
        _s.c.state,
        _s.c.muted,
        _s.c.cadence,
        _s.c.created_at,
        _s.c.confirmed_at,
        _s.c.paused_until,
        _s.c.ended_at,
    ).join_from(_s, newsletters)
