"""The way into the desk, and what it keeps out (standards, classes 11, 13, 22 and 25)."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import select, update

from digest.access.sessions import form_token_of
from digest.access.users import add_user, follow_link
from digest.rules.rights import Role
from digest.store.audit import list_deeds, write_down
from digest.store.schema import audit, sign_in_tries
from digest.store.user_sessions import end_sessions, list_sessions
from digest.store.users import User
from digest.web.app import Site
from digest.web.desk.visit import cookie_name
from tests.web.conftest import Installation
from tests.web.desk import PASSWORD, Person, a_browser, at_the_desk

ANNE = "anne@example.org"
# What a browser says of a form that no page of ours has sent, and of one of ours.
FOREIGN = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
)
OURS = {"sec-fetch-site": "same-origin", "origin": "null"}


@pytest.fixture
def site(installation: Installation) -> Site:
    return installation.site


async def anne(site: Site, role: Role = Role.EDITOR) -> User:
    now = site.clock.now()
    async with site.db.begin() as session:
        secret = await add_user(session, ANNE, role=role, name="Anne", now=now)
    return await follow_link(site.db, secret, password=PASSWORD, now=now)


async def sign_in(
    client: httpx2.AsyncClient, password: str = PASSWORD, *, address: str = ANNE, **more: str
) -> httpx2.Response:
    fields = {"address": address, "password": password, **more}
    return await client.post("/desk/sign-in", data=fields)


async def test_one_signs_in_and_out(site: Site) -> None:
    await anne(site)
    async with a_browser(site) as client:
        asked = await client.get("/desk/account")
        assert (asked.status_code, asked.headers["location"]) == (
            303,
            "/desk/sign-in?to=/desk/account",
        )
        inside = await sign_in(client, to="/desk/account")
        assert (inside.status_code, inside.headers["location"]) == (303, "/desk/account")
        page = await client.get("/desk/account")
        assert "Anne" in page.text
        field = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.text)
        assert field is not None
        out = await client.post("/desk/sign-out", data={"form_token": field[1]})
        assert out.headers["location"] == "/desk/sign-in"
        assert (await client.get("/desk/account")).status_code == 303
    async with site.db.read() as session:
        assert await list_sessions(session) == []
        deeds = await list_deeds(session, limit=5)
    assert [(one.who, one.action, one.result) for one in deeds] == [
        (ANNE, "sign out", "done"),
        (ANNE, "sign in", "done"),
    ]


async def test_the_cookie_is_kept_from_scripts_and_other_sites(site: Site) -> None:
    await anne(site)
    async with a_browser(site) as client:
        cookie = (await sign_in(client)).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/;" in cookie
    assert "Domain" not in cookie
    assert len(cookie.partition("=")[2].partition(";")[0]) == 43


@pytest.mark.parametrize("asked", ["//evil.example", "https://evil.example", "/desk/../x", "/u/x"])
async def test_signing_in_leads_to_the_desk_and_nowhere_else(site: Site, asked: str) -> None:
    await anne(site)
    async with a_browser(site) as client:
        assert "evil" not in (await client.get("/desk/sign-in", params={"to": asked})).text
        assert (await sign_in(client, to=asked)).headers["location"] == "/desk"


async def test_a_session_is_never_one_that_the_browser_brought(site: Site) -> None:
    """Fixation: whatever token somebody planted, signing in makes another, and ends a good one."""
    await anne(site)
    async with a_browser(site) as client:
        client.cookies.set(cookie_name(site), "x" * 43)
        first = (await sign_in(client)).cookies[cookie_name(site)]
        assert first != "x" * 43
    async with a_browser(site) as client:
        client.cookies.set(cookie_name(site), "x" * 43)
        assert (await client.get("/desk")).status_code == 303
    async with a_browser(site) as client:
        client.cookies.set(cookie_name(site), first)
        assert (await client.get("/desk")).status_code == 200
        second = (await sign_in(client)).cookies[cookie_name(site)]
        assert second != first
    async with a_browser(site) as client:
        client.cookies.set(cookie_name(site), first)
        assert (await client.get("/desk")).status_code == 303


async def test_a_session_that_was_ended_opens_nothing_from_that_moment(site: Site) -> None:
    async with at_the_desk(site) as owner:
        assert (await owner.get("/desk")).status_code == 200
        async with site.db.begin() as session:
            await end_sessions(session, owner.user.id)
        assert (await owner.get("/desk")).status_code == 303
        refused = await owner.post("/desk/people", address="mallory@example.org", role="owner")
    assert refused.status_code == 403


async def test_an_address_nobody_has_is_answered_as_a_wrong_password(site: Site) -> None:
    await anne(site)
    answers = set()
    async with a_browser(site) as client:
        for address, password in (
            (ANNE, "wrong"),
            ("nobody@example.org", "wrong"),
            ("x", PASSWORD),
        ):
            answer = await sign_in(client, password, address=address)
            assert "set-cookie" not in answer.headers
            text = answer.text.replace(f'value="{address}"', "")
            answers.add((answer.status_code, text))
    assert len(answers) == 1
    assert answers.pop()[0] == 403


async def test_who_tries_too_often_is_held_back_also_with_the_right_password(site: Site) -> None:
    await anne(site)
    async with a_browser(site) as client:
        seen = [(await sign_in(client, "wrong")).status_code for _ in range(20)]
        last = await sign_in(client)
        assert set(seen) == {403}
        assert (last.status_code, last.headers["retry-after"]) == (429, "600")
        assert "set-cookie" not in last.headers


async def test_tries_from_one_network_are_counted_whichever_process_is_asked(site: Site) -> None:
    """Each browser here asks an application of its own, as if behind a balancer."""
    await anne(site)
    for _ in range(10):
        async with a_browser(site) as one, a_browser(site) as other:
            for client in (one, other):
                assert (await sign_in(client, "wrong", address="x@example.org")).status_code == 403
    async with a_browser(site) as client:
        assert (await sign_in(client)).status_code == 429
    async with site.db.begin() as session:
        long_ago = update(sign_in_tries).values(since=site.clock.now() - timedelta(minutes=10))
        await session.execute(long_ago)
    async with a_browser(site) as client:
        assert (await sign_in(client)).status_code == 303
    async with site.db.read() as session:
        assert [row.tries for row in await session.execute(select(sign_in_tries))] == [1]


async def test_tries_at_one_address_are_counted_wherever_they_come_from(site: Site) -> None:
    """Also by another process: what was refused is in the database."""
    await anne(site)
    now = site.clock.now()
    async with site.db.begin() as session:
        for _ in range(49):
            await write_down(session, ANNE, "sign in", result="refused", now=now)
    async with a_browser(site) as client:
        assert (await sign_in(client, "wrong")).status_code == 403
    async with a_browser(site) as client:
        assert (await sign_in(client, address=ANNE.upper())).status_code == 429
    async with site.db.begin() as session:
        long_ago = update(audit).values(at=now - timedelta(minutes=11))
        await session.execute(long_ago)
    async with a_browser(site) as client:
        assert (await sign_in(client)).status_code == 303


async def test_a_form_of_another_page_session_or_site_changes_nothing(site: Site) -> None:
    """CSRF: no token, a made-up one, that of another, the cookie's own; a foreign origin."""
    async with at_the_desk(site) as owner, at_the_desk(site, Role.EDITOR) as editor:
        path, fields = "/desk/people", {"address": "mallory@example.org", "role": "owner"}
        wrong = ("", "x" * 64, form_token_of(editor.token), owner.token)
        for token in wrong:
            answer = await owner.client.post(path, data={**fields, "form_token": token})
            assert answer.status_code == 403, token
        good = {**fields, "form_token": form_token_of(owner.token)}
        for headers in FOREIGN:
            answer = await owner.client.post(path, data=good, headers=headers)
            assert answer.status_code == 403, headers
        assert "mallory" not in (await owner.get("/desk/people")).text
        assert (await owner.client.post(path, data=good, headers=OURS)).status_code == 200
        assert "mallory" in (await owner.get("/desk/people")).text


