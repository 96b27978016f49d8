"""What comes back is taken in once, for whom a token names, as the policy table says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from digest.audience.feedback import Claim
from digest.delivery.upkeep import take_refusals
from digest.mail.bounce import Kind, Reason
from digest.mail.tokens import KeyRing, TokenKind
from digest.rules.delivery import DeliveryState, IssueState
from digest.rules.feedback import Effect
from digest.rules.subscription import SubscriptionState
from digest.rules.verdict import Blame
from digest.rules.verdict import Reason as Verdict
from digest.rules.webhooks import TOLD
from digest.store.notices import SIGN_UP_LANE, Notice, write_notice
from digest.store.schema import (
    deliveries,
    feedback,
    issues,
    notices,
    suppressions,
    webhook_deliveries,
)
from digest.store.session import Database
from digest.store.webhooks import add_webhook
from tests.audience.came_back import ANNE, BART, CRIS, Scene, a_bounce, a_complaint, a_scene
from tests.build import NOW, a_newsletter, a_reader
from tests.delivery.stage import KEYS


@pytest.fixture
async def scene(database: Database) -> Scene:
    return await a_scene(database)


async def test_an_unknown_user_is_suppressed_at_once_and_nobody_else(scene):
    sent = await scene.sent()
    taken = await scene.bounce(sent[BART], Reason.USER_UNKNOWN, address="someone@else.example")
    assert taken.effect is Effect.SUPPRESSED
    assert await scene.suppressed() == {BART}
    assert (await scene.sent()).keys() == {ANNE, CRIS}


async def test_ten_copies_in_any_order_are_one_bounce(scene):
    sent = await scene.sent()
    copies = [a_bounce(sent[ANNE], Reason.MAILBOX_FULL, key=str(n)) for n in range(5)]
    copies += [
        a_bounce(sent[ANNE], Reason.FILTERED, key=str(n), source="postmark") for n in range(5)
    ]
    effects = [(await scene.desk.take(one)).effect for one in copies]
    assert effects == [Effect.SCORED] + [Effect.NOTHING] * 9
    assert len(await scene.rows()) == 1


OURS = [
    Reason.BLOCKED,
    Reason.AUTH_FAILURE,
    Reason.POLICY_VIOLATION,
    Reason.SPAM_DETECTED,
    Reason.CONTENT_ERROR,
    Reason.NO_RELAYING,
    Reason.MESSAGE_TOO_BIG,
    Reason.REQUIRE_PTR,
    Reason.BAD_REPUTATION,
    Reason.FAILED_STARTTLS,
    Reason.SPEEDING,
]


async def test_what_is_about_us_touches_no_reader_however_often(scene):
    for _ in range(8):
        sent = await scene.sent()
        for reason in OURS:
            taken = await scene.bounce(sent[ANNE], reason)
            assert taken.effect is Effect.NOTHING
        scene.clock.jump(days=7)
    assert await scene.state(ANNE) == (False, SubscriptionState.ACTIVE)


async def test_no_notice_or_answer_ever_suppresses(scene):
    sent = await scene.sent()
    for kind in set(Kind) - {Kind.BOUNCE, Kind.COMPLAINT}:
        taken = await scene.bounce(sent[ANNE], Reason.USER_UNKNOWN, kind=kind)
        assert taken.effect is Effect.NOTHING
    assert await scene.suppressed() == set()


async def test_a_bounce_that_is_not_final_changes_nothing(scene):
    sent = await scene.sent()
    taken = await scene.bounce(sent[ANNE], Reason.USER_UNKNOWN, final=False)
    assert taken.effect is Effect.NOTHING


def _flipped(token: str) -> list[str]:
    return [token[:at] + ("a" if token[at] != "a" else "b") + token[at + 1 :] for at in range(40)]


async def test_a_forged_bounce_changes_nothing_and_is_shown(scene):
    sent = await scene.sent()
    token = KEYS.sign(TokenKind.DELIVERY, sent[ANNE])
    foreign = KeyRing("x" * 32).sign(TokenKind.DELIVERY, sent[ANNE])
    form = KEYS.sign(TokenKind.FORM, sent[ANNE])
    nobody = KEYS.sign(TokenKind.DELIVERY, 10_000_000)
    for forged in (*_flipped(token), foreign, form, nobody, "", ANNE):
        one = a_bounce(sent[ANNE], Reason.USER_UNKNOWN, address=ANNE, key=forged)
        taken = await scene.desk.take(replace(one, claim=Claim((forged,), "", ANNE)))
        assert taken.effect is Effect.QUARANTINED
    assert await scene.suppressed() == set()
    assert all(row.quarantined for row in await scene.rows())
    assert len(await scene.rows()) == 45


async def test_a_token_acts_for_thirty_days(scene):
    sent = await scene.sent()
    scene.clock.jump(days=29, hours=23)
    late = await scene.bounce(sent[BART], Reason.USER_UNKNOWN)
    scene.clock.jump(hours=2)
    too_late = await scene.bounce(sent[ANNE], Reason.USER_UNKNOWN)
    assert (late.effect, too_late.effect) == (Effect.SUPPRESSED, Effect.EXPIRED)
    assert await scene.suppressed() == {BART}


async def test_the_first_token_that_holds_says_who(scene):
    sent = await scene.sent()
    claim = Claim(("nonsense", *(KEYS.sign(TokenKind.DELIVERY, sent[who]) for who in (ANNE, BART))))
    await scene.desk.take(a_bounce(0, Reason.USER_UNKNOWN, claim=claim))
    assert await scene.suppressed() == {ANNE}


async def test_a_relays_own_id_counts_from_a_webhook_only(scene):
    sent = await scene.sent()
    async with scene.db.begin() as session:
        row = update(deliveries).where(deliveries.c.id == sent[ANNE])
        await session.execute(row.values(relay_message_id="0100-abc"))
    for trusted, effect in ((False, Effect.QUARANTINED), (True, Effect.SUPPRESSED)):
        claim = Claim(relay_id="0100-abc", trusted=trusted)
        taken = await scene.desk.take(a_bounce(0, Reason.USER_UNKNOWN, claim=claim))
        assert taken.effect is effect


async def test_a_complaint_suppresses_for_every_newsletter(scene):
    sent = await scene.sent(state="queued", settled_at=None)
    taken = await scene.desk.take(a_complaint(sent[ANNE]))
    assert taken.effect is Effect.SUPPRESSED
    assert taken.stopped
    assert all(one in scene.desk.leavers for one in taken.stopped)
    async with scene.db.read() as session:
        states = await session.execute(
            select(deliveries.c.id, deliveries.c.state).order_by(deliveries.c.id)
        )
        found = dict(tuple(row) for row in states)
    assert found[sent[ANNE]] is DeliveryState.SUPPRESSED
    assert found[sent[BART]] is DeliveryState.QUEUED


@pytest.mark.parametrize(
    "kind, suppressed, state",
    [
        ("abuse", True, SubscriptionState.ACTIVE),
        ("fraud", True, SubscriptionState.ACTIVE),
        ("virus", True, SubscriptionState.ACTIVE),
        ("something new", True, SubscriptionState.ACTIVE),
        ("opt-out", False, SubscriptionState.ENDED),
        ("not-spam", False, SubscriptionState.ACTIVE),
        ("auth-failure", False, SubscriptionState.ACTIVE),
        ("dmarc", False, SubscriptionState.ACTIVE),
    ],
)
async def test_each_kind_of_complaint_does_what_it_says(sqlite_url, kind, suppressed, state):
    database = await Database.open(sqlite_url)
    scene = await a_scene(database)
    sent = await scene.sent()
    await scene.desk.take(a_complaint(sent[ANNE], kind))
    assert await scene.state(ANNE) == (suppressed, state)
    assert await scene.state(BART) == (False, SubscriptionState.ACTIVE)
    await database.close()


async def test_a_full_mailbox_is_paused_after_five_weeks_and_probed_after_a_month(scene):
    effects = []
    for _ in range(5):
        sent = await scene.sent()
        effects.append((await scene.bounce(sent[ANNE], Reason.MAILBOX_FULL)).effect)
        scene.clock.jump(days=7)
    assert effects == [Effect.SCORED] * 4 + [Effect.PAUSED]
    assert await scene.state(ANNE) == (False, SubscriptionState.PAUSED)
    assert ANNE not in await scene.sent()
    scene.clock.jump(days=30)
    probe = await scene.sent()
    taken = await scene.bounce(probe[ANNE], Reason.MAILBOX_FULL)
    assert taken.effect is Effect.SUPPRESSED
    assert (await scene.state(ANNE))[0]


async def test_a_probe_that_arrives_brings_the_reader_back(scene):
    for _ in range(5):
        sent = await scene.sent()
        await scene.bounce(sent[ANNE], Reason.MAILBOX_FULL)
        scene.clock.jump(days=7)
    scene.clock.jump(days=30)
    assert ANNE in await scene.sent()
    scene.clock.jump(days=7)
    sent = await scene.sent()
    assert (await scene.bounce(sent[ANNE], Reason.MAILBOX_FULL)).effect is Effect.SCORED


async def test_a_mailbox_that_is_full_every_other_week_is_never_paused(scene):
    for week in range(16):
        sent = await scene.sent()
        if week % 2:
            assert (await scene.bounce(sent[ANNE], Reason.MAILBOX_FULL)).effect is Effect.SCORED
        scene.clock.jump(days=7)


async def test_a_suspended_account_is_believed_at_the_second_issue_in_a_row(scene):
    first = await scene.sent()
    assert (await scene.bounce(first[ANNE], Reason.SUSPEND)).effect is Effect.NOTHING
    scene.clock.jump(days=7)
    await scene.sent()
    scene.clock.jump(days=7)
    third = await scene.sent()
    assert (await scene.bounce(third[ANNE], Reason.SUSPEND)).effect is Effect.NOTHING
    scene.clock.jump(days=7)
    fourth = await scene.sent()
    assert (await scene.bounce(fourth[ANNE], Reason.SUSPEND)).effect is Effect.SUPPRESSED


async def test_a_refusal_in_our_own_session_counts_as_a_bounce_does(scene):
    refused = {"state": DeliveryState.REJECTED, "blame": Blame.RECIPIENT, "reply_code": 550}
    sent = await scene.sent()
    cases = {
        ANNE: refused | {"verdict": Verdict.USER_UNKNOWN, "reply_status": "5.1.1"},
        BART: refused | {"verdict": Verdict.BLOCKED, "blame": Blame.DESTINATION},
        # After the final dot it is the message's fault, so it says nothing of Cris.
        CRIS: refused | {"verdict": Verdict.USER_UNKNOWN, "blame": Blame.MESSAGE},
    }
    async with scene.db.begin() as session:
        for address, values in cases.items():
            row = update(deliveries).where(deliveries.c.id == sent[address])
            await session.execute(row.values(**values))
        issue_id = (await session.execute(select(deliveries.c.issue_id).limit(1))).scalar_one()
    await take_refusals(scene.db, issue_id, scene.clock.now())
    await take_refusals(scene.db, issue_id, scene.clock.now())
    assert await scene.suppressed() == {ANNE}
    assert [(row.source, row.effect) for row in await scene.rows()] == [
        ("session", Effect.SUPPRESSED)
    ]
    # The bounce mail about the same delivery comes later, and is known.
    assert not (await scene.bounce(sent[ANNE], Reason.USER_UNKNOWN)).new


async def test_a_bounced_confirmation_suppresses_and_a_bounced_operator_mail_does_not(scene):
    async with scene.db.begin() as session:
        ids = [
            await write_notice(
                session, Notice(kind, SIGN_UP_LANE, f"{kind}@example.org", "en"), NOW
            )
            for kind in ("confirmation", "alert")
        ]
    for number in ids:
        assert number is not None
        token = KEYS.sign(TokenKind.NOTICE, number)
        taken = await scene.desk.take(a_bounce(0, Reason.USER_UNKNOWN, claim=Claim((token,))))
        assert taken.subject.notice_id == number
    async with scene.db.read() as session:
        count = await session.execute(select(func.count()).select_from(suppressions))
        rows = await session.execute(select(feedback.c.notice_id).order_by(feedback.c.id))
        assert count.scalar() == 1
        assert list(rows.scalars()) == ids


async def test_many_dead_addresses_at_once_at_one_place_are_not_believed(database):
    scene = await a_scene(database, 90)  # 30 at each of three domains
    sent = await scene.sent()
    there = [sent[address] for address in sorted(sent) if address.endswith("@example.org")]
    for number in there[:19]:
        await scene.bounce(number, Reason.USER_UNKNOWN)
    assert len(await scene.suppressed()) == 19
    effects = [(await scene.bounce(one, Reason.USER_UNKNOWN)).effect for one in there[19:22]]
    assert effects == [Effect.HELD] * 3
    assert await scene.suppressed() == set()
    assert (await scene.bounce(sent[BART], Reason.USER_UNKNOWN)).effect is Effect.SUPPRESSED
    async with scene.db.read() as session:
        told = list(await session.scalars(select(notices.c.params)))
    assert [one["incident"] for one in told] == ["suppressions_held"]


async def test_refusals_that_come_together_are_seen_together(database):
    scene = await a_scene(database, 90)
    sent = await scene.sent()
    refused = {"state": DeliveryState.REJECTED, "blame": Blame.RECIPIENT, "reply_code": 550}
    refused |= {"verdict": Verdict.USER_UNKNOWN, "reply_status": "5.1.1"}
    there = [sent[address] for address in sorted(sent) if address.endswith("@example.org")]
    async with scene.db.begin() as session:
        rows = update(deliveries).where(deliveries.c.id.in_([*there[:25], sent[BART]]))
        await session.execute(rows.values(**refused))
        issue_id = (await session.execute(select(deliveries.c.issue_id).limit(1))).scalar_one()
    await take_refusals(scene.db, issue_id, scene.clock.now())
    assert await scene.suppressed() == {BART}
    assert Counter(row.effect for row in await scene.rows()) == {
        Effect.HELD: 25,
        Effect.SUPPRESSED: 1,
    }


async def test_complaints_pause_the_issue(database):
    scene = await a_scene(database, 9)
    sent = await scene.sent()
    for number in list(sent.values())[:5]:
        await scene.desk.take(a_complaint(number))
    async with scene.db.read() as session:
        row = (await session.execute(select(issues.c.state, issues.c.paused_reason))).one()
        told = list(await session.scalars(select(notices.c.params)))
    assert row.state is IssueState.PAUSED
    assert "5 complaints" in row.paused_reason
    assert [one["incident"] for one in told] == ["issue_paused"]


async def test_other_programs_are_told_of_a_bounce_and_of_a_complaint_once(scene):
    """Of each newsletter the reader still had, in the transaction that ends it."""
    daily = await a_newsletter(scene.db, "daily")
    await a_reader(scene.db, daily, "Anne")
    async with scene.db.begin() as session:
        await add_webhook(session, "https://crm.example.com/", TOLD, NOW)
    sent = await scene.sent()
    for _ in range(2):
        await scene.bounce(sent[BART], Reason.USER_UNKNOWN)
        await scene.desk.take(a_complaint(sent[ANNE]))
        await scene.desk.take(a_complaint(sent[CRIS], "opt-out"))
        await scene.bounce(sent[CRIS], Reason.MAILBOX_FULL)
    table = webhook_deliveries.c
    query = select(table.event, table.newsletter_id, table.subscriber_id).order_by(table.id)
    async with scene.db.read() as session:
        told = [tuple(row) for row in await session.execute(query)]
    weekly = scene.newsletter.id
    assert told == [
        ("bounced", weekly, 2),
        ("complained", daily.id, 1),
        ("complained", weekly, 1),
        ("left", weekly, 3),
    ]
