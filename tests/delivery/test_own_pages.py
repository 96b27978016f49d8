"""Whether a one-click POST reaches our own pages: the real ones, and what stands in their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from digest.clock import Clock
from digest.delivery.own_pages import examine_pages
from digest.mail.tokens import KeyRing
from digest.net.dns import Resolver
from digest.rules.doctor.checkup import Check, Light
from digest.store.session import Database
from digest.web.app import create_app
from digest.web.server import open_listener, serving
from digest.web.site import Site
from tests.build import KEY
from tests.fakes.names import NameServer

KEYS = KeyRing(KEY)
OTHER_KEYS = KeyRing("o" * 32)


async def rows(url: str, keys: KeyRing = KEYS, **late: float) -> dict[str, Check]:
    now = datetime.now(UTC) + timedelta(**late)
    return {
        one.code: one for one in await examine_pages(url, keys, Resolver("127.0.0.1:9"), now=now)
    }


@asynccontextmanager
async def answering(reply: str) -> AsyncIterator[str]:
    """A server that says the same to everybody."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"One-Click")
        writer.write(reply.encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_real_pages_take_the_post_and_nothing_changes(database: Database) -> None:
    site = Site(database, KEYS, "http://127.0.0.1:8000", relay_configured=True, clock=Clock())
    async with serving(create_app(site), open_listener("127.0.0.1", 0)) as url:
        found = await rows(url)
        assert {one.light for one in found.values()} == {Light.GREEN}
        assert set(found) == {"one-click", "clock"}
        other = await rows(url, OTHER_KEYS)
        assert (other["one-click"].light, "404" in other["one-click"].found) == (Light.RED, True)
        assert "DIGEST_SECRET_KEY" in other["one-click"].fix
        late = await rows(url, hours=1)
        assert late["clock"].light is Light.RED


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("HTTP/1.1 301 Moved\r\nLocation: https://x.example/\r\n\r\n", "it redirects"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "403"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "502"),
        ("hello\r\n\r\n", "not HTTP"),
    ],
)
async def test_whatever_stands_in_the_way_is_named(reply: str, words: str) -> None:
    async with answering(reply) as url:
        row = (await rows(url))["one-click"]
    assert row.light is not Light.GREEN
    assert words in row.found
    assert row.fix


async def test_a_host_without_an_address_is_red_with_its_record() -> None:
    with NameServer({}) as names:
        resolver = Resolver(f"127.0.0.1:{names.port}")
        now = datetime.now(UTC)
        (row,) = await examine_pages("https://news.example.org", KEYS, resolver, now=now)
    assert (row.light, row.records[0].name, row.records[0].kind) == (
        Light.RED,
        "news.example.org",
        "A",
    )


async def test_nobody_at_home_is_red_for_others_and_yellow_on_this_machine() -> None:
    async with answering("") as url:
        pass
    assert (await rows(url))["one-click"].light is Light.YELLOW
    with NameServer({("news.example.org", "A"): ["127.0.0.1"]}) as names:
        resolver = Resolver(f"127.0.0.1:{names.port}")
        elsewhere = url.replace("http://127.0.0.1", "http://news.example.org")
        (row,) = await examine_pages(elsewhere, KEYS, resolver, now=datetime.now(UTC))
    assert (row.light, "digest run" in row.fix) == (Light.RED, True)
