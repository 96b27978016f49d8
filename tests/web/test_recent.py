"""What anyone may see is made once a second, however many ask, and nothing else is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from digest.store.archive import list_in_archive
from digest.web import recent
from digest.web.app import create_app
from digest.web.recent import RecentPages
from tests.build import PUBLIC_URL
from tests.web.conftest import Installation

ARCHIVE = "/n/weekly/archive"


class Watch:
    """Seconds that pass when a scene says so."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def crowd(installation: Installation, watch: Watch) -> AsyncIterator[httpx2.AsyncClient]:
    """Readers of a site that keeps its pages for a second."""
    site = replace(installation.site, recent=RecentPages(1.0, monotonic=watch))
    transport = httpx2.ASGITransport(create_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as opened:
        yield opened


def request_for(path: str, *, query: str = "", language: str = "en") -> Request:
    headers = [(b"host", b"example.org"), (b"accept-language", language.encode())]
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
        }
    )


class Kitchen:
    """Makes pages, and counts them."""

    def __init__(self, *, body: str = "page", status: int = 200) -> None:
        self.made = 0
        self.body = body
        self.status = status

    async def __call__(self, _request: Request) -> Response:
        self.made += 1
        await asyncio.sleep(0)
        return PlainTextResponse(f"{self.body} {self.made}", self.status)


async def test_a_crowd_gets_one_page(watch: Watch) -> None:
    pages, kitchen = RecentPages(1.0, monotonic=watch), Kitchen()
    answers = await asyncio.gather(
        *(pages.answer(request_for(ARCHIVE), kitchen) for _ in range(50))
    )
    assert {one.body for one in answers} == {b"page 1"}
    watch.seconds = 0.9
    assert (await pages.answer(request_for(ARCHIVE), kitchen)).body == b"page 1"
    watch.seconds = 1.1
    assert (await pages.answer(request_for(ARCHIVE), kitchen)).body == b"page 2"


async def test_another_path_language_or_question_is_another_page(watch: Watch) -> None:
    pages, kitchen = RecentPages(1.0, monotonic=watch), Kitchen()
    for asked in (
        request_for(ARCHIVE),
        request_for("/"),
        request_for(ARCHIVE, language="de"),
        request_for(ARCHIVE, query="q=a"),
        request_for(ARCHIVE, query="q=a"),  # searches are not kept
    ):
        await pages.answer(asked, kitchen)
    assert kitchen.made == 5


@pytest.mark.parametrize("status", [404, 503])
async def test_what_went_wrong_is_not_kept(watch: Watch, status: int) -> None:
    pages, kitchen = RecentPages(1.0, monotonic=watch), Kitchen(status=status)
    for _ in range(2):
        await pages.answer(request_for(ARCHIVE), kitchen)
    assert kitchen.made == 2


async def test_a_fault_reaches_everybody_who_waits_and_is_forgotten(watch: Watch) -> None:
    pages = RecentPages(1.0, monotonic=watch)

    async def burns(_request: Request) -> Response:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    asked = [pages.answer(request_for(ARCHIVE), burns) for _ in range(3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in answers} == {ZeroDivisionError}
    assert (await pages.answer(request_for(ARCHIVE), Kitchen())).body == b"page 1"


async def test_many_pages_do_not_fill_the_memory(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "_BYTES_MAX", 10_000)
    pages, kitchen = RecentPages(1.0, monotonic=watch), Kitchen(body="x" * 1_000)
    for number in range(100):
        await pages.answer(request_for(f"/i/weekly/{number}"), kitchen)
    await pages.answer(request_for("/i/weekly/99"), kitchen)
    assert kitchen.made == 100
    await pages.answer(request_for("/i/weekly/0"), kitchen)
    assert kitchen.made == 101
    assert sum(len(page.body) for _, page in pages._kept.values()) < 12_000


async def test_what_changes_is_seen_a_second_later(
    crowd: httpx2.AsyncClient, installation: Installation, watch: Watch
) -> None:
    assert "/i/weekly/182" in (await crowd.get(ARCHIVE)).text
    async with installation.site.db.begin() as session:
        await list_in_archive(session, installation.issue_id, listed=False)
    watch.seconds = 1.1
    assert "/i/weekly/182" not in (await crowd.get(ARCHIVE)).text


async def test_a_kept_page_has_the_headers_of_every_answer_and_is_not_sent_twice(
    crowd: httpx2.AsyncClient,
) -> None:
    first, second = [await crowd.get("/i/weekly/182") for _ in range(2)]
    assert second.headers == first.headers
    assert second.headers["x-content-type-options"] == "nosniff"
    again = await crowd.get("/i/weekly/182", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert not again.content
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
