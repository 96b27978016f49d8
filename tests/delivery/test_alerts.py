"""Mail for operators: one incident is one mail, and what servers said stays a quotation."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import select, update

from digest.clock import Clock
from digest.delivery.alerts import (
    issue_finished,
    relay_refused,
    tell_brake,
    tell_finished,
    webhook_disabled,
)
from digest.delivery.notices import NoticeLetters
from digest.errors import SettingsError
from digest.rules.brakes import Action, Decision
from digest.store.issues import issue_by_id
from digest.store.newsletters import add_person
from digest.store.reports import Totals
from digest.store.schema import issues, notices
from digest.store.session import Database
from tests.build import NOW, PUBLIC_URL
from tests.delivery.stage import KEYS, Stage, set_stage
from tests.fakes.relay import FakeRelay

SAID = '52 rejections about us beside 1,204 accepted. The last: "550 5.7.1 <script>no</script>".'


async def tell(stage: Stage, decision: Decision) -> None:
    async with stage.db.begin() as session:
        await tell_brake(session, stage.issue_id, decision, Clock().now())


async def written(stage: Stage) -> list[tuple[str, str]]:
    async with stage.db.read() as session:
        query = select(notices.c.kind, notices.c.address).order_by(notices.c.id)
        return [(row.kind, row.address) for row in await session.execute(query)]


async def operator(stage: Stage, *addresses: str) -> None:
    async with stage.db.begin() as session:
        for address in addresses:
            await add_person(session, stage.newsletter.id, role="operator", address=address)


async def sent(stage: Stage) -> list[EmailMessage]:
    async with FakeRelay() as relay:
        letters = NoticeLetters(stage.db, KEYS, public_url=PUBLIC_URL)
        await stage.sender(relay, write_notice=letters).send_notices()
    return [one.message for one in relay.ledger]  # type: ignore[misc]  # the email package types it loosely


def text_of(message: EmailMessage) -> str:
    part = next(part for part in message.walk() if part.get_content_type() == "text/plain")
    return " ".join(part.get_payload(decode=True).decode().replace("\r\n> ", " ").split())  # type: ignore[union-attr]  # there is one: it was just sent


async def test_a_webhook_that_does_not_hear_is_told_of_with_the_way_back(
    database: Database,
) -> None:
    stage = await set_stage(database)
    await operator(stage, "ops@example.org")
    for _ in range(2):  # one incident, one mail
        async with database.begin() as session:
            await webhook_disabled(
                session, webhook_id=7, host="crm.example.com", reason=SAID, now=Clock().now()
            )
    [message] = await sent(stage)
    assert "Webhook 7 to crm.example.com is told nothing any more" in message["subject"]
    text = text_of(message)
    assert "digest webhook enable 7" in text
    assert "550 5.7.1 <script>no</script>" in text


@pytest.mark.parametrize(
    ("action", "destination", "named"),
    [
        (Action.PAUSE_ISSUE, None, "Issue 182 is paused"),
        (Action.PAUSE_DESTINATION, "google", "google refuses issue 182"),
        (Action.HOLD_SUPPRESSIONS, "example.net", "Too many addresses at example.net"),
        (Action.HOLD_MESSAGE, None, "A message of issue 182 is held"),
    ],
)
async def test_an_operator_is_told_what_happened_why_and_what_to_do(
    database: Database, action: Action, destination: str | None, named: str
) -> None:
    stage = await set_stage(database)
    await operator(stage, "otto@example.org")
    await tell(stage, Decision(action, SAID, destination))
    (message,) = await sent(stage)
    assert message["To"] == "<otto@example.org>"
    assert f"A Weekly: {named}" in str(message["Subject"]).replace("\r\n", "")
    assert message["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in message
    text = text_of(message)
    assert "What to do" in text
    assert '"550 5.7.1 <script>no</script>"' in text
    html = next(p for p in message.walk() if p.get_content_type() == "text/html")
    assert b"<script" not in html.get_payload(decode=True)


async def test_one_incident_is_one_mail_to_each_operator(database: Database) -> None:
    stage = await set_stage(database)
    await operator(stage, "otto@example.org", "olga@example.org")
    for _ in range(3):
        await tell(stage, Decision(Action.PAUSE_ISSUE, SAID))
    assert await written(stage) == [("alert", "olga@example.org"), ("alert", "otto@example.org")]
    await tell(stage, Decision(Action.PAUSE_DESTINATION, SAID, "google"))
    await tell(stage, Decision(Action.PAUSE_DESTINATION, SAID, "yahoo"))
    assert len(await written(stage)) == 6


async def test_a_pause_after_a_resume_is_another_incident(database: Database) -> None:
    stage = await set_stage(database)
    await tell(stage, Decision(Action.PAUSE_ISSUE, SAID))
    async with stage.db.begin() as session:
        later = NOW + timedelta(hours=1)
        await session.execute(update(issues).values(resumed_at=later))
    await tell(stage, Decision(Action.PAUSE_ISSUE, SAID))
    assert len(await written(stage)) == 2


async def test_where_nobody_is_named_the_senders_own_address_is_told(database: Database) -> None:
    stage = await set_stage(database)
    await tell(stage, Decision(Action.PAUSE_ISSUE, SAID))
    assert await written(stage) == [("alert", "hello@news.example.org")]


async def test_a_relay_that_shuts_us_out_is_told_once_a_day(database: Database) -> None:
    stage = await set_stage(database)
    counts = []
    for hours in (0, 5, 24):
        async with stage.db.begin() as session:
            now = NOW + timedelta(hours=hours)
            counts.append(
                await relay_refused(session, relay="smtp.example.org:587", reason="535 no", now=now)
            )
    assert counts == [1, 0, 1]


async def test_a_receipts_numbers_add_up(database: Database) -> None:
    stage = await set_stage(database)
    await operator(stage, "otto@example.org")
    totals = Totals(accepted=19_904, rejected=81, cancelled=12, expired=3)
    async with stage.db.begin() as session:
        issue = await issue_by_id(session, stage.issue_id)
        given: dict[str, Any] = {"totals": totals, "public_url": PUBLIC_URL, "now": Clock().now()}
        assert await issue_finished(session, stage.newsletter, issue, **given) == 1
        assert await issue_finished(session, stage.newsletter, issue, **given) == 0
    (message,) = await sent(stage)
    text = text_of(message)
    for part in ("19,904 accepted", "81 refused", "12 left", "3 given up", "20,000 planned"):
        assert part in text
    assert "digest issue missed 182 --newsletter weekly" in text


async def test_an_alert_that_nobody_could_send_for_days_is_dropped(database: Database) -> None:
    stage = await set_stage(database)
    await tell(stage, Decision(Action.PAUSE_ISSUE, SAID))
    stage.clock.jump(days=4)
    assert await sent(stage) == []


async def test_good_news_go_to_nobody_who_did_not_ask(database: Database) -> None:
    stage = await set_stage(database)
    async with stage.db.begin() as session:
        issue = await issue_by_id(session, stage.issue_id)
        given: dict[str, Any] = {
            "totals": Totals(accepted=3),
            "public_url": PUBLIC_URL,
            "now": Clock().now(),
        }
        assert await issue_finished(session, stage.newsletter, issue, **given) == 0


async def test_the_sums_of_a_finished_issue_are_told_once(database: Database) -> None:
    stage = await set_stage(database)
    await operator(stage, "otto@example.org")
    await stage.start()
    counts = []
    for _ in range(2):
        async with stage.db.begin() as session:
            now = Clock().now()
            counts.append(await tell_finished(session, public_url=PUBLIC_URL, now=now))
        async with FakeRelay() as relay:
            await stage.send(relay)
    async with stage.db.begin() as session:
        counts.append(await tell_finished(session, public_url=PUBLIC_URL, now=Clock().now()))
        await add_person(session, stage.newsletter.id, role="operator", address="new@example.org")
        counts.append(await tell_finished(session, public_url=PUBLIC_URL, now=Clock().now()))
    assert counts == [0, 1, 0, 0]


async def test_a_brake_that_pauses_an_issue_writes_to_the_operator(database: Database) -> None:
    stage = await set_stage(database, 60)
    await operator(stage, "otto@example.org")
    await stage.start()
    async with FakeRelay() as relay:
        relay.fault("RCPT", "550 5.7.1 blocked, see https://example.org/unblock", times=None)
        await stage.send(relay, tell=tell_brake, connections=1)
    assert ("alert", "otto@example.org") in await written(stage)
    (message,) = await sent(stage)
    assert "blocked, see https://example.org/unblock" in text_of(message)


async def test_a_login_that_is_refused_is_told_without_the_password(database: Database) -> None:
    stage = await set_stage(database)
    await stage.start()
    async with FakeRelay(login=("anne", "right")) as relay:
        relay.fault("AUTH", "535 5.7.8 wrong", times=None)
        url = relay.url(connections=1).replace("smtp://", "smtp://anne:wrong-pa55word@")
        with pytest.raises(SettingsError):
            await stage.send(url=url, tell=tell_brake)
    (message,) = await sent(stage)
    assert "does not let us send" in str(message["Subject"])
    assert "refuses the login" in text_of(message)
    assert "pa55word" not in message.as_string()
