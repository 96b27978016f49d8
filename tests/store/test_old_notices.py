"""Whom a notice was for is forgotten in time, and no mail of long ago goes out again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from digest.audience.greeting import greet
from digest.audience.own_data import erase_reader
from digest.clock import Clock
from digest.delivery.issue_tests import write_tests
from digest.rules.delivery import DeliveryState
from digest.store.handover import Outcome
from digest.store.issue_tests import approvable, test_shown
from digest.store.newsletters import Newsletter, set_newsletter
from digest.store.notices import (
    OPERATOR_LANE,
    SIGN_UP_LANE,
    Notice,
    claim_notices,
    record_notice_outcomes,
    was_told,
    write_notice,
)
from digest.store.old_notices import forget_notices, forgotten_key
from digest.store.schema import attempts, notices
from digest.store.session import Database
from digest.store.subscribers import get_subscription
from tests.audience.test_own_data import everything
from tests.build import NOW, a_newsletter, a_reader, an_installation, an_issue
from tests.store.locks import somebody_waits

test_shown.__test__ = False  # type: ignore[attr-defined]  # a function of ours that is no test

ANNE = "anne@example.org"
LATER = NOW + timedelta(days=40)
CONFIRMATION = Notice("confirmation", SIGN_UP_LANE, ANNE, "en", {"url": "https://example.org/c/1"})
ALERT = Notice("alert", OPERATOR_LANE, ANNE, "en", {"reason": f"<{ANNE}> was refused"})
TOLD = replace(ALERT, dedupe_key=f"alert:issue_paused:7:1:{ANNE}")


@pytest.fixture
async def weekly(database: Database) -> Newsletter:
    await an_installation(database)
    return await a_newsletter(database)


async def send(db: Database, now: datetime = NOW) -> None:
    """Everything that waits is refused, in words that name whom it was for."""
    async with db.begin() as session:
        claimed = await claim_notices(session, worker_id=1, limit=99, now=now)
        refused = [
            Outcome(
                one.row_id,
                1,
                DeliveryState.REJECTED,
                phase="rcpt",
                code=550,
                text=f"<{one.address}>: no",
            )
            for one in claimed
        ]
        assert await record_notice_outcomes(session, 1, refused, now) == len(claimed)


async def write(db: Database, *those: Notice, now: datetime = NOW) -> list[int | None]:
    async with db.begin() as session:
        return [await write_notice(session, one, now) for one in those]


async def forget(db: Database, *, now: datetime = LATER, limit: int = 100) -> int:
    async with db.begin() as session:
        return await forget_notices(session, now - timedelta(days=35), limit)


async def test_nothing_is_left_of_a_notice_without_a_key(
    database: Database, weekly: Newsletter
) -> None:
    await write(database, CONFIRMATION, CONFIRMATION)
    await send(database)
    assert "anne" in await everything(database)
    assert await forget(database) == 2
    assert "anne" not in await everything(database)
    async with database.read() as session:
        for table in (notices, attempts):
            assert (await session.execute(select(table))).all() == []


async def test_an_incident_of_long_ago_is_not_told_again_though_nobody_knows_who_was_told(
    database: Database, weekly: Newsletter
) -> None:
    bart = replace(
        TOLD, address="bart@example.org", dedupe_key="alert:issue_paused:7:1:bart@example.org"
    )
    await write(database, TOLD)
    await send(database)
    assert await forget(database) == 1
    assert "anne" not in await everything(database)
    assert await write(database, TOLD, bart, TOLD, now=LATER) == [None, 3, None]
    async with database.read() as session:
        assert await was_told(session, "alert:issue_paused:7:1:")
        waiting = select(notices.c.address).where(notices.c.state == DeliveryState.QUEUED)
        assert (await session.scalars(waiting)).all() == ["bart@example.org"]


async def test_what_waits_and_what_is_recent_stays(database: Database, weekly: Newsletter) -> None:
    await write(database, CONFIRMATION)
    await send(database, LATER - timedelta(days=34))
    await write(database, ALERT)
    assert await forget(database) == 0
    assert (await everything(database)).count(ANNE) >= 3


async def test_it_is_forgotten_in_portions_the_oldest_first(
    database: Database, weekly: Newsletter
) -> None:
    for day in range(5):
        now = NOW + timedelta(days=day)
        notice = CONFIRMATION if day % 2 else replace(TOLD, dedupe_key=f"alert:{day}:{ANNE}")
        await write(database, notice, now=now)
        await send(database, now)
    left = []
    while found := await forget(database, limit=2, now=NOW + timedelta(days=99)):
        async with database.read() as session:
            named = select(notices.c.id).where(notices.c.address != "").order_by(notices.c.id)
            left.append((found, (await session.scalars(named)).all()))
    assert left == [(2, [3, 4, 5]), (2, [5]), (1, [])]


async def test_nobody_is_welcomed_twice_however_long_ago(
    database: Database, weekly: Newsletter
) -> None:
    anne = await a_reader(database, weekly)
    issue = await an_issue(database, weekly)
    async with database.begin() as session:
        welcome = {"welcome": issue.version.id}
        await set_newsletter(session, weekly.id, settings=welcome)
        mine = await get_subscription(session, anne.subscription_id)
        assert mine is not None
        await greet(session, mine, NOW)
    await send(database)
    assert await forget(database) == 1
    async with database.begin() as session:
        await greet(session, mine, LATER)
        rows = (await session.execute(select(notices.c.address, notices.c.params))).all()
    assert [tuple(row) for row in rows] == [("", {})]


async def test_the_next_test_of_an_issue_has_the_next_number(
    database: Database, weekly: Newsletter
) -> None:
    issue = (await an_issue(database, weekly)).issue
    async with database.begin() as session:
        first = await write_tests(session, weekly, issue, [ANNE], now=NOW)
    await send(database)
    assert await forget(database) == 1
    assert "anne" not in await everything(database)
    async with database.begin() as session:
        second = await write_tests(session, weekly, issue, [ANNE], now=LATER)
        assert (first.number, second.number) == (1, 2)
        button = await approvable(session, first.notice_ids[0])
    assert button is not None
    assert not button.may_approve


async def test_who_is_erased_stands_in_no_key_either_and_tests_are_still_counted(
    database: Database, weekly: Newsletter
) -> None:
    anne = await a_reader(database, weekly)
    issue = (await an_issue(database, weekly)).issue
    async with database.begin() as session:
        await write_tests(session, weekly, issue, [ANNE], now=NOW)
    await write(database, TOLD)
    await send(database)
    assert await erase_reader(database, anne.subscriber_id, clock=Clock())
    assert "anne" not in (await everything(database)).lower()
    async with database.read() as session:
        shown = await test_shown(session, issue.id)
    assert shown is not None
    assert shown.number == 1


async def test_who_writes_a_key_while_it_is_forgotten_finds_it(
    postgres_url: str,
) -> None:
    async with await Database.open(postgres_url) as db:
        await an_installation(db)
        await a_newsletter(db)
        await write(db, TOLD)
        await send(db)
        async with db.begin() as session:
            assert await forget_notices(session, LATER, 10) == 1
            writing = asyncio.create_task(write(db, TOLD, now=LATER))
            async with asyncio.timeout(20):
                while not await somebody_waits(db):  # noqa: ASYNC110 - a lock has no event
                    await asyncio.sleep(0.01)
        assert await writing == [None]


@given(head=st.text("alert:1", max_size=250), who=st.emails(), pepper=st.binary(min_size=1))
def test_a_forgotten_key_fits_its_column_and_holds_nobodys_address(
    head: str, who: str, pepper: bytes
) -> None:
    key = f"{head}:{who}"[:255]
    found = forgotten_key(pepper, key, who)
    assert found is not None
    assert len(found) <= 255
    if who in key:
        assert who not in found
        assert found != forgotten_key(pepper, f"{key}x", who)
    assert forgotten_key(pepper, found, "") == found
