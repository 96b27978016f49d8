from __future__ import annotations

import asyncio

import pytest

from digest.jobs.sending import send_until
from digest.rules.delivery import IssueState
from digest.store.issues import issue_by_id
from tests.build import an_issue
from tests.delivery.stage import Stage, set_stage
from tests.fakes.relay import FakeRelay


@pytest.fixture
async def stage(database) -> Stage:
    return await set_stage(database)


async def _finished(stage: Stage) -> None:
    while True:
        async with stage.db.read() as session:
            if (await issue_by_id(session, stage.issue_id)).state is IssueState.FINISHED:
                return
        await asyncio.sleep(0.01)


async def test_what_was_started_is_finished_by_itself_and_nothing_else_begins(stage: Stage) -> None:
    draft = await an_issue(stage.db, stage.newsletter, 183)
    await stage.start()
    stopped = asyncio.Event()
    async with FakeRelay() as relay:
        working = asyncio.create_task(send_until(stage.sender(relay), stopped))
        await asyncio.wait_for(_finished(stage), 30)
        stopped.set()
        await asyncio.wait_for(working, 30)
        assert len(relay.ledger) == 3
    assert await stage.states() == {"accepted": 3}
    async with stage.db.read() as session:
        assert (await issue_by_id(session, draft.issue.id)).state is IssueState.DRAFT
