"""Other programs are told: at least once, signed, patiently, and of no more than they asked for."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from digest.audience.leave import leave, undo_leave
from digest.audience.own_data import erase_reader
from digest.clock import Clock
from digest.jobs.engine import running
from digest.jobs.outgoing import Outgoing, Post, posting, signed_headers, telling
from digest.rules.webhooks import GIVE_UP, KEEP, TOLD, WebhookEvent, wait_after
from digest.settings import Settings
from digest.settings.groups import WebhookSettings
from digest.store.newsletters import Newsletter
from digest.store.schema import notices, webhook_deliveries
from digest.store.session import Database
from digest.store.webhooks import (
    Webhook,
    add_webhook,
    announce,
    count_open,
    enable_webhook,
    list_webhooks,
)
from tests.build import NOW, a_newsletter, a_reader, an_installation, in_this_process
from tests.fakes.listener import Listener
from tests.fakes.ports import hold_port

LOOPBACK = Settings(_env_file=None, webhooks=WebhookSettings(allow="127.0.0.0/8"))


@dataclass(slots=True)
class SetClock(Clock):
    """Shows the time it was set to; goes on by what it is told."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time

    def go_on(self, span: timedelta) -> None:
        self.time += span


@dataclass(slots=True)
class House:
    """A newsletter, its readers Anne and Bart, and the job that tells what they do."""

    db: Database
    newsletter: Newsletter
    anne: int  # subscriptions
    bart: int
    post: Post
    clock: SetClock = field(default_factory=SetClock)

    @property
    def job(self) -> Outgoing:
        return Outgoing(self.db, self.clock, self.post)

    async def add(self, url: str, *events: WebhookEvent) -> tuple[int, str]:
        async with self.db.begin() as session:
            return await add_webhook(session, url, events or TOLD, self.clock.now())

    async def leave(self, subscription_id: int) -> None:
        await leave(self.db, subscription_id, source="one-click", clock=self.clock)

    async def begin_and_fail(self) -> None:
        """A transaction that announces something, and then is rolled back."""
        async with self.db.begin() as session:
            await announce(
                session,
                WebhookEvent.BOUNCED,
                newsletter_id=self.newsletter.id,
                subscriber_ids=[1],
                now=NOW,
            )
            raise ZeroDivisionError

    async def webhook(self) -> Webhook:
        async with self.db.read() as session:
            return (await list_webhooks(session))[0]

    async def waiting(self) -> int:
        async with self.db.read() as session:
            return sum((await count_open(session)).values())


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    await an_installation(database)
    newsletter = await a_newsletter(database)
    anne = await a_reader(database, newsletter, "Anne")
    bart = await a_reader(database, newsletter, "Bart")
    async with posting(LOOPBACK) as post:
        yield House(database, newsletter, anne.subscription_id, bart.subscription_id, post)


