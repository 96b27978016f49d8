"""Asks one server many things over a few connections, and notes how long each answer took.

HTTP/1.1 by hand (RFC 9112), since a client library would cost more than what is measured.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer: how long it took, and when it had come (monotonic)."""

    status: int
    seconds: float
    at: float


def ask_all(url: str, requests: Sequence[bytes], connections: int) -> list[Asked]:
    """The answers in the order of ``requests``; each connection has one under way."""
    return asyncio.run(_ask_all(url, requests, connections))


async def _ask_all(url: str, requests: Sequence[bytes], connections: int) -> list[Asked]:
    answers: list[Asked | None] = [None] * len(requests)
    left = iter(enumerate(requests))
    await asyncio.gather(*(_one_connection(url, left, answers) for _ in range(connections)))
    assert None not in answers
    return [one for one in answers if one is not None]


async def _one_connection(
    url: str, left: Iterator[tuple[int, bytes]], answers: list[Asked | None]
) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    for number, request in left:
        start = time.monotonic()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        at = time.monotonic()
        answers[number] = Asked(int(head[9:12]), at - start, at)
    writer.close()
    await writer.wait_closed()
