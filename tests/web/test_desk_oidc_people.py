"""Whom a provider of identities lets in at the desk, and as what."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from digest.access.issuer_settings import BACK
from digest.access.users import add_user, remove_user, reset_user, set_identity
from digest.rules.rights import Role
from digest.store.user_identities import list_identities
from digest.store.users import change_user, find_user, list_users
from digest.web.desk.visit import cookie_name
from tests.build import PUBLIC_URL
from tests.web.desk import PASSWORD, a_browser, at_the_desk
from tests.web.oidc import ANNE, CLAIM, DOMAIN, PERSON, THERE, House, house, sign_in

__all__ = ["house"]  # a fixture


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