async def test_no_page_of_others_signs_a_browser_in(site: Site) -> None:
    """With the right password, or by a good link: who looks on would work as whoever set it up."""
    await anne(site)
    async with site.db.begin() as session:
        now = site.clock.now()
        secret = await add_user(session, "bart@example.org", role=Role.EDITOR, now=now)
    ways = {
        "/desk/sign-in": {"address": ANNE, "password": PASSWORD},
        f"/desk/welcome/{secret}": {"password": PASSWORD, "again": PASSWORD},
    }
    async with a_browser(site) as client:
        for (path, fields), headers in itertools.product(ways.items(), FOREIGN):
            answer = await client.post(path, data=fields, headers=headers)
            assert answer.status_code == 403, (path, headers)
            assert "set-cookie" not in answer.headers, (path, headers)
    async with site.db.read() as session:
        assert await list_sessions(session) == []
    for path, fields in ways.items():
        async with a_browser(site) as client:
            answer = await client.post(path, data=fields, headers=OURS)
            assert (answer.status_code, answer.headers["location"]) == (303, "/desk"), path
            assert (await client.get("/desk")).status_code == 200, path


async def test_a_link_sets_a_password_and_signs_in(site: Site) -> None:
    async with at_the_desk(site) as owner:
        shown = await owner.post("/desk/people", address="bart@example.org", role="editor")
    found = re.search(r'href="[^"]*(/desk/welcome/[\w-]{43})"', shown.text)
    assert found is not None
    async with a_browser(site) as client:
        assert "bart@example.org" in (await client.get(found[1])).text
        weak = await client.post(found[1], data={"password": "weak", "again": "weak"})
        assert weak.status_code == 422
        other = await client.post(found[1], data={"password": PASSWORD, "again": PASSWORD + "x"})
        assert other.status_code == 422
        done = await client.post(found[1], data={"password": PASSWORD, "again": PASSWORD})
        assert (done.status_code, done.headers["location"]) == (303, "/desk")
        assert "bart@example.org" in (await client.get("/desk/account")).text
        assert (await client.get(found[1])).status_code == 410


