"""A message that kills its sender is found, held and told; everybody else gets theirs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert

from digest.rules.brakes import Action, Decision
from digest.store.deliveries import claim_deliveries
from digest.store.handover import rescue
from digest.store.poison import hold_poison, note_deaths, suspects
from digest.store.schema import workers
from digest.store.session import Database, Session
from tests.delivery.stage import Stage, set_stage
from tests.fakes.relay import FakeRelay


async def die(stage: Stage, *row_ids: int) -> None:
    """A worker claims these rows and is killed."""
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
