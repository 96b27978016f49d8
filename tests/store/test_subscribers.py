from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from digest.errors import AddressError, RefusedError
from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.rules.subscription import SubscriptionState
from digest.store.delivery_rows import deliveries_of
from digest.store.issues import move_issue
from digest.store.reader_list import list_readers
from digest.store.subscribers import (
    find_reader,
    get_subscription,
    leave_subscription,
    sending_claims,
)
from tests.build import NOW, a_newsletter, a_reader, an_issue, plan_deliveries, readers

LATER = NOW + timedelta(minutes=5)
ENDED, ACTIVE, PENDING = (
    SubscriptionState.ENDED,
    SubscriptionState.ACTIVE,
    SubscriptionState.PENDING,
)


async def planned(database, count=3):
    newsletter = await a_newsletter(database)
    added = await readers(database, newsletter, count)
    published = await an_issue(database, newsletter)
    async with database.begin() as session:
        await move_issue(session, published.issue.id, IssueState.APPROVED, now=NOW)
        await move_issue(session, published.issue.id, IssueState.SENDING, now=NOW)
        rows = await plan_deliveries(
            session, issue_id=published.issue.id, version_id=published.version.id, now=NOW
        )
    assert rows == count
    return newsletter, added


async def consent(database) -> list[tuple[str, str]]:
    async with database.read() as session:
        rows = await session.execute(text("SELECT kind, source FROM consent_events ORDER BY id"))
        return [tuple(row) for row in rows]


async def test_a_reader_is_found_however_the_address_is_spelt(database):
    newsletter = await a_newsletter(database)
    await a_reader(database, newsletter, address="Anne@EXAMPLE.org", source="by phone")
    async with database.read() as session:
        reader = await find_reader(session, " anne@example.org ")
        assert await find_reader(session, "bart@example.org") is None
    assert reader is not None
    assert (reader.address, reader.name) == ("Anne@example.org", "Anne")
    assert [(one.newsletter, one.state) for one in reader.subscriptions] == [("weekly", ACTIVE)]
    assert reader.subscriptions[0].confirmed_at == NOW
    assert await consent(database) == [("added", "by phone")]


async def test_adding_a_reader_twice_changes_nothing(database):
    newsletter = await a_newsletter(database)
    first = await a_reader(database, newsletter)
    again = await a_reader(database, newsletter, address="ANNE@example.org")
    assert (first.new, again.new) == (True, False)
    assert again.subscription_id == first.subscription_id
    assert len(await consent(database)) == 1


async def test_one_subscriber_reads_two_newsletters(database):
    for slug in ("daily", "weekly"):
        await a_reader(database, await a_newsletter(database, slug))
    async with database.read() as session:
        reader = await find_reader(session, "anne@example.org")
    assert reader is not None
    assert [one.newsletter for one in reader.subscriptions] == ["daily", "weekly"]


async def test_the_same_reader_added_by_many_at_once_is_one(database):
    newsletter = await a_newsletter(database)
    added = await asyncio.gather(*(a_reader(database, newsletter) for _ in range(5)))
    assert len({one.subscription_id for one in added}) == 1
    assert [one.new for one in added].count(True) == 1


async def test_a_pending_reader_becomes_active_once_added(database):
    newsletter = await a_newsletter(database)
    await a_reader(database, newsletter, state=PENDING)
    assert (await a_reader(database, newsletter)).new
    async with database.read() as session:
        states = [reader.state for reader in await list_readers(session, newsletter.id)]
    assert states == [ACTIVE]


async def test_nobody_but_the_reader_can_undo_leaving(database):
    newsletter = await a_newsletter(database)
    added = await a_reader(database, newsletter)
    async with database.begin() as session:
        await leave_subscription(session, added.subscription_id, LATER)
    with pytest.raises(RefusedError, match="has left"):
        await a_reader(database, newsletter)


@pytest.mark.parametrize("address", ["", "anne", "anne@", "a\r\nb@example.org", "a@b@example.org"])
async def test_what_is_no_address_is_refused(database, address):
    newsletter = await a_newsletter(database)
    with pytest.raises(AddressError):
        await a_reader(database, newsletter, address=address)


async def test_a_name_can_hold_no_header(database):
    newsletter = await a_newsletter(database)
    await a_reader(
        database,
        newsletter,
        address="anne@example.org",
        name="Anne\r\nBcc: cris@example.org\x00\u202e",
    )
    async with database.read() as session:
        reader = await find_reader(session, "anne@example.org")
    assert reader is not None
    assert reader.name == "Anne Bcc: cris@example.org"


