"""Pages that anyone may see, answered from memory for a moment.

When an issue goes out thousands open the same page at once. It is made for the first of them; who
asks while it is being made, or within the next second, gets the same bytes. So what changes is
seen a second later at most, and a crowd costs what one reader costs. RFC 9110 §13.1.2 and §15.4.5
(If-None-Match, 304).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from digest.web.page import language_for

if TYPE_CHECKING:
    from digest.web.site import Site

KEEP_SECONDS = 1.0
_BYTES_MAX = 8 << 20  # of all bodies together
_OF_A_BODY = ("content-length", "content-type")

_Key = tuple[str, str]  # path and language: nothing else of a request changes such a page
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class RecentPages:
    """The answers of the last ``seconds``; 0 keeps none."""

    def __init__(
        self, seconds: float = 0.0, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._kept: dict[_Key, tuple[float, Response]] = {}  # the oldest first
        self._size = 0  # bytes
        self._making: dict[_Key, asyncio.Task[Response]] = {}

    async def answer(self, request: Request, make: Handler) -> Response:
        """What ``make`` answers, or has answered a moment ago."""
        if not self._seconds or request.url.query:
            return await make(request)
        key = (request.scope["path"], language_for(request))
        self._forget()
        if key in self._kept:
            return self._kept[key][1]
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.create_task(make(request))
            making.add_done_callback(lambda _: self._keep(key))
        return await asyncio.shield(making)

    def _keep(self, key: _Key) -> None:
        made = self._making.pop(key)
        if made.cancelled() or made.exception() is not None or made.result().status_code != 200:
            return
        self._kept[key] = (self._monotonic() + self._seconds, made.result())
        self._size += len(made.result().body)

    def _forget(self) -> None:
        """Drop what is too old, and the oldest of what is too much."""
        now = self._monotonic()
        while self._kept:
            key, (until, response) = next(iter(self._kept.items()))
            if until > now and self._size <= _BYTES_MAX:
                return
            self._size -= len(response.body)
            del self._kept[key]


def for_anyone(handler: Handler) -> Handler:
    """Mark a page as the same for everybody who asks for it in one language.

    Whoever has it already, by its ETag, is told so and gets no body.
    """

    @wraps(handler)
    async def answer(request: Request) -> Response:
        site: Site = request.app.state.site
        made = await site.recent.answer(request, handler)
        tag = made.headers.get("etag")
        if tag is None or request.headers.get("if-none-match") != tag:
            return made
        headers = {name: made.headers[name] for name in made.headers if name not in _OF_A_BODY}
        return Response(status_code=304, headers=headers)

    return answer
