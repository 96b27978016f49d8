"""A scripted relay in a process of its own: speaks SMTP as its plan says, and keeps a ledger.

``python -m tests.fakes.relay_process --folder DIR`` prints its port. ``DIR/ledger.jsonl`` has a
line for everything an oracle needs; that of a message is written before its 250 leaves.
``since`` is the monotonic time at which the relay had last looked at all its sockets before it saw
a MAIL command: the command came after it, however late it was read. Requests come as lines of JSON
on standard input, answers leave on standard output; at the end of its input the relay ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import re
import selectors
import socket
import ssl
import struct
import sys
import time
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from tests.fakes.relay_plan import At, Does, Plan, Rule, Rules

_PATH = re.compile(rb"(?:FROM|TO):<([^<>]*)>", re.IGNORECASE)
_BUFFER = 64 << 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds
_LONG_LINE = 10 << 20
_SAYS = (Does.REPLY, Does.LATE, Does.DRIP)


class Looks(selectors.DefaultSelector):
    """Notes when it looked at all sockets: the last time, and the time before."""

    before = now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout)
        self.before, self.now = self.now, time.monotonic()
        return found


class Reader(asyncio.StreamReader):
    """Knows before when its newest bytes had not come yet."""

    def __init__(self, looks: Looks) -> None:
        super().__init__(limit=_BUFFER)
        self._looks = looks
        self.since = 0.0

    def feed_data(self, data: Any) -> None:
        self.since = self._looks.before
        super().feed_data(data)


class HangUpError(Exception):
    """This connection is over."""


@dataclass(slots=True)
class Relay:
    """What all connections share."""

    folder: Path
    rules: Rules
    certificate: ssl.SSLContext | None
    taken: int = 0
    connections: int = 0
    open: int = 0
    ledger: int = field(init=False)
    messages: int = field(init=False)

    def __post_init__(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.ledger = os.open(self.folder / "ledger.jsonl", flags, 0o600)
        self.messages = os.open(self.folder / "messages", flags, 0o600)
        self.taken = (self.folder / "ledger.jsonl").read_bytes().count(b'"event":"taken"')

    def note(self, event: str, **fields: object) -> None:
        line = {"event": event, "at": time.monotonic(), **fields}
        os.write(self.ledger, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def take(self, sender: str, recipient: str, message: bytes) -> None:
        """Keep a message; it outlives this process when this returns."""
        head = BytesHeaderParser().parsebytes(message[: message.find(b"\r\n\r\n") + 4])
        offset = os.lseek(self.messages, 0, os.SEEK_END)
        os.write(self.messages, message)
        self.note(
            "taken",
            rcpt=recipient,
            sender=sender,
            message_id=head["Message-ID"],
            date=head["Date"],
            sha256=hashlib.sha256(message).hexdigest(),
            offset=offset,
            size=len(message),
        )
        if self.rules.plan.synced:
            os.fdatasync(self.ledger)
        self.taken += 1


class Conversation:
    """One connection."""

    def __init__(self, relay: Relay, reader: Reader, writer: asyncio.StreamWriter) -> None:
        self.relay = relay
        self.reader = reader
        self.writer = writer
        relay.connections += 1
        self.name = f"connection {relay.connections}"
        self.peer = writer.get_extra_info("peername")[0]
        self.sender: str | None = None
        self.recipient: str | None = None
        self.since = 0.0
        self.encrypted = False

    async def run(self) -> None:
        self.relay.note("connect", peer=self.peer)
        await self.answer(At.CONNECT, "220 relay.example.org ESMTP")
        while line := await self.reader.readline():
            verb = line[:4].upper()
            match verb:
                case b"EHLO":
                    await self.hello()
                case b"STAR":
                    await self.start_tls()
                case b"AUTH":
                    self.relay.note("auth", tls=self.encrypted)
                    await self.answer(At.AUTH, "235 2.7.0 welcome")
                case b"MAIL":
                    await self.mail(line)
                case b"RCPT":
                    await self.rcpt(line)
                case b"DATA":
                    await self.data()
                case b"RSET":
                    self.sender = self.recipient = None
                    await self.say("250 2.0.0 ok")
                case b"QUIT":
                    await self.say("221 2.0.0 bye")
                    return
                case _:
                    await self.say("500 5.5.2 what?")

    async def hello(self) -> None:
        plan = self.relay.rules.plan
        words = ["relay.example.org", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES"]
        words += ["PIPELINING"] * plan.pipelining
        words += ["STARTTLS"] * (plan.starttls and not self.encrypted)
        words += ["AUTH PLAIN LOGIN"] * plan.login
        lines = [f"250-{word}" for word in words]
        lines[-1] = "250 " + words[-1]
        await self.answer(At.EHLO, "\r\n".join(lines))

    async def start_tls(self) -> None:
        rule = self.find(At.STARTTLS)
        if rule is not None and rule.does not in (Does.STALL, Does.DROP):
            await self.obey(rule, "220 2.0.0 go")
            return
        await self.say("220 2.0.0 go")
        if rule is not None and rule.does is Does.STALL:
            await self.silence()
        assert self.relay.certificate is not None
        plain = self.writer.transport
        try:
            await self.writer.start_tls(self.relay.certificate)
        except (AttributeError, OSError) as error:  # the client wanted no more of it
            self.writer._transport = plain  # type: ignore[attr-defined]  # 3.11 leaves None
            raise HangUpError from error
        if rule is not None:
            raise HangUpError
        self.encrypted = True

    async def mail(self, line: bytes) -> None:
        found = _PATH.search(line)
        self.since = self.reader.since
        sender = found[1].decode() if found else ""
        self.relay.note("mail", sender=sender, since=self.since, tls=self.encrypted)
        if self.sender is not None or found is None:
            await self.say("503 5.5.1 nested MAIL" if found else "501 5.5.4 syntax")
        elif await self.answer(At.MAIL, "250 2.1.0 ok"):
            self.sender = sender

    async def rcpt(self, line: bytes) -> None:
        found = _PATH.search(line)
        recipient = found[1].decode() if found else ""
        self.relay.note("rcpt", rcpt=recipient, since=self.since)
        if self.sender is None or found is None:
            await self.say("503 5.5.1 no MAIL" if found else "501 5.5.4 syntax")
            return
        self.recipient = recipient
        if not await self.answer(At.RCPT, "250 2.1.5 ok"):
            self.recipient = None

    async def data(self) -> None:
        self.relay.note("data", rcpt=self.recipient or "")
        if self.recipient is None:
            await self.say("554 5.5.1 no valid recipients")
            return
        if not await self.answer(At.DATA, "354 go ahead"):
            return
        body = await self.reader.readuntil(b"\r\n.\r\n")
        message = body[:-3].replace(b"\r\n..", b"\r\n.")
        rule = self.find(At.DOT)
        if rule is None or rule.taken or (rule.does in _SAYS and rule.reply.startswith("2")):
            self.relay.take(self.sender or "", self.recipient, message)
        usual = f"250 2.0.0 Ok: queued as A{self.relay.taken}"
        if rule is not None:
            await self.obey(rule, usual)
        else:
            await asyncio.sleep(self.relay.rules.plan.pause)
            await self.say(usual)
        self.sender = self.recipient = None

    # Answers.

    def find(self, at: At) -> Rule | None:
        about_recipient = at in (At.RCPT, At.DATA, At.DOT)
        who = self.recipient if about_recipient and self.recipient else self.name
        return self.relay.rules.find(at, who=who, taken=self.relay.taken)

    async def answer(self, at: At, usual: str) -> bool:
        """Say the usual or do what a rule says; whether it was as good as the usual."""
        rule = self.find(at)
        if rule is None:
            await self.say(usual)
            return True
        return await self.obey(rule, usual)

    async def obey(self, rule: Rule, usual: str) -> bool:
        reply = rule.reply or usual
        did = {"phase": rule.at, "does": rule.does, "seconds": rule.seconds}
        self.relay.note("fault", **did, rcpt=self.recipient, said=reply)
        match rule.does:
            case Does.LATE:
                await asyncio.sleep(rule.seconds)
                await self.say(reply)
            case Does.DRIP:
                for byte in f"{reply}\r\n":
                    await self.write(byte.encode())
                    await asyncio.sleep(rule.seconds)
            case Does.RAW:
                await self.write(rule.reply.encode("latin-1"))
            case Does.RESET:
                handle: socket.socket = self.writer.get_extra_info("socket")
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self.writer.transport.abort()
                raise HangUpError
            case Does.CLOSE:
                raise HangUpError
            case Does.SILENCE:
                await self.silence()
            case Does.ENDLESS:
                while True:
                    await self.write(b"250-and more of it\r\n" * 100)
                    await asyncio.sleep(0)
            case Does.LONG:
                await self.write(b"250 " + b"x" * _LONG_LINE + b"\r\n")
            case _:
                await self.say(reply)
        if rule.hang_up:
            raise HangUpError
        return reply[:1] == usual[:1]

    async def silence(self) -> None:
        while await self.reader.read(1 << 16):
            pass
        raise HangUpError

    async def say(self, reply: str) -> None:
        await self.write(reply.encode() + b"\r\n")

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


async def converse(relay: Relay, reader: Reader, writer: asyncio.StreamWriter) -> None:
    """One connection from its first to its last byte."""
    relay.open += 1
    talk = Conversation(relay, reader, writer)
    try:
        await talk.run()
    except (HangUpError, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        pass
    finally:
        relay.open -= 1
        relay.note("closed", peer=talk.peer)
        writer.close()


def _answer(relay: Relay, request: dict[str, Any]) -> object:
    if "plan" in request:
        relay.rules = Rules(Plan.from_json(request["plan"]))
    return {"taken": relay.taken, "open": relay.open, "connections": relay.connections}


async def serve(relay: Relay, looks: Looks, port: int, *, host: str = "127.0.0.1") -> None:
    """Listen, print the port, answer requests, and stay until standard input ends."""
    loop = asyncio.get_running_loop()
    talks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reader, Reader)
        talk = loop.create_task(converse(relay, reader, writer))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    def protocol() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(Reader(looks), begin, loop=loop)

    server = await loop.create_server(protocol, host, port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    requests = asyncio.StreamReader(limit=_BUFFER)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    while line := await requests.readline():
        print(json.dumps(_answer(relay, json.loads(line))), flush=True)
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--plan", default=json.dumps(Plan().as_json()))
    given = parser.parse_args()
    certificate = None
    if given.certificate:
        certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.load_cert_chain(given.certificate)
    relay = Relay(given.folder, Rules(Plan.from_json(json.loads(given.plan))), certificate)
    looks = Looks()
    loop = asyncio.SelectorEventLoop(looks)
    asyncio.set_event_loop(loop)
    with contextlib.suppress(KeyboardInterrupt):
        loop.run_until_complete(serve(relay, looks, given.port, host=given.host))
    os._exit(0)  # connections that are still open are not worth a word


if __name__ == "__main__":
    main()
