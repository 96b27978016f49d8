"""A relay is fed at its rate, out of its quota, and slower when it says so; notices go first."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.clock import Clock
from digest.delivery.gate import RelayGate
from digest.delivery.outcomes import Relay
from digest.delivery.session import Letter
from digest.delivery.shares import Shares
from digest.mail.reply import parse_reply
from digest.rules.backoff import JITTER, Backoff
from digest.rules.balance import Balance
from digest.rules.delivery import IssueState
from digest.rules.relay import RelayProfile, parse_relays
from digest.rules.verdict import Phase
from digest.store.notices import SIGN_UP_LANE, ClaimedNotice, Notice, write_notice
from digest.store.relays import list_relays
from digest.store.schema import relay_usage
from digest.store.session import Database
from digest.store.workers import acquire_lease
from tests.build import a_reader
from tests.delivery.stage import Stage, Watch, set_stage
from tests.fakes.relay import FakeRelay
from tests.scenarios.relays import RelayProcess


async def write_letter(notice: ClaimedNotice, _profile: RelayProfile) -> Letter:
    return Letter("b-1@bounces.example.org", notice.address, b"Subject: hello\r\n\r\nHello\r\n")


async def begun(db: Database, count: int, url: str) -> Stage:
    stage = await set_stage(db, count)
    await stage.start(relay_url=url)
    return stage


async def test_no_second_holds_more_messages_than_the_rate(
    database: Database, tmp_path: Path
) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        stage = await begun(database, 60, relay.url())
        url = relay.url(connections=8, rate=40)
        report = await stage.sender(url=url).send_issue(stage.issue_id)
        assert report.totals.accepted == 60
        assert relay.most_within(1) <= 40


async def test_a_confirmation_goes_before_an_issue_at_a_slow_rate(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 160, relay.url())
        sender = stage.sender(url=relay.url(connections=4, rate=14), write_notice=write_letter)
        stop = asyncio.Event()
        serving = asyncio.create_task(sender.serve(stop))
        await stage.until_at_least("accepted", 5)
        async with database.begin() as session:
            notice = Notice("confirmation", SIGN_UP_LANE, "dora@example.org", "en")
            await write_notice(session, notice, Clock().now())
        before = len(relay.ledger)
        while "dora@example.org" not in relay.recipients:  # noqa: ASYNC110 - the relay has no event
            await asyncio.sleep(0.01)
        between = len(relay.ledger) - before
        stop.set()
        await serving
    assert between <= 5 * 14  # five seconds of the issue's rate, in messages
    assert (await stage.states())["queued"] > 0  # the issue was still going out


async def test_an_issue_leaves_a_connection_to_what_goes_before_it(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 40, relay.url())
        await stage.sender(url=relay.url(connections=4)).send_issue(stage.issue_id)
        assert relay.most_open <= 3


async def test_with_one_connection_a_notice_is_next(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 40, relay.url())
        gate = asyncio.Event()
        first = relay.fault("DOT", gate=gate)
        sender = stage.sender(url=relay.url(connections=1), write_notice=write_letter)
        stop = asyncio.Event()
        serving = asyncio.create_task(sender.serve(stop))
        await first.reached.wait()
        async with database.begin() as session:
            notice = Notice("confirmation", SIGN_UP_LANE, "dora@example.org", "en")
            await write_notice(session, notice, Clock().now())
        gate.set()
        while "dora@example.org" not in relay.recipients:  # noqa: ASYNC110 - the relay has no event
            await asyncio.sleep(0.01)
        await stage.until("accepted", 40)
        stop.set()
        await serving
    assert len(relay.ledger) == 41


async def test_no_more_than_the_quota_of_an_hour_leaves_in_it(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 30, relay.url())
        url = relay.url(connections=3, per_hour=20)
        sending = asyncio.create_task(stage.sender(url=url).send_issue(stage.issue_id))
        await stage.until("accepted", 19)  # 95 % of it: the rest is kept for confirmations
        for _ in range(20):
            await asyncio.sleep(0.02)
            assert len(relay.ledger) == 19
        stage.clock.jump(hours=1)
        report = await asyncio.wait_for(sending, 60)
    assert report.totals.accepted == 30
    async with database.read() as session:
        rows = (await session.execute(select(relay_usage.c.messages))).scalars().all()
    assert sorted(rows) == [11, 19]  # what was reserved and not used went back


async def test_a_quota_holds_across_a_restart(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 30, relay.url())
        url = relay.url(connections=3, per_hour=20)
        stop = asyncio.Event()
        sending = asyncio.create_task(stage.sender(url=url).send_issue(stage.issue_id, stop=stop))
        await stage.until_at_least("accepted", 10)
        stop.set()
        await sending
        stop = asyncio.Event()
        sending = asyncio.create_task(stage.sender(url=url).send_issue(stage.issue_id, stop=stop))
        await stage.until("accepted", 19)
        await asyncio.sleep(0.3)
        stop.set()
        await sending
    assert len(relay.ledger) == 19


async def test_what_a_relay_asked_for_is_kept_and_outlives_the_process(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 3, relay.url())
        relay.fault("MAIL", "421 4.7.0 too many messages, slow down")
        url = relay.url(connections=1, rate=10)
        await stage.sender(url=url).send_issue(stage.issue_id, no_retries=True)
        async with database.read() as session:
            (stored,) = await list_relays(session)
        assert stored.learned_rate == 300  # a minute: half of 10 a second
        assert stored.backoff_step == 1
        assert stored.backoff_until is not None
        assert (stored.reply_code, stored.reply_text) == (
            421,
            "421 4.7.0 too many messages, slow down",
        )
        sender = stage.sender(url=url)
        (known,) = await sender._known_relays()
    assert known.backoff.rate(10) == 5
    assert known.backoff.until == stored.backoff_until


async def test_nothing_is_sent_while_the_relay_asks_for_a_pause(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 20, relay.url())
        relay.fault("RCPT", "421 4.7.0 try again in 300 seconds")
        sending = asyncio.create_task(
            stage.sender(url=relay.url(connections=1)).send_issue(stage.issue_id)
        )
        await stage.until_at_least("deferred", 1)
        seen = len(relay.commands)
        await asyncio.sleep(0.3)
        assert len(relay.commands) == seen
        stage.clock.jump(minutes=10)
        report = await asyncio.wait_for(sending, 60)
    assert report.totals.accepted == 20


async def test_a_clock_that_is_set_makes_no_pause_longer(database: Database) -> None:
    """Neither one that is asked for after it was set, nor one that has begun."""
    clock = Watch()
    lease = await acquire_lease(database, clock)
    shares = Shares(database, clock, lease)
    [config] = parse_relays("smtp://127.0.0.1:9?tls=none&rate=10")
    asked = Backoff(600, 300, until=clock.now() + timedelta(seconds=0.2), step=1)
    relay = Relay(config, 1, asked)
    gate = RelayGate(relay, clock=clock, balance=Balance(), shares=shares)
    gate.want()
    await shares.renew()
    assert 0 < gate.pause <= 0.2
    clock.jump(hours=-1)
    assert gate.pause <= 0.2
    await asyncio.sleep(0.2)  # it is over by now
    assert gate.pause == 0
    gate.replied(parse_reply(421, "4.7.0 too many messages, slow down"), Phase.MAIL)
    assert 10 <= gate.pause + 0.1 <= 10.1 * (1 + JITTER)
    clock.jump(hours=25)
    assert gate.pause == 0
    await lease.release()


@pytest.mark.parametrize(("one", "two"), [(1, 1), (3, 1)])
async def test_relays_take_messages_by_their_weights(
    database: Database, one: int, two: int
) -> None:
    async with FakeRelay() as first, FakeRelay() as second:
        stage = await begun(database, 200, first.url())
        urls = f"{first.url(connections=3, weight=one)} {second.url(connections=3, weight=two)}"
        report = await stage.sender(url=urls).send_issue(stage.issue_id)
    assert report.totals.accepted == 200
    fair = 200 * one / (one + two)
    assert abs(len(first.ledger) - fair) <= 30


async def test_when_one_relay_is_down_the_other_takes_over(database: Database) -> None:
    async with FakeRelay() as down:
        pass
    async with FakeRelay() as up:
        stage = await begun(database, 50, up.url())
        urls = f"{down.url(connections=2)} {up.url(connections=2)}"
        report = await asyncio.wait_for(stage.sender(url=urls).send_issue(stage.issue_id), 60)
    assert report.totals.accepted == len(up.ledger) == 50
    assert report.issue_state is IssueState.FINISHED


async def test_a_relay_that_answers_for_gmail_gets_no_more_than_gmail_takes_at_once(
    database: Database,
) -> None:
    stage = await set_stage(database, 1)
    for number in range(30):
        await a_reader(database, stage.newsletter, address=f"reader{number}@gmail.com")
    async with FakeRelay() as relay:
        await stage.start(relay_url=relay.url())
        sender = stage.sender(url=relay.url(connections=12, queues="no"))
        gate = asyncio.Event()
        relay.fault("DOT", "250 2.0.0 Ok", taken=True, gate=gate, times=None)
        sending = asyncio.create_task(sender.send_issue(stage.issue_id))
        await stage.until("sending", 6)  # five at Gmail, and one elsewhere
        for _ in range(10):
            await asyncio.sleep(0.02)
            begun = {c for c in relay.commands if c.upper().startswith(b"RCPT")}
            assert sum(b"gmail.com" in command for command in begun) <= 5
        gate.set()
        report = await asyncio.wait_for(sending, 60)
    assert report.totals.accepted == 31


async def test_after_a_day_the_backlog_does_not_come_down_at_once(
    database: Database, tmp_path: Path
) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        stage = await begun(database, 60, relay.url())
        relay.stop()
        await stage.send(url=relay.url())
        assert await stage.states() == {"deferred": 60}
        stage.clock.jump(hours=24)
        relay.start()
        url = relay.url(connections=8, rate=30)
        report = await asyncio.wait_for(stage.sender(url=url).send_issue(stage.issue_id), 60)
        assert report.totals.accepted == 60
        assert relay.most_within(1) <= 30


async def test_a_relay_that_comes_back_is_met_with_two_connections(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 60, relay.url())
        away = relay.fault("CONNECT", times=None)
        gate = asyncio.Event()
        slow = relay.fault("DOT", "250 2.0.0 Ok", taken=True, gate=gate, times=None)
        sender = stage.sender(url=relay.url(connections=8))
        sending = asyncio.create_task(sender.send_issue(stage.issue_id))
        while relay.connections < 7:  # noqa: ASYNC110 - the relay has no event
            await asyncio.sleep(0.01)
        away.times, relay.most_open = 0, 0
        await slow.reached.wait()
        for _ in range(20):
            await asyncio.sleep(0.02)
            assert 1 <= relay.most_open <= 2
        gate.set()
        report = await asyncio.wait_for(sending, 60)
    assert report.totals.accepted == 60


async def test_a_claim_holds_no_more_than_connections_can_begin(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 60, relay.url())
        gate = asyncio.Event()
        slow = relay.fault("DOT", "250 2.0.0 Ok", taken=True, gate=gate, times=None)
        sending = asyncio.create_task(
            stage.sender(url=relay.url(connections=4)).send_issue(stage.issue_id)
        )
        await slow.reached.wait()
        for _ in range(20):
            await asyncio.sleep(0.02)
            # 2 × 3 that wait, and on each of the three connections one that ends, one that opens
            assert (await stage.states())["sending"] <= 6 + 3 * 2
        gate.set()
        report = await asyncio.wait_for(sending, 60)
    assert report.totals.accepted == 60


async def test_the_time_a_server_asks_for_one_reader_is_kept_to(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 3, relay.url())
        relay.fault("RCPT", "450 4.2.0 greylisted, try again in 5400 seconds")
        await stage.send(relay, connections=1)
        stage.clock.jump(minutes=80)
        assert (await stage.send(relay)).totals.deferred == 1
        stage.clock.jump(minutes=11)
        assert (await stage.send(relay)).totals.accepted == 3
    assert sorted(row["attempts"] for row in await stage.rows()) == [1, 1, 2]


async def test_what_no_relay_took_for_two_days_expires(database: Database) -> None:
    async with FakeRelay() as relay:
        stage = await begun(database, 3, relay.url())
        relay.fault("RCPT", "451 4.3.0 later", times=None)
        await stage.send(relay)
        stage.clock.jump(hours=47)
        assert stage.clock.offset == timedelta(hours=47)
    await stage.send(relay)  # down meanwhile
    stage.clock.jump(hours=2)
    async with FakeRelay() as other:
        report = await asyncio.wait_for(stage.sender(other).send_issue(stage.issue_id), 60)
    assert report.totals.expired == 3
    assert report.issue_state is IssueState.FINISHED
