"""A new address: only its owner can confirm it, the old one can take it back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from digest.audience.address_change import Moves
from digest.mail.address import parse_address
from digest.rules.signup import SignupLimits
from digest.rules.subscription import PassPurpose, SuppressionReason
from digest.store.schema import consent_events, notices
from digest.store.session import Database
from digest.store.subscribers import Added, find_reader
from digest.store.suppressions import suppress
from tests.build import NOW, PUBLIC_URL, a_newsletter, a_reader, an_installation

MOVES = Moves(PUBLIC_URL, SignupLimits(), "192.0.2.0/24")
LATER = NOW + timedelta(hours=1)


@pytest.fixture
async def anne(database: Database) -> Added:
    await an_installation(database)
    return await a_reader(database, await a_newsletter(database), "Anne")


async def ask(db: Database, subscription_id: int, address: str) -> bool:
    async with db.begin() as session:
        return await MOVES.ask(session, subscription_id, parse_address(address), NOW)


async def mails(db: Database) -> list[Any]:
    async with db.read() as session:
        return list((await session.execute(select(notices).order_by(notices.c.id))).all())


async def follow(db: Database, mail: Any, now: Any = LATER) -> PassPurpose | None:
    """Press the button behind the link in ``mail``."""
    secret = mail.params["url"].removeprefix(f"{PUBLIC_URL}/a/")
    async with db.begin() as session:
        return await MOVES.move(session, secret, now)


async def reads_at(db: Database, address: str) -> int | None:
    async with db.read() as session:
        reader = await find_reader(session, address)
    return None if reader is None else reader.id


async def test_an_address_changes_when_its_owner_says_so(database: Database, anne: Added) -> None:
    assert await ask(database, anne.subscription_id, "anne@example.com")
    [mail] = await mails(database)
    assert (mail.kind, mail.address) == ("address_change", "anne@example.com")
    assert await reads_at(database, "anne@example.org") == anne.subscriber_id
    assert await follow(database, mail) is PassPurpose.MOVE
    assert await reads_at(database, "anne@example.com") == anne.subscriber_id
    assert await reads_at(database, "anne@example.org") is None
    assert await follow(database, mail) is None
    told = (await mails(database))[1]
    assert (told.kind, told.address) == ("address_changed", "anne@example.org")
    async with database.read() as session:
        events = (await session.execute(select(consent_events))).all()
    assert [one.kind for one in events] == ["added", "moved"]
    assert "@" not in str(events)


async def test_the_old_address_takes_it_back_within_seven_days(
    database: Database, anne: Added
) -> None:
    await ask(database, anne.subscription_id, "thief@example.net")
    await follow(database, (await mails(database))[0])
    await ask(database, anne.subscription_id, "other@example.net")
    back, other = (await mails(database))[1:]
    assert await follow(database, back, LATER + timedelta(days=6)) is PassPurpose.MOVE_BACK
    assert await reads_at(database, "anne@example.org") == anne.subscriber_id
    assert await follow(database, other) is None  # what the thief had asked for is dead, too
    assert len(await mails(database)) == 3


async def test_links_die_in_time(database: Database, anne: Added) -> None:
    await ask(database, anne.subscription_id, "anne@example.com")
    [mail] = await mails(database)
    assert await follow(database, mail, NOW + timedelta(days=1)) is None
    await follow(database, mail)
    back = (await mails(database))[1]
    assert await follow(database, back, LATER + timedelta(days=7)) is None


async def test_nobody_takes_over_an_address_somebody_reads_at(
    database: Database, anne: Added
) -> None:
    async with database.read() as session:
        found = await find_reader(session, "anne@example.org")
    assert found is not None
    async with database.begin() as session:
        from digest.store.subscribers import add_reader

        await add_reader(
            session,
            found.subscriptions[0].newsletter_id,
            address="bart@example.org",
            now=NOW,
        )
    await ask(database, anne.subscription_id, "BART@example.org")
    assert await follow(database, (await mails(database))[0]) is None
    assert await reads_at(database, "anne@example.org") == anne.subscriber_id


async def test_who_complained_is_not_mailed_and_not_moved_to(
    database: Database, anne: Added
) -> None:
    async with database.begin() as session:
        reason = SuppressionReason.COMPLAINED
        await suppress(session, "angry@example.org", reason=reason, now=NOW)
    assert not await ask(database, anne.subscription_id, "angry@example.org")
    assert await mails(database) == []


async def test_one_reader_cannot_have_others_mailed_again_and_again(
    database: Database, anne: Added
) -> None:
    asked = [await ask(database, anne.subscription_id, "victim@example.org") for _ in range(5)]
    assert asked == [True, False, False, False, False]


async def test_what_bounced_at_the_old_address_says_nothing_about_the_new_one(
    database: Database, anne: Added
) -> None:
    async with database.begin() as session:
        reason = SuppressionReason.BOUNCED
        await suppress(session, "anne@example.org", reason=reason, now=NOW)
    await ask(database, anne.subscription_id, "anne@example.com")
    await follow(database, (await mails(database))[0])
    async with database.read() as session:
        reader = await find_reader(session, "anne@example.com")
    assert reader is not None
    assert reader.suppressed_at is None
