"""Nobody is lost and nobody gets a second copy, whatever the relay does."""

from __future__ import annotations

import asyncio

import pytest

from digest.audience.leave import leave
from digest.delivery.sender import Progress
from digest.errors import RefusedError, SettingsError
from digest.rules.delivery import IssueState
from digest.store.session import Database
from digest.store.subscribers import find_reader
from tests.delivery.stage import Stage, set_stage
from tests.fakes.relay import FakeRelay

ANNE, BART, CRIS = "anne@example.org", "bart@example.net", "cris@example.com"


@pytest.fixture
async def stage(database: Database) -> Stage:
    stage = await set_stage(database)
    await stage.start()
    return stage


@pytest.fixture
async def crowd(database: Database) -> Stage:
    stage = await set_stage(database, 120)
    await stage.start()
    return stage


async def test_every_reader_gets_the_issue_once_over_several_connections(crowd: Stage) -> None:
    async with FakeRelay() as relay:
        report = await crowd.send(relay, connections=8)
    assert len(relay.ledger) == 120
    assert set(relay.recipients.values()) == {1}
    assert report.totals.accepted == report.totals.planned == 120
    assert report.issue_state is IssueState.FINISHED
    assert report.exit_code == 0
    assert 1 < relay.most_open <= 8


async def test_a_letter_carries_its_own_tokens_and_name(stage: Stage) -> None:
    async with FakeRelay() as relay:
        await stage.send(relay)
    taken = next(t for t in relay.ledger if t.recipient == ANNE)
    token = taken.message["Message-ID"][1:41]
    assert taken.sender == f"b-{token}@bounces.news.example.org"
    assert b"Anne" in taken.data
    assert len({t.identity[0] for t in relay.ledger}) == 3
    assert "127.0.0.1" not in taken.message["From"]


async def test_a_finished_issue_sends_nothing_and_prints_its_totals(stage: Stage) -> None:
    async with FakeRelay() as relay:
        await stage.send(relay)
        again = await stage.send(relay)
        assert relay.connections <= 3
    assert len(relay.ledger) == 3
    assert again.as_dict()["accepted"] == 3
    assert again.exit_code == 0


@pytest.mark.parametrize(
    ("at", "reply", "state"),
    [
        ("RCPT", "550 5.1.1 no such user", "rejected"),
        ("RCPT", "451 4.3.0 try later", "deferred"),
        ("RCPT", "421 4.7.0 too much", "deferred"),
        ("MAIL", "450 4.7.1 wait", "deferred"),
        ("DATA", "451 4.3.0 try later", "deferred"),
        ("DATA", "554 5.7.1 no", "rejected"),
        ("DOT", "552 5.3.4 too big", "rejected"),
        ("DOT", "451 4.3.0 try later", "deferred"),
        ("DOT", "421 4.3.2 going down", "deferred"),
    ],
)
async def test_a_refusal_at_any_command_concerns_one_reader_only(
    stage: Stage, at: str, reply: str, state: str
) -> None:
    async with FakeRelay() as relay:
        relay.fault(at, reply, close=reply.startswith("421"))
        sending = asyncio.create_task(stage.send(relay, connections=1))
        await stage.until_at_least(state, 1)
        stage.clock.jump(seconds=30)  # past any pause the relay has asked for
        report = await sending
        assert await stage.states() == {"accepted": 2, state: 1}
        assert set(relay.recipients.values()) == {1}
        (attempt,) = await stage.tries()
        assert (attempt["phase"], attempt["code"]) == (at.lower(), int(reply[:3]))
        assert report.exit_code == 0

        stage.clock.jump(minutes=10)
        report = await stage.send(relay)
    assert report.totals.accepted == (3 if state == "deferred" else 2)
    assert set(relay.recipients.values()) == {1}
    assert report.issue_state is IssueState.FINISHED


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA"])
async def test_a_connection_cut_before_the_dot_costs_nobody_a_copy(stage: Stage, at: str) -> None:
    async with FakeRelay() as relay:
        relay.fault(at)
        await stage.send(relay, connections=1)
        assert not any(row["maybe_sent"] for row in await stage.rows())
        stage.clock.jump(minutes=10)
        report = await stage.send(relay)
    assert report.totals.accepted == 3
    assert set(relay.recipients.values()) == {1}


async def test_lost_after_the_dot_is_in_doubt_and_resent_as_the_same_message(stage: Stage) -> None:
    async with FakeRelay() as relay:
        relay.fault("DOT", to=BART, taken=True)
        report = await stage.send(relay)
        assert report.totals.in_doubt == 1
        assert report.totals.deferred == 1
        stage.clock.jump(minutes=10)
        report = await stage.send(relay)
    copies = [taken for taken in relay.ledger if taken.recipient == BART]
    assert len(copies) == 2
    assert copies[0].identity == copies[1].identity
    assert copies[0].data == copies[1].data
    assert report.totals.in_doubt == 0
    assert report.totals.accepted == 3


