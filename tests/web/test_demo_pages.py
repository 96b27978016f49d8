"""The demo's pages: the captured inbox, each message in every form, and a receipt that adds up."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from digest.rules.delivery import DeliveryState
from digest.store.schema import deliveries
from digest.web.demo_pages import PER_PAGE, PLACEHOLDER_PATH, demo_app
from tests.build import PUBLIC_URL
from tests.web.capture import capture_issue
from tests.web.conftest import Installation
from tests.web.test_archive import TRAVERSALS

MANY = [("Anne", "anne@example.org"), ("Bart", "bart@example.org")] + [
    (f"Reader {number}", f"reader{number}@example.org") for number in range(58)
]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return tmp_path / "capture"


@pytest.fixture
async def client(installation: Installation, capture: Path) -> AsyncIterator[httpx2.AsyncClient]:
    await capture_issue(installation, capture, MANY)
    app = demo_app(capture, installation.site, newsletter="weekly", issue="182")
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as opened:
        yield opened


async def test_the_inbox_is_paged_and_complete(client: httpx2.AsyncClient) -> None:
    seen: list[str] = []
    for number in (1, 2, 3):
        text = (await client.get(f"/inbox?page={number}")).text
        assert f"Page {number} of 3" in text
        found = re.findall(r'<span class="to"><bdi>([^<]*)</bdi>', text)
        assert len(found) <= PER_PAGE
        seen += found
    assert seen == [address for _, address in reversed(MANY)]  # the latest first


async def test_a_row_shows_what_an_inbox_shows(client: httpx2.AsyncClient) -> None:
    text = (await client.get("/inbox")).text
    assert "A Weekly, Issue #182" in text
    assert "What it takes to build a product on it" in text
    assert "<bdi>A Weekly</bdi>" in text


async def test_refused_addresses_are_listed_with_the_reply(client: httpx2.AsyncClient) -> None:
    rejected = (await client.get("/inbox?verdict=rejected")).text
    assert "gone@example.org" in rejected
    assert "550 5.1.1" in rejected
    deferred = (await client.get("/inbox?verdict=deferred")).text
    assert "later@example.org" in deferred
    assert "451 4.3.0" in deferred


async def test_a_message_is_shown_in_every_form(client: httpx2.AsyncClient) -> None:
    both = (await client.get("/inbox/1")).text
    assert both.count("<iframe") == 2
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in both
    assert (await client.get("/inbox/1?show=phone")).text.count("<iframe") == 1
    text = (await client.get("/inbox/1?show=text")).text
    assert "Hey Anne," in text
    source = await client.get("/inbox/1/source")
    assert source.headers["content-type"].startswith("text/plain")
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in source.text


async def test_a_letter_is_sandboxed_and_comes_in_both_schemes(
    client: httpx2.AsyncClient,
) -> None:
    light = await client.get("/inbox/1/letter?scheme=light")
    dark = await client.get("/inbox/1/letter?scheme=dark")
    assert "Hey Anne," in light.text
    assert light.text != dark.text
    assert "prefers-color-scheme" not in dark.text
    policy = light.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "frame-ancestors 'self'" in policy


async def test_the_links_of_a_captured_message_work(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    found = re.search(r"/u/[a-z2-7]{40}", (await client.get("/inbox/1?show=text")).text)
    assert found is not None
    assert (await client.get(found[0])).status_code == 200
    answer = await client.post(found[0], data={"List-Unsubscribe": "One-Click"})
    assert "You have left" in answer.text
    async with installation.site.db.read() as session:
        states = await session.execute(select(deliveries.c.state).order_by(deliveries.c.id))
        assert list(states.scalars()) == [DeliveryState.CANCELLED, DeliveryState.QUEUED]


async def test_the_receipt_is_there_with_what_the_relay_says(
    client: httpx2.AsyncClient, installation: Installation, capture: Path
) -> None:
    assert "62 messages" not in (await client.get("/receipt")).text
    await capture_issue(installation, capture, MANY[:2])
    text = (await client.get("/receipt")).text
    assert "Receipt of issue <bdi>182</bdi>" in text
    assert "62 messages" in text
    assert "2 of them a second copy" in text
    assert 'href="/receipt" aria-current="page"' in text
    assert (await client.get("/receipt/queued")).status_code == 200


async def test_every_page_of_the_demo_and_of_the_installation_is_there(
    client: httpx2.AsyncClient,
) -> None:
    for path in ("/", "/inbox", "/receipt", PLACEHOLDER_PATH, "/newsletters", "/i/weekly/182"):
        answer = await client.get(path)
        assert answer.status_code == 200, path
    assert 'href="/n/weekly/archive"' in answer.text  # the archive's bar leads to the list
    assert (await client.get("/healthz")).status_code == 200


async def test_what_is_not_there_is_not_found(client: httpx2.AsyncClient) -> None:
    odd = ("0", "4", "-1", "x", "", "1e3", "٣", "9" * 30)
    paths = [f"/inbox?page={page}" for page in odd]
    paths += [f"/inbox/{number}" for number in (0, 999, "x", "1/", "9" * 30)]
    paths += [f"/inbox/61{end}" for end in ("", "/letter", "/source")]  # refused: no message
    paths += ["/inbox?verdict=everything", "/inbox?verdict="]
    paths += [f"/inbox/{one}" for one in TRAVERSALS if one != "."]
    for path in paths:
        assert (await client.get(path)).status_code == 404, path


async def test_a_foreign_name_for_this_machine_gets_nothing(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/inbox", headers={"host": "rebound.example"})
    assert answer.status_code == 421
    assert "anne" not in answer.text


async def test_nothing_captured_yet_is_no_error(installation: Installation, tmp_path: Path) -> None:
    site = replace(installation.site, relay_configured=False)
    app = demo_app(tmp_path / "none", site, newsletter="weekly", issue="182")
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        assert "There are none." in (await client.get("/inbox")).text
        assert (await client.get("/receipt")).status_code == 200
