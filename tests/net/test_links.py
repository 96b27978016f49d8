"""Promises of asking pages: HEAD where it will do, GET where it lies, twice after a bad moment."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from digest.net.fetch import Fetcher, Limits
from digest.net.guard import Guard
from digest.net.links import ask_links
from digest.rules.link import LinkState, LinkStatus
from tests.build import NOW
from tests.fakes.pages import Answer, Asked, Pages, answer


async def here(_host: str) -> Sequence[str]:
    return ["127.0.0.1"]


async def asked(answers: dict[str, Answer]) -> tuple[dict[str, LinkStatus], list[str]]:
    """What each path turned out to be, and what the server was asked, in order."""
    guard = Guard((ip_network("127.0.0.0/8"),), here)
    limits = Limits(seconds=5, pause=0)
    done: list[None] = []
    async with Pages(answers) as pages, Fetcher("t", guard=guard, limits=limits) as fetcher:
        found = await ask_links(
            fetcher,
            {path: pages.url(path) for path in answers},
            now=NOW,
            told=lambda: done.append(None),
            again_after=0,
        )
        assert len(done) == len(answers)
        return found, [f"{one.method} {one.path}" for one in pages.asked]


async def test_a_page_that_is_there_is_asked_for_its_head_only() -> None:
    found, asks = await asked({"/a": answer(body=b"long")})
    assert found["/a"] == LinkStatus(LinkState.OK, 200, "", NOW)
    assert asks == ["HEAD /a"]


async def test_a_server_that_does_not_know_head_is_asked_for_the_page() -> None:
    def only_get(request: Asked) -> bytes:
        return answer() if request.method == "GET" else answer(405)

    found, asks = await asked({"/a": only_get})
    assert found["/a"].state is LinkState.OK
    assert asks == ["HEAD /a", "GET /a"]


async def test_a_page_that_is_gone_is_dead_and_one_that_refuses_us_could_not_be_asked() -> None:
    found, _ = await asked({"/a": answer(404), "/b": answer(403), "/c": answer(999)})
    assert [found[path].state for path in found] == [
        LinkState.DEAD,
        LinkState.UNASKED,
        LinkState.UNASKED,
    ]
    assert found["/a"].status == 404


async def test_who_asks_for_patience_is_not_asked_again() -> None:
    found, asks = await asked({"/a": answer(429, Retry_After="3600")})
    assert found["/a"].state is LinkState.UNASKED
    assert asks == ["HEAD /a"]


async def test_a_bad_moment_is_no_dead_link() -> None:
    answers = [answer(502), answer(502), answer(200)]
    found, asks = await asked({"/a": lambda _request: answers.pop(0)})
    assert found["/a"].state is LinkState.OK
    assert asks == ["HEAD /a", "GET /a", "GET /a"]


async def test_a_server_that_fails_three_times_fails() -> None:
    found, asks = await asked({"/a": answer(500)})
    assert (found["/a"].state, found["/a"].status) == (LinkState.DEAD, 500)
    assert len(asks) == 3


async def test_where_a_page_moved_to_is_told() -> None:
    found, _ = await asked({"/a": answer(301, Location="/b"), "/b": answer()})
    assert found["/a"].state is LinkState.MOVED
    assert found["/a"].detail.endswith("/b")


async def test_where_no_page_can_be_reached_it_is_not_the_pages() -> None:
    guard = Guard((ip_network("127.0.0.0/8"),), here)
    limits = Limits(seconds=5, pause=0)
    async with Pages({}) as gone:
        pass
    urls = {str(number): gone.url(host=f"h{number}.example") for number in range(3)}
    async with Fetcher("t", guard=guard, limits=limits) as fetcher:
        found = await ask_links(fetcher, urls, now=NOW, again_after=0)
        assert {status.state for status in found.values()} == {LinkState.UNASKED}
        del urls["0"]
        found = await ask_links(fetcher, urls, now=NOW, again_after=0)
        assert {status.state for status in found.values()} == {LinkState.DEAD}
        async with Pages({"/": answer()}) as there:
            urls["there"] = there.url()
            found = await ask_links(fetcher, urls, now=NOW, again_after=0)
    assert [found[key].state for key in urls] == [LinkState.DEAD, LinkState.DEAD, LinkState.OK]


async def test_an_address_inside_our_network_is_dead_to_readers() -> None:
    async with Pages({"/": answer()}) as pages, Fetcher("t") as fetcher:
        found = await ask_links(fetcher, {"x": pages.url()}, now=NOW, again_after=0)
        assert found["x"].state is LinkState.DEAD
        assert "this machine" in found["x"].detail
        assert pages.asked == []
