"""Subscriptions: show, choose, end, and the record of what was agreed to.

None can be made or opened again here: only a reader's own word does that (``sign_up``).
"""

from __future__ import annotations

from digest.access.api_keys import Scope
from digest.audience.leave import leave
from digest.audience.preferences import change_choice, read_preferences
from digest.errors import NotFoundError
from digest.rules.traits import clean_tags
from digest.store.reader_pages import consent_page
from digest.store.session import Session
from digest.store.subscribers import Subscription as StoredSubscription
from digest.store.subscribers import get_subscription
from digest.store.tags import set_tags, tags_of
from digest.web.api.calls import Call, Operation
from digest.web.api.models import (
    ConsentEvent,
    ConsentEvents,
    Paging,
    Subscription,
    SubscriptionChange,
)


async def show(call: Call) -> Subscription:
    """One subscription."""
    async with call.site.db.read() as session:
        return await _shown(session, call.number("subscription"))


async def change(call: Call) -> Subscription:
    """Mute sections, have every issue or one a month, give other tags."""
    asked: SubscriptionChange = call.body
    site, number = call.site, call.number("subscription")
    async with site.db.begin() as session:
        found = await read_preferences(session, number)
        if found is None:
            raise NotFoundError
        await change_choice(
            session,
            found,
            muted=asked.muted,
            monthly=None if asked.cadence is None else asked.cadence == "monthly",
            source=call.door,
            now=site.clock.now(),
        )
        if asked.tags is not None:
            await set_tags(session, number, clean_tags(asked.tags))
        return await _shown(session, number)


async def end(call: Call) -> Subscription:
    """End a subscription; answered when no message of it can start any more."""
    site, number = call.site, call.number("subscription")
    async with site.db.read() as session:
        await _subscription(session, number)
    await leave(site.db, number, source=call.door, clock=site.clock, leavers=site.leavers)
    async with site.db.read() as session:
        return await _shown(session, number)


async def consent(call: Call) -> ConsentEvents:
    """How a subscription came to be, and every change since."""
    asked: Paging = call.query
    number = call.number("subscription")
    async with call.site.db.read() as session:
        await _subscription(session, number)
        found = await consent_page(session, number, after=int(asked.after), limit=asked.limit + 1)
    events = [one for one in found if one.id is not None]
    last = events[asked.limit - 1].id if len(events) > asked.limit else None
    shown = [one for one in found if last is None or one.id is None or one.id <= last]
    return ConsentEvents(
        items=[ConsentEvent.of(one) for one in shown], next=None if last is None else str(last)
    )


async def _shown(session: Session, subscription_id: int) -> Subscription:
    found = await _subscription(session, subscription_id)
    return Subscription.of(found, await tags_of(session, [found.id]))


async def _subscription(session: Session, subscription_id: int) -> StoredSubscription:
    found = await get_subscription(session, subscription_id)
    if found is None:
        raise NotFoundError
    return found


OPERATIONS = (
    Operation(
        "show_subscription",
        "GET",
        "/subscriptions/{subscription}",
        Scope.READERS_READ,
        show,
        Subscription,
        "Show a subscription",
        problems=(404,),
    ),
    Operation(
        "change_subscription",
        "PATCH",
        "/subscriptions/{subscription}",
        Scope.READERS_WRITE,
        change,
        Subscription,
        "Change what a reader gets of a newsletter, and its tags",
        body=SubscriptionChange,
        problems=(404,),
    ),
    Operation(
        "end_subscription",
        "POST",
        "/subscriptions/{subscription}/leave",
        Scope.READERS_WRITE,
        end,
        Subscription,
        "End a subscription. When this is answered, no message of it starts any more; ended twice "
        "is no error. Only the reader can subscribe again.",
        problems=(404,),
    ),
    Operation(
        "list_consent",
        "GET",
        "/subscriptions/{subscription}/consent",
        Scope.READERS_READ,
        consent,
        ConsentEvents,
        "List what a reader agreed to and changed, oldest first",
        query=Paging,
        problems=(404,),
    ),
)
