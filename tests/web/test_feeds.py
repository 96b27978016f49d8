"""Feeds, the archive's list, crawlers' lists, and all of it under a path of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

import httpx2
import pytest
from sqlalchemy import select, update

from digest.delivery.corrections import correct_issue
from digest.delivery.publish import prepare_issue
from digest.store.issues import issue_by_id, mark_past
from digest.store.newsletters import set_newsletter
from digest.store.schema import deliveries, issues
from digest.web.app import create_app
from tests.build import NOW, an_issue, issue_text
from tests.web.conftest import Installation

ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = "</title><script>alert(1)</script> & ]]> #<b>"


async def past(installation: Installation, number: int, text: str | None = None) -> None:
    """An issue that went out ``number`` days before the end of time."""
    db = installation.site.db
    stored = await an_issue(db, installation.newsletter, number, text=text)
    sent_at = NOW - timedelta(days=182 - number)
    async with db.begin() as session:
        await mark_past(session, stored.issue.id, stored.version.id, sent_at=sent_at, by="Cris")


async def test_every_feed_has_the_issues_that_are_listed(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    hostile = issue_text(181).replace("A Weekly, Issue #181", HOSTILE)
    await past(installation, 181, hostile)
    await an_issue(installation.site.db, installation.newsletter, 183)
    atom = await client.get("/n/weekly/feed.atom")
    assert atom.headers["content-type"] == "application/atom+xml"
    entries = ET.fromstring(atom.content).findall(f"{ATOM}entry")
    titles = [entry.findtext(f"{ATOM}title") for entry in entries]
    assert titles == ["A Weekly, Issue #182", HOSTILE]
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert ids[0] == "http://127.0.0.1:8000/i/weekly/182"
    rss = ET.fromstring((await client.get("/n/weekly/feed.rss")).content)
    assert [item.findtext("title") for item in rss.iter("item")] == titles
    feed = (await client.get("/n/weekly/feed.json")).json()
    assert [item["title"] for item in feed["items"]] == titles
    again = await client.get("/n/weekly/feed.atom", headers={"if-none-match": atom.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_correction_is_noted_in_the_archive_and_in_every_feed_and_mailed_to_nobody(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site, newsletter, note = installation.site, installation.newsletter, "The <b> was no link."

    async def updated() -> str | None:
        atom = ET.fromstring((await client.get("/n/weekly/feed.atom")).content)
        return atom.findtext(f"{ATOM}entry/{ATOM}updated")

    before = await updated()
    async with site.db.begin() as session:
        queued = (await session.execute(select(deliveries).order_by(deliveries.c.id))).all()
        await set_newsletter(session, newsletter.id, language="de-AT")
        prepared = prepare_issue(
            newsletter,
            issue_text(182).replace("The blurb", "The right blurb"),
            path="182.md",
            media={},
            public_url=site.public_url,
        )
        issue, now = await issue_by_id(session, installation.issue_id), NOW + timedelta(hours=1)
        await correct_issue(session, issue, prepared, note=note, by="Cris", now=now)
    shown = (await client.get("/i/weekly/182")).text
    assert "The right blurb, in Markdown." in shown
    assert "The &lt;b&gt; was no link." in shown
    assert "Berichtigt:" in shown
    said = f"Berichtigt: {note} What it takes to build"
    atom = ET.fromstring((await client.get("/n/weekly/feed.atom")).content)
    assert (atom.findtext(f"{ATOM}entry/{ATOM}summary") or "").startswith(said)
    rss = ET.fromstring((await client.get("/n/weekly/feed.rss")).content)
    assert (rss.findtext("channel/item/description") or "").startswith(said)
    feed = (await client.get("/n/weekly/feed.json")).json()
    assert feed["items"][0]["content_text"].startswith(said)
    assert await updated() != before
    async with site.db.read() as session:
        rows = (await session.execute(select(deliveries).order_by(deliveries.c.id))).all()
    assert rows == queued


async def test_an_issue_is_listed_when_its_canary_has_passed_and_read_before(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    async with installation.site.db.begin() as session:
        await session.execute(update(issues).values(canary_passed_at=None))
    assert (await client.get("/i/weekly/182")).status_code == 200
    for path in ("/n/weekly", "/n/weekly/archive", "/n/weekly/feed.atom", "/sitemap.xml"):
        assert "182" not in (await client.get(path)).text, path


async def test_the_archive_is_leafed_through_and_searched(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    for number in range(150, 182):
        await past(installation, number, issue_text(number, words=f"word{number} 100%"))
    first = (await client.get("/n/weekly/archive")).text
    assert "Page 1 of 2" in first
    assert 'href="?page=2"' in first
    assert "Issue #150" in (await client.get("/n/weekly/archive?page=2")).text
    found = (await client.get("/n/weekly/archive?q=WORD170")).text
    assert "Issue #170" in found
    assert "Issue #171" not in found
    assert "1 issue" in found
    for words in ("%25", "_ord170", "%00", "'%20OR%201=1--", "<script>alert(1)</script>", "\\"):
        answer = await client.get(f"/n/weekly/archive?q={words}")
        assert answer.status_code == 200
        assert "<script>" not in answer.text
    assert "32 issues" in (await client.get("/n/weekly/archive?q=100%25")).text
    assert "0 issues" in (await client.get("/n/weekly/archive?q=w_rd170")).text
    for page in ("0", "-1", "3", "x", "99999999999", "1e3", "٢"):
        assert (await client.get(f"/n/weekly/archive?page={page}")).status_code == 404, page


async def test_an_issue_leads_to_its_neighbours_and_is_shown_well_elsewhere(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    await past(installation, 180)
    await past(installation, 181, issue_text(181).replace("preview: What", 'preview: "><What'))
    text = (await client.get("/i/weekly/181")).text
    assert 'rel="prev" href="/i/weekly/180"' in text
    assert 'rel="next" href="/i/weekly/182"' in text
    assert 'property="og:title" content="A Weekly, Issue #181"' in text
    assert '<link rel="canonical" href="http://127.0.0.1:8000/i/weekly/181">' in text
    assert '"><What' not in text


async def test_crawlers_find_what_anyone_may_see_and_nothing_else(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    text = (await client.get("/sitemap.xml")).text
    assert "http://127.0.0.1:8000/i/weekly/182" in text
    assert "/u/" not in text
    robots = (await client.get("/robots.txt")).text
    for closed in ("/u/", "/p/", "/c/", "/a/", "/d/"):
        assert f"Disallow: {closed}" in robots


@pytest.mark.parametrize("stripped", [True, False])
async def test_all_of_it_lives_under_a_path_of_its_own(
    installation: Installation, stripped: bool
) -> None:
    """Behind a proxy that takes the path off, and behind one that leaves it on."""
    site = replace(installation.site, public_url="https://example.org/news")
    transport = httpx2.ASGITransport(create_app(site))
    before = "" if stripped else "/news"
    token = f"/u/{installation.leave_token(installation.anne)}"
    async with httpx2.AsyncClient(transport=transport, base_url="https://example.org") as client:
        for path in ("/", "/n/weekly", "/n/weekly/archive", "/i/weekly/182", token, "/nothing"):
            answer = await client.get(before + path)
            assert answer.status_code == (404 if path == "/nothing" else 200), path
            for link in answer.text.split('href="/')[1:] + answer.text.split('action="/')[1:]:
                assert link.startswith("news/"), (path, link[:60])
        form = {"email": "cris@example.org"}
        again = await client.post(f"{before}/n/weekly/subscribe", data=form)
        assert 'action="/news/n/weekly/subscribe"' in again.text
        assert (await client.post(before + token, data={"x": "y"})).status_code == 400
        assert (await client.get("/newsletters")).status_code == 404
        assert "Disallow: /news/u/" in (await client.get(f"{before}/robots.txt")).text
