"""Leaving: the transaction, and how long its answer waits for other processes' senders."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select, text, update

from digest.audience.leave import LeaveDesk, Leavers, leave
from digest.clock import Clock
from digest.errors import DatabaseError
from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.rules.subscription import SubscriptionState
from digest.store.issues import approve_version, move_issue
from digest.store.schema import consent_events, deliveries
from digest.store.session import Database
from digest.store.subscribers import get_subscription
from tests.build import NOW, a_newsletter, a_reader, an_issue, plan_deliveries

OTHER, MINE = 7, 8  # workers' ids


@dataclass(slots=True)
class StillClock(Clock):
    """Its wall stands still at NOW; its monotonic seconds go on by ``step`` for every look."""

    step: float = 0.0
    looks: int = field(default=0)
    looked_often: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        self.looks += 1
        if self.looks == 5:
            self.looked_often.set()
        return self.looks * self.step


async def a_planned_reader(db: Database) -> int:
    """Anne's subscription, with one delivery of an issue that is going out."""
    newsletter = await a_newsletter(db)
    anne = await a_reader(db, newsletter, "Anne")
    await a_reader(db, newsletter, "Bart")
    published = await an_issue(db, newsletter)
    async with db.begin() as session:
        await approve_version(
            session, published.issue.id, published.version.hash, by="Cris", now=NOW
        )
        await move_issue(session, published.issue.id, IssueState.SENDING, now=NOW)
        await plan_deliveries(
            session, issue_id=published.issue.id, version_id=published.version.id, now=NOW
        )
    return anne.subscription_id


async def hold(db: Database, subscription_id: int, *, owner: int, claimed_at: datetime) -> None:
    """Let some sender hold the delivery of ``subscription_id``."""
    values = {"state": DeliveryState.SENDING, "owner": owner, "claimed_at": claimed_at}
    await change(db, subscription_id, **values)


async def change(db: Database, subscription_id: int, **values: object) -> None:
    async with db.begin() as session:
        rows = update(deliveries).where(deliveries.c.subscription_id == subscription_id)
        await session.execute(rows.values(**values))


async def delivery_states(db: Database) -> list[tuple[DeliveryState, StateReason | None]]:
    async with db.read() as session:
        query = select(deliveries.c.state, deliveries.c.reason).order_by(deliveries.c.id)
        return [(row.state, row.reason) for row in await session.execute(query)]


async def left_events(db: Database) -> int:
    async with db.read() as session:
        query = select(func.count()).where(consent_events.c.kind == "left")
        return int((await session.execute(query)).scalar_one())


async def test_leaving_ends_the_subscription_and_cancels_what_waits(database: Database) -> None:
    anne = await a_planned_reader(database)
    leavers = Leavers()
    assert await leave(database, anne, source="one-click", clock=StillClock(), leavers=leavers)
    async with database.read() as session:
        subscription = await get_subscription(session, anne)
    assert subscription is not None
    assert subscription.state is SubscriptionState.ENDED
    assert await delivery_states(database) == [
        (DeliveryState.CANCELLED, StateReason.LEFT),
        (DeliveryState.QUEUED, None),  # Bart's
    ]
    assert anne in leavers


async def test_leaving_many_times_at_once_is_one_event(database: Database) -> None:
    anne = await a_planned_reader(database)
    clock = Clock()
    answers = await asyncio.gather(
        *(leave(database, anne, source="one-click", clock=clock) for _ in range(50))
    )
    assert sorted(answers) == [False] * 49 + [True]
    assert await left_events(database) == 1


async def test_nothing_happens_to_a_subscription_that_never_was(database: Database) -> None:
    assert not await leave(database, 4711, source="one-click", clock=Clock())


async def test_the_answer_waits_for_a_row_another_process_holds(database: Database) -> None:
    anne = await a_planned_reader(database)
    await hold(database, anne, owner=OTHER, claimed_at=NOW)
    clock = StillClock()
    answer = asyncio.create_task(leave(database, anne, source="x", clock=clock))
    await clock.looked_often.wait()
    assert await left_events(database) == 1
    assert not answer.done()
    await change(database, anne, state=DeliveryState.ACCEPTED)
    assert await answer


