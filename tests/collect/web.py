"""A web of one server on loopback, a fetcher that may ask it, and the same from another thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network

from digest.net.fetch import Fetcher, Limits
from digest.net.guard import Guard
from tests.fakes.pages import Answer, Pages, answer

LOOPBACK = ip_network("127.0.0.0/8")


async def resolve(host: str) -> Sequence[str]:
    """Names of this web: whatever is no address is here."""
    return [host if host[:1].isdigit() else "127.0.0.1"]


@asynccontextmanager
async def fetching(*, seconds: float = 5, redirects: int = 5) -> AsyncIterator[Fetcher]:
    """A fetcher that may ask servers on loopback."""
    limits = Limits(seconds=seconds, redirects=redirects, pause=0)
    async with Fetcher("digest/1 (test)", guard=Guard((LOOPBACK,), resolve), limits=limits) as one:
        yield one


def html(head: str, body: str = "", **fields: str) -> bytes:
    """The answer that is an HTML page."""
    text = f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"
    return answer(200, text.encode(), **({"content_type": "text/html; charset=utf-8"} | fields))


@contextmanager
def served(answers: Mapping[str, Answer]) -> Iterator[Pages]:
    """A server in a loop of its own, as a command has one of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    pages = Pages(answers)
    try:
        asyncio.run_coroutine_threadsafe(pages.__aenter__(), loop).result(30)
        yield pages
        asyncio.run_coroutine_threadsafe(pages.__aexit__(None, None, None), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
