"""Tags of subscriptions and attributes of subscribers: what an operator sorts readers by."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import delete, func, select, update

from digest.errors import InputError
from digest.rules.subscription import SubscriptionState
from digest.rules.traits import TAGS_MAX, Attributes, Value, clean_attributes
from digest.store.schema import subscribers, subscription_tags, subscriptions
from digest.store.session import Session
from digest.store.types import insert

_t = subscription_tags


async def tag_subscription(session: Session, subscription_id: int, tags: Collection[str]) -> None:
    """Give a subscription these tags beside those it has; InputError when it gets too many."""
    if tags:
        rows = [{"subscription_id": subscription_id, "tag": tag} for tag in sorted(set(tags))]
        await session.execute(insert(_t).values(rows).on_conflict_do_nothing())
    count = select(func.count()).select_from(_t).where(_t.c.subscription_id == subscription_id)
    if (await session.execute(count)).scalar_one() > TAGS_MAX:
        raise InputError(f"A reader has at most {TAGS_MAX} tags.", where="--tag")


async def untag_subscription(session: Session, subscription_id: int, tags: Collection[str]) -> None:
    """Take these tags off a subscription, where it has them."""
    mine = (_t.c.subscription_id == subscription_id) & _t.c.tag.in_(sorted(tags))
    await session.execute(delete(_t).where(mine))


async def set_tags(session: Session, subscription_id: int, tags: Collection[str]) -> None:
    """Give a subscription these tags and no others."""
    other = (_t.c.subscription_id == subscription_id) & _t.c.tag.not_in(sorted(tags))
    await session.execute(delete(_t).where(other))
    await tag_subscription(session, subscription_id, tags)


async def tags_of(
    session: Session, subscription_ids: Collection[int]
) -> dict[int, tuple[str, ...]]:
    """The tags of each of these subscriptions that has any, by the alphabet."""
    query = select(_t.c.subscription_id, _t.c.tag).where(_t.c.subscription_id.in_(subscription_ids))
    found: dict[int, list[str]] = {}
    for subscription_id, tag in await session.execute(query):
        found.setdefault(subscription_id, []).append(tag)
    return {one: tuple(sorted(tags)) for one, tags in found.items()}


async def count_tags(session: Session, newsletter_id: int) -> list[tuple[str, int, int]]:
    """Every tag of a newsletter with how many readers have it, and how many of them are active."""
    active = subscriptions.c.state == SubscriptionState.ACTIVE
    query = (
        select(_t.c.tag, func.count(), func.count().filter(active))
        .join_from(_t, subscriptions, subscriptions.c.id == _t.c.subscription_id)
        .where(subscriptions.c.newsletter_id == newsletter_id)
        .group_by(_t.c.tag)
    )
    rows = [
        (str(tag), int(count), int(of_them)) for tag, count, of_them in await session.execute(query)
    ]
    return sorted(rows)


async def change_attributes(
    session: Session, subscriber_id: int, changes: Mapping[str, Value | None]
) -> Attributes:
    """Lay ``changes`` over a reader's attributes; None or an empty text takes one away."""
    mine = subscribers.c.id == subscriber_id
    query = select(subscribers.c.attributes).where(mine)
    if session.dialect.name == "postgresql":
        query = query.with_for_update()
    before = (await session.execute(query)).scalar_one() or {}
    merged = clean_attributes({**before, **changes})
    await session.execute(update(subscribers).where(mine).values(attributes=merged or None))
    return merged
