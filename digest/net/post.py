"""One POST to a page of our own, over the way readers' providers take (RFC 9112).

By hand, because the address is to come from the DNS that is being examined, no redirect may be
followed (RFC 8058 §3.1), and nothing of the answer but its head is of interest.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from urllib.parse import urlsplit

_MOST = 64 << 10  # bytes read of an answer
_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: its status and its header, names in lower case."""

    status: int
    header: Mapping[str, str]


async def post_form(url: str, body: str, *, address: str, timeout: float = 8.0) -> Answer:
    """POST ``body`` to ``url`` at ``address``, as a form.

    Raises OSError (ssl.SSLCertVerificationError for a certificate that does not fit) and
    TimeoutError where there is no answer, ValueError where it is none of HTTP.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(
            address,
            parts.port or (443 if secure else 80),
            ssl=ssl.create_default_context() if secure else None,
            server_hostname=host if secure else None,
        )
        try:
            lines = (
                *(f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Type: {_TYPE}"),
                *(f"Content-Length: {len(body)}", "Connection: close", "", body),
            )
            writer.write("\r\n".join(lines).encode("ascii"))
            return _read(await _head(reader))
        finally:
            writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MOST:
        more = await reader.read(_MOST)
        if not more:
            break
        head += more
    return head.partition(b"\r\n\r\n")[0]


def _read(head: bytes) -> Answer:
    first, _, rest = head.partition(b"\r\n")
    words = first.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ValueError("the answer is not HTTP")
    fields = BytesParser().parsebytes(rest + b"\r\n\r\n", headersonly=True)
    return Answer(int(words[1]), {name.lower(): str(value) for name, value in fields.items()})
