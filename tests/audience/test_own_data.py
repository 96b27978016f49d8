"""A reader's own data: a link by mail, a copy of everything, and nothing left after erasure."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from digest.audience.leave import Leavers
from digest.audience.own_data import ask_data, erase_reader, export_reader, whose_data
from digest.audience.signup import SignupDesk
from digest.clock import Clock
from digest.errors import RefusedError
from digest.mail.address import parse_address
from digest.mail.tokens import KeyRing
from digest.rules.delivery import DeliveryState
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.store import schema
from digest.store.newsletters import get_newsletter
from digest.store.session import Database
from digest.store.subscribers import add_reader, find_reader, get_subscription
from digest.store.suppressions import suppress, suppression_of
from tests.audience.test_leave import a_planned_reader
from tests.build import KEY, NOW, PUBLIC_URL, an_installation

ADDRESS = "anne@example.org"


@pytest.fixture
async def anne(database: Database) -> int:
    """Anne's subscription; servers, links and notices have named her address, too."""
    await an_installation(database)
    subscription_id = await a_planned_reader(database)
    async with database.begin() as session:
        rows = schema.deliveries
        first = (
            await session.execute(
                select(rows.c.id).where(rows.c.subscription_id == subscription_id)
            )
        ).scalar_one()
        said = f"550 5.1.1 <{ADDRESS}> unknown"
        await session.execute(update(rows).where(rows.c.id == first).values(reply_text=said))
        attempt = {"delivery_id": first, "number": 1, "finished_at": NOW, "phase": "rcpt"}
        await session.execute(
            insert(schema.attempts).values(**attempt, blame="recipient", text=said)
        )
        feedback = {"dedupe_key": "x", "source": "lmtp", "kind": "bounce", "received_at": NOW}
        await session.execute(
            insert(schema.feedback).values(**feedback, address=ADDRESS, reply=said, evidence=said)
        )
        await ask_data(session, subscription_id, PUBLIC_URL, NOW)
    desk = SignupDesk(database, KeyRing(KEY), PUBLIC_URL, Clock())
    newsletter_id = 1
    await desk.ask(newsletter_id, parse_address(ADDRESS), net="192.0.2.0/24", source="form")
    await desk.settled()
    return subscription_id


async def everything(db: Database) -> str:
    """Every value of every row of every table."""
    async with db.read() as session:
        found = [
            f"{table.name}: {tuple(row)}"
            for table in schema.metadata.sorted_tables
            for row in await session.execute(select(table))
        ]
    return "\n".join(found)


async def test_an_erased_reader_is_in_no_row_and_in_no_file(database: Database, anne: int) -> None:
    assert (await everything(database)).count("anne@") > 5
    async with database.read() as session:
        mine = await get_subscription(session, anne)
    assert mine is not None
    leavers = Leavers()
    assert await erase_reader(database, mine.subscriber_id, clock=Clock(), leavers=leavers)
    assert anne in leavers
    left = await everything(database)
    for gone in ("anne", "Anne"):
        assert gone not in left
    path = database.path
    if path is not None:
        for file in path.parent.glob(f"{Path(path).name}*"):
            assert b"anne@" not in file.read_bytes().lower(), file
    assert not await erase_reader(database, mine.subscriber_id, clock=Clock())


async def test_the_receipt_still_adds_up(database: Database, anne: int) -> None:
    async with database.read() as session:
        mine = await get_subscription(session, anne)
    assert mine is not None
    await erase_reader(database, mine.subscriber_id, clock=Clock())
    async with database.read() as session:
        query = select(schema.deliveries.c.state).order_by(schema.deliveries.c.id)
        states = list((await session.execute(query)).scalars())
        subscription = await get_subscription(session, anne)
    assert states == [DeliveryState.CANCELLED, DeliveryState.QUEUED]
    assert subscription is not None
    assert subscription.state is SubscriptionState.ENDED


async def test_only_the_reader_comes_back_after_an_erasure(database: Database, anne: int) -> None:
    async with database.read() as session:
        mine = await get_subscription(session, anne)
        newsletter = await get_newsletter(session, None)
    assert mine is not None
    await erase_reader(database, mine.subscriber_id, clock=Clock())
    async with database.read() as session:
        assert await suppression_of(session, newsletter.id, ADDRESS) is SuppressionReason.ERASED
    with pytest.raises(RefusedError):
        async with database.begin() as session:
            await add_reader(session, newsletter.id, address=ADDRESS, now=NOW)


async def test_the_link_goes_to_the_reader_and_not_too_often(database: Database, anne: int) -> None:
    async with database.begin() as session:
        assert not await ask_data(session, anne, PUBLIC_URL, NOW + timedelta(minutes=1))
        assert await ask_data(session, anne, PUBLIC_URL, NOW + timedelta(minutes=15))
        query = select(schema.notices).where(schema.notices.c.kind == "data_link")
        mails = (await session.execute(query.order_by(schema.notices.c.id))).all()
        assert [mail.address for mail in mails] == [ADDRESS, ADDRESS]
        secret = mails[0].params["url"].removeprefix(f"{PUBLIC_URL}/d/")
        found = await whose_data(session, secret, NOW)
        assert found is not None
        assert (found[0].address, found[1]) == (ADDRESS, (None, "en"))
        assert await whose_data(session, secret, NOW + timedelta(days=1)) is None


async def test_nobody_suppressed_is_mailed_a_link(database: Database, anne: int) -> None:
    async with database.begin() as session:
        await suppress(session, ADDRESS, reason=SuppressionReason.COMPLAINED, now=NOW)
        assert not await ask_data(session, anne, PUBLIC_URL, NOW + timedelta(days=1))


async def test_a_copy_has_everything_and_nobody_else(database: Database, anne: int) -> None:
    async with database.read() as session:
        data = await export_reader(session, ADDRESS)
        assert await export_reader(session, "nobody@example.org") is None
        reader = await find_reader(session, ADDRESS)
    assert data is not None
    assert reader is not None
    assert (data["address"], data["name"]) == (ADDRESS, "Anne")
    [mine] = data["subscriptions"]
    assert (mine["newsletter"], mine["state"]) == ("weekly", "active")
    assert mine["consent"][0]["kind"] == "added"
    assert data["mails"][0]["issue"] == 182
    assert "bart" not in str(data)
