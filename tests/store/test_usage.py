"""Quotas hold for all processes together, and a crash loses room but never exceeds it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from digest.rules.ramp import Quota, Usage, room
from digest.store.relays import ensure_relay
from digest.store.schema import relay_usage, relays
from digest.store.session import Database
from digest.store.usage import Reserved, give_back, reserve, usage

NOW = datetime(2026, 11, 26, 9, 20, tzinfo=UTC)
HOUR_AT = datetime(2026, 11, 26, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def relay_id(database: Database) -> int:
    async with database.begin() as session:
        return await ensure_relay(session, "smtp.example.org:587")


async def take(
    db: Database, relay_id: int, quota: Quota, want: int, now: datetime = NOW
) -> Reserved:
    async with db.begin() as session:
        return await reserve(session, relay_id, quota, want=want, now=now)


async def used(db: Database, relay_id: int, now: datetime = NOW) -> tuple[Usage, ...]:
    async with db.read() as session:
        return await usage(session, relay_id, now)


async def test_no_more_than_the_hour_has_is_reserved(database: Database, relay_id: int) -> None:
    quota = Quota(per_hour=10)
    assert await take(database, relay_id, quota, 7) == Reserved(7, HOUR_AT)
    assert await take(database, relay_id, quota, 7) == Reserved(3, HOUR_AT)
    assert await take(database, relay_id, quota, 7) == Reserved(0, HOUR_AT, HOUR_AT + HOUR)
    later = NOW + HOUR
    assert await take(database, relay_id, quota, 7, later) == Reserved(7, HOUR_AT + HOUR)
    assert await used(database, relay_id, later) == (
        Usage(HOUR_AT, 10),
        Usage(HOUR_AT + HOUR, 7),
    )


async def test_many_who_reserve_at_once_never_exceed_the_quota(
    database: Database, relay_id: int
) -> None:
    quota = Quota(per_day=50)
    got = await asyncio.gather(*(take(database, relay_id, quota, 7) for _ in range(12)))
    assert sorted(one.messages for one in got) == [0] * 4 + [1] + [7] * 7
    assert await used(database, relay_id) == (Usage(HOUR_AT, 50),)


async def test_processes_share_one_quota(database_url: str) -> None:
    """Two open databases, as two processes have them."""
    async with await Database.open(database_url) as one, await Database.open(database_url) as two:
        async with one.begin() as session:
            relay_id = await ensure_relay(session, "smtp.example.org:587")
        quota = Quota(per_hour=20)
        got = await asyncio.gather(*(take(db, relay_id, quota, 3) for db in (one, two) * 6))
        assert sum(reserved.messages for reserved in got) == 20


async def test_room_that_was_not_used_is_given_back_once(database: Database, relay_id: int) -> None:
    quota = Quota(per_hour=10)
    await take(database, relay_id, quota, 10)
    async with database.begin() as session:
        await give_back(session, relay_id, HOUR_AT, 4)
        await give_back(session, relay_id, HOUR_AT - HOUR, 4)  # nothing was reserved then
        await give_back(session, relay_id, HOUR_AT, 0)
        await give_back(session, relay_id, HOUR_AT, -3)
    assert (await take(database, relay_id, quota, 10)).messages == 4
    async with database.begin() as session:
        await give_back(session, relay_id, HOUR_AT, 99)
    assert await used(database, relay_id) == (Usage(HOUR_AT, 0),)


async def test_a_transaction_that_fails_has_reserved_nothing(
    database: Database, relay_id: int
) -> None:
    async def killed() -> None:
        async with database.begin() as session:
            await reserve(session, relay_id, Quota(per_hour=5), want=5, now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await killed()
    assert await used(database, relay_id) == ()


async def test_without_limits_nothing_is_asked_and_nothing_is_counted(
    database: Database, relay_id: int
) -> None:
    assert await take(database, relay_id, Quota(), 1_000) == Reserved(1_000, HOUR_AT)
    assert await take(database, relay_id, Quota(per_hour=5), 0) == Reserved(0, HOUR_AT)
    assert await used(database, relay_id) == ()


async def test_the_upper_lanes_have_room_when_issues_have_none(
    database: Database, relay_id: int
) -> None:
    quota = Quota(per_hour=100, ramp=(10, 20))
    assert (await take(database, relay_id, quota.for_issues(), 500)).messages == 10
    assert (await take(database, relay_id, quota.for_issues(), 1)).messages == 0
    assert (await take(database, relay_id, quota.for_upper_lanes(), 1)).messages == 1


async def test_a_warm_up_counts_the_days_on_which_something_was_sent(
    database: Database, relay_id: int
) -> None:
    quota = Quota(ramp=(2, 5))
    day = timedelta(days=1)
    got = [(await take(database, relay_id, quota, 9, NOW + n * 9 * day)).messages for n in range(3)]
    assert got == [2, 5, 9]
    async with database.read() as session:
        assert (await session.scalar(select(relays.c.first_sent_at))) == NOW


async def test_a_relay_in_use_for_years_costs_no_more_than_a_new_one(
    database: Database, relay_id: int
) -> None:
    hours = [
        {"relay_id": relay_id, "hour_at": HOUR_AT - n * HOUR, "messages": 1} for n in range(2_000)
    ]
    async with database.begin() as session:
        await session.execute(insert(relay_usage), hours)
    async with database.read() as session:
        rows = await usage(session, relay_id, NOW, ramp_days=3)
        assert len(rows) == 4 * 24 + 24
        assert len(await usage(session, relay_id, NOW, ramp_days=0)) == 24
    quota = Quota(ramp=(5, 6, 7))
    assert (await take(database, relay_id, quota, 9)).messages == 9  # long over
    assert (await take(database, relay_id, Quota(per_day=30), 9)).messages == 0  # 33 of them


@given(
    hours=st.sets(st.integers(0, 24 * 12), max_size=60),
    ramp=st.lists(st.integers(1, 9), min_size=1, max_size=4).map(sorted),
    per_day=st.none() | st.integers(1, 40),
)
def test_the_hours_that_are_read_are_enough_to_know_the_room(
    hours: set[int], ramp: list[int], per_day: int | None
) -> None:
    """The first hours on days of the ramp and those of the last day say as much as all."""
    quota = Quota(per_day=per_day, ramp=tuple(ramp))
    everything = [Usage(HOUR_AT - n * HOUR, 1) for n in sorted(hours, reverse=True)]
    first = everything[: 24 * (len(ramp) + 1)]
    lately = [row for row in everything if row.hour_at > NOW - timedelta(hours=24)]
    assert room(quota, {*first, *lately}, NOW) == room(quota, everything, NOW)
