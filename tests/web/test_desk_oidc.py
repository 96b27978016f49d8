"""Signing in by a provider of identities, and what is kept out (RFC 9700, OpenID Connect Core)."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt

from digest.access.issuer_settings import BACK
from digest.access.users import add_user
from digest.access.way_in import WayIn
from digest.rules.rights import Role
from digest.store.user_sessions import list_sessions
from digest.web.desk.visit import cookie_name
from tests.fakes.issuer import SECRET, SIGN, a_key
from tests.web.conftest import Installation
from tests.web.desk import PASSWORD, a_browser
from tests.web.oidc import ANNE, THERE, House, house, sign_in

__all__ = ["house"]  # a fixture


async def test_over_https_no_other_host_can_plant_a_cookie_of_the_way_in(house: House) -> None:
    """``__Host-`` with Secure and without Domain: nobody's subdomain sets one (RFC 6265bis)."""
    await house.expect()
    house = House(
        dataclasses.replace(house.site, public_url="https://news.example.org"), house.issuer
    )
    async with a_browser(house.site) as client:
        sent = await client.get(THERE)
        way = sent.headers["set-cookie"]
        kept = way.partition(";")[0].partition("=")[2]
        brought = house.issuer.authorized(sent.headers["location"])
        cookies = {"cookie": f"__Host-desk-way-in={kept}"}
        back = await client.get(BACK, params=brought, headers=cookies)
        session, dropped = back.headers.get_list("set-cookie")
    for one, name in ((way, "__Host-desk-way-in="), (session, "__Host-desk=")):
        assert one.startswith(name)
        assert "Secure" in one
        assert "Domain" not in one
    assert dropped.startswith('__Host-desk-way-in="";')


async def test_a_callback_that_this_browser_did_not_begin_is_refused(house: House) -> None:
    """CSRF of the callback, and a code of somebody else's that is handed to a victim."""
    await house.expect()
    async with a_browser(house.site) as mallory, a_browser(house.site) as victim:
        sent = await mallory.get(THERE)
        brought = house.issuer.authorized(sent.headers["location"])
        assert (await victim.get(BACK, params=brought)).status_code == 403
        await victim.get(THERE)
        assert (await victim.get(BACK, params=brought)).status_code == 403
        assert cookie_name(house.site) not in victim.cookies
    assert {one[2] for one in await house.said()} == {"refused: not begun in this browser"}
    assert not [one for one in house.issuer.pages.asked if one.path == "/token"]


@pytest.mark.parametrize("state", ["", "x", "0" * 64, "é"])
async def test_a_state_that_is_none_is_refused(house: House, state: str) -> None:
    await house.expect()
    async with a_browser(house.site) as client:
        assert (await sign_in(client, house, state=state)).status_code == 403


async def test_a_way_in_is_good_once_and_for_ten_minutes(house: House) -> None:
    await house.expect()
    name = cookie_name(house.site, "-way-in")
    async with a_browser(house.site) as client:
        sent = await client.get(THERE)
        brought = house.issuer.authorized(sent.headers["location"])
        assert (await client.get(BACK, params=brought)).status_code == 303
        assert (await client.get(BACK, params=brought)).status_code == 403
        now = int(house.site.clock.now().timestamp())
        for begun in (now - 601, now + 90):
            late = WayIn("s" * 43, begun, "/desk")
            client.cookies.set(name, late.cookie)
            brought |= {"state": late.state}
            assert (await client.get(BACK, params=brought)).status_code == 403


async def test_the_code_of_another_way_in_is_worth_nothing(house: House) -> None:
    """Code injection: the verifier of PKCE does not fit, and the nonce would not either."""
    await house.expect()
    async with a_browser(house.site) as victim, a_browser(house.site) as mallory:
        theirs = (await victim.get(THERE)).headers["location"]
        mine = await mallory.get(THERE)
        state = parse_qs(urlsplit(mine.headers["location"]).query)["state"][0]
        stolen = house.issuer.authorized(theirs) | {"state": state}
        refused = await mallory.get(BACK, params=stolen)
        assert refused.status_code == 403
        assert cookie_name(house.site) not in mallory.cookies
    assert "invalid_grant" in (await house.said())[0][2]