async def test_a_name_with_sql_in_it_is_a_name(database):
    newsletter = await a_newsletter(database)
    name = "Robert'); DROP TABLE subscribers;--"
    await a_reader(database, newsletter, address="anne@example.org", name=name)
    async with database.read() as session:
        reader = await find_reader(session, "anne@example.org")
        rows = await list_readers(session, newsletter.id)
    assert reader is not None
    assert [row.name for row in rows] == [name]


async def test_readers_are_listed_page_by_page(database):
    newsletter = await a_newsletter(database)
    await readers(database, newsletter, 5)
    seen, after = [], 0
    async with database.read() as session:
        while page := await list_readers(session, newsletter.id, after=after, limit=2):
            seen += [row.name for row in page]
            after = page[-1].subscriber_id
        assert await list_readers(session, newsletter.id, state=ENDED) == []
    assert seen == ["Anne", "Bart", "Cris", "Reader4", "Reader5"]


async def test_leaving_ends_the_subscription_and_cancels_what_waits(database):
    newsletter, (anne, bart, _cris) = await planned(database)
    async with database.begin() as session:
        await session.execute(
            text("UPDATE deliveries SET state = 'deferred' WHERE subscriber_id = :id"),
            {"id": anne.subscriber_id},
        )
        assert await leave_subscription(session, anne.subscription_id, LATER, source="one-click")
    async with database.read() as session:
        subscription = await get_subscription(session, anne.subscription_id)
        mails = await deliveries_of(session, anne.subscriber_id)
        others = await deliveries_of(session, bart.subscriber_id)
    assert subscription is not None
    assert (subscription.state, subscription.ended_at) == (ENDED, LATER)
    assert [(one.state, one.reason, one.settled_at) for one in mails] == [
        (DeliveryState.CANCELLED, StateReason.LEFT, LATER)
    ]
    assert [one.state for one in others] == [DeliveryState.QUEUED]
    assert (await consent(database))[-1] == ("left", "one-click")
    assert newsletter.slug == mails[0].newsletter
    assert mails[0].issue == 182


async def test_leaving_twice_is_leaving_once(database):
    _newsletter, (anne, *_) = await planned(database)
    async with database.begin() as session:
        assert await leave_subscription(session, anne.subscription_id, NOW)
    async with database.begin() as session:
        assert not await leave_subscription(session, anne.subscription_id, LATER)
        assert not await leave_subscription(session, 999_999, LATER)
    async with database.read() as session:
        subscription = await get_subscription(session, anne.subscription_id)
    assert subscription is not None
    assert subscription.ended_at == NOW
    assert [kind for kind, _ in await consent(database)].count("left") == 1


async def test_a_delivery_that_is_being_sent_is_left_to_its_sender(database):
    _newsletter, (anne, bart, _cris) = await planned(database)
    async with database.begin() as session:
        await session.execute(
            text(
                "UPDATE deliveries SET state = 'sending', owner = 7, claimed_at = not_before "
                "WHERE subscriber_id = :id"
            ),
            {"id": anne.subscriber_id},
        )
        await leave_subscription(session, anne.subscription_id, LATER)
    async with database.read() as session:
        assert await sending_claims(session, [anne.subscription_id]) == [(7, NOW)]
        assert await sending_claims(session, [bart.subscription_id]) == []
        assert await sending_claims(session, [999_999]) == []


async def test_what_was_settled_stays_as_it_is_when_its_reader_leaves(database):
    _newsletter, (anne, *_) = await planned(database)
    async with database.begin() as session:
        await session.execute(text("UPDATE deliveries SET state = 'accepted'"))
        await leave_subscription(session, anne.subscription_id, LATER)
    async with database.read() as session:
        mails = await deliveries_of(session, anne.subscriber_id)
    assert [one.state for one in mails] == [DeliveryState.ACCEPTED]


async def test_leaving_reads_no_table_from_end_to_end(sqlite_url):
    """On SQLite EXPLAIN says SEARCH for the use of an index, SCAN for none."""
    from digest.store.session import Database

    update = (
        "EXPLAIN QUERY PLAN UPDATE deliveries SET state = 'cancelled' WHERE issue_id IN "
        "(SELECT id FROM issues WHERE newsletter_id = 1) AND subscriber_id = 1 "
        "AND state IN ('queued', 'deferred')"
    )
    async with await Database.open(sqlite_url) as db, db.begin() as session:
        rows: Any = await session.exec_driver_sql(update)
        plan = [row.detail for row in rows]
    assert any(line.startswith("SEARCH deliveries USING") for line in plan), plan
    assert not any(line.startswith("SCAN") for line in plan), plan
