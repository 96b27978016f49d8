"""Commands that stay until they are told to end: by Ctrl-C, by SIGTERM, or not at all."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

if TYPE_CHECKING:
    from digest.runtime import Runtime

HealthPort = Annotated[
    int | None,
    Parameter(help="Answer /healthz and /readyz on this port of DIGEST_HOST; 0: any that is free."),
]
SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = 128 + signal.SIGINT  # as shells count

T = TypeVar("T")


@asynccontextmanager
async def until_stopped() -> AsyncIterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set; a second signal ends the process at once."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        for number in SIGNALS:  # whoever asks twice does not want to wait
            loop.remove_signal_handler(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield stopped
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


@asynccontextmanager
async def health_served(runtime: Runtime, port: int | None) -> AsyncIterator[dict[str, str]]:
    """While the block runs, say to whoever watches how a process without pages is; gives where."""
    if port is None:
        yield {}
        return
    from digest.web.app import health_app  # the pages take memory: only where they are wanted
    from digest.web.server import open_listener, serving
    from digest.web.site import Site

    listener = open_listener(runtime.settings.host, port)
    async with serving(health_app(Site.of(runtime)), listener) as url:
        yield {"health": url}


async def unless_stopped(work: Coroutine[Any, Any, T], stopped: asyncio.Event) -> T | None:
    """The result of ``work``, or None when ``stopped`` came first: then it was cancelled, and has
    cleaned up behind it.
    """
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if working.done():
        return working.result()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    return None
