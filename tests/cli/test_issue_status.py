"""Whoever watches an issue sees how fast it goes, how long it takes, where, and what holds it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from digest.cli.issue_status import in_words
from digest.delivery.status import as_dict, look_at_issue
from digest.rules.delivery import DeliveryState
from digest.rules.pace import Pace
from digest.store.relays import ensure_relay, save_backoff
from digest.store.schema import deliveries
from digest.store.session import Database
from tests.delivery.stage import Stage, set_stage

READERS = 120


async def half_sent(stage: Stage) -> Pace:
    """Half of an issue accepted within two seconds, and looked at before and after."""
    pace = Pace()
    pace.look(0.0, (await look_at_issue(stage.db, stage.issue_id, stage.clock.now())).settled)
    half = [row["id"] for row in await stage.rows()][: READERS // 2]
    async with stage.db.begin() as session:
        rows = update(deliveries).where(deliveries.c.id.in_(half))
        done = {"state": DeliveryState.ACCEPTED, "settled_at": stage.clock.now()}
        await session.execute(rows.values(done))
    pace.look(2.0, (await look_at_issue(stage.db, stage.issue_id, stage.clock.now())).settled)
    return pace


async def test_two_looks_tell_the_rate_the_time_left_and_each_destination(
    database: Database,
) -> None:
    stage = await set_stage(database, READERS)
    await stage.start()
    pace = await half_sent(stage)
    look = await look_at_issue(database, stage.issue_id, stage.clock.now())
    found = as_dict(look, pace)
    assert (found["messages_per_second"], found["seconds_left"]) == (30.0, 2)
    assert sum(one["accepted"] for one in found["destinations"]) == READERS / 2
    assert sum(one["waiting"] for one in found["destinations"]) == READERS / 2
    text = in_words(found)
    assert text[0].endswith("50 % · 30 messages/s · 2 s to go")
    for one in found["destinations"]:
        assert [line for line in text if line.split()[:1] == [one["destination"]]]


async def test_a_relay_that_asked_us_to_be_slower_is_shown_with_its_words(
    database: Database,
) -> None:
    stage = await set_stage(database)
    await stage.start()
    now = stage.clock.now()
    until = now + timedelta(minutes=5)
    async with database.begin() as session:
        relay_id = await ensure_relay(session, "smtp.example.org:587")
        await save_backoff(
            session,
            relay_id,
            learned_rate=120,
            until=until,
            step=1,
            code=421,
            text="4.7.0 too much",
            now=now,
        )
    look = await look_at_issue(database, stage.issue_id, now)
    (relay,) = as_dict(look, Pace())["relays"]
    assert (relay["messages_per_minute"], relay["until"]) == (120, until)
    said = f'smtp.example.org:587 is left alone until {until:%H:%M:%S} UTC: "421 4.7.0 too much"'
    assert f"  {said}" in in_words(as_dict(look, Pace()))
    look = await look_at_issue(database, stage.issue_id, until + timedelta(seconds=1))
    assert any("is given 120 messages a minute" in line for line in in_words(as_dict(look, Pace())))
