"""The HTTP server our applications run in: uvicorn on a socket that is already bound.

The socket comes first, so that a port that is taken is an error of ours with a way out, and so
that port 0 is known before anybody writes it into a link. Signals belong to the command, not to
the server. There is no access log: paths hold readers' tokens; and ``X-Forwarded-For`` is not
believed, as nothing depends on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

from digest.errors import SettingsError

_BACKLOG = 1024
_PORT_MAX = 65_535
_STOP_SECONDS = 2  # for answers under way; an event stream would never end by itself


def open_listener(host: str, port: int) -> socket.socket:
    """A socket bound to ``host`` and ``port`` (0: any that is free).

    Raises SettingsError when that is not possible.
    """
    if not 0 <= port <= _PORT_MAX:  # the resolver would take what is left of it beyond 16 bits
        raise _unusable(host, port, OSError("no such port"))
    try:
        # asyncio sends at once (TCP_NODELAY) only where a socket says that it is TCP: else the
        # second part of every answer waits 40 ms for the first one to be acknowledged.
        family, _, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM, protocol)
    except OSError as error:
        raise _unusable(host, port, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(host, port, error) from None
    listener.settimeout(0)
    return listener


def url_of(listener: socket.socket) -> str:
    """``http://host:port`` under which ``listener`` is reached from this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[str]:
    """Serve ``app`` on ``listener`` for as long as the block runs; gives its URL.

    The end waits for answers under way, two seconds at most, and closes the socket.
    """
    server = _Server(
        uvicorn.Config(
            app,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            log_config=None,
            lifespan="off",
            ws="none",
            backlog=_BACKLOG,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_STOP_SECONDS,
            h11_max_incomplete_event_size=16 * 1024,
        )
    )
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield url_of(listener)
    finally:
        server.should_exit = True
        await task
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _unusable(host: str, port: int, error: OSError) -> SettingsError:
    return SettingsError(
        f"Pages cannot be served on {host}:{port}: {error.strerror or error}.",
        where="DIGEST_PORT",
        fix="Choose another address or port, or 0 for any that is free.",
    )
