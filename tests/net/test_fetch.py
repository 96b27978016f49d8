"""Promises of the fetcher: it says who it is, keeps within its limits, tells what went wrong."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import ssl
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from digest.errors import FetchError
from digest.net.fetch import Fetcher, Limits
from digest.net.guard import Guard
from digest.rules.link import Hop, Trouble
from tests.fakes.certificates import Authority
from tests.fakes.pages import Asked, Pages, answer

LOOPBACK = (ip_network("127.0.0.0/8"),)
QUICK = Limits(seconds=5, pause=0)


async def here(_host: str) -> Sequence[str]:
    return ["127.0.0.1"]


@asynccontextmanager
async def fetching(
    limits: Limits = QUICK, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Fetcher]:
    guard = Guard(LOOPBACK, here)
    async with Fetcher("digest/1 (test)", guard=guard, limits=limits, tls=tls) as fetcher:
        yield fetcher


async def trouble_of(fetcher: Fetcher, url: str, *, max_bytes: int = 0) -> Trouble:
    with pytest.raises(FetchError) as raised:
        await fetcher.fetch(url, max_bytes=max_bytes)
    return Trouble(raised.value.trouble)


async def test_it_says_who_asks_and_keeps_nothing_open() -> None:
    async with Pages({"/": answer(body=b"words")}) as pages, fetching() as fetcher:
        found = await fetcher.fetch(pages.url(), max_bytes=100)
    assert (found.status, found.body, found.hops) == (200, b"words", ())
    assert pages.asked[0].fields["user-agent"] == "digest/1 (test)"
    assert pages.asked[0].fields["connection"] == "close"


async def test_redirects_are_followed_and_told() -> None:
    async with Pages({"/c": answer(body=b"there")}) as pages, fetching() as fetcher:
        pages.answers["/a"] = answer(301, Location="b?x=ü")
        pages.answers["/b?x=%C3%BC"] = answer(302, Location=pages.url("/c", host="other.example"))
        found = await fetcher.fetch(pages.url("/a"), max_bytes=10)
    assert found.body == b"there"
    assert found.url == pages.url("/c", host="other.example")
    assert found.hops == (Hop(301, pages.url("/b?x=%C3%BC")), Hop(302, found.url))


async def test_a_cookie_is_kept_for_the_way_and_forgotten_afterwards() -> None:
    def first(asked: Asked) -> bytes:
        if "seen=1" in asked.fields.get("cookie", ""):
            return answer(body=b"in")
        return answer(302, Location="/", Set_Cookie="seen=1")

    async with Pages({"/": first}) as pages, fetching() as fetcher:
        for _ in range(2):
            assert (await fetcher.fetch(pages.url(host="a.example"), max_bytes=9)).body == b"in"
    assert ["cookie" in asked.fields for asked in pages.asked] == [False, True, False, True]


async def test_a_sixth_redirect_is_one_too_many() -> None:
    async with Pages({}) as pages, fetching() as fetcher:
        for number in range(7):
            pages.answers[f"/{number}"] = answer(302, Location=f"/{number + 1}")
        pages.answers["/7"] = answer()
        assert len((await fetcher.fetch(pages.url("/2"))).hops) == 5
        assert await trouble_of(fetcher, pages.url("/1")) is Trouble.REDIRECTS


@pytest.mark.parametrize("target", ["file:///etc/passwd", "javascript:1", "http://[::1", "data:,x"])
async def test_a_redirect_to_no_page_is_not_followed(target: str) -> None:
    async with Pages({"/": answer(302, Location=target)}) as pages, fetching() as fetcher:
        assert await trouble_of(fetcher, pages.url()) is Trouble.URL


PLAIN = b"x" * 1000


@pytest.mark.parametrize(
    "body, packed",
    [(PLAIN, ""), (gzip.compress(PLAIN), "gzip"), (zlib.compress(PLAIN), "deflate")],
    ids=["plain", "gzip", "deflate"],
)
async def test_a_body_is_read_up_to_its_limit(body: bytes, packed: str) -> None:
    fields = {"Content_Encoding": packed} if packed else {}
    async with Pages({"/": answer(200, body, **fields)}) as pages, fetching() as fetcher:
        assert (await fetcher.fetch(pages.url(), max_bytes=1000)).body == PLAIN
        assert await trouble_of(fetcher, pages.url(), max_bytes=999) is Trouble.SIZE
        assert (await fetcher.fetch(pages.url())).body == b""


async def test_a_bomb_is_never_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    pages = Pages({"/": answer(body=bomb, Content_Encoding="gzip")})
    async with pages, fetching() as fetcher:
        assert await trouble_of(fetcher, pages.url(), max_bytes=10_000) is Trouble.SIZE


async def test_packing_that_was_not_asked_for_is_not_guessed() -> None:
    pages = Pages(
        {
            "/br": answer(body=b"x", Content_Encoding="br"),
            "/gz": answer(body=b"not gzip at all", Content_Encoding="gzip"),
        }
    )
    async with pages, fetching() as fetcher:
        for path in pages.answers:
            assert await trouble_of(fetcher, pages.url(path), max_bytes=99) is Trouble.PROTOCOL


async def test_a_page_that_never_ends_is_left_in_time() -> None:
    never = asyncio.Event()

    async def silence(_asked: Asked) -> bytes:
        await never.wait()
        return b""

    limits = Limits(seconds=0.2, pause=0)
    async with Pages({"/": silence}) as pages, fetching(limits) as fetcher:
        assert await trouble_of(fetcher, pages.url()) is Trouble.TIMEOUT
        never.set()


async def test_what_is_no_http_is_told() -> None:
    odd = {"/a": b"SSH-2.0-OpenSSH_9\r\n", "/b": b"", "/c": b"HTTP/1.1 200 .\r\nA" * 9000}
    async with Pages(odd) as pages, fetching() as fetcher:
        for path in odd:
            assert await trouble_of(fetcher, pages.url(path)) is Trouble.PROTOCOL
    async with fetching() as fetcher:
        assert await trouble_of(fetcher, pages.url()) is Trouble.CONNECT


async def test_a_name_nobody_has_is_told() -> None:
    async with Fetcher("test") as fetcher:
        assert await trouble_of(fetcher, "http://no-such-name.invalid/") in (
            Trouble.NAME,
            Trouble.RESOLVER,  # where the machine has no name server
        )
        assert await trouble_of(fetcher, f"http://{'a' * 64}.example/") is Trouble.NAME


def served(path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


async def test_a_certificate_is_held_against_the_name_not_the_address(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.trusted)
    tls = served(authority.certificate("fine.example"))
    async with Pages({"/": answer()}, tls=tls) as pages, fetching(tls=trusting) as fetcher:
        found = await fetcher.fetch(pages.url(host="fine.example", scheme="https"))
        assert found.status == 200
        wrong = pages.url(host="other.example", scheme="https")
        assert await trouble_of(fetcher, wrong) is Trouble.TLS
    old = served(authority.certificate("fine.example", expired=True))
    async with Pages({"/": answer()}, tls=old) as pages, fetching(tls=trusting) as fetcher:
        with pytest.raises(FetchError, match="expired"):
            await fetcher.fetch(pages.url(host="fine.example", scheme="https"))


async def test_a_host_is_asked_one_thing_at_a_time_with_a_pause_between() -> None:
    at: list[float] = []

    async def slow(_asked: Asked) -> bytes:
        at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        return answer()

    limits = Limits(seconds=5, pause=0.05)
    async with Pages({"/": slow}) as pages, fetching(limits) as fetcher:
        await asyncio.gather(*(fetcher.fetch(pages.url()) for _ in range(4)))
    assert pages.most == 1
    assert min(b - a for a, b in itertools.pairwise(at)) >= 0.05


async def test_few_hosts_are_asked_at_once() -> None:
    async def slow(_asked: Asked) -> bytes:
        await asyncio.sleep(0.02)
        return answer()

    limits = Limits(seconds=5, pause=0, hosts=3)
    async with Pages({"/": slow}) as pages, fetching(limits) as fetcher:
        urls = [pages.url(host=f"h{number}.example") for number in range(12)]
        await asyncio.gather(*map(fetcher.fetch, urls))
    assert pages.most == 3
