"""An alert URL hears what operators are mailed, a heartbeat URL that a slot went as it should."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from ipaddress import ip_network

import pytest

from digest.clock import Clock
from digest.delivery.alerts import relay_refused
from digest.delivery.checks import Gate
from digest.delivery.slots import SlotKeeper
from digest.errors import SettingsError
from digest.jobs.alarms import Alarms, alarmed
from digest.jobs.engine import running
from digest.jobs.slots import keep_slots
from digest.net.fetch import Fetcher, Limits
from digest.net.guard import Guard
from digest.settings import Settings, load_settings
from digest.store import slots
from digest.store.alerted import heartbeat_owed, heartbeat_paid, owe_heartbeat
from digest.store.newsletters import Newsletter, add_person, set_newsletter
from digest.store.session import Database
from tests.build import PUBLIC_URL, a_newsletter, an_installation, in_this_process
from tests.delivery.stage import KEYS
from tests.fakes.listener import Listener

LOOPBACK = (ip_network("127.0.0.0/8"),)
SAID = "535 5.7.8 authentication failed"


def settings(listener: Listener, **ours: object) -> Settings:
    given = {
        "alert_url": listener.url,
        "heartbeat_url": listener.url,
        "webhooks": {"allow": "127.0.0.0/8"},
    } | ours
    return Settings(**given, _env_file=None)  # type: ignore[arg-type]  # as the environment has them


@pytest.fixture
async def newsletter(database: Database) -> Newsletter:
    await an_installation(database)
    newsletter = await a_newsletter(database)
    async with database.begin() as session:
        for name in ("olga", "otto"):
            await add_person(session, newsletter.id, role="operator", address=f"{name}@example.org")
    return newsletter


async def refused(db: Database, *relays: str) -> None:
    for relay in relays:
        async with db.begin() as session:
            assert await relay_refused(session, relay=relay, reason=SAID, now=Clock().now())


async def owe(db: Database) -> None:
    """A slot went as it should."""
    async with db.begin() as session:
        await owe_heartbeat(session, Clock().now())


@pytest.mark.usefixtures("newsletter")
async def test_the_alert_url_hears_each_incident_once_and_in_order(database: Database) -> None:
    await refused(database, "one:587", "two:587")
    async with (
        Listener() as listener,
        Fetcher("t", guard=Guard(allow=LOOPBACK), limits=Limits(pause=0)) as fetcher,
    ):
        for _ in range(2):  # another process goes on where this one ended
            alarms = Alarms(database, Clock(), fetcher, PUBLIC_URL, alert_url=listener.url)
            await alarms.tell()
    said = [one.json for one in listener.heard]
    assert ["one:587" in said[0]["text"], "two:587" in said[1]["text"]] == [True, True]
    assert len(said) == 2
    assert (said[0]["incident"], said[0]["newsletter"]) == ("relay_refused", "weekly")
    assert said[0]["reason"] == SAID


@pytest.mark.usefixtures("newsletter")
async def test_what_was_not_heard_is_told_again_before_anything_else(database: Database) -> None:
    await refused(database, "one:587", "two:587")
    async with (
        Listener([503, 200]) as listener,
        Fetcher("t", guard=Guard(allow=LOOPBACK), limits=Limits(pause=0)) as fetcher,
    ):
        alarms = Alarms(database, Clock(), fetcher, PUBLIC_URL, alert_url=listener.url)
        await alarms.tell()
        assert len(listener.heard) == 1
        await alarms.tell()
    told = ["one" if "one:587" in one.json["text"] else "two" for one in listener.heard]
    assert told == ["one", "one", "two"]


@pytest.mark.usefixtures("newsletter")
async def test_neither_url_leads_into_a_private_network_unless_it_is_opened(
    database: Database,
) -> None:
    await refused(database, "one:587")
    async with Listener() as listener:
        given = settings(listener, webhooks={"allow": ""})
        async with alarmed(in_this_process(), database, Clock(), given) as alarms:
            await owe(database)
            await alarms.tell_well()
            await alarms.tell()
    assert listener.heard == []


async def test_the_heartbeat_follows_a_slot_that_went_as_it_should(
    database: Database, newsletter: Newsletter
) -> None:
    clock = Clock()
    async with Listener() as listener:
        given = settings(listener, alert_url="")
        async with database.begin() as session:
            await set_newsletter(session, newsletter.id, schedule="cron 0 0 1 1 *")
            due = clock.now() - timedelta(minutes=1)
            day = due.date()
            await slots.add_break(session, newsletter.id, day, day)
            local = due.replace(tzinfo=None, second=0, microsecond=0)
            await slots.open_slot(session, newsletter.id, local, due_at=due, now=due)
        keeper = SlotKeeper(database, Gate((), KEYS, PUBLIC_URL))
        engines = in_this_process()
        async with alarmed(engines, database, clock, given, every=0.05):
            keep_slots(engines, keeper, clock)
            async with running(engines), asyncio.timeout(30):
                await listener.told.wait()
    assert listener.heard[0].method == "GET"


@pytest.mark.usefixtures("newsletter")
async def test_a_heartbeat_nobody_heard_is_still_owed(database: Database) -> None:
    async with (
        Listener([500, 200]) as listener,
        Fetcher("t", guard=Guard(allow=LOOPBACK), limits=Limits(pause=0)) as fetcher,
    ):
        alarms = Alarms(database, Clock(), fetcher, PUBLIC_URL, heartbeat_url=listener.url)
        await alarms.tell_well()
        assert listener.heard == []
        await owe(database)
        await alarms.tell_well()
        for _ in range(2):  # another process goes on where this one ended
            again = Alarms(database, Clock(), fetcher, PUBLIC_URL, heartbeat_url=listener.url)
            await again.tell_well()
    assert len(listener.heard) == 2


@pytest.mark.usefixtures("newsletter")
async def test_where_nobody_listens_no_heartbeat_waits_for_whoever_will(database: Database) -> None:
    await owe(database)
    async with Listener() as listener:
        for url in ("", listener.url):
            given = settings(listener, alert_url="", heartbeat_url=url)
            async with alarmed(in_this_process(), database, Clock(), given):
                pass
    assert listener.heard == []


@pytest.mark.usefixtures("newsletter")
async def test_a_slot_that_comes_while_a_heartbeat_is_under_way_has_its_own(
    database: Database,
) -> None:
    now = Clock().now()
    await owe(database)
    async with database.begin() as session:
        since = await heartbeat_owed(session)
        assert since is not None
        await owe_heartbeat(session, now + timedelta(minutes=1))
        await heartbeat_paid(session, since)
        assert await heartbeat_owed(session) == now + timedelta(minutes=1)


@pytest.mark.usefixtures("newsletter")
async def test_a_heartbeat_that_is_owed_is_paid_when_the_process_ends_well(
    database: Database,
) -> None:
    async with Listener() as listener:
        given = settings(listener, alert_url="")
        async with alarmed(in_this_process(), database, Clock(), given):
            await owe(database)  # and no look comes any more
        assert [one.method for one in listener.heard] == ["GET"]
        async with alarmed(in_this_process(), database, Clock(), given):
            pass
        assert len(listener.heard) == 1  # none is owed


@pytest.mark.parametrize("url", ["hooks.example.org", "ftp://example.org/", "https://"])
def test_what_is_no_address_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_ALERT_URL", url)
    with pytest.raises(SettingsError, match="DIGEST_ALERT_URL"):
        load_settings(env_file=None)
