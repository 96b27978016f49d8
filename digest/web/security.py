"""What every answer of ours carries, and what no request may bring.

Three ASGI layers, outermost first: ``Headers`` (Content-Security-Policy, Referrer-Policy and the
like on every answer, errors included), ``LoopbackOnly`` (against DNS rebinding, for the servers of
the preview and the demo) and ``BodyLimit``. Two policies: our own pages run no inline script or
style and load nothing foreign; a *letter* (an issue's HTML, whose styles are inline by nature) runs
no script at all and is sandboxed. RFC 9110 §15.5 (status codes), RFC 9111 §5.2.2.5 (no-store), CSP
Level 3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers as HeaderView
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest.settings import is_loopback

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
NOTHING_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
BODY_LIMIT = 64 * 1024  # bytes; nothing here needs more than a line
BODY_SECONDS = 10.0  # for the whole body: one byte a second never gets through

_EVERYWHERE = (
    ("content-security-policy", PAGE_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),  # the path of a page may be a token
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("cache-control", "no-store"),
)


def letter_policy(images: Iterable[str] = (), *, framed: bool = False) -> str:
    """The policy of an issue's HTML: inline styles, images, links; never a script or a form.

    ``images`` are origins whose pictures may be shown beside our own and https; ``framed`` lets
    our own pages show it in a frame.
    """
    sources = " ".join(("'self'", "https:", *sorted(set(images))))
    ancestors = "'self'" if framed else "'none'"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {sources}; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {ancestors}; "
        "sandbox allow-popups allow-popups-to-escape-sandbox"
    )


def origin_of(url: str) -> str:
    """``https://host:port`` of ``url``."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_own(request: Request) -> bool:
    """Whether a form of our own site asks, as far as the browser says where it came from.

    Fetch Metadata where it is sent, else Origin; what sends neither is no browser.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


class Headers:
    """Adds the headers of ``_EVERYWHERE`` where an answer does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _EVERYWHERE:
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class LoopbackOnly:
    """Answers only to names of this machine.

    So no foreign page can reach a loopback server by a name of its own that points here (DNS
    rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_loopback(_host(scope)):
            refusal = PlainTextResponse("This server does not answer to that name.\n", 421)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


class BodyLimit:
    """Refuses a request that announces a body above ``limit`` bytes before reading any of it.

    ``/hooks/``, ``/api/`` and ``/desk/`` take more, and say how much themselves.
    """

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _announced(scope) > self.limit and not _says_itself(scope):
            raise HTTPException(413, headers={"connection": "close"})
        await self.app(scope, receive, send)


async def read_body(
    request: Request, *, limit: int = BODY_LIMIT, seconds: float = BODY_SECONDS
) -> bytes:
    """The whole body; HTTPException 413 above ``limit`` bytes, 408 after ``seconds``."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise HTTPException(413, headers={"connection": "close"})
                chunks.append(chunk)
    except TimeoutError:
        raise HTTPException(408, headers={"connection": "close"}) from None
    return b"".join(chunks)


def _says_itself(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).startswith(("/hooks/", "/api/", "/desk/"))


def _host(scope: Scope) -> str:
    """The Host header without port and brackets, lower case."""
    host = HeaderView(scope=scope).get("host", "").lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _announced(scope: Scope) -> int:
    length = HeaderView(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() and length.isascii() else 0