async def test_in_doubt_can_be_held_for_the_operator_instead(stage: Stage) -> None:
    async with FakeRelay() as relay:
        relay.fault("DOT", to=BART, taken=True)
        report = await stage.send(relay, hold_in_doubt=True)
    assert report.totals.held == report.totals.in_doubt == 1
    assert report.exit_code == 1
    assert relay.recipients[BART] == 1


async def test_no_reply_to_the_dot_in_time_is_in_doubt(stage: Stage) -> None:
    async with FakeRelay() as relay:
        relay.fault("DOT", to=BART, gate=asyncio.Event())
        report = await stage.send(relay, timeout=0.3)
    assert report.totals.accepted == 2
    assert report.totals.in_doubt == 1


async def test_a_relay_that_closes_after_every_message_loses_nobody(stage: Stage) -> None:
    async with FakeRelay() as relay:
        report = await stage.send(relay, connections=1, per_connection=1)
    assert relay.connections >= 3
    assert report.totals.accepted == 3


async def test_an_idle_goodbye_is_not_taken_for_the_next_reply(stage: Stage) -> None:
    async with FakeRelay() as relay:
        relay.fault("DOT", "250 2.0.0 Ok\r\n421 4.4.2 idle for too long", to=ANNE, taken=True)
        report = await stage.send(relay, connections=1)
    assert report.totals.accepted == 3
    assert set(relay.recipients.values()) == {1}
    assert all(row["attempts"] == 1 for row in await stage.rows())


async def test_after_a_refused_recipient_the_transaction_is_reset(stage: Stage) -> None:
    async with FakeRelay() as relay:
        relay.fault("RCPT", "550 5.1.1 no such user", to=ANNE)
        await stage.send(relay, connections=1)
    verbs = relay.verbs()
    assert verbs[1:6] == ["MAIL", "RCPT", "DATA", "RSET", "MAIL"]
    assert relay.connections == 1


async def test_a_relay_that_is_down_defers_everything_without_an_attempt(stage: Stage) -> None:
    async with FakeRelay() as relay:
        pass
    report = await stage.send(relay)
    assert report.totals.deferred == 3
    assert report.exit_code == 0
    assert all(row["attempts"] == 0 for row in await stage.rows())
    assert "Error connecting" in (await stage.rows())[0]["reply_text"]


async def test_a_relay_that_comes_back_is_used_again(stage: Stage) -> None:
    async with FakeRelay() as relay:
        port = relay.port
    sender = stage.sender(relay)
    sending = asyncio.create_task(sender.send_issue(stage.issue_id))
    relay = FakeRelay()
    relay.port = port
    async with relay:
        report = await sending
    assert report.totals.accepted == 3


async def test_a_refused_login_stops_the_call_and_touches_no_row(stage: Stage) -> None:
    async with FakeRelay(login=("anne", "secret")) as relay:
        relay.fault("AUTH", "535 5.7.8 wrong", times=None)
        url = relay.url().replace("smtp://", "smtp://anne:hunter2@")
        with pytest.raises(SettingsError) as caught:
            await stage.sender(url=url).send_issue(stage.issue_id)
    assert "535" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert await stage.states() == {"queued": 3}
    assert not relay.ledger


async def test_without_no_retries_the_call_lasts_until_the_retry(stage: Stage) -> None:
    async with FakeRelay() as relay:
        deferred = relay.fault("RCPT", "451 4.3.0 try later", to=ANNE)
        sending = asyncio.create_task(stage.sender(relay).send_issue(stage.issue_id))
        await deferred.reached.wait()
        await stage.until("deferred", 1)
        stage.clock.jump(minutes=10)
        report = await sending
    assert report.totals.accepted == 3


async def test_what_expired_is_given_up_48_hours_after_the_first_attempt(stage: Stage) -> None:
    async with FakeRelay() as relay:
        relay.fault("RCPT", "451 4.3.0 try later", to=ANNE, times=None)
        await stage.send(relay)
        stage.clock.jump(hours=49)
        report = await stage.send(relay)
    assert report.totals.expired == 1
    assert report.issue_state is IssueState.FINISHED


async def test_leaving_while_the_issue_goes_out_means_no_mail_after_the_answer(
    crowd: Stage,
) -> None:
    async with FakeRelay() as relay:
        gate = asyncio.Event()
        first = relay.fault("DOT", gate=gate)
        sender = crowd.sender(relay, connections=1)
        sending = asyncio.create_task(sender.send_issue(crowd.issue_id))
        await first.reached.wait()  # one message is in flight, others are claimed behind it
        begun = next(command for command in relay.commands if command.startswith(b"RCPT"))
        answered = []
        for row in (await crowd.rows())[2:12]:
            await leave(
                crowd.db,
                row["subscription_id"],
                source="one-click",
                clock=crowd.clock,
                leavers=sender.leavers,
            )
            answered.append(row["subscription_id"])
        gate.set()
        report = await sending
    left = {row["id"]: row for row in await crowd.rows() if row["subscription_id"] in answered}
    assert begun
    assert report.totals.cancelled == 10
    assert {row["reason"] for row in left.values()} == {"left"}
    assert report.totals.accepted == 110
    assert len(relay.ledger) == 110


