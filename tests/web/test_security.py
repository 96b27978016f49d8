"""Headers on every answer, limits for every request, and one look for every error."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.content.theme import contrast
from digest.web.app import wrapped
from digest.web.page import asset_url, assets, error_page
from digest.web.security import letter_policy, read_body

BASE = "http://127.0.0.1:8000"


async def _fail(_request: Request) -> Response:
    raise RuntimeError("secret token aaaa")


async def _hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


async def _body(request: Request) -> Response:
    return PlainTextResponse(str(len(await read_body(request, limit=100, seconds=0.05))))


ROUTES = [Route("/fail", _fail), Route("/hello", _hello), Route("/body", _body, methods=["POST"])]


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(wrapped(ROUTES, loopback_only=True))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as opened:
        yield opened


async def test_every_answer_carries_the_policy(client: httpx2.AsyncClient) -> None:
    answers = [
        await client.get("/hello"),
        await client.get("/fail"),
        await client.get("/nothing"),
        await client.post("/hello"),
        await client.post("/body", content=b"x" * 100_000),
        await client.get("/hello", headers={"host": "evil.example"}),
        await client.get(asset_url("pages.css")),
    ]
    assert [answer.status_code for answer in answers] == [200, 500, 404, 405, 413, 421, 200]
    for answer in answers:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"


async def test_an_unexpected_error_says_nothing_about_itself(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/fail?u=anne@example.org")
    assert answer.status_code == 500
    for secret in ("RuntimeError", "secret", "Traceback", "anne", "/fail"):
        assert secret not in answer.text


async def test_errors_are_the_same_bytes_whatever_was_asked(client: httpx2.AsyncClient) -> None:
    one = await client.get("/<script>alert(1)</script>")
    other = await client.get("/anything?else=1")
    assert one.content == other.content


@pytest.mark.parametrize("status", [400, 404, 405, 408, 413, 500, 503, 418])
def test_every_error_has_a_page(status: int) -> None:
    answer = error_page(status)
    assert answer.status_code == status
    assert b"<h1>" in answer.body
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        *(
            (name, True)
            for name in ("127.0.0.1", "127.0.0.1:80", "localhost:1", "[::1]:8", "LOCALHOST")
        ),
        *((name, False) for name in ("evil.example", "127.0.0.1.evil.example", "[::2]", "0.0.0.0")),
        *((name, False) for name in ("", "localhost.evil.example", "10.0.0.1:80", "x@127.0.0.1")),
    ],
)  # fmt: skip - one row per verdict reads better
async def test_a_loopback_server_answers_to_loopback_names_only(
    client: httpx2.AsyncClient, host: str, allowed: bool
) -> None:
    answer = await client.get("/hello", headers={"host": host})
    assert answer.status_code == (200 if allowed else 421)


async def test_a_body_that_drips_is_given_up(client: httpx2.AsyncClient) -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    answer = await client.post("/body", content=drip())
    assert answer.status_code == 408
    assert answer.headers["connection"] == "close"


async def test_a_body_is_counted_while_it_comes(client: httpx2.AsyncClient) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    assert (await client.post("/body", content=chunks(100))).text == "100"
    assert (await client.post("/body", content=chunks(101))).status_code == 413


async def test_an_asset_is_only_there_under_its_hash(client: httpx2.AsyncClient) -> None:
    for name in assets():
        answer = await client.get(asset_url(name))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert (await client.get(f"/static/000000000000/{name}")).status_code == 404


async def test_no_route_answers_with_a_redirect(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/hello/")).status_code == 404


def test_our_own_assets_and_pages_name_no_other_server() -> None:
    for name, asset in assets().items():
        text = asset.data.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, name
        assert "https:" not in text, name


def test_a_letter_may_show_pictures_of_our_public_address_and_nothing_more() -> None:
    policy = letter_policy(["http://127.0.0.1:8000"], framed=True)
    assert "img-src 'self' https: http://127.0.0.1:8000;" in policy
    assert "frame-ancestors 'self'" in policy
    assert "frame-ancestors 'none'" in letter_policy()
    assert "allow-scripts" not in policy


def test_every_text_of_our_pages_stands_out_against_its_ground() -> None:
    """WCAG 2.2 §1.4.3: 4.5:1, light and dark."""
    css = assets()["pages.css"].data.decode()
    for scheme in css.split("@media (prefers-color-scheme: dark)")[:2]:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", scheme))
        for text in ("ink", "soft", "accent", "good", "wait", "bad"):
            for ground in ("paper", "sheet"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