@pytest.mark.parametrize("iss", ["https://evil.example", "", None])
async def test_an_answer_of_another_issuer_is_refused_before_its_code_goes_anywhere(
    house: House, iss: str | None
) -> None:
    """Mix-up (RFC 9207)."""
    await house.expect()
    async with a_browser(house.site) as client:
        sent = await client.get(THERE)
        brought = house.issuer.authorized(sent.headers["location"])
        brought |= {"iss": iss} if iss is not None else {}
        if iss is None:
            del brought["iss"]
        assert (await client.get(BACK, params=brought)).status_code == 403
    assert not [one for one in house.issuer.pages.asked if one.path == "/token"]


async def test_an_error_or_a_parameter_twice_lets_nobody_in(house: House) -> None:
    await house.expect()
    async with a_browser(house.site) as client:
        refused = await sign_in(client, house, error="access_denied", code="")
        assert refused.status_code == 403
        assert "access_denied" in (await house.said())[0][2]
        hostile = await sign_in(client, house, error="<script>alert(1)</script>", error_uri="x")
        assert "<script>alert" not in hostile.text
        sent = await client.get(THERE)
        brought = house.issuer.authorized(sent.headers["location"])
        twice = (*brought.items(), ("code", "another"))
        assert (await client.get(BACK, params=twice)).status_code == 403


@pytest.mark.parametrize(
    "asked", ["//evil.example", "https://evil.example", "/desk/../x", "/u/x", "/desk/" + "x" * 400]
)
async def test_one_is_led_to_the_desk_and_nowhere_else(house: House, asked: str) -> None:
    await house.expect()
    async with a_browser(house.site) as client:
        assert (await sign_in(client, house, to=asked)).headers["location"] == "/desk"
        way = WayIn("s" * 43, int(house.site.clock.now().timestamp()), "//evil.example")
        client.cookies.set(cookie_name(house.site, "-way-in"), way.cookie)
        planted = await client.get(BACK, params={"code": "x", "state": way.state})
        assert "evil" not in planted.headers.get("location", "") + planted.text


async def test_another_site_only_shows_the_sign_in(house: House) -> None:
    async with a_browser(house.site) as client:
        for site in ("cross-site", "same-site"):
            sent = await client.get(THERE, headers={"sec-fetch-site": site})
            assert sent.headers["location"] == "/desk/sign-in"
            assert "set-cookie" not in sent.headers


async def test_a_session_is_new_and_the_one_before_is_over(house: House) -> None:
    await house.expect()
    name = cookie_name(house.site)
    async with a_browser(house.site) as client:
        client.cookies.set(name, "x" * 43)
        first = (await sign_in(client, house)).cookies[name]
        second = (await sign_in(client, house)).cookies[name]
        assert len({"x" * 43, first, second}) == 3
    async with house.site.db.read() as session:
        assert len(await list_sessions(session)) == 1


async def test_keys_change_and_an_old_one_is_worth_nothing(house: House) -> None:
    await house.expect()
    async with a_browser(house.site) as client:
        assert (await sign_in(client, house)).status_code == 303
        issuer = house.site.issuer
        assert issuer is not None
        assert issuer._keys is not None
        now = house.site.clock.now()
        issuer._keys = (now.replace(year=now.year - 1), issuer._keys[1])  # read a while ago
        house.issuer.keys = [a_key("two")]
        assert (await sign_in(client, house)).status_code == 303
        sent = await client.get(THERE)
        brought = house.issuer.authorized(sent.headers["location"])
        house.issuer.token = {"id_token": jwt.encode(SIGN, house.issuer.claims(), a_key())}
        assert (await client.get(BACK, params=brought)).status_code == 403
        reads = [one for one in house.issuer.pages.asked if one.path == "/keys"]
        assert len(reads) == 2  # a name we do not know has us ask no more than now and then


