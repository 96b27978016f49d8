"""The link inbox at the desk: what a button does is what ``digest link`` does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from digest.content.links import canonical_url
from digest.rules.candidate import CandidateState
from digest.rules.rights import Role
from digest.store.candidates import (
    Candidate,
    Find,
    add_candidate,
    list_candidates,
    order_candidates,
    set_candidates,
)
from tests.build import NOW, a_newsletter
from tests.web.conftest import Installation
from tests.web.desk import Person, at_the_desk

PAGE = "/desk/n/weekly/links"
TITLES = ("One", "Two", "Three", "Four")


@pytest.fixture
async def links(installation: Installation) -> list[int]:
    """Three links kept in one section, and one that waits."""
    found = []
    async with installation.site.db.begin() as session:
        for title in TITLES:
            url = f"https://example.org/{title.lower()}"
            find = Find(url, canonical_url(url), title, f"About {title}.", section="Industry")
            link, _ = await add_candidate(session, installation.newsletter.id, find, now=NOW)
            found.append(link.id)
        await set_candidates(session, installation.newsletter.id, found[3:], CandidateState.WAITING)
    return found


@pytest.fixture
async def editor(installation: Installation) -> AsyncIterator[Person]:
    async with at_the_desk(installation.site, Role.EDITOR) as person:
        yield person


async def kept(installation: Installation) -> list[Candidate]:
    async with installation.site.db.read() as session:
        return await list_candidates(
            session, installation.newsletter.id, states=(CandidateState.KEPT,)
        )


async def test_links_are_kept_dropped_and_ordered(
    installation: Installation, editor: Person, links: list[int]
) -> None:
    page = (await editor.get(PAGE)).text
    assert "3 kept, 1 waiting" in page
    assert re.findall(r'data-link="(\d+)"', page) == [str(one) for one in links[:3]]
    await editor.post(f"{PAGE}/{links[3]}", do="keep")
    await editor.post(f"{PAGE}/{links[0]}", do="drop")
    up = await editor.post(f"{PAGE}/{links[3]}", do="up")
    assert up.headers["location"] == f"{PAGE}#link-{links[3]}"
    assert [one.title for one in await kept(installation)] == ["Two", "Four", "Three"]
    await editor.post(f"{PAGE}/{links[1]}", do="down")
    assert [one.title for one in await kept(installation)] == ["Four", "Two", "Three"]
    await editor.post(f"{PAGE}/{links[3]}", do="up")  # the first one stays it
    assert [one.title for one in await kept(installation)] == ["Four", "Two", "Three"]
    page = (await editor.get(PAGE)).text
    assert "Dropped (1)" in page
    draft = (await editor.get("/desk/n/weekly/write?from=links")).text
    assert re.findall(r"### \[(\w+)\]", draft) == ["Four", "Two", "Three"]


async def test_what_was_dragged_comes_into_its_section_in_its_place(
    installation: Installation, editor: Person, links: list[int]
) -> None:
    fields = {"order": f"{links[2]} {links[0]} {links[1]}", "moved": links[2], "section": "Code"}
    assert (await editor.post(f"{PAGE}/order", **fields)).status_code == 303
    found = [(one.title, one.section) for one in await kept(installation)]
    assert found == [("Three", "Code"), ("One", "Industry"), ("Two", "Industry")]
    for wrong in ("x", "-1", "1.5"):
        assert (await editor.post(f"{PAGE}/order", order=wrong)).status_code == 422
    for absent in ("999", "9" * 40):
        assert (await editor.post(f"{PAGE}/order", order=absent)).status_code == 404


async def test_an_editors_words_stand_in_the_draft(
    installation: Installation, editor: Person, links: list[int]
) -> None:
    path = f"{PAGE}/{links[0]}"
    said = {"do": "say", "title": "The first", "note": "Mine.\r\n\r\nTwice.", "section": "Code"}
    assert (await editor.post(path, **said)).status_code == 303
    first = next(one for one in await kept(installation) if one.id == links[0])
    assert (first.title, first.note, first.section) == ("The first", "Mine.\nTwice.", "Code")
    draft = (await editor.get("/desk/n/weekly/write?from=links")).text
    assert "Mine." in draft
    assert "About One." not in draft
    await editor.post(path, do="say", title="The first", note="")
    assert "About One." in (await editor.get("/desk/n/weekly/write?from=links")).text
    assert (await editor.post(path, do="say", title=" ", note="")).status_code == 422
    long = await editor.post(path, do="say", title="x", note="x" * 20_000)
    assert long.status_code == 422


async def test_a_link_that_is_handed_in_is_asked_through_the_guard(
    installation: Installation, editor: Person
) -> None:
    """The page of a private network is refused, and so is what is no link."""
    for url in ("http://127.0.0.1:1/x", "http://169.254.169.254/latest", "javascript:alert(1)", ""):
        answer = await editor.post(PAGE, url=url)
        assert answer.status_code == 422, url
    assert await kept(installation) == []


async def test_nobody_touches_links_of_another_newsletter(
    installation: Installation, editor: Person, links: list[int]
) -> None:
    await a_newsletter(installation.site.db, "other", name="Other", list_id="other.example.org")
    other = "/desk/n/other/links"
    for fields in ({"do": "drop"}, {"do": "up"}, {"do": "say", "title": "x", "note": "x"}):
        assert (await editor.post(f"{other}/{links[0]}", **fields)).status_code == 404, fields
    assert (await editor.post(f"{other}/order", order=str(links[1]))).status_code == 404
    assert [one.title for one in await kept(installation)] == ["One", "Two", "Three"]
    assert (await editor.post(f"{PAGE}/{links[0]}", do="burn")).status_code == 422
    assert (await editor.post(f"{PAGE}/{2**64}", do="drop")).status_code == 404


async def test_an_order_leaves_what_it_does_not_name_behind_it(
    installation: Installation, links: list[int]
) -> None:
    async with installation.site.db.begin() as session:
        there = await order_candidates(session, installation.newsletter.id, [links[2], 10**9])
    assert there == [links[2]]
    assert [one.title for one in await kept(installation)] == ["Three", "One", "Two"]
