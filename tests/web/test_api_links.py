"""The link inbox by the API: what the command line does, for editors elsewhere."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from digest.collect.asking import Asker
from digest.web.app import create_app
from digest.web.site import Site
from tests.build import PUBLIC_URL
from tests.collect.web import html, served
from tests.fakes.pages import answer
from tests.web.api import Program, a_key
from tests.web.conftest import Installation

LINKS = "/newsletters/weekly/links"


@pytest.fixture
async def program(installation: Installation, client: httpx2.AsyncClient) -> Program:
    _, key = await a_key(installation.site)
    return Program(client, key)


async def kept(program: Program, url: str, **more: Any) -> httpx2.Response:
    return await program.post(LINKS, {"url": url, "offline": True, **more})


async def test_a_page_is_read_by_the_server_and_no_address_of_its_own_network_is(
    installation: Installation,
) -> None:
    site = installation.site
    asking = Site(
        site.db, site.keys, PUBLIC_URL, relay_configured=True, asker=Asker(allow="127.0.0.0/8")
    )
    _, key = await a_key(site)
    transport = httpx2.ASGITransport(create_app(asking))
    away = answer(302, Location="http://169.254.169.254/latest/meta-data/")
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        program = Program(client, key)
        with served({"/robot": html("<title>It <b>counts</b></title>"), "/away": away}) as pages:
            made = (await program.post(LINKS, {"url": pages.url("/robot")})).json()
            gone = (await program.post(LINKS, {"url": pages.url("/no")})).json()
            inside = await program.post(LINKS, {"url": pages.url("/away")})
        assert (made["title"], made["trouble"]) == ("It counts", None)
        assert gone["trouble"] == "It answers 404."
        for answered in (inside, await program.post(LINKS, {"url": "http://10.0.0.1/"})):
            assert answered.status_code == 422
            assert answered.json()["errors"][0]["pointer"] == "/url"
        assert len((await program.get(LINKS)).json()["items"]) == 2


async def test_the_same_page_is_one_link_and_one_that_an_issue_has_is_refused(
    program: Program,
) -> None:
    first = (await kept(program, "https://example.org/robot?utm_source=x", note="One.")).json()
    again = (await kept(program, "https://example.org/robot", note="Two.")).json()
    assert (first["new"], again["new"], again["id"]) == (True, False, first["id"])
    assert again["note"] == "One.\nTwo."
    had = await kept(program, "https://example.org/page")
    assert (had.status_code, had.json()["refused"]) == (409, True)
    assert "182" in had.json()["detail"]


async def test_links_are_moved_and_dropped_all_or_none(program: Program) -> None:
    ids = [(await kept(program, f"https://example.org/{n}")).json()["id"] for n in "ab"]
    for wrong in ([*ids, 999], [*ids, 2**63], [2**80]):
        body = {"ids": wrong, "state": "dropped", "section": "Code"}
        assert (await program.patch(LINKS, body)).status_code == 404
    assert {one["state"] for one in (await program.get(LINKS)).json()["items"]} == {"kept"}
    moved = await program.patch(LINKS, {"ids": ids[:1] * 2, "section": "Code", "state": "dropped"})
    assert moved.json() == {"ids": ids[:1]}
    (dropped,) = (await program.get(LINKS, state="dropped")).json()["items"]
    assert (dropped["section"], dropped["issue"]) == ("Code", None)
    assert [one["id"] for one in (await program.get(LINKS)).json()["items"]] == ids[1:]


WRONG: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/url", {}),
    ("/url", {"url": ""}),
    ("/url", {"url": "javascript:alert(1)"}),
    ("/url", {"url": "https://u:p@example.org/"}),
    ("/url", {"url": f"https://example.org/{'x' * 2000}"}),
    ("/note", {"url": "https://example.org/x", "note": "x" * 2001}),
    ("/section", {"url": "https://example.org/x", "section": "\n"}),
    ("/sponsor_for", {"url": "https://example.org/x", "sponsor_for": "tomorrow"}),
    ("/state", {"url": "https://example.org/x", "state": "kept"}),
)


async def test_what_is_no_link_is_told_with_its_field_and_not_kept(program: Program) -> None:
    for pointer, body in WRONG:
        answered = await program.post(LINKS, {"offline": True, **body})
        assert answered.status_code == 422, body
        assert answered.json()["errors"][0]["pointer"] == pointer
    assert (await program.get(LINKS)).json()["items"] == []


async def test_controls_in_words_are_taken_off(program: Program) -> None:
    made = await kept(program, "https://example.org/x", title="a\x00b\x1b[2J", note="c\x00d\ne")
    assert made.status_code == 200
    assert not any(ord(one) < 32 and one != "\n" for one in "".join(map(str, made.json().values())))


async def test_links_of_another_newsletter_are_not_there(program: Program) -> None:
    assert (await program.get("/newsletters/none/links")).status_code == 404
    assert (await program.get(LINKS, state="sent")).status_code == 422
    assert (await program.patch(LINKS, {"ids": [1]})).status_code == 422
