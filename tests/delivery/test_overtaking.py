"""The next issue overtakes the one before: nothing more of that is sent, however many rows it has
and whoever dies over giving them up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select, update

from digest.delivery import control
from digest.delivery.checks import Gate
from digest.delivery.overtaking import finish_overtaking
from digest.delivery.plan import begin_issue, start_issue
from digest.delivery.publish import approve_issue
from digest.delivery.slots import SlotKeeper
from digest.delivery.upkeep import look_after
from digest.rules.delivery import DeliveryState as S
from digest.rules.delivery import IssueState, StateReason
from digest.rules.relay import parse_relays
from digest.store.deliveries import Outcome, claim_deliveries, record_outcomes
from digest.store.issues import issue_by_id
from digest.store.overtaking import give_up_page, overtaken_issues
from digest.store.schema import deliveries, issues
from digest.store.session import Database
from tests.build import NOW, PUBLIC_URL, a_newsletter, a_reader, an_issue, issue_text
from tests.delivery.stage import KEYS, Stage, set_stage
from tests.fakes.relay import FakeRelay
from tests.store.locks import somebody_waits
from tests.store.plans import plans_of

GATE = Gate(parse_relays("smtp://127.0.0.1:9?tls=none"), KEYS, PUBLIC_URL)
READERS, PAGE = 30, 7
GIVEN_UP = (S.EXPIRED, StateReason.SUPERSEDED)


@pytest.fixture
async def stage(database: Database) -> Stage:
    """Issue 182 is on its way: a sender holds three rows, three are accepted, the rest waits."""
    return await on_its_way(database)


async def on_its_way(db: Database) -> Stage:
    stage = await set_stage(db, READERS)
    stage.clock.jump(seconds=(NOW - stage.clock.now()).total_seconds())
    await stage.start()
    assert len(await claim(stage, stage.issue_id, 6)) == 6
    await done(stage, range(1, 4), S.ACCEPTED)
    return stage


async def claim(stage: Stage, issue_id: int, limit: int = READERS) -> list[int]:
    async with stage.db.begin() as session:
        rows = await claim_deliveries(
            session, worker_id=1, issue_id=issue_id, limit=limit, now=stage.clock.now()
        )
    return [row.row_id for row in rows]


async def done(stage: Stage, row_ids: Any, state: S, attempt: int = 1, **more: Any) -> None:
    async with stage.db.begin() as session:
        outcomes = [Outcome(one, attempt, state, **more) for one in row_ids]
        assert await record_outcomes(session, 1, outcomes, NOW) == len(outcomes)


async def next_one(stage: Stage, number: int = 183) -> int:
    """Another issue, approved."""
    later = await an_issue(stage.db, stage.newsletter, number, text=issue_text(number))
    async with stage.db.begin() as session:
        await approve_issue(session, later.issue, later.version.hash, by="Anne", now=NOW)
    return later.issue.id


async def fates(db: Database, issue_id: int) -> Counter[tuple[S, StateReason | None]]:
    async with db.read() as session:
        query = select(deliveries.c.state, deliveries.c.reason)
        rows = await session.execute(query.where(deliveries.c.issue_id == issue_id))
        return Counter((row.state, row.reason) for row in rows)


async def state(db: Database, issue_id: int) -> IssueState:
    async with db.read() as session:
        return (await issue_by_id(session, issue_id)).state


async def until_finished(stage: Stage) -> None:
    async def it_is() -> bool:
        return await state(stage.db, stage.issue_id) is IssueState.FINISHED

    while not await it_is():  # noqa: ASYNC110 - the database has no event
        await asyncio.sleep(0.01)


async def overtaken(db: Database) -> list[int]:
    async with db.read() as session:
        return list(await overtaken_issues(session))


async def test_nothing_of_an_issue_is_claimed_from_the_moment_the_next_one_has_started(
    stage: Stage,
) -> None:
    later = await next_one(stage)
    await begin_issue(stage.db, later, now=NOW, gate=GATE)
    assert (await fates(stage.db, stage.issue_id))[(S.QUEUED, None)] == READERS - 6
    assert await claim(stage, stage.issue_id) == []
    assert len(await claim(stage, later)) == READERS


async def test_who_comes_after_a_death_between_two_pages_gives_up_the_rest(stage: Stage) -> None:
    later = await next_one(stage)
    await begin_issue(stage.db, later, now=NOW, gate=GATE)
    async with stage.db.begin() as session:
        assert await give_up_page(session, stage.issue_id, NOW, after=0, limit=PAGE) == PAGE
    half = await fates(stage.db, stage.issue_id)
    assert half[GIVEN_UP] == PAGE - 6
    assert await overtaken(stage.db) == [stage.issue_id]
    await SlotKeeper(stage.db, GATE).finish(stage.clock.now())
    assert await fates(stage.db, stage.issue_id) == {
        (S.SENDING, None): 3,
        (S.ACCEPTED, None): 3,
        GIVEN_UP: READERS - 6,
    }
    assert await fates(stage.db, later) == {(S.QUEUED, None): READERS}
    assert await overtaken(stage.db) == []


async def test_given_up_by_many_at_once_each_row_is_settled_once(stage: Stage) -> None:
    later = await next_one(stage)
    await begin_issue(stage.db, later, now=NOW, gate=GATE)
    those = (finish_overtaking(stage.db, NOW, page=PAGE) for _ in range(4))
    await asyncio.gather(*those)
    assert (await fates(stage.db, stage.issue_id))[GIVEN_UP] == READERS - 6
    assert await overtaken(stage.db) == []


async def test_what_a_sender_held_is_sent_and_tried_again(stage: Stage) -> None:
    await start_issue(stage.db, await next_one(stage), now=NOW, gate=GATE)
    await done(stage, (4, 5), S.ACCEPTED)
    await done(stage, (6,), S.DEFERRED, not_before=NOW)
    assert await claim(stage, stage.issue_id) == [6]
    await done(stage, (6,), S.ACCEPTED, attempt=2)
    assert await look_after(stage.db, stage.issue_id, NOW) is IssueState.FINISHED


async def test_what_a_worker_of_the_version_before_claims_of_it_goes_out_once(stage: Stage) -> None:
    """It asks whether the issue is on its way, and knows no mark."""
    await begin_issue(stage.db, await next_one(stage), now=NOW, gate=GATE)
    claimed = {"state": S.SENDING, "owner": 1, "attempts": 1, "first_claimed_at": NOW}
    async with stage.db.begin() as session:
        await session.execute(update(deliveries).where(deliveries.c.id.in_((7, 8))).values(claimed))
    await finish_overtaking(stage.db, NOW)
    await done(stage, range(4, 9), S.ACCEPTED)
    assert await fates(stage.db, stage.issue_id) == {(S.ACCEPTED, None): 8, GIVEN_UP: READERS - 8}
    assert await look_after(stage.db, stage.issue_id, NOW) is IssueState.FINISHED


async def test_who_sends_both_sends_the_later_one_and_ends_the_one_before(stage: Stage) -> None:
    await done(stage, (4, 5, 6), S.ACCEPTED)
    later, stop = await next_one(stage), asyncio.Event()
    await begin_issue(stage.db, later, now=NOW, gate=GATE)
    async with FakeRelay() as relay, asyncio.timeout(60):
        serving = asyncio.create_task(stage.sender(relay).serve(stop))
        await stage.until("accepted", 6 + READERS)
        assert (await fates(stage.db, stage.issue_id))[(S.QUEUED, None)] == READERS - 6
        await finish_overtaking(stage.db, NOW, page=PAGE)
        await until_finished(stage)
        stop.set()
        assert await serving == READERS
    assert len(relay.ledger) == READERS


async def test_a_paused_issue_is_overtaken_too(stage: Stage) -> None:
    await control.pause(stage.db, stage.issue_id, reason="a look", clock=stage.clock)
    await start_issue(stage.db, await next_one(stage), now=NOW, gate=GATE)
    assert (await fates(stage.db, stage.issue_id))[GIVEN_UP] == READERS - 6
    assert await overtaken(stage.db) == []


async def test_what_is_sent_once_more_afterwards_is_not_given_up(stage: Stage) -> None:
    await begin_issue(stage.db, await next_one(stage), now=NOW, gate=GATE)
    again = await control.resend(stage.db, stage.issue_id, to=None, now=NOW)
    assert again.rows == READERS - 6
    await finish_overtaking(stage.db, NOW)
    assert len(await claim(stage, stage.issue_id)) == READERS - 6


async def test_rows_that_are_still_being_planned_are_awaited(stage: Stage) -> None:
    await begin_issue(stage.db, await next_one(stage), now=NOW, gate=GATE)
    mine = update(issues).where(issues.c.id == stage.issue_id)
    async with stage.db.begin() as session:
        await session.execute(mine.values(planning=True))
    await finish_overtaking(stage.db, NOW)
    assert GIVEN_UP not in await fates(stage.db, stage.issue_id)
    await SlotKeeper(stage.db, GATE).finish(stage.clock.now())
    assert (await fates(stage.db, stage.issue_id))[GIVEN_UP] == READERS - 6


async def test_only_a_newsletters_own_issues_of_which_anything_waits_are_overtaken(
    stage: Stage,
) -> None:
    other = await a_newsletter(stage.db, "monthly")
    await a_reader(stage.db, other, "Zoe")
    monthly = await an_issue(stage.db, other, 1, text=issue_text(1))
    async with stage.db.begin() as session:
        await approve_issue(session, monthly.issue, monthly.version.hash, by="Anne", now=NOW)
    await begin_issue(stage.db, monthly.issue.id, now=NOW, gate=GATE)
    assert await overtaken(stage.db) == []
    await stage.set_rows(state=S.ACCEPTED, settled_at=NOW)
    await begin_issue(stage.db, await next_one(stage), now=NOW, gate=GATE)
    assert await overtaken(stage.db) == []


async def test_the_next_issue_is_claimed_while_a_page_of_the_one_before_is_given_up(
    postgres_url: str,
) -> None:
    async with await Database.open(postgres_url) as db:
        stage = await on_its_way(db)
        later = await next_one(stage)
        await begin_issue(db, later, now=NOW, gate=GATE)
        async with db.begin() as session:
            await give_up_page(session, stage.issue_id, NOW, after=0, limit=PAGE)
            second = asyncio.create_task(finish_overtaking(db, NOW, page=PAGE))
            async with asyncio.timeout(20):
                while not await somebody_waits(db):  # noqa: ASYNC110 - a lock has no event
                    await asyncio.sleep(0.01)
            assert len(await claim(stage, later)) == READERS
        await second
        assert (await fates(db, stage.issue_id))[GIVEN_UP] == READERS - 6


async def test_a_page_is_found_by_the_index_of_readers(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url) as db:
        stage = await on_its_way(db)
        await begin_issue(db, await next_one(stage), now=NOW, gate=GATE)
        plans = await plans_of(
            db, lambda s: give_up_page(s, stage.issue_id, NOW, after=0, limit=PAGE)
        )
    lines = [line for plan in plans for line in plan if "deliveries" in line]
    assert all(line.startswith("SEARCH") for line in lines)
    assert "subscriber_id>" in lines[0]
