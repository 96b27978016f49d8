"""Notices go before rows of an issue, are recorded as carefully, and are as clean as its bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from digest.clock import Clock
from digest.content.notice import NoticeLook, render_notice
from digest.content.theme import load_theme
from digest.delivery.issue_tests import write_tests
from digest.delivery.notices import NoticeLetters
from digest.delivery.smtp import Letter
from digest.errors import NotFoundError
from digest.mail.tokens import Token, TokenKind
from digest.rules.relay import PROFILES, RelayProfile
from digest.store.issues import issue_by_id
from digest.store.notices import OPERATOR_LANE, ClaimedNotice, Notice, write_notice
from digest.store.schema import notices
from digest.store.session import Database
from tests.build import NOW, PUBLIC_URL, a_newsletter, add_issue, an_issue, issue_text
from tests.delivery.stage import KEYS, Stage, set_stage
from tests.fakes.relay import FakeRelay

BODY = b"Subject: a test\r\n\r\nHello\r\n"


async def write_letter(notice: ClaimedNotice, _profile: RelayProfile) -> Letter:
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


# How a notice is written.

URL = f"{PUBLIC_URL}/c/" + "x" * 43
FIRST_CLAIM = datetime(2026, 11, 26, 9, 0, 3, tzinfo=UTC)
CONFIRMATION = {"newsletter": "A Weekly", "url": URL}
NASTY = "Weekly\r\nBcc: cris@example.org\x00\ud800\u202e<script>alert(1)</script>{{ 7*7 }}"


def claimed(newsletter_id: int | None, kind: str = "confirmation", **fields: Any) -> ClaimedNotice:
    given: dict[str, Any] = {
        "row_id": 5,
        "kind": kind,
        "newsletter_id": newsletter_id,
        "subscription_id": None,
        "address": "anne@example.org",
        "language": "en",
        "params": CONFIRMATION,
        "attempts": 1,
        "first_claimed_at": FIRST_CLAIM,
        "maybe_sent": False,
        "lane": OPERATOR_LANE,
    }
    return ClaimedNotice(**given | fields)


def parsed(letter: Letter) -> EmailMessage:
    """The message, once its bytes are found to be what may stand on the wire."""
    data = letter.data
    assert data.isascii()
    assert data.endswith(b"\r\n")
    lines = data.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(line.startswith(b".") or b"\r" in line or b"\n" in line for line in lines)
    message = message_from_bytes(data, policy=policy.default)
    assert not message.defects
    return message


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def writer(database: Database) -> NoticeLetters:
    return NoticeLetters(database, KEYS, public_url=PUBLIC_URL)


async def test_a_confirmation_is_a_mail_of_the_newsletter_with_one_link(database: Database) -> None:
    newsletter = await a_newsletter(database)
    letter = await writer(database)(claimed(newsletter.id))
    message = parsed(letter)
    token = letter.sender.removeprefix("b-").removesuffix("@bounces.news.example.org")
    assert KEYS.read(token) == Token(TokenKind.NOTICE, 5)
    assert message["Message-ID"] == f"<{token}@news.example.org>"
    assert message["From"] == "A Weekly <hello@news.example.org>"
    assert message["To"] == letter.recipient == "anne@example.org"
    assert message["Date"] == "Thu, 26 Nov 2026 09:00:03 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert text_of(message, "plain").count("http") == 1
    assert URL in text_of(message, "plain")
    assert set(_links(text_of(message, "html"))) == {URL}


async def test_a_confirmation_does_not_wait_for_a_theme_that_is_away(
    database: Database, tmp_path: Path
) -> None:
    newsletter = await a_newsletter(database, theme="mine")
    there = NoticeLetters(database, KEYS, public_url=PUBLIC_URL, themes=tmp_path)
    usual = parsed(await there(claimed(newsletter.id)))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "theme.toml").write_text('[colours]\naccent = "#00405f"\n')
    own = parsed(await there(claimed(newsletter.id)))
    assert URL in text_of(usual, "html")
    assert "#00405f" not in text_of(usual, "html")
    assert "#00405f" in text_of(own, "html")


def _links(html: str) -> list[str]:
    return [part.split('"', 1)[0] for part in html.split('href="')[1:]]


async def test_a_notice_is_nothing_to_unsubscribe_from(database: Database) -> None:
    newsletter = await a_newsletter(database)
    message = parsed(await writer(database)(claimed(newsletter.id)))
    assert not [name for name in message if name.lower().startswith("list-")]


async def test_a_retry_is_the_same_message(database: Database) -> None:
    newsletter = await a_newsletter(database)
    first = await writer(database)(claimed(newsletter.id))
    assert await writer(database)(claimed(newsletter.id, attempts=2, maybe_sent=True)) == first
    assert await writer(database)(claimed(newsletter.id, row_id=6)) != first


async def test_what_others_wrote_stays_data(database: Database) -> None:
    newsletter = await a_newsletter(database)
    params = {"newsletter": NASTY, "url": URL}
    message = parsed(await writer(database)(claimed(newsletter.id, params=params)))
    assert "Bcc" not in message
    html = text_of(message, "html")
    assert "<script" not in html
    assert "{{ 7*7 }}" in html
    assert not {"\x00", "\u202e", "\ud800"} & set(html + text_of(message, "plain"))


@given(st.text(max_size=300))
@settings(max_examples=30, deadline=None)
def test_any_text_as_a_parameter_makes_a_mail(text: str) -> None:
    look = NoticeLook(text, PUBLIC_URL, load_theme())
    shown = render_notice(
        "confirmation", {"newsletter": text, "url": URL}, look=look, language="en"
    )
    assert "\n" not in shown.subject
    assert URL in shown.html
    assert "<script" not in shown.html


async def test_a_notice_of_no_newsletter_goes_out_in_the_first_ones_name(
    database: Database,
) -> None:
    with pytest.raises(NotFoundError):
        await writer(database)(claimed(None))
    await a_newsletter(database)
    assert parsed(await writer(database)(claimed(None)))["From"].startswith("A Weekly")


async def test_an_unknown_kind_or_a_missing_parameter_is_refused(database: Database) -> None:
    newsletter = await a_newsletter(database)
    for broken in (claimed(newsletter.id, "nothing"), claimed(newsletter.id, params={})):
        with pytest.raises(Exception, match=r"nothing|undefined"):
            await writer(database)(broken)
    with pytest.raises(ValueError, match="no kind"):
        await writer(database)(claimed(newsletter.id, "../issue"))


async def test_a_notice_takes_the_headers_of_its_relay_but_no_stream_for_issues(
    database: Database,
) -> None:
    newsletter = await a_newsletter(database)
    letter = await writer(database)(claimed(newsletter.id), PROFILES["postmark"])
    message = parsed(letter)
    assert message["X-PM-Metadata-digest"] in letter.sender
    assert "X-PM-Message-Stream" not in message


# Tests of an issue.


async def a_test(stage: Stage, *addresses: str, number: int = 1) -> None:
    async with stage.db.begin() as session:
        issue = await issue_by_id(session, stage.issue_id)
        asked = await write_tests(session, stage.newsletter, issue, addresses, now=Clock().now())
    assert asked.number == number


async def sent_tests(stage: Stage) -> list[EmailMessage]:
    async with FakeRelay() as relay:
        sender = stage.sender(relay, write_notice=writer(stage.db))
        await sender.send_notices()
    return [parsed(Letter(one.sender, one.recipient, one.data)) for one in relay.ledger]


async def test_a_test_is_the_issues_own_message_and_changes_nothing(database: Database) -> None:
    stage = await set_stage(database)
    await a_test(stage, "dora@example.org")
    (message,) = await sent_tests(stage)
    assert message["Subject"] == "[Test 1] A Weekly, Issue #182"
    assert message["List-Id"] == "A Weekly <weekly.news.example.org>"
    leave = str(message["List-Unsubscribe"]).strip("<>").rpartition("/")[2]
    read = KEYS.read(leave)
    assert read is not None
    assert read.kind is TokenKind.TEST
    for kind in ("plain", "html"):
        body = " ".join(text_of(message, kind).split())
        assert "The blurb, in Markdown." in body
        assert "Test 1 of issue 182" in body
        assert f"digest issue approve 182 {stage.hash[:12]}" in body
        assert "It is the first test" in body


async def test_every_test_has_a_number_and_a_message_id_of_its_own(database: Database) -> None:
    stage = await set_stage(database)
    await a_test(stage, "dora@example.org", "emil@example.org")
    await a_test(stage, "dora@example.org", number=2)
    messages = await sent_tests(stage)
    assert sorted(str(one["Subject"])[:8] for one in messages) == [
        "[Test 1]",
        "[Test 1]",
        "[Test 2]",
    ]
    assert len({one["Message-ID"] for one in messages}) == 3
    (second,) = (one for one in messages if "[Test 2]" in one["Subject"])
    assert "the same as in test 1" in " ".join(text_of(second, "plain").split())


async def test_a_test_says_what_has_changed_since_the_last_one(database: Database) -> None:
    newsletter = await a_newsletter(database)
    stored = await an_issue(database, newsletter)
    stage = Stage(database, newsletter, stored.issue.id, stored.version.hash, Clock())  # type: ignore[arg-type]  # there is one: it was just sent
    await a_test(stage, "dora@example.org")
    async with database.begin() as session:
        await add_issue(session, newsletter, issue_text(words="3 < 4 items"), now=NOW)
    await a_test(stage, "dora@example.org", number=2)
    (second,) = [one for one in await sent_tests(stage) if "[Test 2]" in one["Subject"]]
    plain = text_of(second, "plain")
    assert "- This week has two items." in plain
    assert "+ This week has 3 < 4 items." in plain
    assert "has 3 &lt; 4 items" in text_of(second, "html")


async def test_an_inbox_shows_the_issues_own_preview_of_a_test(database: Database) -> None:
    stage = await set_stage(database)
    await a_test(stage, "dora@example.org")
    (message,) = await sent_tests(stage)
    html = text_of(message, "html")
    assert html.index("What it takes to build") < html.index("Test 1 of issue")
