"""A message that kills its sender is found, held and told; everybody else gets theirs."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select

from digest.rules.brakes import Action, Decision
from digest.store.deliveries import claim_deliveries
from digest.store.handover import rescue
from digest.store.poison import DIED, hold_poison, note_deaths, suspects
from digest.store.schema import deliveries, workers
from digest.store.session import Database, Session
from tests.delivery.stage import Stage, set_stage
from tests.fakes.relay import FakeRelay


async def claim_elsewhere(stage: Stage, *row_ids: int) -> int:
    """Another worker, whose lock nobody holds, claims these rows; its id."""
    now = stage.clock.now()
    async with stage.db.begin() as session:
        added = await session.execute(
            insert(workers)
            .values(token=f"t{now}", host="here", pid=1, started_at=now, heartbeat_at=now)
            .returning(workers.c.id)
        )
        worker_id = added.scalar_one()
        claimed = await claim_deliveries(
            session,
            worker_id=worker_id,
            issue_id=stage.issue_id,
            limit=len(row_ids),
            now=now,
            row_ids=row_ids,
        )
        assert len(claimed) == len(row_ids)
    return int(worker_id)


async def die(stage: Stage, *row_ids: int) -> None:
    """A worker claims these rows, is killed, and that is noticed."""
    worker_id, now = await claim_elsewhere(stage, *row_ids), stage.clock.now()
    async with stage.db.begin() as session:
        await note_deaths(session, {worker_id}, now)
        assert await rescue(session, {worker_id}, now=now) == len(row_ids)


async def ids(stage: Stage) -> list[int]:
    return [row["id"] for row in await stage.rows()]


async def test_rows_of_two_deaths_are_suspects_and_none_of_one(database: Database) -> None:
    stage = await set_stage(database, 4)
    await stage.start()
    anne, bart, cris, _ = await ids(stage)
    await die(stage, anne, bart, cris)
    await die(stage, bart, cris)
    await die(stage, cris)
    async with database.read() as session:
        assert await suspects(session, stage.issue_id) == [cris, bart]


async def test_what_killed_two_senders_alone_is_held_and_the_rest_goes_out(
    database: Database,
) -> None:
    stage = await set_stage(database, 20)
    await stage.start()
    guilty, innocent, *_ = await ids(stage)
    for _ in range(2):
        await die(stage, guilty, innocent)
    for _ in range(2):
        await die(stage, guilty)
    told: list[Decision] = []

    async def tell(_session: Session, _issue: int, decision: Decision, _now: datetime) -> None:
        told.append(decision)

    async with FakeRelay() as relay:
        report = await stage.send(relay, tell=tell)
    assert report.totals.held == 1
    assert report.totals.accepted == 19
    assert report.exit_code == 1
    held = next(row for row in await stage.rows() if row["id"] == guilty)
    assert (held["state"], held["reason"]) == ("held", "poison")
    assert [one.action for one in told] == [Action.HOLD_MESSAGE]


async def test_killed_by_chance_many_times_everybody_still_gets_it(database: Database) -> None:
    stage = await set_stage(database, 20)
    await stage.start()
    rows = await ids(stage)
    for _ in range(6):
        await die(stage, *rows[:10])
    async with FakeRelay() as relay:
        report = await stage.send(relay)
    assert report.totals.accepted == 20
    assert set(relay.recipients.values()) == {1}
    async with database.begin() as session:
        assert await hold_poison(session, stage.issue_id, stage.clock.now()) == []


@pytest.mark.parametrize("begun", [False, True], ids=["before the first message", "on the way"])
async def test_rows_that_a_stopped_worker_has_locked_hold_up_no_heartbeat(
    database: Database, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """A process stopped inside a transaction keeps its locks until the server ends it, in 20 s;
    meanwhile the living one stays alive, and blames no relay for what it keeps back.
    """
    if database.path is not None:
        pytest.skip("one sending process on SQLite")
    monkeypatch.setattr("digest.store.workers._DEAD_SECONDS", 0.4)
    monkeypatch.setattr("digest.delivery.run.BEAT", timedelta(seconds=0.1))
    monkeypatch.setattr("digest.delivery.run._TEND", 0.05)
    stage = await set_stage(database, 60)
    await stage.start()
    others = (await ids(stage))[-3:]
    async with FakeRelay() as relay, asyncio.TaskGroup() as tasks:
        url = relay.url(connections=3, rate=40)
        if begun:
            sending = tasks.create_task(stage.send(url=url))
            await stage.until_at_least("accepted", 3)
        async with database.engine.begin() as stopped:
            lock = select(deliveries.c.id).where(deliveries.c.id.in_(others)).with_for_update()
            await claim_elsewhere(stage, *others)
            await stopped.execute(lock)
            if not begun:
                sending = tasks.create_task(stage.send(url=url))
            await asyncio.sleep(1.5)
    assert (await sending).totals.accepted == 60
    assert set(relay.recipients.values()) == {1}
    assert {row["phase"] for row in await stage.tries()} == {DIED}  # nobody was put off
