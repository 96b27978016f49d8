"""A mail that comes in does what its token and its report say, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from digest.audience.feedback import REPLY
from digest.delivery.notices import NoticeLetters
from digest.inbound.mails import Intake, read_mails, take_mail
from digest.mail.tokens import TokenKind
from digest.rules.feedback import Effect
from digest.rules.subscription import SubscriptionState
from digest.store.notices import OPERATOR_LANE, Notice, claim_notices, write_notice
from digest.store.schema import feedback, notices
from digest.store.session import Database
from digest.store.subscribers import find_reader
from tests.audience.came_back import ANNE, BART, CRIS, Scene, a_scene
from tests.build import PUBLIC_URL, a_newsletter, a_reader
from tests.delivery.stage import KEYS
from tests.inbound.returned import answer, complaint, dsn

SHARED_BOX = "bounces@news.example.org"


@pytest.fixture
async def scene(database: Database) -> Scene:
    return await a_scene(database)


def verp(delivery_id: int, kind: TokenKind = TokenKind.DELIVERY) -> str:
    return f"b-{KEYS.sign(kind, delivery_id)}@bounces.news.example.org"


async def take(scene: Scene, data: bytes, *recipients: str) -> Intake:
    (taken,) = await take_mail(scene.desk, data, source="test", recipients=recipients)
    return taken


async def test_the_envelope_says_who_and_the_report_says_what(scene):
    sent = await scene.sent()
    forged = dsn(to=SHARED_BOX, address=BART, returned=f"Message-ID: <{verp(sent[CRIS])}>")
    taken = await take(scene, forged, verp(sent[ANNE]).upper())
    assert taken.effect is Effect.SUPPRESSED
    assert await scene.suppressed() == {ANNE}


async def test_a_token_of_another_newsletter_speaks_for_nobody_but_its_own_reader(scene):
    await scene.sent()
    daily = await a_newsletter(scene.db, "daily", return_path="d-{token}@bounces.example.com")
    await a_reader(scene.db, daily, "Dora")
    sent = await replace(scene, newsletter=daily).sent()
    stolen = verp(sent["dora@example.org"])  # at the return path of the weekly
    taken = await take(scene, dsn(to=stolen, address=ANNE, returned=f"To: {ANNE}"), stolen)
    assert taken.effect is Effect.SUPPRESSED
    assert await scene.suppressed() == {"dora@example.org"}


RETURNED = [
    "Message-ID: <{token}@news.example.org>",
    "List-Unsubscribe: <http://127.0.0.1:8000/u/{leave}>",
    "X-SES-MESSAGE-TAGS: digest={token}",
    'X-Mailgun-Variables: {{"digest":"{token}"}}',
    "X-PM-Metadata-digest: {token}",
    'X-SMTPAPI: {{"unique_args": {{"digest": "{token}"}}}}',
]


async def test_the_returned_headers_say_who_where_the_envelope_does_not(scene):
    for header in RETURNED:
        sent = await scene.sent()
        async with scene.db.read() as session:
            reader = await find_reader(session, ANNE)
        assert reader is not None
        leave = KEYS.sign(TokenKind.LEAVE, reader.subscriptions[0].id)
        token = KEYS.sign(TokenKind.DELIVERY, sent[ANNE])
        returned = header.format(token=token, leave=leave)
        data = dsn(to=SHARED_BOX, status="5.2.2", said="552 5.2.2 full", returned=returned)
        assert (await take(scene, data)).effect is Effect.SCORED, header
        scene.clock.jump(hours=25)


async def test_a_complaint_that_names_nobody_is_placed_by_our_own_headers(scene):
    sent = await scene.sent()
    token = KEYS.sign(TokenKind.DELIVERY, sent[ANNE])
    returned = f"Message-ID: <{token}@news.example.org>\nSubject: A Weekly"
    assert (await take(scene, complaint(to=SHARED_BOX, returned=returned))).effect is (
        Effect.SUPPRESSED
    )
    assert await scene.suppressed() == {ANNE}


async def test_a_bounce_without_a_token_of_ours_changes_nothing(scene):
    sent = await scene.sent()
    good = verp(sent[ANNE])
    for to in (SHARED_BOX, good.replace(good[10], "7" if good[10] != "7" else "2"), ANNE):
        data = dsn(to=to, address=ANNE, returned=f"To: {ANNE}\nMessage-ID: <x@news.example.org>")
        assert (await take(scene, data, to)).effect is Effect.QUARANTINED
    assert await scene.suppressed() == set()


async def test_a_bounce_inside_a_bounce_does_not_speak_for_it(scene):
    sent = await scene.sent()
    inner = dsn(to=SHARED_BOX, address=BART).decode().replace("\r\n", "\n")
    data = dsn(to=SHARED_BOX, status="4.2.2", said="452 4.2.2 full", action="delayed")
    data = data.replace(b"Subject: A Weekly", inner.replace("--b", "--c").encode())
    assert (await take(scene, data, verp(sent[ANNE]))).effect is Effect.NOTHING
    assert await scene.suppressed() == set()


async def test_an_out_of_office_with_a_valid_token_is_no_bounce(scene):
    sent = await scene.sent()
    data = answer(
        to=verp(sent[ANNE]),
        Subject="Out of office",
        Auto_Submitted="auto-replied",
        text="I am out of the office until Monday.",
    )
    taken = await take(scene, data, verp(sent[ANNE]))
    assert (taken.kind, taken.effect) == ("autoreply", Effect.NOTHING)


async def test_the_leave_address_ends_the_subscription_whatever_is_written(scene):
    sent = await scene.sent()
    async with scene.db.read() as session:
        reader = await find_reader(session, ANNE)
    assert reader is not None
    mine = reader.subscriptions[0].id
    address = f"leave+{KEYS.sign(TokenKind.LEAVE, mine)}@news.example.org"
    taken = await take(scene, answer(to=address, Subject="", text="", From="bart@example.net"))
    assert taken.effect is Effect.LEFT
    assert (await scene.state(ANNE))[1] is SubscriptionState.ENDED
    assert (await scene.state(BART))[1] is SubscriptionState.ACTIVE
    assert sent.keys() == {ANNE, BART, CRIS}


async def test_a_persons_answer_is_handed_on_once_and_answered_to_them(scene):
    sent = await scene.sent()
    data = answer(to=verp(sent[ANNE]), text="I like it.\r\n<b>Do</b> go on.")
    for _ in range(2):
        assert (await take(scene, data, verp(sent[ANNE]))).effect is Effect.FORWARDED
    async with scene.db.begin() as session:
        (notice,) = await claim_notices(session, worker_id=1, limit=9, now=scene.clock.now())
    assert (notice.kind, notice.address) == (REPLY, "hello@news.example.org")
    letter = await NoticeLetters(scene.db, KEYS, public_url=PUBLIC_URL)(notice)
    head, _, body = letter.data.partition(b"\r\n\r\n")
    assert b"Reply-To: <anne@example.org>" in head
    assert b"Auto-Submitted: auto-generated" in head
    assert b"> I like it." in body
    assert b"<b>Do</b> go on" not in body.partition(b"text/html")[2]


@pytest.mark.parametrize(
    "given",
    [{"text": "Unsubscribe.\r\n\r\n> A Weekly"}, {"Subject": "unsubscribe"}, {"text": "STOP"}],
)
async def test_an_answer_that_only_asks_to_leave_ends_that_subscription(scene, given):
    sent = await scene.sent()
    data = answer(to=verp(sent[ANNE]), **given)
    for effect in (Effect.LEFT, Effect.NOTHING):  # the same mail again is one leaving
        assert (await take(scene, data, verp(sent[ANNE]))).effect is effect
    assert await scene.state(ANNE) == (False, SubscriptionState.ENDED)
    assert await scene.state(BART) == (False, SubscriptionState.ACTIVE)
    async with scene.db.read() as session:
        assert (await session.execute(select(notices))).all() == []


@pytest.mark.parametrize("text", ["I did not unsubscribe!", "Stop by when you are here", "> stop"])
async def test_an_answer_that_says_more_is_for_a_person_to_read(scene, text):
    sent = await scene.sent()
    data = answer(to=verp(sent[ANNE]), text=text)
    assert (await take(scene, data, verp(sent[ANNE]))).effect is Effect.FORWARDED
    assert (await scene.state(ANNE))[1] is SubscriptionState.ACTIVE


MACHINES = [
    {"Return_Path": "<>"},
    {"Auto_Submitted": "auto-generated"},
    {"Auto_Submitted": "auto-notified; owner-email=x"},
    {"Precedence": "bulk"},
    {"Precedence": "List"},
    {"List_Id": "<a.list.example.org>"},
    {"List_Unsubscribe": "<mailto:x@example.org>"},
]


async def test_no_machine_is_ever_answered_or_handed_on_but_written_down(scene):
    sent = await scene.sent()
    for number, headers in enumerate(MACHINES):
        data = answer(to=verp(sent[ANNE]), text=f"Hello {number}", Subject="Hi", **headers)
        taken = await take(scene, data, verp(sent[ANNE]))
        assert taken.known, headers
        assert taken.effect is Effect.NOTHING, headers
    async with scene.db.read() as session:
        assert (await session.execute(select(notices.c.id))).first() is None
        assert (await session.execute(select(feedback.c.id))).first() is not None


async def test_our_own_notice_that_comes_back_is_no_answer(scene):
    sent = await scene.sent()
    await take(scene, answer(to=verp(sent[ANNE])), verp(sent[ANNE]))
    async with scene.db.begin() as session:
        (notice,) = await claim_notices(session, worker_id=1, limit=9, now=scene.clock.now())
    letter = await NoticeLetters(scene.db, KEYS, public_url=PUBLIC_URL)(notice)
    taken = await take(scene, letter.data, letter.sender)
    assert taken.effect is Effect.NOTHING


async def test_ordinary_mail_is_not_about_us(scene):
    await scene.sent()
    taken = await take(scene, answer(to="hello@news.example.org"))
    assert not taken.known
    assert await scene.rows() == []


async def test_an_address_that_leads_to_two_mailboxes_is_dead_when_both_are(scene):
    for second, effect in ((b"delivered", Effect.NOTHING), (b"failed", Effect.SUPPRESSED)):
        sent = await scene.sent()
        block = (
            b"\r\nFinal-Recipient: rfc822; two@example.org\r\nAction: " + second + b"\r\n"
            b"Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\r\n"
        )
        end = b"--b\r\nContent-Type: text/rfc822-headers"
        data = dsn(to=SHARED_BOX).replace(b"\r\n" + end, block + b"\r\n" + end)
        assert (await take(scene, data, verp(sent[ANNE]))).effect is effect


async def test_a_test_of_the_bounce_address_is_attributed_to_its_notice(scene):
    async with scene.db.begin() as session:
        notice = Notice("test", OPERATOR_LANE, "nobody@example.org", "en")
        number = await write_notice(session, notice, scene.clock.now())
    assert number is not None
    taken = await take(scene, dsn(to=SHARED_BOX), verp(number, TokenKind.NOTICE))
    assert (taken.effect, taken.new) == (Effect.NOTHING, True)
    async with scene.db.read() as session:
        rows = await session.execute(select(feedback.c.notice_id, feedback.c.quarantined))
        assert [tuple(row) for row in rows] == [(number, False)]


def _nested(levels: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(levels)
    )


def _addresses(form: bytes, count: int) -> bytes:
    return b",".join(form % n for n in range(count))


HOSTILE = {
    "MIME 3,000 deep": _nested(3_000),
    "100,000 parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    + b"--b\r\n\r\nx\r\n" * 100_000,
    "a word of 5 MB": b"\r\n" + b"a@" * 2_500_000,
    "200,000 header lines": b"X-A: b\r\n" * 200_000 + b"\r\nx",
    "50,000 recipients": b"X-Failed-Recipients: "
    + b",".join(b"a%d@example.org" % n for n in range(50_000)),
    "junk charsets": b"Content-Type: text/html; charset=x-\xff\r\n\r\n<\xff\x00",
    "30 MB": b"\r\n" + b"A line of an ordinary mail.\r\n" * 1_100_000,
    "a hundred thousand tokens": b"\r\n" + b"a" * 40 + (b" " + b"b" * 40) * 100_000,
    "tokens in its address": b"To: " + _addresses(b"b-%040d@example.org", 9_999),
    "nothing": b"",
}


async def test_hostile_mail_changes_nothing_and_raises_nothing(sqlite_url):
    database = await Database.open(sqlite_url)
    scene = await a_scene(database)
    sent = await scene.sent()
    head = b"From: MAILER-DAEMON@mx.example.org\r\nReturn-Path: <>\r\nSubject: Undelivered Mail\r\n"
    for name, data in HOSTILE.items():
        taken = await take_mail(scene.desk, head + data, source="test", recipients=[SHARED_BOX])
        assert taken, name
        assert all(one.effect in (Effect.QUARANTINED, Effect.NOTHING) for one in taken), name
    assert await scene.suppressed() == set()
    both = b"".join(
        b"From MAILER-DAEMON Thu Nov 26 09:00:00 2026\r\n" + dsn(to=verp(sent[who])) + b"\r\n"
        for who in (ANNE, BART)
    )
    await take_mail(scene.desk, both, source="test")
    assert await scene.suppressed() == {ANNE, BART}
    await database.close()


def test_a_mail_is_read_without_its_end():
    (read,) = read_mails(dsn(to=SHARED_BOX)[:400])
    assert read.report is not None