async def test_leaving_and_coming_back_is_told_signed_and_once(house: House) -> None:
    async with Listener() as listener:
        number, secret = await house.add(listener.url)
        await house.leave(house.anne)
        async with house.db.begin() as session:
            assert await undo_leave(session, house.anne, since=NOW, origin="", now=NOW)
        assert await house.job.work() == 2
        assert await house.job.work() == 0
    left, back = listener.heard
    assert left.json == {
        "type": "left",
        "timestamp": "2026-11-26T09:00:00+00:00",
        "data": {"newsletter": "weekly", "reader": 1, "address": "anne@example.org"},
    }
    assert back.json["type"] == "confirmed"
    assert (left.method, left.headers["content-type"]) == ("POST", "application/json")
    assert left.headers["webhook-id"] != back.headers["webhook-id"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{left.headers['webhook-id']}.{left.headers['webhook-timestamp']}.".encode()
    expected = base64.b64encode(hmac.digest(key, signed + left.body, "sha256")).decode()
    assert left.headers["webhook-signature"] == f"v1,{expected}"
    assert number == 1
    assert len(key) == 32


def test_a_signature_is_that_of_the_specification() -> None:
    """The values of its own example."""
    body = b'{"event_type":"ping","data":{"success":true}}'
    at = datetime.fromtimestamp(1731705121, NOW.tzinfo)
    headers = signed_headers("whsec_plJ3nmyCDGBKInavdOK15jsl", "msg_loFOjxBNrRLzqYUf", body, at)
    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


async def test_everyone_is_told_only_what_they_asked_for(house: House) -> None:
    async with Listener() as one, Listener() as other:
        await house.add(one.url, WebhookEvent.LEFT)
        await house.add(other.url, WebhookEvent.BOUNCED, WebhookEvent.COMPLAINED)
        await house.leave(house.anne)
        async with house.db.begin() as session:
            for event in (WebhookEvent.BOUNCED, WebhookEvent.COMPLAINED):
                told = await announce(
                    session, event, newsletter_id=house.newsletter.id, subscriber_ids=[2], now=NOW
                )
                assert told == 1
        await house.job.work()
        assert (one.kinds, other.kinds) == (["left"], ["bounced", "complained"])


async def test_what_was_rolled_back_is_never_told(house: House) -> None:
    async with Listener() as listener:
        await house.add(listener.url)
        with pytest.raises(ZeroDivisionError):
            await house.begin_and_fail()
        assert await house.job.work() == 0
        assert listener.heard == []


@pytest.mark.parametrize("status", [500, 503, 404, 400, 429, 301, 302, 307, 308, 304, 0])
async def test_who_does_not_hear_is_told_again_later_with_the_same_id(
    house: House, status: int
) -> None:
    """Nothing follows a redirect: what is said is meant for one address."""
    async with Listener([status, 200]) as listener:
        await house.add(listener.url)
        await house.leave(house.anne)
        assert await house.job.work() == 0
        house.clock.go_on(wait_after(1) - timedelta(seconds=1))
        assert await house.job.work() == 0
        assert len(listener.heard) == 1
        house.clock.go_on(timedelta(seconds=1))
        assert await house.job.work() == 1
    first, second = listener.heard
    assert {first.path, second.path} == {"/told"}
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    webhook = await house.webhook()
    assert (webhook.failures, webhook.failing_since, webhook.retry_at) == (0, None, None)


async def test_one_that_is_down_is_asked_seldom_and_told_everything_in_the_end(
    house: House,
) -> None:
    """One request for each wait, however much there is to tell, and nobody else waits for it."""
    async with Listener([500] * 4 + [200]) as listener, Listener() as other:
        await house.add(listener.url)
        await house.add(other.url)
        await house.leave(house.anne)
        await house.leave(house.bart)
        for failures in range(1, 5):
            await house.job.work()
            assert len(listener.heard) == failures
            house.clock.go_on(wait_after(failures))
        assert len(other.heard) == 2
        await house.job.work()
        house.clock.go_on(wait_after(4))
        await house.job.work()
        told = {one.json["data"]["address"] for one in listener.heard[4:]}
        assert told == {"anne@example.org", "bart@example.org"}
        assert await house.waiting() == 0


async def test_after_three_days_it_is_disabled_and_the_operators_are_told(house: House) -> None:
    async with Listener([500]) as listener:
        await house.add(listener.url)
        await house.leave(house.anne)
        began, tries = house.clock.now(), 0
        while (await house.webhook()).disabled_at is None:
            await house.job.work()
            tries += 1
            assert house.clock.now() - began < GIVE_UP + timedelta(days=1)
            house.clock.go_on(wait_after(tries))
        assert 10 < tries < 20
        assert house.clock.now() - began >= GIVE_UP
        assert await house.waiting() == 0
        await house.leave(house.bart)
        assert await house.waiting() == 0
    async with house.db.read() as session:
        [mail] = (await session.execute(select(notices))).all()
    assert (mail.kind, mail.params["incident"]) == ("alert", "webhook_disabled")
    assert (mail.params["host"], mail.params["reason"]) == ("127.0.0.1", "It answered 500.")
    assert "/told" not in str(mail.params)


async def test_one_that_hears_again_has_three_days_anew(house: House) -> None:
    """Also when it fails in the same breath."""
    async with Listener([500, 200, 500]) as listener:
        await house.add(listener.url)
        await house.leave(house.anne)
        await house.job.work()
        house.clock.go_on(GIVE_UP)
        await house.leave(house.bart)
        assert await house.job.work() == 1
        webhook = await house.webhook()
        assert (webhook.disabled_at, webhook.failures) == (None, 1)
        assert webhook.failing_since == house.clock.now()


async def test_who_answers_slowly_keeps_nobody_else_waiting(house: House) -> None:
    hanging, hung = asyncio.Event(), asyncio.Event()

    async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        if "slow" not in url:
            return await house.post(url, body, headers)
        hung.set()
        await hanging.wait()
        return 200

    async with Listener() as listener:
        await house.add("https://slow.example/")
        await house.leave(house.anne)
        engines = in_this_process()
        outgoing = Outgoing(house.db, house.clock, post)
        async with telling(engines.shared, outgoing, every=0.05), running(engines):
            await asyncio.wait_for(hung.wait(), 30)
            await house.add(listener.url)
            await house.leave(house.bart)
            await asyncio.wait_for(listener.told.wait(), 30)
            assert await house.waiting() > 0
            hanging.set()


async def test_who_says_never_again_is_not_told_again_until_enabled(house: House) -> None:
    async with Listener([410, 200]) as listener:
        number, _ = await house.add(listener.url)
        await house.leave(house.anne)
        await house.job.work()
        assert (await house.webhook()).disabled_at is not None
        async with house.db.begin() as session:
            assert await enable_webhook(session, number)
        await house.leave(house.bart)
        await house.job.work()
        assert [one.json["data"]["address"] for one in listener.heard] == [
            "anne@example.org",
            "bart@example.org",
        ]


async def test_a_process_that_dies_while_telling_leaves_it_to_the_next(house: House) -> None:
    class Dies(BaseException):
        pass

    async def die(_url: str, _body: bytes, _headers: Mapping[str, str]) -> int:
        raise Dies

    async with Listener() as listener:
        await house.add(listener.url)
        await house.leave(house.anne)
        with pytest.raises(Dies):
            await Outgoing(house.db, house.clock, die).work()
        assert await house.job.work() == 0  # it may still be at it
        house.clock.go_on(timedelta(minutes=5))
        assert await house.job.work() == 1


async def test_two_processes_do_not_tell_the_same_at_once(house: House) -> None:
    async with Listener() as listener:
        await house.add(listener.url)
        for number in range(12):
            reader = await a_reader(house.db, house.newsletter, f"reader{number}")
            await house.leave(reader.subscription_id)
        await asyncio.gather(house.job.work(), house.job.work())
        ids = [one.headers["webhook-id"] for one in listener.heard]
        assert len(ids) == len(set(ids)) == 12


async def test_who_was_erased_is_not_named_any_more(house: House) -> None:
    async with Listener() as listener:
        await house.add(listener.url)
        await erase_reader(house.db, 1, clock=house.clock)
        async with house.db.read() as session:
            rows = (await session.execute(select(webhook_deliveries))).all()
        assert len(rows) == 1
        assert "anne" not in str(rows)
        await house.job.work()
        assert listener.heard[0].json["data"] == {
            "newsletter": "weekly",
            "reader": 1,
            "address": None,
        }


async def test_a_webhook_leads_into_no_private_network(house: House) -> None:
    """However the address is written; what listens there hears nothing."""
    private = Settings(_env_file=None)
    async with Listener() as listener, posting(private) as post:
        for host in (
            *("127.0.0.1", "localhost", "127.1", "2130706433", "0.0.0.0", "[::1]"),
            *("[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "169.254.169.254", "10.0.0.1"),
        ):
            status = await post(f"http://{host}:{listener.port}/told", b"{}", {})
            assert status is None, host
        assert listener.heard == []


async def test_what_was_told_is_forgotten_after_a_while(house: House) -> None:
    async with Listener() as listener:
        await house.add(listener.url)
        await house.leave(house.anne)
        await house.job.work()
    for span, left in ((KEEP, 1), (timedelta(seconds=1), 0)):
        house.clock.go_on(span)
        await house.job.forget()
        async with house.db.read() as session:
            assert len((await session.execute(select(webhook_deliveries.c.id))).all()) == left


async def test_it_is_told_by_itself_while_pages_are_served(house: House) -> None:
    async with Listener() as listener:
        await house.add(listener.url)
        engines = in_this_process()
        async with telling(engines.shared, house.job, every=0.05), running(engines):
            await house.leave(house.anne)
            await asyncio.wait_for(listener.told.wait(), 30)
        assert listener.kinds == ["left"]


@asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    """The address of a port that nobody listens on."""
    with closing(hold_port()) as taken:
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


async def test_where_nobody_listens_it_waits(house: House) -> None:
    async with nobody() as url:
        await house.add(url)
        await house.leave(house.anne)
        assert await house.job.work() == 0
    assert (await house.webhook()).failures == 1
    assert await house.waiting() == 1