async def test_stopping_begins_nothing_new_and_waits_for_answers(crowd: Stage) -> None:
    async with FakeRelay() as relay:
        gate = asyncio.Event()
        first = relay.fault("DOT", gate=gate)
        stop = asyncio.Event()
        sender = crowd.sender(relay, connections=1)
        sending = asyncio.create_task(sender.send_issue(crowd.issue_id, stop=stop))
        await first.reached.wait()
        stop.set()
        await crowd.until("sending", 2)  # the one whose dot is written, and the one behind it
        gate.set()
        report = await sending
        assert report.totals.accepted == len(relay.ledger) == 2
        assert report.totals.queued == 118
        assert report.totals.in_doubt == 0
        assert not report.complete
        report = await crowd.send(relay)
    assert set(relay.recipients.values()) == {1}
    assert report.totals.accepted == 120


async def test_stopped_without_an_answer_the_message_in_flight_is_in_doubt(crowd: Stage) -> None:
    async with FakeRelay() as relay:
        gate = asyncio.Event()
        first = relay.fault("DOT", gate=gate)
        stop = asyncio.Event()
        sender = crowd.sender(relay, connections=1, grace=0.1)
        sending = asyncio.create_task(sender.send_issue(crowd.issue_id, stop=stop))
        await first.reached.wait()
        stop.set()
        report = await sending
    assert report.totals.in_doubt == 1
    assert report.totals.queued == 120


async def test_an_issue_paused_meanwhile_stops_at_the_next_claim(crowd: Stage) -> None:
    from digest.store.issues import move_issue

    async with FakeRelay() as relay:
        gate = asyncio.Event()
        first = relay.fault("DOT", gate=gate)
        sending = asyncio.create_task(crowd.sender(relay, connections=1).send_issue(crowd.issue_id))
        await first.reached.wait()
        async with crowd.db.begin() as session:
            assert await move_issue(
                session, crowd.issue_id, IssueState.PAUSED, now=crowd.clock.now(), reason="look"
            )
        gate.set()
        report = await sending
    assert report.issue_state is IssueState.PAUSED
    assert report.exit_code == 1
    assert 0 < report.totals.accepted < 120
    assert report.totals.planned == 120


async def test_two_relays_share_the_work(crowd: Stage) -> None:
    async with FakeRelay() as one, FakeRelay() as two:
        report = await crowd.send(one, two, connections=2)
    assert report.totals.accepted == 120
    assert one.ledger
    assert two.ledger
    assert {row["relay_id"] for row in await crowd.rows()} == {1, 2}


async def test_the_relays_own_id_is_kept(stage: Stage) -> None:
    async with FakeRelay() as relay:
        await stage.send(relay)
    assert {row["relay_message_id"] for row in await stage.rows()} == {"A1", "A2", "A3"}


async def test_a_second_sender_on_sqlite_is_refused(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url) as db, FakeRelay() as relay:
        stage = await set_stage(db)
        await stage.start()
        gate = asyncio.Event()
        first = relay.fault("DOT", gate=gate)
        sending = asyncio.create_task(stage.sender(relay).send_issue(stage.issue_id))
        await first.reached.wait()
        with pytest.raises(RefusedError):
            await stage.send(relay)
        gate.set()
        await sending
    assert set(relay.recipients.values()) == {1}


async def test_several_senders_on_postgresql_never_send_twice(postgres_url: str) -> None:
    async with await Database.open(postgres_url) as db, FakeRelay() as relay:
        crowd = await set_stage(db, 120)
        await crowd.start()
        await asyncio.gather(crowd.send(relay), crowd.send(relay), crowd.send(relay))
    assert set(relay.recipients.values()) == {1}
    assert len(relay.ledger) == 120


async def test_a_reader_who_muted_everything_is_skipped(stage: Stage) -> None:
    from sqlalchemy import update

    from digest.store.schema import subscriptions

    async with stage.db.begin() as session:
        reader = await find_reader(session, ANNE)
        assert reader is not None
        await session.execute(
            update(subscriptions)
            .where(subscriptions.c.subscriber_id == reader.id)
            .values(muted=["Industry", "Code"])
        )
    async with FakeRelay() as relay:
        report = await stage.send(relay)
    assert report.totals.skipped == 1
    assert relay.recipients == {BART: 1, CRIS: 1}


async def test_no_relay_is_an_error_that_names_the_setting(stage: Stage) -> None:
    with pytest.raises(SettingsError) as caught:
        await stage.sender(url=" ").send_issue(stage.issue_id)
    assert caught.value.where == "DIGEST_RELAY_URL"


async def test_progress_counts_up_to_the_whole_audience(crowd: Stage) -> None:
    seen: list[Progress] = []
    async with FakeRelay() as relay:
        relay.fault("RCPT", "550 5.1.1 no such user", to=ANNE)
        await crowd.sender(relay).send_issue(crowd.issue_id, progress=seen.append)
    assert seen[-1].settled == seen[-1].planned == 120
    assert seen[-1].rejected == 1
    assert [p.settled for p in seen] == sorted(p.settled for p in seen)
