"""Signing up in a browser: one answer for everybody, a button that confirms, nothing by GET."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import event, select

from digest.audience.leave import leave
from digest.mail.tokens import TokenKind
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.store.schema import consent_events, notices, passes, signups, subscribers, subscriptions
from digest.store.session import Database
from digest.store.subscribers import find_reader
from digest.store.suppressions import suppress
from digest.web.app import create_app
from digest.web.signup_form import new_stamp
from digest.web.site import Site
from tests.audience.test_signup import SetClock
from tests.build import NOW, PUBLIC_URL, a_newsletter, a_reader
from tests.web.conftest import Installation

FORM = "/n/weekly/subscribe"


def a_stamp(site: Site, *, age: float = 60.0) -> str:
    """A stamp of a form that was shown ``age`` seconds ago."""
    then = replace(site, clock=SetClock(time=site.clock.now() - timedelta(seconds=age)))
    return new_stamp(then)


async def sign_up(
    client: httpx2.AsyncClient, site: Site, address: str, **fields: str
) -> httpx2.Response:
    sent = {"email": address, "website": "", "stamp": a_stamp(site)} | fields
    return await client.post(FORM, data=sent)


async def mails(site: Site, count: int) -> list[Any]:
    """The notices, of which there are ``count``: they are written a moment after the answer."""
    await site.desk.settled()
    async with site.db.read() as session:
        found = list((await session.execute(select(notices).order_by(notices.c.id))).all())
    assert len(found) == count
    return found


async def rows(db: Database) -> list[Any]:
    """All that a page could have changed."""
    tables = (subscribers, subscriptions, consent_events, notices, passes, signups)
    async with db.read() as session:
        return [
            row
            for table in tables
            for row in await session.execute(select(table).order_by(table.c.id))
        ]


async def test_a_sign_up_leads_from_the_form_to_the_next_issue(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    assert 'name="email"' in (await client.get("/")).text
    answer = await sign_up(client, site, "cris@example.org")
    assert (answer.status_code, answer.headers["location"]) == (303, "/n/weekly/asked")
    assert "Look into your mailbox" in (await client.get("/n/weekly/asked")).text
    [mail] = await mails(site, 1)
    path = mail.params["url"].removeprefix(PUBLIC_URL)
    assert "Yes, subscribe me" in (await client.get(path)).text
    pressed = await client.post(path, data={"confirm": "yes"})
    assert (pressed.status_code, pressed.headers["location"]) == (303, path)
    done = (await client.get(path)).text
    assert "You are subscribed" in done
    assert "Issue #182" in done
    async with site.db.read() as session:
        reader = await find_reader(session, "cris@example.org")
    assert reader is not None
    assert reader.subscriptions[0].state is SubscriptionState.ACTIVE
    await leave(site.db, reader.subscriptions[0].id, source="one-click", clock=site.clock)
    late = (await client.get(path)).text
    assert "Yes, subscribe me" not in late
    assert "Sign up again" in late


async def test_every_address_gets_the_same_answer_by_the_same_statements(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    left = await a_reader(site.db, installation.newsletter, "Left")
    await leave(site.db, left.subscription_id, source="one-click", clock=site.clock)
    async with site.db.begin() as session:
        reason = SuppressionReason.COMPLAINED
        await suppress(session, "angry@example.org", reason=reason, now=NOW)
    ran: list[str] = []

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        if "INSERT INTO signups" in statement or "newsletters" in statement:
            ran.append(statement)

    seen = set()
    for name in ("new", "new", "anne", "left", "angry"):
        event.listen(site.db.engine.sync_engine, "before_cursor_execute", note)
        ran.clear()
        answer = await sign_up(client, site, f"{name}@example.org")
        event.remove(site.db.engine.sync_engine, "before_cursor_execute", note)
        inserts = sum("INSERT INTO signups" in one for one in ran)
        headers = tuple(sorted(answer.headers.items()))
        seen.add((answer.status_code, answer.content, headers, inserts))
    assert len(seen) == 1


async def test_a_form_from_elsewhere_or_from_a_machine_needs_one_more_click(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    foreign = site.keys.sign(TokenKind.TEST, 1)
    for stamp in ("", "x", a_stamp(site, age=0.1), a_stamp(site, age=100_000), foreign):
        answer = await sign_up(client, site, "cris@example.org", stamp=stamp)
        assert answer.status_code == 200, stamp
        assert 'value="cris@example.org"' in answer.text
        assert "once more" in answer.text
    assert "cris" not in str(await rows(site.db))
    assert await mails(site, 0) == []


async def test_who_fills_the_trap_is_told_the_same_and_forgotten(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    good = await sign_up(client, site, "bot@example.org", website="https://spam.example")
    assert (good.status_code, good.headers["location"]) == (303, "/n/weekly/asked")
    assert await mails(site, 0) == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anne",
        "anne@",
        "a@b@c",
        "anne@example",
        "anne@example.org\r\nBcc: bart@example.org",
        "anne@example.org\x00",
        "<script>alert(1)</script>@example.org",
        "x" * 5_000 + "@example.org",
        "anne@mailinator.com",
        "anne@deep.under.yopmail.com",
    ],
)
async def test_what_is_no_address_is_shown_again_with_words(
    installation: Installation, client: httpx2.AsyncClient, address: str
) -> None:
    answer = await sign_up(client, installation.site, address)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'role="alert"' in answer.text
    assert "<script>" not in answer.text
    assert len(answer.text) < 5_000
    assert await mails(installation.site, 0) == []


async def test_the_list_of_throwaway_domains_can_be_turned_off(installation: Installation) -> None:
    site = replace(installation.site, refuse_disposable=False)
    transport = httpx2.ASGITransport(create_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        answer = await sign_up(client, site, "anne@mailinator.com")
    assert answer.status_code == 303
    await mails(site, 1)


async def test_looking_at_a_confirmation_never_confirms(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    await sign_up(client, site, "cris@example.org")
    [mail] = await mails(site, 1)
    path = mail.params["url"].removeprefix(PUBLIC_URL)
    before = await rows(site.db)
    for _, headers in itertools.product(range(50), ({}, {"purpose": "prefetch"})):
        assert (await client.get(path, headers=headers)).status_code == 200
        assert (await client.head(path, headers=headers)).status_code == 200
    for body in ({}, {"confirm": "no"}, {"yes": "confirm"}):
        assert (await client.post(path, data=body)).status_code == 400
    assert await rows(site.db) == before


async def test_a_link_that_is_none_says_nothing(client: httpx2.AsyncClient) -> None:
    answers = [
        await client.request(method, f"/{page}/{secret}", data=data)
        for page, secret in itertools.product("cad", ("x", "a" * 43, "%00", "é", "x" * 2_000))
        for method, data in (("GET", None), ("POST", {"confirm": "yes"}))
        if (page, method) != ("d", "POST")
    ]
    assert {answer.status_code for answer in answers} == {410}
    assert len({answer.content for answer in answers}) == 1


async def test_too_many_from_one_network_are_asked_to_wait(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    answers = [await client.post(FORM, data={"email": "x"}) for _ in range(62)]
    assert [answer.status_code for answer in answers[-2:]] == [429, 429]
    assert "retry-after" in answers[-1].headers
    assert (await client.get("/")).status_code == 200


async def test_another_site_signs_up_by_json(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site, path = installation.site, "/n/weekly/subscribe.json"
    allowed = await client.options(path, headers={"origin": "https://blog.example"})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in allowed.headers
    fresh = (await client.get(path)).json()["stamp"]
    too_soon = await client.post(path, json={"email": "cris@example.org", "stamp": fresh})
    assert too_soon.status_code == 409
    assert too_soon.headers["content-type"] == "application/problem+json"
    stamp = a_stamp(site)
    answers = [
        await client.post(path, json={"email": f"{name}@example.org", "stamp": stamp})
        for name in ("cris", "anne")
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert (await client.post(path, json={"email": "x", "stamp": stamp})).status_code == 422
    for body in ("[]", "{", '{"email": 1}', "[" * 60_000, "null"):
        assert (await client.post(path, content=body)).status_code == 400, body[:10]
    assert {mail.kind for mail in await mails(site, 2)} == {"confirmation", "already_subscribed"}


async def test_a_consent_names_the_network_a_trusted_proxy_has_seen(
    installation: Installation,
) -> None:
    from digest.web.client import networks

    site = replace(installation.site, proxies=networks("127.0.0.0/8"))
    transport = httpx2.ASGITransport(create_app(site), client=("127.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        forwarded = {"x-forwarded-for": "203.0.113.9, 198.51.100.7"}
        sent = {"email": "cris@example.org", "stamp": a_stamp(site)}
        await client.post(FORM, data=sent, headers=forwarded)
    await mails(site, 1)
    async with site.db.read() as session:
        assert (await session.execute(select(signups.c.net))).scalar_one() == "198.51.100.0/24"


async def test_no_page_of_a_sign_up_sets_a_cookie_or_names_another_server(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    for path in ("/", "/n/weekly", "/n/weekly/archive", FORM, "/n/weekly/asked"):
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert "set-cookie" not in answer.headers
        assert "<script" not in answer.text
        assert "https://" not in answer.text, path


async def test_several_newsletters_are_listed_with_the_way_to_each(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    await a_newsletter(installation.site.db, "garden", name="The Garden")
    text = (await client.get("/")).text
    assert 'href="/n/weekly"' in text
    assert 'href="/n/garden/subscribe"' in text
    assert (await client.get("/n/nothing")).status_code == 404


async def test_the_answers_are_json_that_reads_back(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    stamp = (await client.get("/n/weekly/subscribe.json")).text
    assert json.loads(stamp).keys() == {"stamp"}
