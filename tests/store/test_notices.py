"""Notices: written once, the upper lane first, recorded like deliveries."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from digest.clock import Clock
from digest.rules.delivery import DeliveryState
from digest.store import handover
from digest.store.handover import Outcome
from digest.store.notices import (
    OPERATOR_LANE,
    SIGN_UP_LANE,
    Notice,
    claim_notices,
    expire_notices,
    next_notice_due,
    record_notice_outcomes,
    write_notice,
)
from digest.store.schema import attempts, notices
from digest.store.session import Database

NOW = Clock().now()
TEST = Notice("test", OPERATOR_LANE, "anne@example.org", "en", {"issue": 182})


async def test_the_same_dedupe_key_is_written_once(database: Database) -> None:
    keyed = replace(TEST, dedupe_key="confirm/anne@example.org/2026-11-26")
    async with database.begin() as session:
        assert await write_notice(session, keyed, NOW) == 1
        assert await write_notice(session, keyed, NOW) is None
        assert await write_notice(session, TEST, NOW) is not None
        assert await write_notice(session, TEST, NOW) is not None


async def test_a_confirmation_goes_before_an_earlier_test(database: Database) -> None:
    async with database.begin() as session:
        await write_notice(session, TEST, NOW - timedelta(hours=1))
        await write_notice(session, replace(TEST, kind="confirm", lane=SIGN_UP_LANE), NOW)
        assert await next_notice_due(session) is not None
        (first,) = await claim_notices(session, worker_id=1, limit=1, now=NOW)
        (second,) = await claim_notices(session, worker_id=1, limit=5, now=NOW)
        assert await claim_notices(session, worker_id=1, limit=5, now=NOW) == []
    assert (first.kind, second.kind) == ("confirm", "test")
    assert second.params == {"issue": 182}
    assert second.attempts == 1


async def test_an_expired_notice_is_settled_and_never_sent(database: Database) -> None:
    async with database.begin() as session:
        await write_notice(session, replace(TEST, expires_at=NOW), NOW - timedelta(hours=1))
        assert await claim_notices(session, worker_id=1, limit=5, now=NOW) == []
        assert await expire_notices(session, NOW) == 1
        states = await session.scalars(select(notices.c.state))
    assert list(states) == [DeliveryState.EXPIRED]


async def test_outcomes_of_notices_are_fenced_and_logged(database: Database) -> None:
    async with database.begin() as session:
        for _ in range(3):
            await write_notice(session, TEST, NOW)
        one, two, three = await claim_notices(session, worker_id=7, limit=5, now=NOW)
        refused = Outcome(two.row_id, 1, DeliveryState.REJECTED, phase="rcpt", code=550)
        done = Outcome(one.row_id, 1, DeliveryState.ACCEPTED, phase="dot", code=250)
        assert await record_notice_outcomes(session, 8, [done, refused], NOW) == 0
        assert await record_notice_outcomes(session, 7, [done, refused], NOW) == 2
        assert await handover.rescue(session, {7}, now=NOW) == 1
        logged = (await session.execute(select(attempts))).mappings().all()
        rows = (await session.execute(select(notices).order_by(notices.c.id))).mappings().all()
    assert [(row["notice_id"], row["delivery_id"]) for row in logged] == [(two.row_id, None)]
    assert rows[2]["id"] == three.row_id
    assert rows[2]["maybe_sent"]
    assert [row["state"] for row in rows] == ["accepted", "rejected", "queued"]
