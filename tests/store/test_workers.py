"""Who is alive, and what becomes of the rows of the dead."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from digest.clock import Clock
from digest.errors import RefusedError
from digest.rules.delivery import DeliveryState
from digest.store import handover
from digest.store.deliveries import Outcome, claim_deliveries, record_outcomes
from digest.store.schema import workers
from digest.store.session import Database
from digest.store.workers import acquire_lease
from tests.delivery.stage import set_stage

CLOCK = Clock()


async def test_a_second_worker_on_sqlite_is_refused_until_the_first_ends(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url) as db:
        first = await acquire_lease(db, CLOCK)
        with pytest.raises(RefusedError):
            await acquire_lease(db, CLOCK)
        await first.release()
        second = await acquire_lease(db, CLOCK)
        assert second.worker_id != first.worker_id
        await second.release()


async def test_a_killed_process_frees_its_lease(database: Database, database_url: str) -> None:
    code = (
        "import asyncio, sys\n"
        "from digest.clock import Clock\n"
        "from digest.store.session import Database\n"
        "from digest.store.workers import acquire_lease\n"
        "async def main():\n"
        "    async with await Database.open(sys.argv[1]) as db:\n"
        "        lease = await acquire_lease(db, Clock())\n"
        "        print(lease.worker_id, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    stage = await set_stage(database)
    await stage.start()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, database_url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    other = int(await process.stdout.readline())
    async with database.begin() as session:
        await claim_deliveries(
            session, worker_id=other, issue_id=stage.issue_id, limit=2, now=CLOCK.now()
        )
    if database.dialect == "postgresql":
        lease = await acquire_lease(database, CLOCK)
        async with database.read() as session:
            assert await lease.dead_owners(session, CLOCK.now()) == set()
        await lease.release()
    process.kill()
    await process.wait()
    lease = await acquire_lease(database, CLOCK)
    dead: set[int] = set()
    while not dead:  # PostgreSQL notices a closed socket by itself, not at once
        async with database.read() as session:
            dead = await lease.dead_owners(session, CLOCK.now())
    assert dead == {other}
    await lease.release()


async def test_a_silent_worker_counts_as_dead_although_it_holds_its_lock(
    postgres_url: str,
) -> None:
    async with await Database.open(postgres_url) as db:
        stage = await set_stage(db)
        await stage.start()
        stopped, other = await acquire_lease(db, CLOCK), await acquire_lease(db, CLOCK)
        now = CLOCK.now()
        async with db.begin() as session:
            await claim_deliveries(
                session, worker_id=stopped.worker_id, issue_id=stage.issue_id, limit=3, now=now
            )
        async with db.read() as session:
            assert await other.dead_owners(session, now) == set()
            later = now + timedelta(seconds=16)
            assert await other.dead_owners(session, later) == {stopped.worker_id}
        await stopped.beat(later)
        async with db.read() as session:
            assert await other.dead_owners(session, later) == set()
        await stopped.release()
        dead: set[int] = set()
        while not dead:  # as above
            async with db.read() as session:
                dead = await other.dead_owners(session, later)
        assert dead == {stopped.worker_id}
        await other.release()


async def test_a_worker_whose_row_is_gone_learns_that_its_lease_is_lost(postgres_url: str) -> None:
    async with await Database.open(postgres_url) as db:
        lease = await acquire_lease(db, CLOCK)
        async with db.begin() as session:
            await session.execute(update(workers).values(id=workers.c.id + 1000))
        await lease.beat(CLOCK.now())
        assert lease.lost
        await lease.release()


@pytest.mark.parametrize("hold", [False, True])
async def test_rows_of_a_dead_worker_come_back_in_doubt(database: Database, hold: bool) -> None:
    stage = await set_stage(database)
    await stage.start()
    now = CLOCK.now()
    async with database.begin() as session:
        await claim_deliveries(session, worker_id=7, issue_id=stage.issue_id, limit=2, now=now)
        assert await handover.owners(session) == {7}
        assert await handover.rescue(session, {7}, now=now, hold=hold) == 2
        assert await handover.rescue(session, {7}, now=now, hold=hold) == 0
    rows = [row for row in await stage.rows() if row["maybe_sent"]]
    assert len(rows) == 2
    assert {row["state"] for row in rows} == {DeliveryState.HELD if hold else DeliveryState.QUEUED}
    assert {row["reason"] for row in rows} == {"in_doubt" if hold else None}
    assert {row["attempts"] for row in rows} == {1}


async def test_a_rescued_workers_late_write_is_refused(database: Database) -> None:
    stage = await set_stage(database)
    await stage.start()
    now = CLOCK.now()
    async with database.begin() as session:
        (row, *_) = await claim_deliveries(
            session, worker_id=7, issue_id=stage.issue_id, limit=1, now=now
        )
        await handover.rescue(session, {7}, now=now)
    late = Outcome(row.row_id, row.attempts, DeliveryState.REJECTED, phase="rcpt", code=550)
    async with database.begin() as session:
        assert await record_outcomes(session, 7, [late], now) == 0
    assert (await stage.rows())[0]["state"] is DeliveryState.QUEUED
    assert await stage.tries() == []


async def test_an_old_outcome_does_not_settle_a_newer_claim_of_the_same_worker(
    database: Database,
) -> None:
    stage = await set_stage(database, 1)
    await stage.start()
    now = CLOCK.now()
    claim: dict[str, Any] = {"worker_id": 7, "issue_id": stage.issue_id, "limit": 1, "now": now}
    async with database.begin() as session:
        (old,) = await claim_deliveries(session, **claim)
        await handover.rescue(session, {7}, now=now)
        (new,) = await claim_deliveries(session, **claim)
        late = Outcome(old.row_id, old.attempts, DeliveryState.ACCEPTED, phase="dot", code=250)
        assert await record_outcomes(session, 7, [late], now) == 0
        fresh = Outcome(new.row_id, new.attempts, DeliveryState.ACCEPTED, phase="dot", code=250)
        assert await record_outcomes(session, 7, [fresh], now) == 1
