"""Signing in by a provider of identities, and what is kept out (RFC 9700, OpenID Connect Core)."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt

from digest.access.issuer import Client, Issuer
from digest.access.issuer_settings import BACK
from digest.access.users import add_user, expect_user, remove_user, reset_user, set_identity
from digest.access.way_in import WayIn
from digest.rules.admission import Policy
from digest.rules.rights import Role
from digest.store.audit import list_deeds
from digest.store.user_identities import list_identities
from digest.store.user_sessions import list_sessions
from digest.store.users import change_user, find_user, list_users
from digest.web.app import Site
from digest.web.desk.visit import cookie_name
from tests.build import PUBLIC_URL
from tests.fakes.issuer import CLIENT_ID, SECRET, SIGN, FakeIssuer, a_key, an_issuer
from tests.web.conftest import Installation
from tests.web.desk import PASSWORD, a_browser, at_the_desk

ANNE = "anne@example.org"
PERSON = {"sub": "17", "email": ANNE, "email_verified": True, "name": "Anne"}
THERE = "/desk/sign-in/oidc"
DOMAIN = Policy(domains=frozenset({"example.org"}), role=Role.EDITOR)
CLAIM = Policy(roles={"chiefs": Role.OWNER, "desk": Role.EDITOR})


@dataclasses.dataclass(frozen=True, slots=True)
class House:
    """An installation beside a provider."""

    site: Site
    issuer: FakeIssuer

    def with_client(self, **other: object) -> House:
        """The same with other settings, and nothing remembered of the provider."""
        assert self.site.issuer is not None
        client = dataclasses.replace(self.site.issuer.client, **other)  # type: ignore[arg-type]  # by name
        return House(dataclasses.replace(self.site, issuer=Issuer(client)), self.issuer)

    async def expect(self, address: str = ANNE, role: Role = Role.EDITOR) -> None:
        async with self.site.db.begin() as session:
            await expect_user(session, address, role=role, now=self.site.clock.now())

    async def said(self) -> list[tuple[str, str, str]]:
        """What the log says of sign-ins, the latest first."""
        async with self.site.db.read() as session:
            deeds = await list_deeds(session, limit=20)
        return [(one.who, one.subject, one.result) for one in deeds if one.action == "sign in"]


@pytest.fixture
async def house(installation: Installation) -> AsyncIterator[House]:
    async with an_issuer(**PERSON) as issuer:
        client = Client(
            issuer.url,
            CLIENT_ID,
            SECRET,
            PUBLIC_URL + BACK,
            "Example Co.",
            allow="127.0.0.0/8",
        )
        yield House(dataclasses.replace(installation.site, issuer=Issuer(client)), issuer)


async def sign_in(
    client: httpx2.AsyncClient, house: House, *, to: str = "", **other: str
) -> httpx2.Response:
    """Go there, be let in, come back."""
    sent = await client.get(THERE, params={"to": to} if to else {})
    brought = house.issuer.authorized(sent.headers["location"]) | other
    return await client.get(BACK, params=brought)


async def test_whom_an_owner_has_added_signs_in(house: House) -> None:
    await house.expect()
    async with a_browser(house.site) as client:
        page = await client.get("/desk/sign-in?to=/desk/account")
        assert "Sign in with <bdi>Example Co.</bdi>" in page.text
        assert f'href="{THERE}?to=/desk/account"' in page.text
        sent = await client.get(THERE, params={"to": "/desk/account"})
        where = urlsplit(sent.headers["location"])
        assert (sent.status_code, where.path) == (303, "/authorize")
        asked = {name: values[0] for name, values in parse_qs(where.query).items()}
        assert asked["of"] == "the house"
        assert asked["redirect_uri"] == PUBLIC_URL + BACK
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
        kept = sent.headers["set-cookie"]
        assert all(word in kept for word in ("HttpOnly", "SameSite=lax", "Max-Age=600", "Path=/"))
        back = await client.get(BACK, params=house.issuer.authorized(sent.headers["location"]))
        assert (back.status_code, back.headers["location"]) == (303, "/desk/account")
        assert (await client.get("/desk/account")).status_code == 200
        assert client.cookies.get(cookie_name(house.site, "-way-in")) is None
    assert await house.said() == [(ANNE, house.issuer.url, "done")]
    async with house.site.db.read() as session:
        [found] = (await list_identities(session)).values()
    assert (found.issuer, found.subject) == (house.issuer.url, "17")


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


async def test_the_subject_decides_from_then_on_and_no_address_does(house: House) -> None:
    await house.expect()
    async with a_browser(house.site) as client:
        assert (await sign_in(client, house)).status_code == 303
        house.issuer.person |= {"email": "married@example.org", "email_verified": False}
        assert (await sign_in(client, house)).status_code == 303
        house.issuer.person = {**PERSON, "sub": "18"}  # who got the address after her
        assert (await sign_in(client, house)).status_code == 403
    assert (await house.said())[0][2].startswith("refused: somebody else")


@pytest.mark.parametrize(
    "person, expected",
    [
        ({}, False),
        ({"email_verified": False}, True),
        ({"email_verified": "yes"}, True),
        ({"email_verified": None}, True),
        ({"email": "nobody@example.org"}, True),
        ({"email": ["anne@example.org"]}, True),
        ({"email": ""}, True),
    ],
)
async def test_being_known_to_the_provider_lets_nobody_in(
    house: House, person: Mapping[str, object], expected: bool
) -> None:
    if expected:
        await house.expect()
    house.issuer.person |= person
    async with a_browser(house.site) as client:
        refused = await sign_in(client, house)
        assert refused.status_code == 403
        assert "ask an owner" in refused.text
        assert cookie_name(house.site) not in client.cookies
        assert (await client.get("/desk")).status_code == 303
    [(_, _, result)] = await house.said()
    assert result.startswith("refused: ")


async def test_an_account_with_a_password_is_not_taken_over(house: House) -> None:
    """Also where whole domains come in: it may ask for one-time codes, and the provider may not."""
    async with house.site.db.begin() as session:
        await add_user(session, ANNE, role=Role.OWNER, now=house.site.clock.now())
    house = house.with_client(policy=DOMAIN)
    async with a_browser(house.site) as client:
        assert (await sign_in(client, house)).status_code == 403
        async with house.site.db.begin() as session:
            user = await find_user(session, ANNE)
            assert user is not None
            await set_identity(session, user, may=True, now=house.site.clock.now())
        assert (await sign_in(client, house)).status_code == 303


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


async def test_a_domain_or_a_claim_lets_people_in_whom_nobody_added(house: House) -> None:
    by_domain = house.with_client(policy=DOMAIN)
    async with a_browser(by_domain.site) as client:
        assert (await sign_in(client, by_domain)).status_code == 303
        house.issuer.person |= {"sub": "18", "email": "bart@elsewhere.example"}
        assert (await sign_in(client, by_domain)).status_code == 403
    async with house.site.db.read() as session:
        assert [(one.address, one.role) for one in await list_users(session)] == [
            (ANNE, Role.EDITOR)
        ]


async def test_a_role_follows_the_claim_and_goes_with_it(house: House) -> None:
    house = house.with_client(policy=CLAIM, role_claim="realm_access.roles")
    house.issuer.person["realm_access"] = {"roles": ["choir", "chiefs"]}
    async with a_browser(house.site) as client, a_browser(house.site) as other:
        for one in (client, other):
            assert (await sign_in(one, house)).status_code == 303
            assert (await one.get("/desk/people")).status_code == 200
        house.issuer.person["realm_access"] = {"roles": ["desk"]}
        assert (await sign_in(client, house)).status_code == 303
        assert (await client.get("/desk/people")).status_code == 403
        assert (await other.get("/desk")).status_code == 303
        house.issuer.person["realm_access"] = {"roles": ["choir"]}
        assert (await sign_in(other, house)).status_code == 403


async def test_what_the_id_token_leaves_out_is_asked_for_and_must_be_of_the_same_one(
    house: House,
) -> None:
    await house.expect()
    house.issuer.person = {"sub": "17"}
    async with a_browser(house.site) as client:
        house.issuer.userinfo = {**PERSON, "sub": "18"}
        assert (await sign_in(client, house)).status_code == 403
        house.issuer.userinfo = PERSON
        assert (await sign_in(client, house)).status_code == 303


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


async def test_without_passwords_nobody_is_locked_out(house: House) -> None:
    house = house.with_client(passwords=False)
    await house.expect(role=Role.OWNER)
    async with house.site.db.begin() as session:
        user = await find_user(session, ANNE)
        assert user is not None
        secret = await reset_user(session, user, house.site.clock.now())
    async with a_browser(house.site) as client:
        assert 'name="password"' not in (await client.get("/desk/sign-in")).text
        form = {"address": ANNE, "password": PASSWORD}
        assert (await client.post("/desk/sign-in", data=form)).status_code == 403
        link = f"/desk/welcome/{secret}"
        assert 'name="password"' not in (await client.get(link)).text
        assert (await client.post(link, data={})).status_code == 303
        assert (await client.get("/desk/people")).status_code == 200
        assert (await client.get(link)).status_code == 410
    async with a_browser(house.site) as client:
        assert (await sign_in(client, house)).status_code == 303


async def test_a_password_kept_from_before_lets_nobody_in_without_passwords(house: House) -> None:
    async with house.site.db.begin() as session:
        secret = await add_user(session, ANNE, role=Role.OWNER, now=house.site.clock.now())
    async with a_browser(house.site) as client:
        both = {"password": PASSWORD, "again": PASSWORD}
        assert (await client.post(f"/desk/welcome/{secret}", data=both)).status_code == 303
    without = house.with_client(passwords=False)
    async with a_browser(without.site) as client:
        form = {"address": ANNE, "password": PASSWORD}
        assert (await client.post("/desk/sign-in", data=form)).status_code == 403


async def test_who_comes_back_too_often_is_held_back(house: House) -> None:
    async with a_browser(house.site) as client:
        seen = [(await client.get(BACK, params={"state": "x"})).status_code for _ in range(21)]
    assert seen == [403] * 20 + [429]


async def test_an_owner_lets_people_in_at_the_desk_and_ends_it_there(house: House) -> None:
    async with at_the_desk(house.site) as owner, a_browser(house.site) as client:
        added = await owner.post("/desk/people", address=ANNE, role="editor", oidc="1")
        assert added.headers["location"].endswith("done=expected")
        assert "has not signed in with Example Co. yet" in (await owner.get("/desk/people")).text
        assert (await sign_in(client, house)).status_code == 303
        page = await client.get("/desk/account")
        assert "You have none here" in page.text
        async with house.site.db.read() as session:
            user = await find_user(session, ANNE)
        assert user is not None
        ended = await owner.post(f"/desk/people/{user.id}/oidc", may="0")
        assert ended.status_code == 303
        assert (await client.get("/desk")).status_code == 303
        assert (await sign_in(client, house)).status_code == 403
        await owner.post(f"/desk/people/{user.id}/oidc", may="1")
        assert (await sign_in(client, house)).status_code == 303
        async with house.site.db.begin() as session:
            await remove_user(session, user)
        assert (await client.get("/desk")).status_code == 303
        assert (await sign_in(client, house)).status_code == 403


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


async def test_a_role_changed_at_the_desk_stays_for_whom_an_owner_added(house: House) -> None:
    house = house.with_client(policy=CLAIM, role_claim="groups")
    await house.expect(role=Role.VIEWER)
    house.issuer.person["groups"] = ["chiefs"]
    async with a_browser(house.site) as client:
        assert (await sign_in(client, house)).status_code == 303
        assert (await client.get("/desk/people")).status_code == 403
        async with house.site.db.begin() as session:
            user = await find_user(session, ANNE)
            assert user is not None
            await change_user(session, user.id, role=Role.OPERATOR)
        assert (await sign_in(client, house)).status_code == 303
        assert (await client.get("/desk/relays")).status_code == 200
