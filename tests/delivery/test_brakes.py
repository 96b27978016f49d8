"""Our own fault stops the issue and touches no reader; an operator lets it go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime

import pytest

from digest.rules.brakes import Action, Decision
from digest.rules.delivery import IssueState
from digest.store.control import resume_issue
from digest.store.session import Database, Session
from tests.build import a_reader
from tests.delivery.stage import Stage, set_stage
from tests.fakes.relay import FakeRelay

BLOCKED = "550 5.7.515 access denied, sender does not meet the required authentication level"


class Operator:
    """Who is told."""

    def __init__(self) -> None:
        self.told: list[Decision] = []

    async def __call__(
        self, _session: Session, _issue_id: int, decision: Decision, _now: datetime
    ) -> None:
        self.told.append(decision)


@pytest.fixture
async def crowd(database: Database) -> Stage:
    """120 readers, each at a domain of their own or at one of three."""
    stage = await set_stage(database, 120)
    await stage.start()
    return stage


async def resume(stage: Stage) -> int | None:
    async with stage.db.begin() as session:
        return await resume_issue(session, stage.issue_id, now=stage.clock.now())


async def test_refused_everywhere_the_issue_is_paused_within_fifty(database: Database) -> None:
    stage = await set_stage(database, 1)
    for number in range(200):
        await a_reader(database, stage.newsletter, address=f"reader@domain{number}.example")
    await stage.start()
    operator = Operator()
    async with FakeRelay() as relay:
        refused = relay.fault("RCPT", BLOCKED, times=None)
        report = await stage.send(relay, connections=8, tell=operator)
        assert report.issue_state is IssueState.PAUSED
        assert report.exit_code == 1
        assert "5.7.515" in (report.paused_reason or "")
        assert report.totals.rejected <= 50
        assert report.totals.rejected + report.totals.queued == 201
        assert [one.action for one in operator.told] == [Action.PAUSE_ISSUE]

        refused.times = 0  # the operator mended it
        await resume(stage)
        report = await stage.send(relay, connections=8, tell=operator)
    assert report.totals.accepted + report.totals.rejected == 201
    assert set(relay.recipients.values()) == {1}
    assert len(operator.told) == 1


async def test_refused_by_one_provider_only_its_readers_wait(database: Database) -> None:
    stage = await set_stage(database, 3)
    for number in range(60):
        await a_reader(database, stage.newsletter, address=f"reader{number}@gmail.com")
        await a_reader(database, stage.newsletter, address=f"other{number}@domain{number}.example")
    await stage.start()
    operator = Operator()
    async with FakeRelay() as relay:
        faults = [
            relay.fault("RCPT", BLOCKED, to=f"reader{number}@gmail.com", times=None)
            for number in range(60)
        ]
        report = await stage.send(relay, connections=3, tell=operator)
        assert report.totals.accepted == 63
        assert report.totals.held > 0
        assert report.totals.held + report.totals.rejected == 60
        assert report.totals.rejected < 50
        assert report.exit_code == 1
        assert Counter(one.action for one in operator.told) == {Action.PAUSE_DESTINATION: 1}
        assert operator.told[0].destination == "google"

        for fault in faults:
            fault.times = 0
        assert await resume(stage) == report.totals.held
        again = await stage.send(relay, connections=3, tell=operator)
    assert again.totals.held == 0
    assert again.totals.accepted == 63 + report.totals.held
    assert set(relay.recipients.values()) == {1}


async def test_unknown_readers_stop_nothing_but_are_told(crowd: Stage) -> None:
    operator = Operator()
    async with FakeRelay() as relay:
        relay.fault("RCPT", "550 5.1.1 no such user", times=60)
        report = await crowd.send(relay, connections=2, tell=operator)
    assert report.issue_state is IssueState.FINISHED
    assert report.totals.rejected == 60
    assert {one.action for one in operator.told} <= {Action.HOLD_SUPPRESSIONS}


async def test_a_sender_that_starts_again_knows_what_was_refused(database: Database) -> None:
    stage = await set_stage(database, 1)
    for number in range(120):
        await a_reader(database, stage.newsletter, address=f"reader@domain{number}.example")
    await stage.start()
    refused = 0
    async with FakeRelay() as relay:
        relay.fault("RCPT", BLOCKED, times=None)
        for _ in range(20):
            stop = asyncio.Event()
            sender = stage.sender(relay, connections=1)
            sending = asyncio.create_task(sender.send_issue(stage.issue_id, stop=stop))
            goal = refused + 15
            while (await stage.states())["rejected"] < goal and not sending.done():  # noqa: ASYNC110 - the database has no event
                await asyncio.sleep(0.01)
            stop.set()
            report = await sending
            refused = report.totals.rejected
            if report.issue_state is IssueState.PAUSED:
                break
    assert report.issue_state is IssueState.PAUSED
    assert refused <= 50


async def test_a_paused_issue_begins_nothing_and_an_issue_beside_it_goes_on(
    crowd: Stage,
) -> None:
    from digest.store.control import pause_issue

    async with crowd.db.begin() as session:
        now = crowd.clock.now()
        assert await pause_issue(session, crowd.issue_id, reason="a look", now=now)
    async with FakeRelay() as relay:
        report = await crowd.send(relay)
        assert not relay.ledger
        assert report.issue_state is IssueState.PAUSED
        assert await resume(crowd) == 0
        report = await crowd.send(relay)
    assert report.totals.accepted == 120
