"""What is of no use any more is forgotten, and what was established about anybody is not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select

from digest.delivery.retention import KEPT, SHORTEST, forget_old
from digest.rules.feedback import ACTS_FOR, Bearing, Effect
from digest.rules.ramp import Quota
from digest.store.media import StoredMedia, put_media
from digest.store.relays import ensure_relay
from digest.store.schema import audit, feedback, media, relay_usage, schedulers, version_media
from digest.store.session import Database
from digest.store.usage import reserve, usage
from tests.build import NOW, a_newsletter, an_installation, an_issue

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
KEEP = 400 * DAY
SAID = {"address": "anne@example.org", "evidence": "550 5.1.1 <anne@example.org>?", "sample": "Hi"}


async def add(db: Database, table: Table, *rows: Mapping[str, Any]) -> None:
    async with db.begin() as session:
        for row in rows:
            await session.execute(insert(table).values(**row))


async def rows_of(db: Database, table: Table) -> list[dict[str, Any]]:
    async with db.read() as session:
        found = await session.execute(select(table).order_by(*table.primary_key.columns))
        return [dict(row) for row in found.mappings()]


def came_back(key: str, at: datetime, effect: Effect, **values: Any) -> dict[str, Any]:
    told = {"dedupe_key": key, "source": "lmtp", "kind": "bounce", "received_at": at}
    return told | {"effect": effect, "status": "5.1.1", **SAID, **values}


async def test_of_a_bounce_of_long_ago_the_fact_stays_and_the_words_go(database: Database) -> None:
    hard = {"bearing": Bearing.HARD, "hard": True, "subscriber_id": 1, "delivery_id": 2}
    complaint = {"bearing": Bearing.COMPLAINT, "subscriber_id": 3, "delivery_id": 4}
    old, recent = NOW - KEEP - HOUR, NOW - KEEP + HOUR
    await add(
        database,
        feedback,
        came_back("d2:hard", old, Effect.SUPPRESSED, **hard),
        came_back("d4:complaint", old, Effect.SUPPRESSED, **complaint),
        came_back("d5:hard", old, Effect.HELD, **hard),
        came_back("d6:host", old, Effect.ASKING, **hard),
        came_back("d7:hard", recent, Effect.SUPPRESSED, **hard),
    )
    before = await rows_of(database, feedback)
    assert await forget_old(database, NOW, keep=KEEP, batch=1) == 2
    after = await rows_of(database, feedback)
    nothing = dict.fromkeys(SAID)
    assert after == [*(row | nothing for row in before[:2]), *before[2:]]
    assert await forget_old(database, NOW, keep=KEEP) == 0


async def test_what_was_about_nobody_goes_after_three_months(database: Database) -> None:
    old, recent = NOW - 91 * DAY, NOW - 89 * DAY
    await add(
        database,
        feedback,
        *(came_back(f"q{n}", old, Effect.QUARANTINED) for n in range(5)),
        came_back("d1:soft", old, Effect.SCORED, subscriber_id=1),
        came_back("r", recent, Effect.QUARANTINED),
    )
    assert await forget_old(database, NOW, keep=None, batch=2) == 5
    left = await rows_of(database, feedback)
    assert [row["dedupe_key"] for row in left] == ["d1:soft", "r"]
    assert left[0]["evidence"] == SAID["evidence"], "rows of issues are kept for ever here"


async def test_refused_sign_ins_go_and_deeds_stay(database: Database) -> None:
    def line(who: str, days: int, result: str) -> dict[str, Any]:
        return {"at": NOW - days * DAY, "who": who, "action": "sign in", "result": result}

    await add(
        database,
        audit,
        *(line("guess@example.org", 91, "refused") for _ in range(3)),
        line("somebody", 91, "refused: not begun in this browser"),
        line("somebody", 89, "refused: not begun in this browser"),
        line("anne@example.org", 3000, "done"),
        line("bart@example.org", 89, "refused"),
    )
    assert await forget_old(database, NOW, keep=KEEP, batch=2) == 4
    assert [row["who"] for row in await rows_of(database, audit)] == [
        "somebody",
        "anne@example.org",
        "bart@example.org",
    ]


async def test_machines_that_kept_the_schedule_once_are_forgotten(database: Database) -> None:
    await add(
        database,
        schedulers,
        {"machine": "a", "host": "a", "seen_at": NOW - 91 * DAY},
        {"machine": "b", "host": "b", "seen_at": NOW - 8 * DAY},
    )
    assert await forget_old(database, NOW, keep=KEEP) == 1
    assert [row["machine"] for row in await rows_of(database, schedulers)] == ["b"]


async def test_a_picture_that_no_version_shows_is_forgotten_after_three_months(
    database: Database,
) -> None:
    await an_installation(database)
    newsletter = await a_newsletter(database)
    version = (await an_issue(database, newsletter)).version
    old, recent = NOW - 91 * DAY, NOW - 89 * DAY
    for name, at in {"shown": old, "again": old, "unseen": old, "new": recent}.items():
        async with database.begin() as session:
            await put_media(session, [StoredMedia(name, "png", 1, 1, b"")], now=at)
    await add(database, version_media, {"version_id": version.id, "sha256": "shown"})
    async with database.begin() as session:
        await put_media(session, [StoredMedia("again", "png", 1, 1, b"")], now=recent)
    assert await forget_old(database, NOW, keep=None, batch=1) == 1
    assert [row["sha256"] for row in await rows_of(database, media)] == ["again", "new", "shown"]


async def test_a_warm_up_and_a_quota_see_the_same_when_old_hours_are_gone(
    database: Database,
) -> None:
    """Three years of hours: those a warm-up begins with stay, and those of the last weeks."""
    await an_installation(database)
    began = NOW - 3 * 366 * DAY
    async with database.begin() as session:
        relay_id = await ensure_relay(session, "smtp.example.org:587")
        hours = [began + n * HOUR for n in range((NOW - began) // HOUR + 1)]
        booked = [{"relay_id": relay_id, "hour_at": at, "messages": 7} for at in hours]
        await session.execute(insert(relay_usage), booked)
        before = await usage(session, relay_id, NOW)
    most = 24 * 366 + SHORTEST // HOUR + 1
    assert await forget_old(database, NOW, keep=KEEP) == len(hours) - most
    assert await forget_old(database, NOW, keep=KEEP) == 0
    quota = Quota(per_day=24 * 7, ramp=(10, 20, 30))
    async with database.begin() as session:
        assert await session.scalar(select(func.count()).select_from(relay_usage)) == most
        assert await usage(session, relay_id, NOW) == before
        assert (await reserve(session, relay_id, quota, want=9, now=NOW)).messages == 0


def test_nothing_is_forgotten_while_it_may_act() -> None:
    assert all(kept is None or kept > ACTS_FOR for kept in KEPT.values())


@pytest.mark.parametrize("keep", [DAY, SHORTEST])
async def test_a_shorter_time_than_mail_takes_to_come_back_is_not_taken(
    database: Database, keep: timedelta
) -> None:
    await add(database, feedback, came_back("d1:soft", NOW - 34 * DAY, Effect.SCORED))
    assert await forget_old(database, NOW, keep=keep) == 0
