"""A large issue is on its way before most of its readers have rows; what happens meanwhile holds
for them as if they had been there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from digest.delivery import control
from digest.delivery.checks import Gate
from digest.delivery.plan import begin_issue, finish_planning, start_issue
from digest.delivery.publish import approve_issue, prepare_issue
from digest.delivery.slots import SlotKeeper
from digest.delivery.upkeep import look_after
from digest.rules.delivery import CANARY_WAVE, REST_WAVE, IssueState, StateReason
from digest.rules.delivery import DeliveryState as S
from digest.rules.relay import parse_relays
from digest.store.control import cancel_issue, hold_destinations
from digest.store.deliveries import claim_deliveries
from digest.store.issues import StoredIssue, issue_by_id, latest_for, move_issue
from digest.store.restored import hold_restored
from digest.store.schema import deliveries, destinations, subscribers, subscriptions
from digest.store.session import Database, Session
from digest.store.subscribers import leave_subscription
from tests.build import NOW, PUBLIC_URL, a_reader, an_issue, issue_text
from tests.delivery.stage import KEYS, Stage, set_stage
from tests.fakes.relay import FakeRelay
from tests.store.locks import somebody_waits

READERS, FEW = 1_003, 200
GATE = Gate(parse_relays("smtp://127.0.0.1:9?tls=none"), KEYS, PUBLIC_URL)


@pytest.fixture
async def stage(database: Database) -> Stage:
    """An issue on its way, of which only the canary has rows."""
    stage = await set_stage(database, READERS)
    stage.clock.jump(seconds=(NOW - stage.clock.now()).total_seconds())
    started = await begin_issue(database, stage.issue_id, now=NOW, gate=GATE)
    assert (started.planned, started.fresh) == (FEW, True)
    return stage


async def go_on(stage: Stage) -> StoredIssue:
    await finish_planning(stage.db, stage.clock.now())
    async with stage.db.read() as session:
        issue = await issue_by_id(session, stage.issue_id)
    assert not issue.planning
    assert issue.planned == await count(stage)
    return issue


async def count(stage: Stage, *which: Any) -> int:
    async with stage.db.read() as session:
        query = select(func.count()).where(deliveries.c.issue_id == stage.issue_id, *which)
        return int((await session.execute(query)).scalar_one())


async def fates(stage: Stage, wave: int = REST_WAVE) -> Counter[tuple[S, StateReason | None]]:
    """What became of the rows of a wave."""
    async with stage.db.read() as session:
        query = select(deliveries.c.state, deliveries.c.reason)
        rows = await session.execute(
            query.where(deliveries.c.issue_id == stage.issue_id, deliveries.c.wave == wave)
        )
        return Counter((row.state, row.reason) for row in rows)


async def without_a_row(stage: Stage) -> list[int]:
    """Subscriptions that are not in the canary."""
    async with stage.db.read() as session:
        planned = select(deliveries.c.subscription_id)
        query = select(subscriptions.c.id).where(subscriptions.c.id.not_in(planned))
        return list(await session.scalars(query.order_by(subscriptions.c.id)))


async def test_the_first_few_can_be_claimed_before_the_rest_is_there(stage: Stage) -> None:
    assert await fates(stage, CANARY_WAVE) == {(S.QUEUED, None): FEW}
    async with stage.db.begin() as session:
        rows = await claim_deliveries(
            session, worker_id=1, issue_id=stage.issue_id, limit=READERS, now=NOW
        )
    assert len(rows) == FEW
    assert (await go_on(stage)).planned == READERS
    assert await fates(stage) == {(S.QUEUED, None): READERS - FEW}
    assert await count(stage, deliveries.c.not_before != NOW) == 0


async def test_planned_by_many_at_once_everybody_has_one_row(stage: Stage) -> None:
    await asyncio.gather(*(finish_planning(stage.db, NOW) for _ in range(3)))
    assert (await go_on(stage)).planned == READERS


async def test_the_rest_follows_only_when_it_is_all_there(stage: Stage) -> None:
    async with FakeRelay() as relay:
        sending = asyncio.create_task(stage.sender(relay, connections=8).send_issue(stage.issue_id))
        await stage.until("accepted", FEW)
        assert await look_after(stage.db, stage.issue_id, NOW) is IssueState.SENDING
        async with stage.db.read() as session:
            assert (await issue_by_id(session, stage.issue_id)).canary_passed_at is None
        await go_on(stage)
        report = await asyncio.wait_for(sending, 120)
    assert report.issue_state is IssueState.FINISHED
    assert report.totals.accepted == READERS


async def test_an_issue_whose_first_few_are_settled_waits_for_the_rest(stage: Stage) -> None:
    await stage.set_rows(state=S.ACCEPTED, settled_at=NOW)
    assert await look_after(stage.db, stage.issue_id, NOW) is IssueState.SENDING
    await go_on(stage)
    assert await look_after(stage.db, stage.issue_id, NOW) is IssueState.SENDING


# What happens meanwhile.


async def cancelled(stage: Stage) -> None:
    halted = await control.cancel(stage.db, stage.issue_id, clock=stage.clock)
    assert halted.cancelled == FEW


async def paused(stage: Stage) -> None:
    await control.pause(stage.db, stage.issue_id, reason="a look at it", clock=stage.clock)


async def finished(stage: Stage) -> None:
    """By a sender that knows of no rest."""
    await stage.set_rows(state=S.ACCEPTED, settled_at=NOW)
    async with stage.db.begin() as session:
        await move_issue(session, stage.issue_id, IssueState.FINISHED, now=NOW)


async def followed(stage: Stage) -> None:
    """By the next issue of the newsletter."""
    later = await an_issue(stage.db, stage.newsletter, 183, text=issue_text(183))
    async with stage.db.begin() as session:
        await approve_issue(session, later.issue, later.version.hash, by="Anne", now=NOW)
    await start_issue(stage.db, later.issue.id, now=NOW, gate=GATE)


async def put_back(stage: Stage) -> None:
    """From a backup that was made at this moment."""
    async with stage.db.begin() as session:
        await hold_restored(session, NOW)


QUEUED = (S.QUEUED, None)


@pytest.mark.parametrize(
    ("meanwhile", "state", "fate"),
    [
        (cancelled, IssueState.CANCELLED, (S.CANCELLED, StateReason.STOPPED)),
        (paused, IssueState.PAUSED, QUEUED),
        (finished, IssueState.SENDING, QUEUED),
        (followed, IssueState.SENDING, (S.EXPIRED, StateReason.SUPERSEDED)),
        (put_back, IssueState.PAUSED, (S.HELD, StateReason.IN_DOUBT)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_what_becomes_of_the_issue_meanwhile_becomes_of_the_rest(
    stage: Stage,
    meanwhile: Callable[[Stage], Awaitable[None]],
    state: IssueState,
    fate: tuple[S, StateReason | None],
) -> None:
    await meanwhile(stage)
    issue = await go_on(stage)
    assert issue.state is state
    assert await fates(stage) == {fate: READERS - FEW}


async def test_who_was_not_planned_yet_gets_the_text_as_it_was_amended(stage: Stage) -> None:
    text = issue_text(182, words="three items")
    prepared = prepare_issue(
        stage.newsletter, text, path="issue.md", media={}, public_url=PUBLIC_URL
    )
    amended = await control.amend(stage.db, stage.issue_id, prepared, by="Anne", gate=GATE, now=NOW)
    assert amended.moved == FEW
    await go_on(stage)
    assert await count(stage, deliveries.c.version_id == amended.version.id) == READERS


async def test_a_destination_that_a_brake_holds_is_held_for_the_rest_too(stage: Stage) -> None:
    """So are the other domains of its provider, of which nobody may be among the first few."""
    async with stage.db.begin() as session:
        domains = (await session.scalars(select(destinations.c.id))).all()
        there = domains[:2]
        named = update(destinations).where(destinations.c.id.in_(there))
        await session.execute(named.values(provider="A Provider"))
        held = await hold_destinations(session, stage.issue_id, there[:1], NOW)
        assert 0 < held < FEW
    await go_on(stage)
    at_them = deliveries.c.destination_id.in_(there)
    assert await count(stage, at_them, deliveries.c.state != S.HELD) == 0
    assert await count(stage, ~at_them, deliveries.c.state == S.HELD) == 0


async def test_who_leaves_meanwhile_gets_nothing_and_who_comes_is_no_reader_of_it(
    stage: Stage,
) -> None:
    left, suppressed, ended, *_ = await without_a_row(stage)
    zoe = await a_reader(stage.db, stage.newsletter, "Zoe")
    async with stage.db.begin() as session:
        await leave_subscription(session, left, NOW)
        of = select(subscriptions.c.subscriber_id).where(subscriptions.c.id == suppressed)
        gone = update(subscribers).where(subscribers.c.id == of.scalar_subquery())
        await session.execute(gone.values(suppressed_at=NOW))
        later = NOW + timedelta(seconds=1)
        await session.execute(
            update(subscriptions)
            .where(subscriptions.c.subscriber_id == zoe.subscriber_id)
            .values(created_at=later, confirmed_at=later)
        )
        again = update(subscriptions).where(subscriptions.c.id == ended)
        await session.execute(again.values(confirmed_at=later))  # left, and came back since
    assert (await go_on(stage)).planned == READERS - 3
    assert await without_a_row(stage) == [left, suppressed, ended, READERS + 1]


async def test_who_was_confirmed_before_it_started_is_not_greeted_with_it_as_well(
    stage: Stage,
) -> None:
    waiting = (await without_a_row(stage))[0]
    async with stage.db.read() as session:
        of = select(subscriptions.c.subscriber_id).where(subscriptions.c.id == waiting)
        reader = (await session.scalars(of)).one()
        since = NOW - timedelta(days=1)
        assert await latest_for(session, stage.newsletter.id, reader, since=since) is None
        assert await latest_for(session, stage.newsletter.id, READERS + 9, since=since) is not None


async def test_the_schedule_completes_what_somebody_died_over(stage: Stage) -> None:
    await SlotKeeper(stage.db, GATE).finish(stage.clock.now())
    assert await count(stage) == READERS


async def test_stopped_while_the_rest_is_being_written_none_of_it_is_sent(
    postgres_url: str,
) -> None:
    """On SQLite there is one writer, and nothing can come between."""
    async with await Database.open(postgres_url) as db:
        stage = await set_stage(db, READERS)
        await begin_issue(db, stage.issue_id, now=NOW, gate=GATE)
        async with db.begin() as session:
            assert await cancel_issue(session, stage.issue_id, now=NOW) == FEW
            planning = asyncio.create_task(finish_planning(db, NOW))
            while not await somebody_waits(db):  # noqa: ASYNC110 - a lock has no event
                await asyncio.sleep(0.01)
        await planning
        assert await fates(stage) == {(S.CANCELLED, StateReason.STOPPED): READERS - FEW}


async def test_the_first_few_are_claimed_while_the_rest_is_being_written(
    postgres_url: str,
) -> None:
    async with await Database.open(postgres_url) as db:
        stage = await set_stage(db, READERS)
        await begin_issue(db, stage.issue_id, now=NOW, gate=GATE)
        waiting = (await without_a_row(stage))[0]
        async with db.begin() as session:
            row = await _rest_of(session, stage, only=waiting)  # which the rest waits for
            planning = asyncio.create_task(finish_planning(db, NOW))
            while not await somebody_waits(db):  # noqa: ASYNC110 - a lock has no event
                await asyncio.sleep(0.01)
            async with db.begin() as other:
                claim: dict[str, Any] = {"issue_id": stage.issue_id, "limit": READERS, "now": NOW}
                assert len(await claim_deliveries(other, worker_id=1, **claim)) == FEW
            await session.execute(delete(deliveries).where(deliveries.c.id == row))
        await planning
        assert await count(stage) == READERS


async def _rest_of(session: Session, stage: Stage, *, only: int) -> int:
    """One row of the rest: that of this subscription."""
    row = (await session.execute(select(deliveries).limit(1))).mappings().one()
    reader = select(subscriptions.c.subscriber_id).where(subscriptions.c.id == only)
    values = dict(row) | {"subscription_id": only, "subscriber_id": reader.scalar_subquery()}
    del values["id"]
    added = insert(deliveries).values(values).returning(deliveries.c.id)
    return int((await session.execute(added)).scalar_one())
