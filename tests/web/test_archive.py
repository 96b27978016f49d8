"""What anyone may see: issues from the moment they go out, and pictures by their hash."""

from __future__ import annotations

import io
from datetime import timedelta

import httpx2
from PIL import Image

from digest.content.media import read_media
from digest.rules.delivery import IssueState
from digest.store.issues import mark_past, move_issue
from digest.store.media import StoredMedia, put_media
from digest.store.slots import add_break
from tests.build import NOW, an_issue, issue_text
from tests.web.conftest import Installation

TRAVERSALS = (
    *("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd"),
    *("....//....//etc/passwd", "..%5c..%5cboot.ini", "%252e%252e%252f.env", "..%c0%af.env"),
    *("/etc/passwd", "//etc/passwd", "%00.png", "a.png%00.html", ".env", ".git/config", "~root"),
    *("C:%5cboot.ini", "file:%2f%2f%2fetc%2fpasswd", "a" * 64, "g" * 64 + ".png", ".png", "."),
)


def a_picture() -> StoredMedia:
    data = io.BytesIO()
    Image.new("RGB", (4, 3), "#a8321a").save(data, "PNG")
    media = read_media(data.getvalue(), path="dot.png")
    return StoredMedia(media.sha256, media.extension, media.width, media.height, media.data)


async def test_the_first_page_lists_what_went_out(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    await an_issue(installation.site.db, installation.newsletter, 183)  # a draft
    answer = await client.get("/")
    assert answer.status_code == 200
    assert '<a href="/i/weekly/182">' in answer.text
    assert "A Weekly, Issue #182" in answer.text
    assert "183" not in answer.text
    assert "Every Thursday" in answer.text


async def test_the_first_page_says_a_break_that_is_near(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    today = installation.site.clock.now().date()
    for first, said in ((today + timedelta(days=60), False), (today + timedelta(days=7), True)):
        async with installation.site.db.begin() as session:
            await add_break(
                session, installation.newsletter.id, first, last := first + timedelta(days=10)
            )
        answer = await client.get("/")
        assert (f"to {last.day} {last:%B %Y}." in answer.text) is said


async def test_an_issue_is_shown_with_nothing_personal_in_it(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    answer = await client.get("/i/weekly/182")
    assert answer.status_code == 200
    assert "Hey folks," in answer.text
    assert "/u/" not in answer.text
    assert "utm_" not in answer.text
    assert not any(mark in answer.text for mark in "\ue000\ue001\ue002\ue003")
    assert answer.text.count("<main>") == 1
    assert 'aria-label="Archive"' in answer.text


async def test_an_issue_can_run_nothing(client: httpx2.AsyncClient) -> None:
    policy = (await client.get("/i/weekly/182")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "script-src" not in policy


async def test_an_issue_is_asked_for_again_but_not_sent_again(client: httpx2.AsyncClient) -> None:
    first = await client.get("/i/weekly/182")
    headers = {"if-none-match": first.headers["etag"]}
    again = await client.get("/i/weekly/182", headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_what_has_not_gone_out_or_does_not_exist_is_not_there(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    db, newsletter = installation.site.db, installation.newsletter
    await an_issue(db, newsletter, 183)
    for path in ("/i/weekly/183", "/i/weekly/999", "/i/weekly/x", "/i/monthly/182", "/i/weekly"):
        assert (await client.get(path)).status_code == 404, path
    async with db.begin() as session:
        await move_issue(session, installation.issue_id, IssueState.CANCELLED, now=NOW)
    assert (await client.get("/i/weekly/182")).status_code == 404


async def test_an_issue_may_be_shown_and_not_listed(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    text = issue_text(181).replace("title:", "listed: no\ntitle:")
    db, newsletter = installation.site.db, installation.newsletter
    published = await an_issue(db, newsletter, 181, text=text)
    async with db.begin() as session:
        await mark_past(session, published.issue.id, published.version.id, sent_at=NOW, by="Cris")
    assert (await client.get("/i/weekly/181")).status_code == 200
    assert "/i/weekly/181" not in (await client.get("/")).text


async def test_a_picture_is_served_for_ever_under_its_hash(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    picture = a_picture()
    async with installation.site.db.begin() as session:
        await put_media(session, [picture], now=NOW)
    answer = await client.get(f"/media/{picture.sha256}.png")
    assert answer.content == picture.data
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "sandbox" in answer.headers["content-security-policy"]
    for other in ("jpg", "svg", "html", "PNG", "png/", "png.png"):
        assert (await client.get(f"/media/{picture.sha256}.{other}")).status_code == 404, other


async def test_no_path_leads_out_of_the_media_or_the_assets(client: httpx2.AsyncClient) -> None:
    for folder in ("media", "static", "static/0", "i", "i/weekly", "u", "p"):
        for traversal in TRAVERSALS:
            url = httpx2.URL(f"http://127.0.0.1:8000/{folder}/x")
            raw = url.copy_with(raw_path=f"/{folder}/{traversal}".encode())
            answer = await client.get(raw)
            assert answer.status_code == 404, raw
            assert b"root:" not in answer.content


async def test_crawlers_are_asked_to_leave_readers_pages_alone(client: httpx2.AsyncClient) -> None:
    text = (await client.get("/robots.txt")).text
    assert "Disallow: /u/" in text
    assert "Disallow: /p/" in text
