"""One message that cannot be made costs one row; nobody else waits for it."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select, update

from digest.clock import Clock
from digest.delivery.letters import Letters
from digest.delivery.notices import NoticeLetters
from digest.rules.brakes import Action, Decision
from digest.store.notices import SIGN_UP_LANE, Notice, write_notice
from digest.store.schema import notices, subscribers
from digest.store.session import Database, Session
from tests.build import PUBLIC_URL, a_newsletter, an_issue
from tests.delivery.stage import KEYS, Stage, set_stage
from tests.delivery.test_letters import a_row
from tests.fakes.relay import FakeRelay


async def corrupt(stage: Stage, address: str, by: str) -> None:
    """Change a reader's address behind the back of every check."""
    async with stage.db.begin() as session:
        row = update(subscribers).where(subscribers.c.address == address)
        await session.execute(row.values(address=by))


async def test_a_reader_whose_message_cannot_be_made_is_held_and_the_rest_goes_out(
    database: Database,
) -> None:
    stage = await set_stage(database)
    await stage.start()
    await corrupt(stage, "bart@example.net", "bart@example.net\r\nRCPT TO:<x@y.example>")
    told: list[Decision] = []

    async def tell(_session: Session, _issue: int, decision: Decision, _now: datetime) -> None:
        told.append(decision)

    async with FakeRelay() as relay:
        for _ in range(3):
            await stage.send(relay, tell=tell)
            stage.clock.jump(hours=1)
    assert [one.action for one in told] == [Action.HOLD_MESSAGE]
    assert sorted(one.recipient for one in relay.ledger) == ["anne@example.org", "cris@example.com"]
    (row,) = [row for row in await stage.rows() if row["state"] != "accepted"]
    assert (row["state"], row["reason"], row["blame"]) == ("held", "poison", "message")
    assert row["attempts"] == 3
    assert not [line for line in relay.commands if b"y.example" in line]


@pytest.mark.parametrize("name", ["An\x00ne", "Anne\ud800", "\r\nBcc: x@y.example", "\ue000" * 3])
async def test_a_name_that_no_header_may_hold_is_cleaned_not_refused(
    database: Database, name: str
) -> None:
    stored = await an_issue(database, await a_newsletter(database))
    letters = Letters(database, KEYS)
    await letters.load({stored.version.id})
    letter = letters.compose(a_row(stored.version.id, name=name))
    assert letter is not None
    assert letter.data.isascii()
    assert b"\x00" not in letter.data
    assert b"\r\nBcc" not in letter.data.partition(b"\r\n\r\n")[0]


async def test_a_message_over_the_relays_size_is_the_messages_fault_not_its_readers(
    database: Database,
) -> None:
    stage = await set_stage(database)
    await stage.start()
    async with FakeRelay(extensions=("PIPELINING", "SIZE 1000")) as relay:
        await stage.send(relay)
    assert relay.ledger == []
    rows = await stage.rows()
    assert {(row["state"], row["blame"], row["reply_status"]) for row in rows} == {
        ("rejected", "message", "5.3.4")
    }
    assert not any(line.startswith(b"MAIL") for line in relay.commands)  # nothing is sent in vain
    async with stage.db.read() as session:
        suppressed = await session.scalars(select(subscribers.c.suppressed_at))
    assert set(suppressed) == {None}


async def test_a_notice_that_cannot_be_written_is_held_and_the_others_go_out(
    database: Database,
) -> None:
    stage = await set_stage(database)
    good = {"newsletter": "A Weekly", "url": f"{PUBLIC_URL}/c/x"}
    for address, params in (("dora@example.org", {}), ("emil@example.org", good)):
        async with database.begin() as session:
            notice = Notice(
                "confirmation", SIGN_UP_LANE, address, "en", params, stage.newsletter.id
            )
            await write_notice(session, notice, Clock().now())
    letters = NoticeLetters(database, KEYS, public_url=PUBLIC_URL)
    async with FakeRelay() as relay:
        for _ in range(3):
            await stage.sender(relay, write_notice=letters).send_notices()
            stage.clock.jump(hours=1)
    assert [one.recipient for one in relay.ledger] == ["emil@example.org"]
    async with database.read() as session:
        query = select(notices.c.state, notices.c.reason).order_by(notices.c.id)
        states = [tuple(row) for row in await session.execute(query)]
    assert states == [("held", "poison"), ("accepted", None)]
