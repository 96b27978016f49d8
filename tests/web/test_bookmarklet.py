"""An editor's own page for the inbox: a look changes nothing, its button keeps one link."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

import httpx2
import pytest
from sqlalchemy import delete

from digest.mail.tokens import KeyRing, TokenKind
from digest.rules.candidate import CandidateState
from digest.store.bookmarklets import open_bookmarklet, revoke_bookmarklets
from digest.store.candidates import Candidate, list_candidates
from digest.store.newsletters import add_person
from digest.store.schema import newsletter_people
from digest.web.bookmarklet import bookmarklet_token
from tests.build import NOW, PUBLIC_URL
from tests.web.conftest import Installation
from tests.web.test_routes import everything

EDITOR = "edda@example.org"
HOSTILE = "\"'><script>alert(1)</script>{{ 7*7 }}</textarea><img src=x onerror=alert(1)>"


@pytest.fixture
async def path(installation: Installation) -> str:
    """The page of Edda, an editor."""
    site = installation.site
    async with site.db.begin() as session:
        await add_person(session, installation.newsletter.id, role="editor", address=EDITOR)
        mine = await open_bookmarklet(session, installation.newsletter.id, EDITOR, now=NOW)
    return f"/links/{bookmarklet_token(site.keys, mine.id)}"


async def kept(installation: Installation) -> list[Candidate]:
    async with installation.site.db.read() as session:
        return await list_candidates(
            session, installation.newsletter.id, states=tuple(CandidateState)
        )


async def test_the_bookmarklet_opens_a_form_that_keeps_the_page(
    installation: Installation, client: httpx2.AsyncClient, path: str
) -> None:
    shown = await client.get(path)
    (code,) = re.findall(r'href="(javascript:[^"]*)"', shown.text)
    code = unquote(unescape(code))
    assert f'window.open("{PUBLIC_URL}{path}"' in code
    assert not {"\n", "<"} & set(code)
    assert shown.headers["referrer-policy"] == "no-referrer"
    # What the browser makes of it on a page; nobody asks that address, which has no such port.
    query = {"url": "http://127.0.0.1:9/robot", "title": "It counts", "note": "Sheep."}
    form = await client.get(path, params=query)
    assert 'value="http://127.0.0.1:9/robot"' in form.text
    sent = {"url": "https://example.org/page", **{k: query[k] for k in ("title", "note")}}
    had = await client.post(path, data=sent)
    assert (had.status_code, "It is linked in issue 182" in had.text) == (409, True)
    assert "Sheep." in had.text  # nothing that was typed is lost
    inside = await client.post(path, data=query)
    assert inside.status_code == 422
    assert await kept(installation) == []


async def test_a_page_nobody_can_read_is_kept_with_what_was_handed_in(
    installation: Installation, client: httpx2.AsyncClient, path: str
) -> None:
    sent = {"url": "https://no.such.host.invalid/robot", "title": "It counts", "note": "Sheep."}
    first = await client.post(path, data=sent)
    assert (first.status_code, "Kept" in first.text) == (200, True)
    again = await client.post(path, data={**sent, "note": "And goats.", "section": "Code"})
    assert "It was kept before" in again.text
    (link,) = await kept(installation)
    assert (link.title, link.note, link.state) == (
        *("It counts", "Sheep.\nAnd goats.", CandidateState.KEPT),
    )
    assert link.section == "Code"


async def test_a_look_at_the_page_changes_nothing_whatever_its_address_brings(
    installation: Installation, client: httpx2.AsyncClient, path: str
) -> None:
    before = await everything(installation.site.db)
    query = {"url": "https://example.org/new", "title": "x", "confirm": "yes", "save": "1"}
    for method in ("GET", "HEAD"):
        assert (await client.request(method, path, params=query)).status_code == 200
    assert await everything(installation.site.db) == before


async def test_what_a_strange_page_is_called_runs_nowhere(
    installation: Installation, client: httpx2.AsyncClient, path: str
) -> None:
    values = {"url": HOSTILE, "title": HOSTILE, "note": HOSTILE, "section": HOSTILE[:60]}
    sent = {**values, "url": "https://no.such.host.invalid/x"}
    pages = [await client.get(path, params=values), await client.post(path, data=values)]
    pages += [await client.post(path, data=sent), await client.get(path, params=sent)]
    for shown in pages:
        assert "<script>alert" not in shown.text
        assert "<img" not in shown.text
        assert "script-src 'self'" in shown.headers["content-security-policy"]
    assert [one.status_code for one in pages] == [200, 422, 200, 200]


async def test_a_form_of_another_site_changes_nothing(
    installation: Installation, client: httpx2.AsyncClient, path: str
) -> None:
    before = await everything(installation.site.db)
    sent = {"url": "https://no.such.host.invalid/x"}
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ):
        assert (await client.post(path, data=sent, headers=headers)).status_code == 403
    assert await everything(installation.site.db) == before
    ours = {"sec-fetch-site": "same-origin", "origin": "null"}  # under no-referrer it is null
    assert (await client.post(path, data=sent, headers=ours)).status_code == 200


async def test_a_page_that_is_forged_revoked_or_of_nobody_any_more_is_not_there(
    installation: Installation, client: httpx2.AsyncClient, path: str
) -> None:
    site, newsletter = installation.site, installation.newsletter
    sent = {"url": "https://no.such.host.invalid/x"}
    forged = KeyRing("z" * 32).sign(TokenKind.BOOKMARKLET, 1)
    other = [site.keys.sign(kind, 1) for kind in TokenKind if kind is not TokenKind.BOOKMARKLET]
    for token in (forged, site.keys.sign(TokenKind.BOOKMARKLET, 99), *other):
        assert (await client.get(f"/links/{token}")).status_code == 404
        assert (await client.post(f"/links/{token}", data=sent)).status_code == 404
    async with site.db.begin() as session:
        await session.execute(delete(newsletter_people))
    assert (await client.post(path, data=sent)).status_code == 404
    async with site.db.begin() as session:
        await add_person(session, newsletter.id, role="operator", address=EDITOR)
    assert (await client.get(path)).status_code == 200
    async with site.db.begin() as session:
        assert await revoke_bookmarklets(session, newsletter.id, EDITOR, now=NOW)
        fresh = await open_bookmarklet(session, newsletter.id, EDITOR, now=NOW)
    assert (await client.post(path, data=sent)).status_code == 404
    assert bookmarklet_token(site.keys, fresh.id) not in path
    assert await kept(installation) == []


async def test_a_page_that_is_used_by_a_machine_waits(
    installation: Installation, client: httpx2.AsyncClient, path: str
) -> None:
    statuses = [(await client.post(path, data={"url": "x"})).status_code for _ in range(61)]
    assert statuses == [422] * 60 + [429]
