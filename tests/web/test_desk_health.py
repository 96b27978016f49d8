"""What came back, relays and the doctor at the desk: shown as they are, changed as commands do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from digest.delivery.checks import Gate
from digest.delivery.doctor import Patient
from digest.rules.ramp import Quota
from digest.rules.relay import parse_relays
from digest.rules.rights import Role
from digest.settings import Settings
from digest.store.feedback_counts import held_places
from digest.store.feedback_rules import taught
from digest.store.relays import ensure_relay, save_backoff
from digest.store.schema import attempts, deliveries, feedback
from digest.store.session import Session
from digest.store.suppressions import suppression_of
from digest.store.usage import reserve
from tests.build import KEY, NOW
from tests.web.conftest import Installation
from tests.web.desk import Person, at_the_desk

SECRET = "a-very-secret-word"


@pytest.fixture
async def operator(installation: Installation) -> AsyncIterator[Person]:
    async with at_the_desk(installation.site, Role.OPERATOR) as person:
        yield person


async def _came_back(session: Session, key: str, **values: object) -> None:
    row = {"source": "imap", "kind": "bounce", "received_at": NOW, "dedupe_key": key}
    await session.execute(feedback.insert().values({**row, **values}))


async def test_what_nobody_could_place_or_read_is_shown_apart(
    installation: Installation, operator: Person
) -> None:
    async with installation.site.db.begin() as session:
        await _came_back(session, "a", reason="userunknown", evidence="known words")
        await _came_back(session, "b", reason="undefined", evidence="words of a server")
        forged = {"kind": "not-bounce", "effect": "quarantined", "sample": "Dear sirs"}
        await _came_back(session, "c", quarantined=True, **forged)
    every = (await operator.get("/desk/feedback")).text
    assert "known words" in every
    assert "words of a server" in every
    apart = (await operator.get("/desk/feedback?show=quarantined")).text
    assert "Dear sirs" in apart
    assert "known words" not in apart
    unread = (await operator.get("/desk/feedback?show=unclassified")).text
    assert "words of a server" in unread
    assert "known words" not in unread
    assert (await operator.get("/desk/feedback?show=nothing")).status_code == 404
    assert (await operator.get("/desk/feedback?before=x")).status_code == 404


async def test_what_came_back_is_turned_over_page_by_page(
    installation: Installation, operator: Person
) -> None:
    async with installation.site.db.begin() as session:
        for number in range(60):
            await _came_back(session, f"k{number}", evidence=f"word {number}.")
    first = (await operator.get("/desk/feedback")).text
    following = re.search(r'href="(/desk/feedback[^"]*)" rel="next"', first)
    assert following is not None
    second = (await operator.get(following[1].replace("&amp;", "&"))).text
    words = re.findall(r"word \d+\.", first + second)
    assert words == [f"word {number}." for number in reversed(range(60))]


async def test_words_of_a_server_are_taught_and_forgotten(
    installation: Installation, operator: Person
) -> None:
    short = await operator.post("/desk/feedback/teach", phrase="full", reason="mailboxfull")
    assert short.status_code == 422
    words = {"phrase": "das postfach ist voll", "reason": "mailboxfull"}
    assert (await operator.post("/desk/feedback/teach", **words)).status_code == 303
    async with installation.site.db.read() as session:
        assert list((await taught(session)).reasons) == ["das postfach ist voll"]
    page = (await operator.get("/desk/feedback?show=unclassified")).text
    assert "das postfach ist voll" in page
    await operator.post("/desk/feedback/forget", phrase="das postfach ist voll")
    async with installation.site.db.read() as session:
        assert not (await taught(session)).reasons


@pytest.mark.parametrize("do", ["believe", "drop"])
async def test_bounces_that_are_held_are_believed_or_dropped(
    installation: Installation, operator: Person, do: str
) -> None:
    site = installation.site
    async with site.db.begin() as session:
        row = (await session.execute(select(deliveries).limit(1))).one()
        about = {"subscriber_id": row.subscriber_id, "destination_id": row.destination_id}
        held = {"bearing": "hard", "effect": "held", "evidence": "550 nobody"}
        issue = installation.issue_id
        await _came_back(session, "d", issue_id=issue, delivery_id=row.id, **about, **held)
    page = (await operator.get("/desk/suppressions")).text
    assert "1 address at <bdi>example.org</bdi>" in page
    where = {"newsletter": "weekly", "issue": "182", "domain": "example.org"}
    nothing = await operator.post("/desk/suppressions/held", **where)
    assert nothing.status_code == 422
    await operator.post("/desk/suppressions/held", do=do, **where)
    async with site.db.read() as session:
        assert await held_places(session) == []
        newsletter = installation.newsletter.id
        reason = await suppression_of(session, newsletter, "anne@example.org")
    assert (reason is not None) == (do == "believe")


async def test_relays_show_their_pace_and_last_words_and_no_password(
    installation: Installation,
) -> None:
    site = installation.site
    url = f"smtps://anne:{SECRET}@relay.example.net:465?rate=20"
    site = replace(site, gate=Gate(parse_relays(url), site.keys, site.public_url, None))
    async with site.db.begin() as session:
        relay = await ensure_relay(session, "relay.example.net:465")
        now = site.clock.now()
        await reserve(session, relay, Quota(per_hour=500), want=321, now=now)
        told = {"learned_rate": 77, "step": 1, "code": 421, "text": "4.7.0 slow down please"}
        await save_backoff(session, relay, until=None, now=now, **told)  # type: ignore[arg-type]  # as named
        row = (await session.execute(select(deliveries.c.id).limit(1))).scalar_one()
        said = {"phase": "rcpt", "blame": "destination", "code": 451, "text": "greylisted, wait"}
        log = {"delivery_id": row, "number": 1, "relay_id": relay, "finished_at": now}
        await session.execute(attempts.insert().values([{**log, **said}, {**log, **said}]))
    async with at_the_desk(site, Role.OPERATOR) as operator:
        page = (await operator.get("/desk/relays")).text
    assert "relay.example.net:465" in page
    assert "<strong>321</strong>" in page
    assert "<strong>77</strong>" in page
    assert "421 4.7.0 slow down please" in page
    assert "20 a second" in page
    assert re.search(r"451 greylisted, wait.*?class=\"amount\">2<", page, re.DOTALL)
    assert SECRET not in page


async def test_a_relay_that_wants_rest_and_a_check_that_fails_are_seen_at_once(
    installation: Installation,
) -> None:
    site = installation.site
    now = site.clock.now()
    site = replace(
        site, gate=Gate(parse_relays("smtp://busy:25"), site.keys, site.public_url, None)
    )
    pauses = (("busy:25", None, timedelta(hours=1)), ("over:25", 77, -timedelta(hours=1)))
    async with site.db.begin() as session:
        for name, rate, pause in pauses:
            relay = await ensure_relay(session, name)
            told = {"learned_rate": rate, "until": now + pause, "step": 1, "code": 421, "text": ""}
            await save_backoff(session, relay, now=now, **told)  # type: ignore[arg-type]  # as named
    until = now + timedelta(hours=1)
    async with at_the_desk(site, Role.OPERATOR) as operator:
        page = (await operator.get("/desk/relays")).text
        well = signs_of((await operator.get("/desk")).text)
    assert chips_of(page) == {
        "busy:25": f"left alone until {until:%H:%M:%S} UTC",
        "over:25": "slowed down",
    }
    assert well == [
        ("good", "Database: ok"),
        ("good", "Migrations: current"),
        ("good", "Relay: ok"),
        ("wait", f"busy:25 wants to be left alone until {until:%H:%M} UTC"),
        ("wait", "over:25 is given 77 messages a minute"),
        ("wait", "Nothing came back yet: no bounce, no complaint"),
    ]
    async with at_the_desk(replace(site, relay_configured=False), Role.VIEWER) as viewer:
        ill = signs_of((await viewer.get("/desk")).text)
    assert ill == [*well[:2], ("bad", "Relay: none configured"), *well[3:]]


def chips_of(page: str) -> dict[str, str]:
    """What is said beside the name of each relay."""
    return dict(re.findall(r'<h2 class="mono">(.*?)</h2><span class="chip.*?">(.*?)</span>', page))


def signs_of(page: str) -> list[tuple[str, str]]:
    """The signs of health on the overview, each with its kind; none that is not good is silent."""
    signs = re.findall(r'<li class="(good|wait|bad)">(.*?)</li>', page)
    unwell = '<span class="hidden"> (not well)</span>'
    assert all(words.endswith(unwell) == (kind != "good") for kind, words in signs)
    return [(kind, words.removesuffix(unwell)) for kind, words in signs]


async def test_the_doctor_looks_when_it_is_asked_and_shows_no_secret(
    installation: Installation, tmp_path: Path
) -> None:
    site = installation.site
    relay = f"smtp://anne:{SECRET}@127.0.0.1:9"
    settings = Settings(
        database_url="sqlite://", secret_key=SecretStr(KEY), relay_url=relay, state_dir=tmp_path
    )
    settings.dns.nameserver = "127.0.0.1"
    settings.dns.timeout = 0.2
    site = replace(site, patient=Patient.of(settings, site.keys))
    async with at_the_desk(site, Role.OPERATOR) as operator:
        assert "Look now" in (await operator.get("/desk/doctor")).text
        assert (await operator.post("/desk/doctor")).headers["location"] == "/desk/doctor"
        page = (await operator.get("/desk/doctor")).text
    assert "Look again" in page
    assert "relay-reach" in page
    assert "database" in page
    assert SECRET not in page
    assert KEY not in page


async def test_where_nothing_is_known_of_relays_the_doctor_says_so(operator: Person) -> None:
    assert "Look now" not in (await operator.get("/desk/doctor")).text
    assert (await operator.post("/desk/doctor")).status_code == 409
