"""Fetching pages: politely, within limits, and only from where the guard lets a connection go.

Requests say who asks (RFC 9110 §10.1.5), a host is asked one thing at a time with a pause between,
and few hosts at once. Redirects are followed here, at most five, and every one of them is resolved
and checked as the first address was. Nothing of the environment (proxies, .netrc) is used: a proxy
would connect to what was never checked.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import httpx2

from digest.errors import FetchError
from digest.net.guard import Guard, unreachable
from digest.rules.link import Hop, Trouble

__all__ = ["Fetched", "Fetcher", "Limits"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_GZIP: Final = 47  # zlib's window bits that take gzip and zlib headers


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a page may cost us, and we its host."""

    seconds: float = 15.0  # from the connection to the last byte, for each hop
    redirects: int = 5
    hosts: int = 8  # asked at the same time
    pause: float = 0.5  # seconds between two requests to the same host


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. ``url`` is what answered in the end, ``hops`` the redirects on the way there.

    ``seconds`` is how long the answers took, without our own pauses; ``body`` is decoded.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    hops: tuple[Hop, ...]
    seconds: float


@dataclass(slots=True)
class _Host:
    """One request at a time, and not right after the last."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    free_at: float = 0.0  # monotonic


class Fetcher:
    """Fetches pages for one purpose, which ``agent`` names; close it after use."""

    def __init__(
        self,
        agent: str,
        *,
        guard: Guard | None = None,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._agent = agent
        self._limits = limits or Limits()
        self._transport = _CheckedTransport(guard or Guard(), tls)
        self._few = asyncio.Semaphore(self._limits.hosts)
        self._hosts: dict[str, _Host] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.aclose()

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        max_bytes: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> Fetched:
        """What ``url`` answers in the end, whatever its status.

        ``max_bytes`` is how much of a body is read (0: none of it); a longer one is refused. Raises
        FetchError with the trouble: an address that is not asked, no answer, too many redirects.
        """
        hops: list[Hop] = []
        seconds = 0.0
        cookies = httpx2.Cookies()  # some sites redirect in circles without; forgotten afterwards
        while True:
            request = self._request(method, url, headers or {}, cookies)
            async with self._in_turn(request.url.host):
                began = time.monotonic()
                status, given, body = await self._ask(request, cookies, max_bytes)
                seconds += time.monotonic() - began
            target = given.get("location")
            if status not in _REDIRECTS or not target:
                return Fetched(url, status, given, body, tuple(hops), seconds)
            if len(hops) == self._limits.redirects:
                raise FetchError("it redirects on and on", trouble=Trouble.REDIRECTS)
            url = _joined(request.url, target)
            hops.append(Hop(status, url))

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Give ``body`` to ``url``; the status of its answer, of which nothing else is read.

        A redirect is an answer like any other: nothing is handed on to where it leads. FetchError
        as ``fetch``.
        """
        return (await self.ask("POST", url, body=body, headers=headers)).status

    async def ask(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        max_bytes: int = 0,
    ) -> Fetched:
        """What ``url`` itself answers: as ``fetch``, but a redirect is an answer like any other."""
        request = self._request(method, url, headers or {}, httpx2.Cookies(), body)
        async with self._in_turn(request.url.host):
            began = time.monotonic()
            status, given, answered = await self._ask(request, httpx2.Cookies(), max_bytes)
        return Fetched(url, status, given, answered, (), time.monotonic() - began)

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        cookies: httpx2.Cookies,
        body: bytes = b"",
    ) -> httpx2.Request:
        own = {"User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": "gzip"}
        # A connection is not kept: the next one is checked anew.
        own["Connection"] = "close"
        timeout = httpx2.Timeout(self._limits.seconds).as_dict()
        try:
            request = httpx2.Request(
                method,
                url,
                headers=own | dict(headers),
                cookies=cookies,
                content=body or None,
                extensions={"timeout": timeout},
            )
        except (httpx2.InvalidURL, UnicodeError, ValueError):
            raise FetchError("it is no address of a page", trouble=Trouble.URL) from None
        parts = request.url
        if parts.scheme not in ("http", "https") or not parts.host:
            raise FetchError("it is no address of a page", trouble=Trouble.URL)
        if parts.userinfo:
            raise FetchError("it has a user name in it", trouble=Trouble.URL)
        return request

    @asynccontextmanager
    async def _in_turn(self, name: str) -> AsyncIterator[None]:
        host = self._hosts.setdefault(name, _Host())
        async with host.lock:
            await asyncio.sleep(max(0.0, host.free_at - time.monotonic()))
            async with self._few:
                try:
                    yield
                finally:
                    host.free_at = time.monotonic() + self._limits.pause

    async def _ask(
        self, request: httpx2.Request, cookies: httpx2.Cookies, max_bytes: int
    ) -> tuple[int, dict[str, str], bytes]:
        try:
            async with asyncio.timeout(self._limits.seconds):
                response = await self._transport.handle_async_request(request)
                try:
                    response.request = request
                    cookies.extract_cookies(response)
                    body = await _body(response, max_bytes) if max_bytes else b""
                finally:
                    await response.aclose()
        except (TimeoutError, httpx2.TimeoutException):
            raise FetchError("it does not answer", trouble=Trouble.TIMEOUT) from None
        except httpx2.TransportError as error:
            raise _explained(error) from None
        return response.status_code, dict(response.headers), body


