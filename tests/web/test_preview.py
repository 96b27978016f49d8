"""The preview follows the file: what it shows, what it says is wrong, when it speaks up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from digest.content.theme import Masthead
from digest.web.draft import Drafts
from digest.web.preview import preview_app
from tests.build import issue_text
from tests.web.test_archive import TRAVERSALS, a_picture

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "issue.md"
    path.write_text(issue_text(), encoding="utf-8")
    return path


def save(path: Path, text: str) -> None:
    """Save as editors do: a new file, renamed over the old one."""
    other = path.with_suffix(".new")
    other.write_text(text, encoding="utf-8")
    other.replace(path)


def save_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture
async def client(file: Path) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(preview_app(file))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as opened:
        yield opened


async def test_the_page_shows_the_inbox_row_and_both_devices(client: httpx2.AsyncClient) -> None:
    text = (await client.get("/")).text
    assert "A Weekly, Issue #182" in text
    assert "What it takes to build a product on it" in text
    assert "2 sections, 2 items" in text
    assert text.count("<iframe") == 2
    assert 'width="375"' in text
    assert 'width="700"' in text


async def test_the_letter_is_the_mail_without_a_mark(client: httpx2.AsyncClient) -> None:
    letter = await client.get("/letter?scheme=dark")
    text = (await client.get("/?show=text")).text
    for shown in (letter.text, text):
        assert "Hey folks," in shown
        assert not any(mark in shown for mark in "\ue000\ue001\ue002\ue003")
        assert f"{BASE}/u/sample" in shown
    assert "sandbox" in letter.headers["content-security-policy"]
    assert (await client.get("/u/sample")).status_code == 200


async def test_the_file_is_read_again_for_every_answer(
    file: Path, client: httpx2.AsyncClient
) -> None:
    assert "three items" not in (await client.get("/letter")).text
    save(file, issue_text(words="three items"))
    assert "three items" in (await client.get("/letter")).text


async def test_a_wrong_file_is_shown_with_its_line(file: Path, client: httpx2.AsyncClient) -> None:
    save(file, issue_text().replace("### [owner/repository]", "### [owner/"))
    answer = await client.get("/")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert "issue.md:17:" in answer.text
    assert "<mark>" in answer.text
    assert "<iframe" not in answer.text
    assert (await client.get("/letter")).status_code == 404


@pytest.mark.parametrize("data", [b"\xff\xfe", b"", b"x" * 2_000_000, b"---\nnumber: 1\n"])
async def test_no_file_can_break_the_page(
    file: Path, client: httpx2.AsyncClient, data: bytes
) -> None:
    save_bytes(file, data)
    answer = await client.get("/")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text


async def test_a_file_that_went_away_is_said_to_be(file: Path, client: httpx2.AsyncClient) -> None:
    remove(file)
    assert "cannot be read" in (await client.get("/")).text


async def test_findings_are_listed_with_their_line(file: Path, client: httpx2.AsyncClient) -> None:
    save(file, issue_text().replace("https://example.org/page", "TODO"))
    text = (await client.get("/")).text
    assert '<ul class="findings">' in text
    assert '<span class="place">11:' in text
    assert 'class="mark error"' in text


async def test_pictures_beside_the_file_are_shown_and_nothing_else_is(
    file: Path, client: httpx2.AsyncClient
) -> None:
    picture = a_picture()
    (file.parent / "img").mkdir()
    (file.parent / "img" / "dot.png").write_bytes(picture.data)
    (file.parent / "secret.png").write_bytes(picture.data + b"secret")
    text = issue_text().replace("The blurb", "![A dot](img/dot.png)\n\nThe blurb")
    save(file, text)
    name = f"{picture.sha256}.png"
    assert f"{BASE}/media/{name}" in (await client.get("/letter")).text
    assert (await client.get(f"/media/{name}")).content == picture.data
    for traversal in (*TRAVERSALS, "secret.png", "img/dot.png", "issue.md"):
        raw = httpx2.URL(BASE + "/x").copy_with(raw_path=f"/media/{traversal}".encode())
        assert (await client.get(raw)).status_code == 404, traversal
    (file.parent / "img" / "dot.png").unlink()
    assert "cannot be read" in (await client.get("/")).text


async def test_a_newsletters_own_masthead_is_used(file: Path) -> None:
    masthead = Masthead("Le Mensuel", from_name="Anne & Cie", language="fr")
    transport = httpx2.ASGITransport(preview_app(file, masthead=masthead))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        assert "<bdi>Anne &amp; Cie</bdi>" in (await client.get("/")).text
        assert "Le Mensuel" in (await client.get("/letter")).text


async def test_only_this_machine_is_answered(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/", headers={"host": "rebound.example"})
    assert answer.status_code == 421


async def test_a_change_is_told_once_whatever_way_the_file_was_saved(file: Path) -> None:
    drafts = Drafts(file, masthead=Masthead("A Weekly"))
    picture = file.parent / "dot.png"
    picture.write_bytes(a_picture().data)
    changes = drafts.changes(every=0.001)
    first = asyncio.create_task(anext(changes))
    await asyncio.sleep(0)  # it has looked once
    save(file, issue_text().replace("The blurb", "![A dot](dot.png)"))
    await first
    second = asyncio.create_task(anext(changes))
    await asyncio.sleep(0)
    save_bytes(file, issue_text().replace("The blurb", "![Dot](dot.png)").encode())  # in place
    await second
    third = asyncio.create_task(anext(changes))
    await asyncio.sleep(0)
    os.utime(picture, ns=(1, 1))  # a picture counts too
    await third
    await changes.aclose()