async def test_a_claim_that_is_old_has_begun_or_never_will(database: Database) -> None:
    anne = await a_planned_reader(database)
    await hold(database, anne, owner=OTHER, claimed_at=NOW - timedelta(seconds=2.6))
    clock = StillClock()
    assert await leave(database, anne, source="x", clock=clock)
    assert clock.looks == 2  # one for the deadline, one look
    assert (DeliveryState.SENDING, None) in await delivery_states(database)


async def test_the_answer_comes_after_three_seconds_at_the_latest(database: Database) -> None:
    anne = await a_planned_reader(database)
    await hold(database, anne, owner=OTHER, claimed_at=NOW)
    clock = StillClock(step=1.0)
    assert await leave(database, anne, source="x", clock=clock)
    assert clock.looks == 4  # begun at 1 s, looked at 2 s and 3 s, given up at 4 s


async def test_nobody_waits_for_the_sender_of_this_process(database: Database) -> None:
    anne = await a_planned_reader(database)
    await hold(database, anne, owner=MINE, claimed_at=NOW)
    clock = StillClock()
    leavers = Leavers(worker_id=MINE)
    assert await leave(database, anne, source="x", clock=clock, leavers=leavers)
    assert clock.looks == 2
    assert anne in leavers


def test_leavers_are_forgotten_long_after_any_claim() -> None:
    seconds = iter([0.0, 9.0, 11.0])
    leavers = Leavers(monotonic=lambda: next(seconds))
    for subscription_id in (1, 2, 3):
        leavers.add(subscription_id)
    assert [number for number in (1, 2, 3) if number in leavers] == [2, 3]


def test_who_subscribes_again_is_no_leaver() -> None:
    leavers = Leavers()
    leavers.add(1)
    leavers.forget(1)
    leavers.forget(2)
    assert 1 not in leavers


async def test_many_who_leave_at_once_share_two_transactions(database: Database) -> None:
    anne = await a_planned_reader(database)
    bart = anne + 1
    leavers = Leavers()
    desk = LeaveDesk(database, StillClock(), leavers)
    async with database.begin():  # somebody writes: meanwhile they gather
        asked = [
            asyncio.create_task(desk.leave(one, source="one-click")) for one in (anne, bart, 4711)
        ]
        await asyncio.sleep(0)
    assert await asyncio.gather(*asked) == [True, True, False]
    assert not await desk.leave(anne, source="one-click")
    assert await left_events(database) == 2
    assert set(await delivery_states(database)) == {(DeliveryState.CANCELLED, StateReason.LEFT)}
    assert anne in leavers
    assert bart in leavers


async def test_who_waits_for_another_sender_holds_up_nobody_who_comes_later(
    database: Database,
) -> None:
    anne = await a_planned_reader(database)
    await hold(database, anne, owner=OTHER, claimed_at=NOW)
    clock = StillClock()
    desk = LeaveDesk(database, clock, Leavers())
    waiting = asyncio.create_task(desk.leave(anne, source="one-click"))
    await clock.looked_often.wait()
    assert await desk.leave(anne + 1, source="one-click")
    assert not waiting.done()
    await change(database, anne, state=DeliveryState.ACCEPTED)
    assert await waiting


async def test_nobody_is_told_they_left_when_it_could_not_be_written(database: Database) -> None:
    anne = await a_planned_reader(database)
    async with database.begin() as session:
        await session.execute(text("ALTER TABLE consent_events RENAME TO elsewhere"))
    leavers = Leavers()
    desk = LeaveDesk(database, StillClock(), leavers)
    answers = await asyncio.gather(
        *(desk.leave(one, source="x") for one in (anne, anne + 1)), return_exceptions=True
    )
    assert {type(one) for one in answers} == {DatabaseError}
    assert anne not in leavers
    async with database.begin() as session:
        await session.execute(text("ALTER TABLE elsewhere RENAME TO consent_events"))
    assert await desk.leave(anne, source="x")
