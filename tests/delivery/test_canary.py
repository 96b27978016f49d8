"""The first few readers get an issue first; the rest follows when all is well."""

from __future__ import annotations

from sqlalchemy import select, update

from digest.rules.delivery import IssueState
from digest.store.schema import deliveries, newsletters
from digest.store.session import Database
from tests.delivery.stage import set_stage
from tests.fakes.relay import FakeRelay


async def test_the_first_two_hundred_of_a_thousand_go_first(database: Database) -> None:
    stage = await set_stage(database, 1_000)
    await stage.start()
    async with FakeRelay() as relay:
        report = await stage.send(relay, connections=8, no_retries=False)
    assert report.totals.accepted == 1_000
    assert report.issue_state is IssueState.FINISHED
    async with database.read() as session:
        rows = await session.execute(
            select(deliveries.c.wave, deliveries.c.first_claimed_at).order_by(deliveries.c.id)
        )
        claimed = [(row.wave, row.first_claimed_at) for row in rows]
    first = [at for wave, at in claimed if wave == 0]
    rest = [at for wave, at in claimed if wave > 0]
    assert len(first) == 200
    assert max(first) <= min(rest)


async def test_with_no_retries_the_rest_follows_too(database: Database) -> None:
    stage = await set_stage(database, 1_000)
    await stage.start()
    async with FakeRelay() as relay:
        relay.fault("RCPT", "451 4.3.0 later")
        report = await stage.send(relay, connections=8)
    assert report.totals.accepted == 999
    assert report.totals.deferred == 1


async def test_refused_the_canary_is_all_that_was_tried(database: Database) -> None:
    stage = await set_stage(database, 1_000)
    await stage.start()
    async with FakeRelay() as relay:
        relay.fault("DOT", "550 5.7.1 message content rejected as spam", times=None)
        report = await stage.send(relay, connections=8)
    assert report.issue_state is IssueState.PAUSED
    assert report.totals.rejected <= 50
    assert report.totals.accepted == 0


async def test_behind_a_relay_that_only_queues_the_rest_waits_for_bounces(
    database: Database,
) -> None:
    import asyncio

    stage = await set_stage(database, 1_000)
    async with database.begin() as session:
        await session.execute(update(newsletters).values(settings={"canary_wait": 600}))
    await stage.start()
    async with FakeRelay() as relay:
        sender = stage.sender(relay, connections=8)
        sending = asyncio.create_task(sender.send_issue(stage.issue_id))
        await stage.until("accepted", 200)
        await asyncio.sleep(0.5)
        assert len(relay.ledger) == 200
        stage.clock.jump(minutes=11)
        report = await asyncio.wait_for(sending, 120)
    assert report.totals.accepted == 1_000