@pytest.mark.parametrize(
    "says",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": ["https://id.example"]},
        {"code_challenge_methods_supported": ["plain"]},
    ],
)
async def test_a_configuration_that_is_not_to_be_relied_on_is_not(
    house: House, says: Mapping[str, object]
) -> None:
    house.issuer.says |= says
    async with a_browser(house.site) as client:
        answer = await client.get(THERE)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert "does not answer" in answer.text


async def test_a_crowd_has_the_provider_asked_once_also_while_it_is_away(house: House) -> None:
    async with a_browser(house.site) as client:
        answers = await asyncio.gather(*(client.get(THERE) for _ in range(20)))
    assert {one.status_code for one in answers} == {303}
    assert len({one.headers["location"] for one in answers}) == 20
    assert len(house.issuer.pages.asked) == 1
    house.issuer.pages.answers.clear()
    away = house.with_client()
    async with a_browser(away.site) as client:
        answers = await asyncio.gather(*(client.get(THERE) for _ in range(20)))
    assert {one.status_code for one in answers} == {503}
    assert len(house.issuer.pages.asked) == 2


async def test_a_provider_inside_is_asked_only_where_the_settings_open_it(house: House) -> None:
    """SSRF: neither the issuer nor what it names is asked on this machine or its network."""
    closed = house.with_client(allow="")
    async with a_browser(closed.site) as client:
        assert (await client.get(THERE)).status_code == 503
    assert house.issuer.pages.asked == []


async def test_while_the_provider_is_away_a_password_still_lets_in(house: House) -> None:
    async with house.site.db.begin() as session:
        secret = await add_user(session, ANNE, role=Role.EDITOR, now=house.site.clock.now())
    away = house.with_client(issuer="http://127.0.0.1:9")
    async with a_browser(away.site) as client:
        page = await client.get(THERE, params={"to": "/desk/account"})
        assert page.status_code == 503
        assert 'name="password"' in page.text
        assert 'name="to" value="/desk/account"' in page.text
        both = {"password": PASSWORD, "again": PASSWORD}
        await client.post(f"/desk/welcome/{secret}", data=both)
    async with a_browser(away.site) as client:
        form = {"address": ANNE, "password": PASSWORD}
        assert (await client.post("/desk/sign-in", data=form)).status_code == 303


async def test_who_comes_back_too_often_is_held_back(house: House) -> None:
    async with a_browser(house.site) as client:
        seen = [(await client.get(BACK, params={"state": "x"})).status_code for _ in range(21)]
    assert seen == [403] * 20 + [429]


async def test_no_secret_stands_in_what_a_browser_or_a_log_sees(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    await house.expect()
    async with a_browser(house.site) as client:
        sent = await client.get(THERE)
        kept = client.cookies[cookie_name(house.site, "-way-in")].strip('"')
        way = WayIn.read(kept, house.site.clock.now())
        assert way is not None
        assert way.verifier not in sent.headers["location"]
        page = await sign_in(client, house, code="a-wrong-code")
        seen = page.text + str(page.headers) + repr(house.site) + capsys.readouterr().out
    assert SECRET not in seen
    assert "a-wrong-code" not in seen
    assert not re.search(r"eyJ[\w-]+\.eyJ", seen)


async def test_without_a_provider_the_way_is_closed(installation: Installation) -> None:
    async with a_browser(installation.site) as client:
        assert (await client.get(THERE)).headers["location"] == "/desk/sign-in"
        assert (await client.get(BACK, params={"code": "x"})).status_code == 303
        assert "Sign in with" not in (await client.get("/desk/sign-in")).text
