"""An LMTP server behind an MTA: bounces come to us as fast as they come to it.

RFC 2033 (LMTP), RFC 2920, RFC 5321. A recipient without a token of ours is refused at RCPT (550
5.1.1), so a forged bounce is the MTA's to refuse and never reaches the parser; a mail is answered
with 250 only when what it says is committed, and with 451 on our own fault, so that the MTA keeps
it and tries again. One recipient at a time: LMTP wants one answer each.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from aiosmtpd.lmtp import LMTP

from digest.audience.feedback import FeedbackDesk
from digest.errors import SettingsError
from digest.inbound.mails import take_mail, tokens_in
from digest.mail.mime import READ_MAX
from digest.mail.tokens import TokenKind

log = structlog.get_logger(__name__)

SIZE_MAX = 50 << 20  # bytes of a mail that is taken; what counts is its beginning
SECONDS = 300  # a silent client is sent away (RFC 5321 §4.5.3.2)
CLIENTS_MAX = 50
_OURS = frozenset({TokenKind.DELIVERY, TokenKind.NOTICE, TokenKind.LEAVE})
_OK = "250 2.1.5 OK"
_UNKNOWN = "550 5.1.1 No such address here"
_ONE = "452 4.5.3 One recipient at a time"


class Handler:
    """What our server says at RCPT and after the final dot (an aiosmtpd handler)."""

    def __init__(self, desk: FeedbackDesk) -> None:
        self._desk = desk

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: LMTP, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Take an address only with a token that we signed, in constant time for each."""
        del options
        if envelope.rcpt_tos:
            return _ONE
        found = (self._desk.keys.read(token) for token in tokens_in([address]))
        if not any(token is not None and token.kind in _OURS for token in found):
            log.info("refused a recipient", address=address[:100])
            return _UNKNOWN
        envelope.rcpt_tos.append(address)
        return _OK

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: LMTP, _session: Any, envelope: Any
    ) -> str:
        """Take in the mail; the answer says that it is committed."""
        data: bytes = envelope.content[: 2 * READ_MAX]
        sender = envelope.mail_from or ""
        try:
            # The envelope's sender is the MTA's to write down; over LMTP it is ours.
            head = f"Return-Path: <{_plain(sender)}>\r\n".encode("ascii")
            await take_mail(self._desk, head + data, source="lmtp", recipients=envelope.rcpt_tos)
        except Exception:  # the MTA keeps the mail, and tries again
            log.exception("a mail could not be taken in")
            return "451 4.3.0 Not now; keep it, please"
        return "250 2.0.0 Taken in"


def _plain(address: str) -> str:
    return "".join(c for c in address if 32 < ord(c) < 127 and c not in "<>")[:320]


@asynccontextmanager
async def lmtp_server(desk: FeedbackDesk, address: str) -> AsyncIterator[str]:
    """Serve on ``host:port`` or ``unix:/path`` while the block runs; gives what it listens on."""
    loop = asyncio.get_running_loop()

    def client() -> LMTP:
        return LMTP(
            Handler(desk),
            data_size_limit=SIZE_MAX,
            enable_SMTPUTF8=True,
            decode_data=False,
            timeout=SECONDS,
            hostname="digest",
            ident="digest",
            loop=loop,
        )

    try:
        listener = _listener(address)
        server = await loop.create_server(client, sock=listener, backlog=CLIENTS_MAX)
        name = (
            address
            if listener.family is socket.AF_UNIX
            else "{}:{}".format(*listener.getsockname()[:2])
        )
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"Mail cannot be received on {address}: {error}.",
            where="DIGEST_INBOUND__LMTP",
            fix="Write it as 127.0.0.1:2424 or unix:/run/digest/lmtp, and see that it is free.",
        ) from None
    try:
        yield name
    finally:
        server.close()
        await server.wait_closed()


def _listener(address: str) -> socket.socket:
    """A bound socket: of a path, which the MTA's group may write to, or of a port."""
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        listener = _bound(socket.AF_UNIX, str(path))
        path.chmod(0o660)
        return listener
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return _bound(family, (host.strip("[]") or "127.0.0.1", int(port)))


def _bound(family: socket.AddressFamily, place: str | tuple[str, int]) -> socket.socket:
    # asyncio sends at once (TCP_NODELAY) only where a socket says that it is TCP.
    protocol = 0 if family is socket.AF_UNIX else socket.IPPROTO_TCP
    listener = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except BaseException:
        listener.close()
        raise
    return listener
