"""Notices go before rows of an issue, and are recorded as carefully."""

from __future__ import annotations

from sqlalchemy import select

from digest.clock import Clock
from digest.delivery.smtp import Letter
from digest.store.notices import OPERATOR_LANE, ClaimedNotice, Notice, write_notice
from digest.store.schema import notices
from digest.store.session import Database
from tests.delivery.stage import set_stage
from tests.fakes.relay import FakeRelay

BODY = b"Subject: a test\r\n\r\nHello\r\n"


async def write_letter(notice: ClaimedNotice) -> Letter:
    return Letter("b-1@bounces.example.org", notice.address, BODY)


async def a_notice(db: Database, address: str = "dora@example.org") -> None:
    async with db.begin() as session:
        await write_notice(session, Notice("test", OPERATOR_LANE, address, "en"), Clock().now())


async def test_a_due_notice_goes_before_the_issue(database: Database) -> None:
    stage = await set_stage(database, 20)
    await stage.start()
    await a_notice(database)
    async with FakeRelay() as relay:
        sender = stage.sender(relay, connections=1, write_notice=write_letter)
        report = await sender.send_issue(stage.issue_id)
    assert relay.ledger[0].recipient == "dora@example.org"
    assert report.totals.accepted == 20
    assert len(relay.ledger) == 21


async def test_notices_alone_are_sent_and_counted(database: Database) -> None:
    stage = await set_stage(database)
    await a_notice(database)
    await a_notice(database, "emil@example.org")
    async with FakeRelay() as relay:
        relay.fault("RCPT", "550 5.1.1 no such user", to="emil@example.org")
        sender = stage.sender(relay, write_notice=write_letter)
        assert await sender.send_notices() == 1
        assert await sender.send_notices() == 0
    async with database.read() as session:
        states = list(await session.scalars(select(notices.c.state).order_by(notices.c.id)))
    assert states == ["accepted", "rejected"]
    assert len(relay.ledger) == 1


async def test_without_a_writer_notices_wait(database: Database) -> None:
    stage = await set_stage(database)
    await stage.start()
    await a_notice(database)
    async with FakeRelay() as relay:
        await stage.send(relay)
    assert len(relay.ledger) == 3
