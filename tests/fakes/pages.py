"""A web server on loopback that answers each path as a test says, byte for byte."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

Answer = bytes | Callable[["Asked"], bytes | Awaitable[bytes]]


class Asked:
    """One request: ``method``, ``path``, its fields by their names in lower case, its body."""

    body = b""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ")
        self.fields = {
            name.lower(): value.strip() for name, _, value in (s.partition(":") for s in lines)
        }


def answer(status: int = 200, body: bytes = b"", **fields: str) -> bytes:
    """An answer as it goes over the wire; ``content_type`` stands for Content-Type."""
    given = {"Content-Length": str(len(body))} | {k.replace("_", "-"): v for k, v in fields.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status} .\r\n{lines}\r\n".encode() + body


class Pages:
    """Serves ``answers``: path → the answer, or what makes one of the request (404 where none).

    ``asked`` is everything that was asked; ``most`` how many connections were open at once.
    """

    def __init__(self, answers: Mapping[str, Answer], *, tls: ssl.SSLContext | None = None) -> None:
        self.answers = dict(answers)
        self.asked: list[Asked] = []
        self.open = self.most = 0
        self._tls = tls

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        """The address of a page of this server."""
        return f"{scheme}://{host}:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            asked = Asked((await reader.readuntil(b"\r\n\r\n"))[:-4])
            asked.body = await reader.readexactly(int(asked.fields.get("content-length", "0")))
            self.asked.append(asked)
            found = self.answers.get(asked.path, answer(404))
            made = found(asked) if callable(found) else found
            data = made if isinstance(made, bytes) else await made
            if asked.method == "HEAD":
                data = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if b"\r\n\r\n" in data else data
            writer.write(data)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()