class _CheckedTransport(httpx2.AsyncBaseTransport):
    """Connects to an address the guard has checked, and to the name's certificate all the same."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext | None) -> None:
        self._guard = guard
        alone = httpx2.Limits(max_keepalive_connections=0)
        self._inner = httpx2.AsyncHTTPTransport(
            verify=tls or ssl.create_default_context(), trust_env=False, limits=alone
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.raw_host.decode("ascii").strip("[]")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        *others, last = await self._guard.addresses(host, port)
        for address in others:
            try:
                return await self._inner.handle_async_request(_pinned(request, host, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue  # its next address
        return await self._inner.handle_async_request(_pinned(request, host, last))

    async def aclose(self) -> None:
        await self._inner.aclose()


def _pinned(request: httpx2.Request, host: str, address: str) -> httpx2.Request:
    """The request to one address; its Host field and the name TLS asks for stay the host's."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


async def _body(response: httpx2.Response, most: int) -> bytes:
    """The body, unpacked, while it keeps within ``most`` bytes; FetchError."""
    packed = response.headers.get("content-encoding", "").strip().lower()
    if packed not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise FetchError(f"it is packed as {packed[:20]!r}", trouble=Trouble.PROTOCOL)
    unpack = zlib.decompressobj(_GZIP) if packed not in ("", "identity") else None
    body = bytearray()
    async for chunk in response.aiter_raw():
        try:
            body += unpack.decompress(chunk, most + 1 - len(body)) if unpack else chunk
        except zlib.error:
            raise FetchError("it cannot be unpacked", trouble=Trouble.PROTOCOL) from None
        if len(body) > most:
            raise FetchError(f"it has more than {most:,} bytes", trouble=Trouble.SIZE)
    return bytes(body)


def _joined(url: httpx2.URL, target: str) -> str:
    try:
        return str(url.join(target))
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        raise FetchError("it redirects to no address", trouble=Trouble.URL) from None


def _explained(error: httpx2.TransportError) -> FetchError:
    """What lies behind an error of the library."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            words = f"its certificate is not valid: {cause.verify_message}"
            return FetchError(words, trouble=Trouble.TLS)
        if isinstance(cause, ssl.SSLError):
            return FetchError("TLS fails", trouble=Trouble.TLS)
        if isinstance(cause, OSError) and unreachable(cause):
            return FetchError("no way leads there from here", trouble=Trouble.NETWORK)
    if isinstance(error, httpx2.ConnectError):
        return FetchError("nobody answers there", trouble=Trouble.CONNECT)
    return FetchError("it answers with something else than HTTP", trouble=Trouble.PROTOCOL)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from _causes(part)
        error = error.__cause__ or error.__context__
