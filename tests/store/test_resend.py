"""Once more: to who missed an issue, never to who left; rows in doubt are settled by a person."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from digest.errors import RefusedError
from digest.rules.delivery import REST_WAVE, IssueState
from digest.rules.delivery import DeliveryState as S
from digest.rules.delivery import StateReason as R
from digest.rules.subscription import SubscriptionState
from digest.store.control import (
    HeldAction,
    Resent,
    amend_issue,
    cancel_issue,
    expire_overdue,
    hold_destinations,
    pause_issue,
    resend,
    resume_issue,
    settle_held,
    settle_stopped,
)
from digest.store.deliveries import (
    Outcome,
    cancel_departed,
    claim_deliveries,
    record_outcomes,
)
from digest.store.handover import rescue
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.progress import finish_sending
from digest.store.reports import issue_totals
from digest.store.schema import deliveries, issues, subscribers, subscriptions
from digest.store.session import Database
from digest.store.subscribers import leave_subscription
from tests.build import NOW
from tests.delivery.stage import Stage, set_stage
from tests.store.moves import forbidden_moves, moves_watched, seen_moves

LATER = NOW + timedelta(hours=3)


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    stage = await set_stage(database, 6)
    stage.clock.jump(seconds=(NOW - stage.clock.now()).total_seconds() - 60)
    await stage.start()
    async with moves_watched(database):
        yield stage


async def settle(stage: Stage, *states: tuple[S, R | None]) -> None:
    """The rows, in their order, as sending left them; those not named are accepted."""
    rows = await stage.rows()
    given = [*states, *[(S.ACCEPTED, None)] * (len(rows) - len(states))]
    async with stage.db.begin() as session:
        for row, (state, reason) in zip(rows, given, strict=True):
            values = {"state": state, "reason": reason, "settled_at": NOW, "attempts": 1}
            await session.execute(
                update(deliveries).where(deliveries.c.id == row["id"]).values(values)
            )
        await finish_sending(session, stage.issue_id, NOW)


async def again(stage: Stage, subscriber_ids: Sequence[int] | None = None) -> Resent:
    async with stage.db.begin() as session:
        return await resend(session, stage.issue_id, subscriber_ids=subscriber_ids, now=LATER)


async def reconcile(
    stage: Stage, action: Any, *, rows: Sequence[int] | None = None, whole: bool = True
) -> int:
    async with stage.db.begin() as session:
        issue_id = stage.issue_id if whole else None
        return await settle_held(session, issue_id=issue_id, row_ids=rows, action=action, now=LATER)


async def issue_of(stage: Stage) -> StoredIssue:
    async with stage.db.read() as session:
        return await issue_by_id(session, stage.issue_id)


async def copies(stage: Stage) -> list[tuple[int, int, str]]:
    """Reader, ordinal and state of every row beyond the first of each reader."""
    return [
        (row["subscriber_id"], row["ordinal"], row["state"].value)
        for row in await stage.rows()
        if row["ordinal"]
    ]


async def test_who_missed_an_issue_gets_a_row_of_their_own(stage: Stage) -> None:
    await settle(
        stage,
        *[(S.REJECTED, None), (S.EXPIRED, None), (S.EXPIRED, R.SUPERSEDED)],
        *[(S.CANCELLED, R.STOPPED), (S.HELD, R.IN_DOUBT)],
    )
    assert (await issue_of(stage)).state is IssueState.FINISHED
    assert await again(stage) == Resent(5, {})
    assert await copies(stage) == [(reader, 1, "queued") for reader in (1, 2, 3, 4)]
    rows = await stage.rows()
    assert [row["state"] for row in rows[:6]] == [
        *(S.REJECTED, S.EXPIRED, S.EXPIRED, S.CANCELLED, S.QUEUED, S.ACCEPTED)
    ]
    assert rows[4]["settled_at"] is None
    assert {(row["wave"], row["not_before"], row["attempts"]) for row in rows[6:]} == {
        (REST_WAVE, LATER, 0)
    }
    issue = await issue_of(stage)
    assert (issue.state, issue.finished_at, issue.resumed_at) == (IssueState.SENDING, None, LATER)
    assert await again(stage) == Resent(0, {})  # they are on their way
    async with stage.db.read() as session:
        totals = await issue_totals(session, stage.issue_id)
    assert (totals.planned, totals.queued, totals.accepted) == (6, 5, 1)


async def test_a_second_copy_is_for_those_named_only(stage: Stage) -> None:
    await settle(stage)
    assert await again(stage) == Resent(0, {})
    assert (await issue_of(stage)).state is IssueState.FINISHED
    assert await again(stage, [2, 2, 5]) == Resent(2, {})
    assert await copies(stage) == [(2, 1, "queued"), (5, 1, "queued")]
    assert await again(stage, [2, 6, 4711]) == Resent(1, {"under_way": 1, "not_planned": 1})


@pytest.mark.parametrize("named", [None, [1, 2, 3, 4]])
async def test_nobody_who_left_is_suppressed_or_paused_gets_another_copy(
    stage: Stage, named: Sequence[int] | None
) -> None:
    await settle(stage, *[(S.REJECTED, None)] * 3, (S.HELD, R.IN_DOUBT))
    async with stage.db.begin() as session:
        await leave_subscription(session, 1, NOW)
        paused = update(subscriptions).where(subscriptions.c.id == 2)
        await session.execute(paused.values(state=SubscriptionState.PAUSED))
        suppressed = update(subscribers).where(subscribers.c.id == 3)
        await session.execute(suppressed.values(suppressed_at=NOW))
        await leave_subscription(session, 4, NOW)
    assert await again(stage, named) == Resent(0, {"left": 2, "paused": 1, "suppressed": 1})
    assert await copies(stage) == []
    assert (await stage.rows())[3]["state"] is S.HELD
    assert (await issue_of(stage)).state is IssueState.FINISHED


async def test_who_came_back_gets_it_when_named(stage: Stage) -> None:
    await settle(stage, (S.CANCELLED, R.LEFT))
    assert (await again(stage)).rows == 0
    assert await again(stage, [1]) == Resent(1, {})


async def test_another_copy_is_of_the_text_approved_by_now(stage: Stage) -> None:
    await settle(stage, (S.REJECTED, None))
    async with stage.db.begin() as session:
        await session.execute(update(issues).values(approved_version_id=77))
    await again(stage)
    assert (await stage.rows())[-1]["version_id"] == 77


async def test_another_copy_goes_where_the_reader_is_by_now(stage: Stage) -> None:
    await settle(stage, (S.REJECTED, None))
    rows = await stage.rows()
    moved_to = rows[1]["destination_id"]
    async with stage.db.begin() as session:
        reader = update(subscribers).where(subscribers.c.id == rows[0]["subscriber_id"])
        await session.execute(reader.values(destination_id=moved_to))
    await again(stage)
    assert (await stage.rows())[-1]["destination_id"] == moved_to


async def test_of_two_who_send_again_one_does(stage: Stage) -> None:
    await settle(stage, *[(S.REJECTED, None)] * 4)
    sent = await asyncio.gather(*(again(stage) for _ in range(4)))
    assert sorted(one.rows for one in sent) == [0, 0, 0, 4]
    assert len(await copies(stage)) == 4


@pytest.mark.parametrize(
    ("state", "says"),
    [(IssueState.CANCELLED, "cancelled"), (IssueState.APPROVED, "approved")],
)
async def test_an_issue_that_is_not_on_its_way_is_not_sent_again(
    stage: Stage, state: IssueState, says: str
) -> None:
    await settle(stage, (S.REJECTED, None))
    async with stage.db.begin() as session:
        await session.execute(update(issues).values(state=state))
    with pytest.raises(RefusedError, match=says):
        await again(stage)
    assert await copies(stage) == []


async def test_a_paused_issue_stays_paused_with_more_rows(stage: Stage) -> None:
    await settle(stage, (S.REJECTED, None))
    async with stage.db.begin() as session:
        await session.execute(update(issues).values(state=IssueState.PAUSED))
    assert (await again(stage)).rows == 1
    assert (await issue_of(stage)).state is IssueState.PAUSED


async def test_a_row_in_doubt_is_taken_as_sent(stage: Stage) -> None:
    await settle(stage, (S.HELD, R.IN_DOUBT), (S.HELD, R.POISON), (S.HELD, R.BREAKER))
    assert await reconcile(stage, "accept") == 2
    states = [(row["state"], row["reason"]) for row in (await stage.rows())[:3]]
    assert states == [(S.ACCEPTED, None), (S.ACCEPTED, None), (S.HELD, R.BREAKER)]
    assert (await issue_of(stage)).state is IssueState.FINISHED


async def test_a_row_in_doubt_is_sent_once_more_and_stays_doubtful(stage: Stage) -> None:
    await settle(stage, (S.HELD, R.IN_DOUBT), (S.HELD, R.IN_DOUBT))
    await stage.set_rows(maybe_sent=True)
    first, second, *_ = await stage.rows()
    assert await reconcile(stage, HeldAction.RESEND, rows=[first["id"]], whole=False) == 1
    rows = await stage.rows()
    assert [row["state"] for row in rows[:2]] == [S.QUEUED, S.HELD]
    assert (rows[0]["maybe_sent"], rows[0]["settled_at"]) == (True, None)
    assert len(rows) == 6
    assert (await issue_of(stage)).state is IssueState.SENDING
    assert await reconcile(stage, "drop", rows=[second["id"]], whole=False) == 1
    row = (await stage.rows())[1]
    assert (row["state"], row["reason"]) == (S.CANCELLED, R.STOPPED)


async def test_rows_of_a_cancelled_issue_are_not_sent_again(stage: Stage) -> None:
    await settle(stage, (S.HELD, R.IN_DOUBT))
    async with stage.db.begin() as session:
        await session.execute(update(issues).values(state=IssueState.CANCELLED))
    assert await reconcile(stage, "resend") == 0
    assert await reconcile(stage, "accept") == 1
    assert (await issue_of(stage)).state is IssueState.CANCELLED


async def test_a_row_in_doubt_of_who_left_is_not_sent_again(stage: Stage) -> None:
    await settle(stage, (S.HELD, R.IN_DOUBT), (S.HELD, R.IN_DOUBT))
    async with stage.db.begin() as session:
        await leave_subscription(session, 1, NOW)
    assert await reconcile(stage, "resend", whole=False) == 1
    assert [row["state"] for row in (await stage.rows())[:2]] == [S.HELD, S.QUEUED]


async def test_only_rows_that_are_held_are_settled(stage: Stage) -> None:
    every = [row["id"] for row in await stage.rows()]
    for action in HeldAction:
        assert await reconcile(stage, action, rows=every) == 0
        assert await reconcile(stage, action, rows=[]) == 0
    assert {row["state"] for row in await stage.rows()} == {S.QUEUED}


_HANDS = (
    "claim claim accept reject defer hold back rescue rescue_hold leave pause resume resume "
    "stopped brake expire resend named accept_held resend_held drop_held departed finish amend"
).split()


@pytest.mark.parametrize("seed", range(2))
async def test_no_order_of_hands_moves_anything_against_the_tables(
    database: Database, seed: int
) -> None:
    """Whatever is done in whatever order, and at last the issue is cancelled."""
    stage = await set_stage(database, 6)
    stage.clock.jump(seconds=(NOW - stage.clock.now()).total_seconds() - 60)
    await stage.start()
    chance = random.Random(seed)
    hands = [chance.choice(_HANDS) for _ in range(100)]
    async with moves_watched(database):
        for name in [*hands, "cancel", *hands[:30]]:
            await _step(stage, name, chance.randrange(6))
            assert await _sent_to_who_left(database) == 0, (seed, name)
        assert await forbidden_moves(database) == []
        assert {("deliveries", "held", "queued"), ("issues", "sending", "paused")} <= (
            await seen_moves(database)
        )
    async with database.read() as session:
        assert (await issue_totals(session, stage.issue_id)).planned == 6


async def _sent_to_who_left(db: Database) -> int:
    """Rows that were claimed after their reader had left."""
    ended = select(subscriptions.c.ended_at).where(
        subscriptions.c.id == deliveries.c.subscription_id
    )
    query = select(deliveries.c.id).where(
        deliveries.c.state == S.SENDING, deliveries.c.claimed_at > ended.scalar_subquery()
    )
    async with db.read() as session:
        return len((await session.execute(query)).all())


async def _step(stage: Stage, name: str, number: int) -> None:
    issue_id, now = stage.issue_id, NOW
    row_id = number + 1
    outcomes: dict[str, Any] = {
        "accept": {"state": S.ACCEPTED},
        "reject": {"state": S.REJECTED},
        "defer": {"state": S.DEFERRED, "not_before": NOW},
        "hold": {"state": S.HELD, "reason": R.POISON},
        "back": {"state": S.QUEUED, "uncharged": True},
    }
    async with stage.db.begin() as session:
        if name in outcomes:
            held = [row for row in await _rows(session) if row.state is S.SENDING]
            told = [Outcome(row.id, row.attempts, **outcomes[name]) for row in held[:1]]
            await record_outcomes(session, 1, told, now)
        calls: dict[str, Any] = {
            "claim": lambda: claim_deliveries(
                session, worker_id=1, issue_id=issue_id, limit=number, now=LATER
            ),
            "rescue": lambda: rescue(session, {1}, now=now),
            "rescue_hold": lambda: rescue(session, {1}, now=now, hold=True),
            "leave": lambda: leave_subscription(session, row_id, now),
            "pause": lambda: pause_issue(session, issue_id, reason="x", now=now),
            "resume": lambda: resume_issue(session, issue_id, now=now),
            "cancel": lambda: cancel_issue(session, issue_id, now=now),
            "stopped": lambda: settle_stopped(session, issue_id, now),
            "brake": lambda: hold_destinations(session, issue_id, [1 + number % 3], now),
            "expire": lambda: expire_overdue(session, issue_id, now + timedelta(days=number)),
            "resend": lambda: resend(session, issue_id, subscriber_ids=None, now=now),
            "named": lambda: resend(session, issue_id, subscriber_ids=[row_id], now=now),
            "departed": lambda: cancel_departed(session, issue_id, now),
            "finish": lambda: finish_sending(session, issue_id, now),
            "amend": lambda: amend_issue(session, issue_id, 1, by="Anne", now=now),
        } | {
            f"{action.value}_held": lambda action=action: settle_held(
                session, issue_id=issue_id, row_ids=None, action=action, now=now
            )
            for action in HeldAction
        }
        if name in calls:
            with suppress(RefusedError):  # a cancelled issue is not sent again
                await calls[name]()


async def _rows(session: Any) -> Any:
    return (await session.execute(deliveries.select())).all()