async def test_one_signs_another_browser_out_and_nobody_elses(site: Site) -> None:
    await anne(site)
    async with a_browser(site) as one, a_browser(site) as other, at_the_desk(site) as owner:
        for client in (one, other):
            await sign_in(client)
        async with site.db.read() as session:
            theirs = await list_sessions(session, owner.user.id)
        person = Person(one, owner.user, one.cookies[cookie_name(site)])
        missing = await person.post("/desk/account/sessions", session=str(theirs[0].id))
        assert missing.status_code == 404
        await person.post("/desk/account/sessions", session="others")
        assert (await other.get("/desk")).status_code == 303
        assert (await one.get("/desk")).status_code == 200
        assert (await owner.get("/desk")).status_code == 200


async def test_what_owners_do_to_people_is_done_and_written_down(site: Site) -> None:
    user = await anne(site)
    async with at_the_desk(site) as owner:
        path = f"/desk/people/{user.id}"
        assert (await owner.post(f"{path}/role", role="viewer")).status_code == 303
        assert (await owner.post(f"{path}/role", role="king")).status_code == 422
        assert "/desk/welcome/" in (await owner.post(f"{path}/reset")).text
        assert (await owner.post(f"{path}/remove")).status_code == 303
        assert (await owner.post(f"{path}/remove")).status_code == 404
        only = await owner.post(f"/desk/people/{owner.user.id}/remove")
        assert only.status_code == 409
        assert "only owner" in only.text
        log = (await owner.get("/desk/log")).text
    for words in ("set role", "reset user", "remove user", "There is no such role", "only owner"):
        assert words in log


async def test_no_page_of_the_desk_is_kept_or_framed(site: Site) -> None:
    async with at_the_desk(site) as owner:
        async with site.db.begin() as session:
            now = site.clock.now()
            secret = await add_user(session, ANNE, role=Role.EDITOR, now=now)
        welcome = f"/desk/welcome/{secret}"
        for path in ("/desk", "/desk/account", "/desk/people", "/desk/sign-in", welcome):
            headers = (await owner.get(path)).headers
            assert headers["cache-control"] == "no-store"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["referrer-policy"] == "same-origin"
