"""What readers choose, and what it changes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from digest.audience.preferences import (
    Preferences,
    pause_for,
    read_preferences,
    resume_now,
    save_choice,
)
from digest.audience.upkeep import upkeep
from digest.errors import InputError
from digest.rules.subscription import SubscriptionState
from digest.store.newsletters import set_newsletter
from digest.store.preferences import end_pauses
from digest.store.schema import consent_events, subscriptions
from digest.store.session import Database
from tests.build import NOW, a_newsletter, a_reader, an_installation

NET = "192.0.2.0/24"
SECTIONS = ["Industry", "Code", "Papers"]


@pytest.fixture
async def anne(database: Database) -> int:
    await an_installation(database)
    newsletter = await a_newsletter(database)
    async with database.begin() as session:
        await set_newsletter(session, newsletter.id, settings={"sections": SECTIONS})
    return (await a_reader(database, newsletter, "Anne")).subscription_id


async def read(db: Database, subscription_id: int) -> Preferences:
    async with db.read() as session:
        found = await read_preferences(session, subscription_id)
    assert found is not None
    return found


async def save(db: Database, subscription_id: int, **changes: object) -> None:
    found = await read(db, subscription_id)
    given = {"wanted": set(SECTIONS), "monthly": False, "name": "Anne"} | changes
    async with db.begin() as session:
        await save_choice(session, found, **given, origin=NET, now=NOW)  # type: ignore[arg-type]  # keys and types as save_choice names them


async def kinds(db: Database) -> list[str]:
    async with db.read() as session:
        query = select(consent_events.c.kind).order_by(consent_events.c.id)
        return list((await session.execute(query)).scalars())


async def test_a_choice_is_kept_and_written_down_once(database: Database, anne: int) -> None:
    for _ in range(2):
        await save(database, anne, wanted={"Code"}, monthly=True)
    found = await read(database, anne)
    assert found.muted == ("Industry", "Papers")
    assert found.subscription.cadence == "monthly"
    assert await kinds(database) == ["added", "preferences"]
    await save(database, anne)
    assert (await read(database, anne)).muted == ()


async def test_sections_nobody_declared_cannot_be_muted(database: Database, anne: int) -> None:
    await save(database, anne, wanted={"Industry", "Code", "Papers", "Made up", ""})
    assert (await read(database, anne)).muted == ()


async def test_a_section_that_is_no_longer_asked_for_stays_muted(
    database: Database, anne: int
) -> None:
    await save(database, anne, wanted={"Industry", "Code"})
    async with database.begin() as session:
        await set_newsletter(session, 1, settings={"sections": ["Industry"]})
    await save(database, anne, wanted={"Industry"}, name="Anne B.")
    assert set((await read(database, anne)).muted) == {"Papers"}


async def test_a_name_is_one_clean_line(database: Database, anne: int) -> None:
    await save(database, anne, name="Anne\r\nBcc: bart@example.org\u202e\x00" + "x" * 300)
    name = (await read(database, anne)).reader.name
    assert "\r" not in name
    assert "\n" not in name
    assert "\u202e" not in name
    assert len(name) <= 200


async def test_a_pause_ends_by_itself_or_at_once(database: Database, anne: int) -> None:
    async with database.begin() as session:
        assert await pause_for(session, anne, 2, origin=NET, now=NOW)
    paused = (await read(database, anne)).subscription
    assert paused.state is SubscriptionState.PAUSED
    assert paused.paused_until == NOW + timedelta(weeks=2)
    done = await upkeep(database, NOW + timedelta(weeks=2) - timedelta(seconds=1))
    assert done.pauses_ended == 0
    async with database.begin() as session:
        assert await end_pauses(session, NOW + timedelta(weeks=2)) == 1
    assert (await read(database, anne)).subscription.state is SubscriptionState.ACTIVE
    async with database.begin() as session:
        await pause_for(session, anne, 1, origin=NET, now=NOW)
        assert await resume_now(session, anne, origin=NET, now=NOW)
        assert not await resume_now(session, anne, origin=NET, now=NOW)
    assert await kinds(database) == ["added", "paused", "resumed", "paused", "resumed"]


async def test_who_left_cannot_be_paused_back_in(database: Database, anne: int) -> None:
    async with database.begin() as session:
        ended = {"state": SubscriptionState.ENDED, "ended_at": NOW}
        await session.execute(subscriptions.update().values(**ended))
        assert not await pause_for(session, anne, 1, origin=NET, now=NOW)
        assert not await resume_now(session, anne, origin=NET, now=NOW)
        assert await end_pauses(session, NOW + timedelta(weeks=50)) == 0


async def test_a_pause_has_one_of_a_few_lengths(database: Database, anne: int) -> None:
    for weeks in (0, -1, 3, 5_000):
        with pytest.raises(InputError):
            async with database.begin() as session:
                await pause_for(session, anne, weeks, origin=NET, now=NOW)


async def test_the_page_knows_a_readers_other_newsletters(database: Database, anne: int) -> None:
    garden = await a_newsletter(database, "garden", name="The Garden")
    await a_reader(database, garden, "Anne")
    [other] = (await read(database, anne)).others
    assert other.name == "The Garden"
