"""A small real SMTP server that does as told: replies per command, silence, a cut connection.

It is strict where a lenient server would hide a fault: MAIL inside a transaction and DATA without
a recipient are refused. ``ledger`` is the truth about what it took, written before the answer.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from types import TracebackType
from typing import Self

from tests.fakes.ports import hold_port

_EXTENSIONS = ("PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8")
_PATH = re.compile(rb"(?:FROM|TO):<(.*)>[^<>]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message the server has taken."""

    sender: str
    recipient: str
    data: bytes

    @property
    def message(self) -> Message:
        return message_from_bytes(self.data)

    @property
    def identity(self) -> tuple[str, str]:
        return self.message["Message-ID"], self.message["Date"]


@dataclass(slots=True)
class Fault:
    """What happens at a command instead of the usual: a reply, or the connection is cut."""

    at: str  # CONNECT EHLO STARTTLS AUTH MAIL RCPT DATA DOT RSET
    reply: str | None = None  # None: the connection is cut
    to: str | None = None  # only for this recipient (RCPT, DATA, DOT)
    times: int | None = 1  # None: always
    taken: bool = False  # at DOT: the message is taken all the same
    close: bool = False  # after the reply
    half_close: bool = False  # after the reply: says no more, but goes on reading
    drip: bool = False  # the reply never ends: a line of it now and then
    gate: asyncio.Event | None = None  # waits for it first
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, at: str, recipient: str | None) -> bool:
        return self.at == at and self.times != 0 and self.to in (None, recipient)

    def used(self) -> None:
        if self.times is not None:
            self.times -= 1


class CutError(Exception):
    """The server cuts the connection."""


class FakeRelay:
    """``async with FakeRelay() as relay``: listens on loopback; ``relay.url()`` is for settings."""

    def __init__(
        self,
        *faults: Fault,
        extensions: tuple[str, ...] = _EXTENSIONS,
        certificate: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        takes_data_for_nobody: bool = False,
    ) -> None:
        self.faults = list(faults)
        self.extensions = extensions
        self.certificate = certificate
        self.login = login
        self.takes_data_for_nobody = takes_data_for_nobody  # 354 without a recipient, RFC 2920 §3.1
        self.impatient = False  # whether a client sent on before it had its answer
        self.ledger: list[Taken] = []
        self.commands: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.on_command: Callable[[bytes], None] | None = None
        self._held = hold_port()  # while it is down, nobody else answers there
        self.port: int = self._held.getsockname()[1]
        weakref.finalize(self, self._held.close)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=1 << 25
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the port and cut every connection."""
        assert self._server is not None
        self._server.close()
        for fault in self.faults:
            if fault.gate is not None:
                fault.gate.set()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    def url(self, **keys: object) -> str:
        """The URL of this relay for ``DIGEST_RELAY_URL``."""
        keys = {"tls": "none", "timeout": 10} | keys
        query = "&".join(f"{key}={value}" for key, value in keys.items())
        return f"smtp://127.0.0.1:{self.port}?{query}"

    def fault(self, at: str, reply: str | None = None, **more: object) -> Fault:
        """Add a fault; see ``Fault``."""
        added = Fault(at, reply, **more)  # type: ignore[arg-type]  # as the dataclass says
        self.faults.append(added)
        return added

    @property
    def recipients(self) -> Counter[str]:
        """How often each recipient's message was taken."""
        return Counter(taken.recipient for taken in self.ledger)

    def verbs(self) -> list[str]:
        """The first word of every command, in the order they came."""
        return [command.split(b" ")[0].split(b":")[0].decode().upper() for command in self.commands]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._writers.add(writer)
        try:
            await _Conversation(self, reader, writer).run()
        except CutError:
            writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()


