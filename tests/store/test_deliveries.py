"""Rows are planned once, claimed by one, and always add up."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from digest.clock import Clock
from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.store.claims import take_turn_to_claim
from digest.store.deliveries import (
    Outcome,
    cancel_departed,
    claim_deliveries,
    record_outcomes,
)
from digest.store.issues import issue_by_id, move_issue
from digest.store.progress import defer_waiting, due_count, finish_sending, next_due, sending_count
from digest.store.reports import issue_totals, missed_readers, replies_of_issue
from digest.store.session import Database
from digest.store.subscribers import leave_subscription
from tests.build import a_reader, plan_deliveries
from tests.delivery.stage import Stage, set_stage

NOW = Clock().now()


@pytest.fixture
async def stage(database: Database) -> Stage:
    stage = await set_stage(database, 5)
    await stage.start()
    return stage


async def claim(stage: Stage, limit: int = 100, **more: object) -> list:
    given = {"worker_id": 1, "issue_id": stage.issue_id, "limit": limit, "now": Clock().now()}
    async with stage.db.begin() as session:
        return await claim_deliveries(session, **(given | more))  # type: ignore[arg-type]  # by name


async def record(stage: Stage, *outcomes: Outcome) -> int:
    async with stage.db.begin() as session:
        return await record_outcomes(session, 1, outcomes, Clock().now())


async def test_planning_again_adds_only_who_is_new(stage: Stage) -> None:
    async with stage.db.begin() as session:
        version_id = (await issue_by_id(session, stage.issue_id)).approved_version_id
        assert version_id is not None
        plan: dict[str, Any] = {"issue_id": stage.issue_id, "version_id": version_id, "now": NOW}
        assert await plan_deliveries(session, **plan) == 0
        assert (await issue_by_id(session, stage.issue_id)).planned == 5
    await a_reader(stage.db, stage.newsletter, "Zoe")
    async with stage.db.begin() as session:
        assert await plan_deliveries(session, **plan) == 1
        assert (await issue_by_id(session, stage.issue_id)).planned == 6
    async with stage.db.read() as session:
        assert (await issue_totals(session, stage.issue_id)).planned == 6


async def test_only_active_readers_who_are_not_suppressed_are_planned(database: Database) -> None:
    from sqlalchemy import update

    from digest.rules.subscription import SubscriptionState
    from digest.store.schema import subscribers, subscriptions

    stage = await set_stage(database, 5)
    async with database.begin() as session:
        for number, state in enumerate(set(SubscriptionState) - {SubscriptionState.ACTIVE}, 1):
            await session.execute(
                update(subscriptions).where(subscriptions.c.id == number).values(state=state)
            )
        await session.execute(
            update(subscribers).where(subscribers.c.id == 4).values(suppressed_at=NOW)
        )
    assert (await stage.start()).planned == 1
    assert [row["subscriber_id"] for row in await stage.rows()] == [5]


async def test_a_claim_is_bounded_and_never_takes_a_row_twice(stage: Stage) -> None:
    first, second, third = await claim(stage, 2), await claim(stage, 2), await claim(stage, 2)
    assert [len(rows) for rows in (first, second, third)] == [2, 2, 1]
    assert len({row.row_id for row in first + second + third}) == 5
    assert await claim(stage) == []
    assert await claim(stage, 0) == []
    assert first[0].address == "anne@example.org"
    assert (first[0].attempts, first[0].maybe_sent, first[0].muted) == (1, False, ())


async def test_workers_that_claim_at_the_same_time_take_turns_and_no_row_twice(
    database: Database,
) -> None:
    stage = await set_stage(database, 40)
    await stage.start()

    async def in_turn(worker_id: int) -> list[int]:
        async with database.begin() as session:
            await take_turn_to_claim(session, worker_id)
            now = Clock().now()
            rows = await claim_deliveries(
                session, worker_id=worker_id, issue_id=stage.issue_id, limit=5, now=now
            )
            return [row.row_id for row in rows]

    claimed = await asyncio.gather(*(in_turn(number) for number in range(1, 9)))
    assert [len(rows) for rows in claimed] == [5] * 8
    assert len({row for rows in claimed for row in rows}) == 40


async def test_the_date_of_a_message_is_that_of_its_first_claim(stage: Stage) -> None:
    first = (await claim(stage, 1))[0]
    later = first.first_claimed_at + timedelta(hours=5)
    await record(
        stage,
        Outcome(first.row_id, 1, DeliveryState.DEFERRED, not_before=later, phase="rcpt", code=451),
    )
    assert first.row_id not in {row.row_id for row in await claim(stage)}
    again = (await claim(stage, now=later))[0]
    assert again.row_id == first.row_id
    assert again.first_claimed_at == first.first_claimed_at
    assert again.attempts == 2


async def test_an_earlier_wave_goes_first(stage: Stage) -> None:
    from sqlalchemy import update

    from digest.store.schema import deliveries

    async with stage.db.begin() as session:
        await session.execute(update(deliveries).where(deliveries.c.id < 4).values(wave=1))
    assert {row.row_id for row in await claim(stage, 2)} == {4, 5}


async def test_a_claim_of_a_paused_issue_takes_nothing(stage: Stage) -> None:
    async with stage.db.begin() as session:
        await move_issue(session, stage.issue_id, IssueState.PAUSED, now=NOW)
    assert await claim(stage) == []


async def test_a_reader_who_left_is_never_claimed_and_is_settled(stage: Stage) -> None:
    held = (await claim(stage, 1))[0]
    async with stage.db.begin() as session:
        assert await leave_subscription(session, held.subscription_id, NOW)
    await record(stage, Outcome(held.row_id, 1, DeliveryState.QUEUED, uncharged=True))
    assert held.row_id not in {row.row_id for row in await claim(stage)}
    async with stage.db.begin() as session:
        assert await cancel_departed(session, stage.issue_id, NOW) == 1
    row = (await stage.rows())[0]
    assert (row["state"], row["reason"]) == (DeliveryState.CANCELLED, StateReason.LEFT)


async def test_a_row_given_back_was_never_tried(stage: Stage) -> None:
    held = (await claim(stage, 1))[0]
    await record(stage, Outcome(held.row_id, 1, DeliveryState.QUEUED, uncharged=True))
    row = (await stage.rows())[0]
    assert (row["attempts"], row["first_claimed_at"], row["owner"]) == (0, None, None)
    assert await stage.tries() == []


async def test_accepted_rows_keep_their_reply_and_others_get_an_attempt(stage: Stage) -> None:
    one, two = await claim(stage, 2)
    accepted = Outcome(
        *(one.row_id, 1, DeliveryState.ACCEPTED),
        phase="dot",
        code=250,
        status="2.0.0",
        text="queued as A1",
        relay_message_id="A1",
    )
    nasty = "no\x00 such \ud800 user" + "x" * 5000
    rejected = Outcome(
        two.row_id, 1, DeliveryState.REJECTED, phase="rcpt", blame="recipient", code=550, text=nasty
    )
    assert await record(stage, accepted, rejected) == 2
    rows = await stage.rows()
    assert (rows[0]["reply_text"], rows[0]["relay_message_id"]) == ("queued as A1", "A1")
    assert rows[0]["settled_at"] is not None
    (attempt,) = await stage.tries()
    assert (attempt["delivery_id"], attempt["code"], attempt["blame"]) == (
        two.row_id,
        550,
        "recipient",
    )
    assert attempt["text"].startswith("no such ")
    assert len(attempt["text"]) <= 1000


async def test_an_outcome_recorded_twice_is_written_once(stage: Stage) -> None:
    held = (await claim(stage, 1))[0]
    outcome = Outcome(held.row_id, 1, DeliveryState.REJECTED, phase="rcpt", code=550)
    assert await record(stage, outcome) == 1
    assert await record(stage, outcome) == 0
    assert len(await stage.tries()) == 1


async def test_doubt_is_never_forgotten(stage: Stage) -> None:
    held = (await claim(stage, 1))[0]
    await record(stage, Outcome(held.row_id, 1, DeliveryState.QUEUED, maybe_sent=True))
    again = (await claim(stage, 1))[0]
    assert again.maybe_sent
    await record(stage, Outcome(again.row_id, 2, DeliveryState.ACCEPTED, phase="dot", code=250))
    assert (await stage.rows())[0]["maybe_sent"]
    async with stage.db.read() as session:
        assert (await issue_totals(session, stage.issue_id)).in_doubt == 0


async def test_totals_add_up_to_what_was_planned_in_every_state(stage: Stage) -> None:
    states = [
        DeliveryState.ACCEPTED,
        DeliveryState.REJECTED,
        DeliveryState.DEFERRED,
        DeliveryState.HELD,
    ]
    rows = await claim(stage, 4)
    await record(
        stage, *(Outcome(r.row_id, 1, s, phase="dot") for r, s in zip(rows, states, strict=True))
    )
    async with stage.db.read() as session:
        totals = await issue_totals(session, stage.issue_id)
        missed = await missed_readers(session, stage.issue_id)
        page = await missed_readers(session, stage.issue_id, after=missed[0].delivery_id, limit=1)
        replies = await replies_of_issue(session, stage.issue_id)
    assert totals.planned == 5
    assert sum(count for _, count in totals.by_state()) == 5
    assert totals.as_dict()["planned"] == 5
    assert totals.waiting == 2
    assert len(missed) == 4
    assert page == missed[1:2]
    assert sum(reply.attempts for reply in replies) == 3


async def test_an_issue_is_finished_only_when_every_row_is_settled(stage: Stage) -> None:
    async def finish() -> bool:
        async with stage.db.begin() as session:
            return await finish_sending(session, stage.issue_id, NOW)

    rows = await claim(stage)
    assert not await finish()
    await record(stage, *(Outcome(r.row_id, 1, DeliveryState.ACCEPTED) for r in rows[1:]))
    assert not await finish()
    await record(stage, Outcome(rows[0].row_id, 1, DeliveryState.REJECTED))
    assert await finish()
    assert not await finish()


async def test_what_is_due_is_known_without_claiming(stage: Stage) -> None:
    now = Clock().now()
    async with stage.db.begin() as session:
        assert await due_count(session, stage.issue_id, now, most=3) == 3
        assert await due_count(session, stage.issue_id, now, most=99) == 5
        until = now + timedelta(minutes=5)
        assert await defer_waiting(session, stage.issue_id, until=until, reply="down") == 5
        assert await due_count(session, stage.issue_id, now, most=99) == 0
        due = await next_due(session, stage.issue_id)
        assert due is not None
        assert abs(due - until) < timedelta(seconds=1)
        assert await sending_count(session, stage.issue_id) == 0
