"""Brakes and the canary go by rows, the same in every process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from digest.rules.brakes import CanaryCounts, is_hard, is_policy
from digest.rules.delivery import CANARY_WAVE, REST_WAVE
from digest.rules.delivery import DeliveryState as S
from digest.rules.verdict import Blame, Reason
from digest.store.counts import (
    RejectionCount,
    accepted,
    answered,
    canary_counts,
    pass_canary,
    providers,
    rejections,
)
from digest.store.deliveries import Outcome, claim_deliveries, record_outcomes
from digest.store.rows import is_resent
from digest.store.schema import deliveries, destinations, issues
from digest.store.session import Database
from tests.build import NOW
from tests.delivery.stage import Stage, set_stage
from tests.store.plans import plans_of

LATER = NOW + timedelta(minutes=10)


@pytest.fixture
async def stage(database: Database) -> Stage:
    """Six readers at three domains, by turns."""
    stage = await set_stage(database, 6)
    stage.clock.jump(seconds=(NOW - stage.clock.now()).total_seconds() - 60)
    await stage.start()
    return stage


async def answer(stage: Stage, number: int, now: Any = NOW, **fields: Any) -> None:
    """Row ``number`` (from 1) gets an answer at ``now``, as a sender writes it."""
    given: dict[str, Any] = {"state": S.REJECTED, "phase": "rcpt", "blame": "recipient"} | fields
    async with stage.db.begin() as session:
        first = update(deliveries).where(deliveries.c.id == number)
        claimed: dict[str, Any] = {"state": S.SENDING, "owner": 1, "attempts": 1, "claimed_at": now}
        await session.execute(first.values(claimed))
        assert await record_outcomes(session, 1, [Outcome(number, 1, **given)], now) == 1


async def rejected(stage: Stage, since: Any = None) -> list[RejectionCount]:
    async with stage.db.read() as session:
        return await rejections(session, stage.issue_id, since)


async def test_rejections_are_counted_by_domain_reason_and_blame(stage: Stage) -> None:
    blocked = {"verdict": Reason.BLOCKED, "blame": "destination", "code": 550}
    await answer(stage, 1, **blocked, text="blocked, first")
    await answer(stage, 4, LATER, **blocked, text="blocked, last")
    await answer(stage, 2, verdict=Reason.USER_UNKNOWN, text="no such user")
    await answer(stage, 3, state=S.ACCEPTED, blame=None)
    await answer(stage, 5, state=S.DEFERRED, verdict=Reason.SPEEDING)
    ids = {row["id"]: row["destination_id"] for row in await stage.rows()}
    assert await rejected(stage) == [
        RejectionCount(
            *(ids[1], "example.org", None, "blocked", 2, "550 blocked, last", "destination")
        ),
        RejectionCount(
            *(ids[2], "example.net", None, "userunknown", 1, "no such user", "recipient")
        ),
    ]
    policy, hard = (count.as_verdict() for count in await rejected(stage))
    assert (is_policy(policy), is_hard(policy)) == (True, False)
    assert (is_policy(hard), is_hard(hard)) == (False, True)


async def test_a_reason_counts_only_with_its_blame(stage: Stage) -> None:
    """After the final dot "user unknown" without its code says nothing of the reader."""
    await answer(stage, 1, verdict=Reason.USER_UNKNOWN, phase="dot", blame="message")
    await answer(stage, 2, verdict=Reason.UNDEFINED, phase="dot", blame="message")
    await answer(stage, 3, verdict=None, text=None)
    verdicts = {count.verdict: count.as_verdict() for count in await rejected(stage)}
    assert not is_hard(verdicts["userunknown"])
    assert is_policy(verdicts["undefined"])
    assert verdicts[None].reason is None
    assert verdicts[None].blame is Blame.RECIPIENT


async def test_what_was_before_somebody_resumed_counts_no_more(stage: Stage) -> None:
    await answer(stage, 1, verdict=Reason.BLOCKED)
    await answer(stage, 4, LATER, verdict=Reason.BLOCKED)
    await answer(stage, 2, LATER, state=S.ACCEPTED)
    assert [count.rows for count in await rejected(stage, LATER)] == [1]
    everywhere = [row["destination_id"] for row in await stage.rows()]
    async with stage.db.read() as session:
        issue = (session, stage.issue_id)
        assert await answered(*issue, everywhere, None) == 3
        assert await answered(*issue, everywhere, None, most=2) == 2
        assert await answered(*issue, everywhere, LATER) == 2
        assert await answered(*issue, everywhere[:1], LATER) == 1
        assert await answered(*issue, [], None) == 0
        assert [await accepted(*issue, since) for since in (None, LATER)] == [1, 1]
        assert await accepted(*issue, LATER + timedelta(seconds=1)) == 0


async def test_the_canary_waits_for_those_who_were_not_tried_yet(stage: Stage) -> None:
    async with stage.db.begin() as session:
        rest = update(deliveries).where(deliveries.c.id > 4).values(wave=REST_WAVE)
        await session.execute(rest)

    async def counts() -> CanaryCounts:
        async with stage.db.read() as session:
            return await canary_counts(session, stage.issue_id)

    assert await counts() == CanaryCounts(waiting=4, last_at=None)
    async with stage.db.begin() as session:
        left = {"state": S.CANCELLED, "settled_at": LATER + timedelta(hours=1)}
        await session.execute(update(deliveries).where(deliveries.c.id == 4).values(left))
        claim: dict[str, Any] = {"worker_id": 2, "issue_id": stage.issue_id, "limit": 1, "now": NOW}
        assert len(await claim_deliveries(session, **claim, wave=CANARY_WAVE)) == 1
    assert (await counts()).waiting == 3  # one of them is being sent
    await answer(stage, 1, state=S.ACCEPTED)
    await answer(stage, 2, state=S.REJECTED)
    await answer(stage, 3, LATER, state=S.DEFERRED, not_before=LATER + timedelta(minutes=5))
    await answer(stage, 5, LATER + timedelta(minutes=1), state=S.ACCEPTED)  # none of the first
    assert await counts() == CanaryCounts(waiting=0, last_at=LATER)


async def test_of_two_who_let_the_rest_follow_one_did(stage: Stage) -> None:
    async with stage.db.begin() as session:
        await session.execute(update(issues).values(canary_passed_at=None))

    async def let_pass() -> bool:
        async with stage.db.begin() as session:
            return await pass_canary(session, stage.issue_id, LATER)

    assert sorted(await asyncio.gather(let_pass(), let_pass(), let_pass())) == [False, False, True]


async def test_destinations_of_a_provider_are_known_by_it(stage: Stage) -> None:
    async with stage.db.begin() as session:
        one = update(destinations).where(destinations.c.domain == "example.org")
        await session.execute(one.values(provider="google"))
        known = await providers(session)
    ids = {row["id"]: row["destination_id"] for row in await stage.rows()}
    assert known == {ids[1]: "google"}
    await answer(stage, 1, verdict=Reason.SPAM)
    assert [count.provider for count in await rejected(stage)] == ["google"]


async def test_the_canary_and_rejections_are_found_by_their_indexes(sqlite_url: str) -> None:
    """On SQLite a partial index serves only where its condition is written out."""
    async with await Database.open(sqlite_url) as db:
        (canary,) = await plans_of(db, lambda session: canary_counts(session, 1))
        (refused,) = await plans_of(db, lambda session: rejections(session, 1, NOW))
        (again,) = await plans_of(db, lambda session: is_resent(session, 1))
    assert any("USING INDEX ix_deliveries_canary" in line for line in canary), canary
    assert any("USING INDEX ix_deliveries_rejected" in line for line in refused), refused
    assert any("INDEX ix_deliveries_again" in line for line in again), again