class _Conversation:
    def __init__(
        self, relay: FakeRelay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.relay = relay
        self.reader = reader
        self.writer = writer
        self.sender: str | None = None
        self.recipient: str | None = None
        self.closing = False

    async def run(self) -> None:
        await self.answer("CONNECT", "220 fake.example.org ESMTP")
        while not self.closing:
            line = await self.reader.readline()
            if not line.endswith(b"\r\n"):
                return
            line = line[:-2]
            self.relay.commands.append(line)
            if self.relay.on_command is not None:
                self.relay.on_command(line)
            await self.obey(line)

    async def answer(self, at: str, usual: str) -> bool:
        """Say the usual or what a fault demands; whether it was the usual."""
        recipient = self.recipient if at in ("RCPT", "DATA", "DOT") else None
        for fault in self.relay.faults:
            if fault.fits(at, recipient):
                fault.used()
                fault.reached.set()
                if fault.gate is not None:
                    await fault.gate.wait()
                    if fault.reply is None:
                        break
                if fault.reply is None:
                    raise CutError
                if fault.drip:
                    await self.drip(fault.reply)
                await self.write(fault.reply)
                self.closing = fault.close
                if fault.half_close:
                    self.writer.write_eof()
                return fault.reply.startswith(usual[:1])
        await self.write(usual)
        return True

    async def drip(self, reply: str) -> None:
        while True:
            await self.write(f"{reply[:3]}-{reply[4:]}")
            await asyncio.sleep(0.02)

    async def write(self, reply: str) -> None:
        if self.reader._buffer:  # type: ignore[attr-defined]  # what the client sent ahead
            self.relay.impatient = True
        self.writer.write(reply.encode() + b"\r\n")
        await self.writer.drain()

    async def obey(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            await self.hello()
        elif verb == b"STAR":
            await self.start_tls()
        elif verb == b"AUTH":
            await self.answer("AUTH", "235 2.7.0 welcome")
        elif verb == b"MAIL":
            await self.mail(line)
        elif verb == b"RCPT":
            await self.rcpt(line)
        elif verb == b"DATA":
            await self.data()
        elif verb == b"RSET":
            self.sender = self.recipient = None
            await self.answer("RSET", "250 2.0.0 ok")
        elif verb == b"QUIT":
            self.closing = True
            await self.write("221 2.0.0 bye")
        else:
            await self.write("500 5.5.2 what?")

    async def hello(self) -> None:
        extensions = list(self.relay.extensions)
        if self.relay.certificate is not None:
            extensions.append("STARTTLS")
        if self.relay.login is not None:
            extensions.append("AUTH PLAIN LOGIN")
        lines = ["fake.example.org", *extensions]
        usual = "\r\n".join(
            f"250{'-' if number < len(lines) else ' '}{line}"
            for number, line in enumerate(lines, start=1)
        )
        await self.answer("EHLO", usual)

    async def start_tls(self) -> None:
        if await self.answer("STARTTLS", "220 2.0.0 go"):
            assert self.relay.certificate is not None
            plain = self.writer.transport
            try:
                await self.writer.start_tls(self.relay.certificate)
            except (AttributeError, OSError) as error:  # the client hung up in the handshake
                self.writer._transport = plain  # type: ignore[attr-defined]  # 3.11 leaves None
                raise CutError from error

    async def mail(self, line: bytes) -> None:
        found = _PATH.search(line)
        if self.sender is not None or found is None:
            await self.write("503 5.5.1 nested MAIL" if self.sender else "501 5.5.4 syntax")
            return
        if await self.answer("MAIL", "250 2.1.0 ok"):
            self.sender = found[1].decode()

    async def rcpt(self, line: bytes) -> None:
        found = _PATH.search(line)
        if self.sender is None or found is None:
            await self.write("503 5.5.1 no MAIL" if found else "501 5.5.4 syntax")
            return
        self.recipient = found[1].decode()
        if not await self.answer("RCPT", "250 2.1.5 ok"):
            self.recipient = None

    async def data_for_nobody(self) -> None:
        if not self.relay.takes_data_for_nobody:
            await self.write("503 5.5.1 no recipient")
            return
        await self.write("354 go ahead")
        line = await self.reader.readline()
        self.relay.commands.append(line[:-2])
        while line != b".\r\n":
            line = await self.reader.readline()
        self.sender = None
        await self.write("554 5.5.1 no valid recipients")

    async def data(self) -> None:
        if self.recipient is None:
            await self.data_for_nobody()
            return
        if not await self.answer("DATA", "354 go ahead"):
            return
        body = await self.reader.readuntil(b"\r\n.\r\n")
        assert self.sender is not None
        taken = Taken(self.sender, self.recipient, body[:-3].replace(b"\r\n..", b"\r\n."))
        faults = (fault for fault in self.relay.faults if fault.fits("DOT", self.recipient))
        fault = next(faults, None)
        accepted = fault is None or (
            fault.gate is not None or fault.taken or (fault.reply or "").startswith("2")
        )
        if accepted:
            self.relay.ledger.append(taken)
        await self.answer("DOT", f"250 2.0.0 Ok: queued as A{len(self.relay.ledger)}")
        self.sender = self.recipient = None
