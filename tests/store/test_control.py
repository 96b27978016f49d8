"""Pause, resume, cancel, amend: exact, never against the tables of moves, whoever comes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from digest.errors import NotFoundError
from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.store.control import (
    amend_issue,
    cancel_issue,
    expire_overdue,
    hold_destinations,
    pause_issue,
    resume_issue,
    settle_stopped,
    under_way,
)
from digest.store.deliveries import Outcome, claim_deliveries, record_outcomes
from digest.store.issues import StoredIssue, issue_by_id, move_issue
from digest.store.progress import finish_sending
from digest.store.rows import move_rows
from digest.store.schema import deliveries, issues, versions
from digest.store.session import Database
from tests.build import NOW, an_issue
from tests.delivery.stage import Stage, set_stage
from tests.store.locks import somebody_waits
from tests.store.moves import forbidden_moves, moves_watched, seen_moves
from tests.store.plans import plans_of

S, R = DeliveryState, StateReason
LATER = NOW + timedelta(hours=1)


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    stage = await set_stage(database, 5)
    stage.clock.jump(seconds=(NOW - stage.clock.now()).total_seconds() - 60)
    await stage.start()
    async with moves_watched(database):
        yield stage


async def do(stage: Stage, what: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Any:
    """One call of the store, in a transaction of its own."""
    async with stage.db.begin() as session:
        return await what(session, stage.issue_id, *args, **named)


async def claim(stage: Stage, limit: int, *, now: Any = NOW) -> list:
    async with stage.db.begin() as session:
        return await claim_deliveries(
            session, worker_id=1, issue_id=stage.issue_id, limit=limit, now=now
        )


async def record(stage: Stage, *outcomes: Outcome) -> int:
    async with stage.db.begin() as session:
        return await record_outcomes(session, 1, outcomes, NOW)


async def set_row(stage: Stage, number: int, **values: object) -> None:
    """Row ``number`` (from 1) as it would be after some history."""
    async with stage.db.begin() as session:
        await session.execute(update(deliveries).where(deliveries.c.id == number).values(values))


async def issue_of(stage: Stage) -> StoredIssue:
    async with stage.db.read() as session:
        return await issue_by_id(session, stage.issue_id)


async def states(stage: Stage) -> list[str]:
    return [
        f"{row['state']}({row['reason']})" if row["reason"] else f"{row['state']}"
        for row in await stage.rows()
    ]


async def test_a_paused_issue_gives_nothing_and_keeps_its_rows(stage: Stage) -> None:
    assert await do(stage, pause_issue, reason="a look at the links", now=NOW)
    assert not await do(stage, pause_issue, reason="another", now=NOW)
    issue = await issue_of(stage)
    assert (issue.state, issue.paused_reason) == (IssueState.PAUSED, "a look at the links")
    assert await claim(stage, 5) == []
    assert await states(stage) == ["queued"] * 5


async def test_resuming_gives_back_what_a_brake_held_and_nothing_else(stage: Stage) -> None:
    await set_row(stage, 1, state=S.HELD, reason=R.BREAKER, settled_at=NOW)
    await set_row(stage, 2, state=S.HELD, reason=R.IN_DOUBT, settled_at=NOW)
    await do(stage, pause_issue, reason="brake", now=NOW)
    assert await do(stage, resume_issue, now=LATER) == 1
    issue = await issue_of(stage)
    assert (issue.state, issue.paused_reason, issue.resumed_at) == (IssueState.SENDING, None, LATER)
    assert await states(stage) == ["queued", "held(in_doubt)", "queued", "queued", "queued"]
    assert (await stage.rows())[0]["settled_at"] is None
    assert await do(stage, resume_issue, now=LATER) is None


async def test_a_destination_is_resumed_while_the_rest_goes_on(stage: Stage) -> None:
    (first, *_) = await stage.rows()
    held = await do(stage, hold_destinations, [first["destination_id"]], NOW)
    assert held == 2  # of five readers at three domains
    assert await do(stage, resume_issue, now=LATER) == 2
    assert (await issue_of(stage)).resumed_at == LATER
    assert await states(stage) == ["queued"] * 5


async def test_an_issue_that_ended_with_rows_held_by_a_brake_is_opened_again(stage: Stage) -> None:
    rows = await claim(stage, 5)
    done = [Outcome(row.row_id, 1, S.ACCEPTED) for row in rows[1:]]
    await record(stage, *done, Outcome(rows[0].row_id, 1, S.HELD, R.BREAKER))
    assert await do(stage, finish_sending, NOW)
    assert await do(stage, resume_issue, now=LATER) == 1
    issue = await issue_of(stage)
    assert (issue.state, issue.finished_at) == (IssueState.SENDING, None)


async def test_a_finished_issue_without_such_rows_stays_finished(stage: Stage) -> None:
    rows = await claim(stage, 5)
    await record(stage, *(Outcome(row.row_id, 1, S.REJECTED) for row in rows))
    assert await do(stage, finish_sending, NOW)
    assert await do(stage, resume_issue, now=LATER) is None
    assert (await issue_of(stage)).state is IssueState.FINISHED


async def test_cancelling_stops_all_that_waits_and_what_comes_back(stage: Stage) -> None:
    one, two = await claim(stage, 2)
    await set_row(stage, 3, state=S.DEFERRED)
    await set_row(stage, 4, state=S.HELD, reason=R.BREAKER)
    assert await do(stage, cancel_issue, now=LATER) == 3
    assert await states(stage) == ["sending", "sending", *["cancelled(stopped)"] * 3]
    accepted = Outcome(one.row_id, 1, S.ACCEPTED)
    assert await record(stage, accepted, Outcome(two.row_id, 1, S.QUEUED, uncharged=True)) == 2
    assert await do(stage, settle_stopped, LATER) == 1
    assert await do(stage, settle_stopped, LATER) == 0
    assert await states(stage) == ["accepted", *["cancelled(stopped)"] * 4]
    issue = await issue_of(stage)
    assert (issue.state, issue.finished_at) == (IssueState.CANCELLED, LATER)
    assert all(row["settled_at"] for row in await stage.rows())
    for again in (cancel_issue, resume_issue):
        assert await do(stage, again, now=LATER) is None
    assert not await do(stage, pause_issue, reason="late", now=LATER)
    assert await do(stage, amend_issue, 1, by="Anne", now=LATER) is None


async def test_rows_of_an_issue_that_goes_on_are_not_settled_as_stopped(stage: Stage) -> None:
    assert await do(stage, settle_stopped, NOW) == 0


async def test_of_pause_resume_and_cancel_at_once_the_tables_allow_each(stage: Stage) -> None:
    for _ in range(3):
        await asyncio.gather(
            *(do(stage, pause_issue, reason="x", now=NOW) for _ in range(2)),
            *(do(stage, resume_issue, now=NOW) for _ in range(2)),
            claim(stage, 1),
        )
    cancelled = await asyncio.gather(*(do(stage, cancel_issue, now=NOW) for _ in range(3)))
    assert [one is not None for one in cancelled].count(True) == 1
    assert await forbidden_moves(stage.db) == []
    assert (await issue_of(stage)).state is IssueState.CANCELLED
    assert {row["state"] for row in await stage.rows()} <= {S.SENDING, S.CANCELLED}


async def test_an_issue_is_not_finished_while_a_row_is_put_back(postgres_url: str) -> None:
    """The rows are given back in a transaction that commits while the other one waits.

    On SQLite there is one writer, and nothing can come between.
    """
    async with await Database.open(postgres_url) as db:
        stage = await set_stage(db, 2)
        await stage.start()
        rows = await claim(stage, 2, now=stage.clock.now())
        accepted = Outcome(rows[0].row_id, 1, S.ACCEPTED)
        await record(stage, accepted, Outcome(rows[1].row_id, 1, S.HELD, R.BREAKER))
        async with db.begin() as session:
            assert await resume_issue(session, stage.issue_id, now=NOW) == 1
            finishing = asyncio.create_task(do(stage, finish_sending, NOW))
            while not await somebody_waits(db):  # noqa: ASYNC110 - a lock has no event
                await asyncio.sleep(0.01)
        assert await finishing is False
        assert (await issue_of(stage)).state is IssueState.SENDING


async def test_only_rows_never_tried_get_an_amended_text(stage: Stage) -> None:
    await set_row(stage, 1, state=S.SENDING, owner=1, attempts=1, claimed_at=NOW)
    await set_row(stage, 2, state=S.DEFERRED, attempts=1)
    await set_row(stage, 3, maybe_sent=True)
    await set_row(stage, 4, state=S.HELD, reason=R.BREAKER)
    old = (await issue_of(stage)).approved_version_id
    new = await _second_version(stage)
    assert await do(stage, amend_issue, new, by="Bart", now=LATER) == 2
    assert [row["version_id"] for row in await stage.rows()] == [old, old, old, new, new]
    assert (await issue_of(stage)).approved_version_id == new
    async with stage.db.read() as session:
        query = select(versions.c.approved_by, versions.c.approved_at)
        approved = (await session.execute(query.where(versions.c.id == new))).one()
    assert tuple(approved) == ("Bart", LATER)
    assert await do(stage, amend_issue, new, by="Bart", now=LATER) == 0


async def test_a_claimed_row_and_an_amendment_agree_on_one_text(stage: Stage) -> None:
    new = await _second_version(stage)
    amended, claimed = await asyncio.gather(
        do(stage, amend_issue, new, by="Bart", now=LATER), claim(stage, 2)
    )
    kept = {row.row_id: row.version_id for row in claimed}
    rows = {row["id"]: row["version_id"] for row in await stage.rows()}
    assert kept.items() <= rows.items()  # what a sender was told is what the row says
    assert amended == sum(version == new for version in rows.values())


async def test_a_version_of_another_issue_cannot_be_slipped_in(stage: Stage) -> None:
    other = await an_issue(stage.db, stage.newsletter, 183)
    with pytest.raises(NotFoundError):
        await do(stage, amend_issue, other.version.id, by="Bart", now=LATER)
    assert (await issue_of(stage)).approved_version_id != other.version.id


async def _second_version(stage: Stage) -> int:
    """Another version of the issue, as ``issue amend`` stores it."""
    async with stage.db.begin() as session:
        old = (await session.execute(select(versions))).mappings().first()
        assert old is not None
        fresh = dict(old) | {"ordinal": 2, "hash": "f" * 64, "approved_at": None}
        del fresh["id"]
        added = await session.execute(versions.insert().values(**fresh).returning(versions.c.id))
        return int(added.scalar_one())


async def test_rows_claimed_of_late_are_under_way(stage: Stage) -> None:
    await claim(stage, 2)
    await claim(stage, 1, now=LATER)
    assert await do(stage, under_way, since=NOW - timedelta(seconds=1)) == 3
    assert await do(stage, under_way, since=NOW) == 1
    assert await do(stage, under_way, since=LATER) == 0


async def test_a_brake_holds_only_what_waits_for_its_destinations(stage: Stage) -> None:
    rows = await stage.rows()
    there = [row["id"] for row in rows if row["destination_id"] == rows[0]["destination_id"]]
    await claim(stage, 1)  # the first of them
    await set_row(stage, there[1], state=S.DEFERRED)
    assert await do(stage, hold_destinations, [rows[0]["destination_id"]], LATER) == 1
    assert await do(stage, hold_destinations, [], LATER) == 0
    held = [row for row in await stage.rows() if row["state"] is S.HELD]
    assert [(row["id"], row["reason"]) for row in held] == [(there[1], R.BREAKER)]


async def test_a_row_is_given_up_48_hours_after_its_first_attempt(stage: Stage) -> None:
    now = NOW + timedelta(hours=49)
    await set_row(stage, 1, first_claimed_at=NOW, state=S.DEFERRED, attempts=3)
    await set_row(stage, 2, first_claimed_at=NOW, attempts=1)
    await set_row(stage, 3, first_claimed_at=NOW + timedelta(hours=2), state=S.DEFERRED)
    assert await do(stage, expire_overdue, now) == 2
    assert await do(stage, expire_overdue, now) == 0
    assert await states(stage) == ["expired", "expired", "deferred", "queued", "queued"]


async def test_the_last_try_at_the_end_of_48_hours_is_not_taken_away(stage: Stage) -> None:
    end = NOW + timedelta(hours=48)
    await set_row(stage, 1, first_claimed_at=NOW, state=S.DEFERRED, not_before=end)
    assert await do(stage, expire_overdue, end + timedelta(seconds=30)) == 0
    assert len(await claim(stage, 5, now=end + timedelta(seconds=30))) == 5


def test_a_move_the_table_does_not_allow_cannot_be_written() -> None:
    for state in (S.ACCEPTED, S.REJECTED, S.CANCELLED):
        with pytest.raises(ValueError, match="never goes"):
            move_rows(state, to=S.QUEUED, now=NOW)
    with pytest.raises(ValueError, match="never goes"):
        move_rows(S.QUEUED, to=S.ACCEPTED, now=NOW)


async def test_the_witness_sees_a_forbidden_move(stage: Stage) -> None:
    await set_row(stage, 1, state=S.ACCEPTED)
    assert await forbidden_moves(stage.db) == [("deliveries", "queued", "accepted")]
    async with stage.db.begin() as session:
        assert await move_issue(session, stage.issue_id, IssueState.PAUSED, now=NOW)
    assert ("issues", "sending", "paused") in await seen_moves(stage.db)
    async with stage.db.begin() as session:
        await session.execute(update(issues).values(state=IssueState.DRAFT))
    assert ("issues", "paused", "draft") in await forbidden_moves(stage.db)


async def test_what_matters_of_ten_million_rows_is_found_by_an_index(sqlite_url: str) -> None:
    asks: dict[str, Callable[[Any], Awaitable[object]]] = {
        "ix_deliveries_held": lambda session: resume_issue(session, 1, now=NOW),
        "ix_deliveries_tried": lambda session: expire_overdue(session, 1, NOW),
        "ix_deliveries_to_do": lambda session: hold_destinations(session, 1, [1], NOW),
        "ix_deliveries_owner": lambda session: under_way(session, 1, since=NOW),
    }
    stage = await _finished(sqlite_url)
    async with stage.db:
        for index, ask in asks.items():
            plans = [plan for plan in await plans_of(stage.db, ask) if "deliveries" in str(plan)]
            assert plans
            for plan in plans:
                assert any(f"deliveries USING INDEX {index}" in line for line in plan), plan
        finish = await plans_of(stage.db, lambda session: finish_sending(session, 1, NOW))
        assert "autoindex_deliveries" not in str(finish)  # that has the rows that are settled too


async def _finished(url: str) -> Stage:
    """An issue whose rows are settled, so that every question about it comes to its end."""
    stage = await set_stage(await Database.open(url), 1)
    await stage.start()
    await set_row(stage, 1, state=S.REJECTED)
    return stage
