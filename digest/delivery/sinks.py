"""A relay that keeps everything and delivers nothing, in a process of its own.

``python -m digest.delivery.sinks --folder DIR`` speaks SMTP on loopback (RFC 5321, with PIPELINING
of RFC 2920, SIZE, 8BITMIME and SMTPUTF8), prints its port and ends when its standard input closes.
It refuses a fixed share of the addresses, chosen by their hash, so that every run has the same
result. ``ledger.py`` says what it writes down.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from digest.delivery.ledger import KEEP_BYTES, REPLIES, Ledger, Shares, SinkVerdict

MAX_MESSAGE = 32 << 20
MAX_LINE = 4096  # RFC 5321 §4.5.3.1.4 asks for 512, extensions for more
MAX_RECIPIENTS = 100  # RFC 5321 §4.5.3.1.8
_END_OF_DATA = b"\r\n.\r\n"
_PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*|\"[^<>]*\"@[^<>\s]*)>(.*)", re.IGNORECASE)


@dataclass(slots=True)
class RateLimit:
    """Lets messages through at most ``rate`` a second; 0 is no limit."""

    rate: float = 0.0
    _next: float = 0.0

    def delay(self, now: float) -> float:
        """Seconds the answer to a message that is here at ``now`` has to wait."""
        if not self.rate:
            return 0.0
        self._next = max(now, self._next) + 1 / self.rate
        return self._next - now


@dataclass(slots=True)
class Envelope:
    """One SMTP transaction so far."""

    sender: str | None = None
    utf8: bool = False
    recipients: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sink:
    """What all connections of one sink share."""

    ledger: Ledger
    shares: Shares = field(default_factory=Shares)
    pace: RateLimit = field(default_factory=RateLimit)


class SinkSession(asyncio.Protocol):
    """One client: commands in, answers out, in order however they were pipelined."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._searched = 0
        self._in_data = False
        self._too_big = False
        self._waiting: asyncio.TimerHandle | None = None
        self._envelope = Envelope()
        self._answers: list[str] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 localhost ESMTP digest sink\r\n")

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._work()

    def _work(self) -> None:
        """Do all that is in the buffer, then flush the ledger, then answer."""
        while self._waiting is None and (self._take_message() if self._in_data else self._take()):
            pass
        self._send()

    def _send(self) -> None:
        self._sink.ledger.flush()
        if self._answers and self._transport is not None:
            self._transport.write("".join(f"{line}\r\n" for line in self._answers).encode())
        self._answers.clear()

    def _take(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > MAX_LINE:
                self._leave("500 5.5.2 line too long")
            return False
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if not line.endswith(b"\r\n") or len(line) > MAX_LINE:
            self._answers.append("500 5.5.2 a command is one line and ends with CR LF")
            return True
        verb, _, rest = line[:-2].decode("utf-8", "surrogateescape").partition(" ")
        self._command(verb.upper(), rest)
        return self._transport is not None

    def _command(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO":
                self._envelope = Envelope()
                self._answers += ["250-localhost", "250-PIPELINING", f"250-SIZE {MAX_MESSAGE}"]
                self._answers += ["250-8BITMIME", "250-ENHANCEDSTATUSCODES", "250 SMTPUTF8"]
            case "HELO" | "RSET":
                self._envelope = Envelope()
                self._answers.append("250 2.0.0 ok")
            case "MAIL":
                self._answers.append(self._mail(rest))
            case "RCPT":
                self._answers.append(self._rcpt(rest))
            case "DATA":
                self._answers.append(self._data())
            case "NOOP":
                self._answers.append("250 2.0.0 ok")
            case "QUIT":
                self._leave("221 2.0.0 bye")
            case _:
                self._answers.append("502 5.5.1 not here")

    def _leave(self, answer: str) -> None:
        self._answers.append(answer)
        self._send()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _mail(self, rest: str) -> str:
        match = _PATH.fullmatch(rest)
        if match is None or self._envelope.sender is not None:
            return "503 5.5.1 not now" if match else "501 5.5.4 MAIL FROM:<address>"
        parameters = match[2].upper().split()
        for parameter in parameters:
            if parameter.startswith("SIZE=") and int("0" + parameter[5:]) > MAX_MESSAGE:
                return "552 5.3.4 message too big"
        self._envelope = Envelope(match[1], "SMTPUTF8" in parameters)
        return "250 2.1.0 ok"

    def _rcpt(self, rest: str) -> str:
        match = _PATH.fullmatch(rest)
        envelope = self._envelope
        if match is None or not match[1] or envelope.sender is None:
            return (
                "503 5.5.1 MAIL first" if envelope.sender is None else "501 5.5.4 RCPT TO:<address>"
            )
        address = match[1]
        if not address.isascii() and not envelope.utf8:
            return "553 5.6.7 SMTPUTF8 was not asked for"
        if len(envelope.recipients) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        verdict = self._sink.shares.verdict(address)
        if verdict is SinkVerdict.ACCEPTED:
            envelope.recipients.append(address)
            return "250 2.1.5 ok"
        self._sink.ledger.refuse(envelope.sender, address, verdict)
        code, text = REPLIES[verdict]
        return f"{code} {text}"

    def _data(self) -> str:
        if not self._envelope.recipients:
            return "554 5.5.1 no valid recipients"
        self._in_data = True
        # A message may consist of the final dot alone: the CR LF before it ended the command.
        self._buffer[:0] = b"\r\n"
        self._searched = 0
        return "354 go ahead"

    def _take_message(self) -> bool:
        end = self._buffer.find(_END_OF_DATA, self._searched)
        if end < 0:
            self._searched = max(0, len(self._buffer) - len(_END_OF_DATA) + 1)
            if len(self._buffer) > MAX_MESSAGE:
                self._too_big = True
                del self._buffer[: self._searched]
                self._searched = 0
            return False
        message = bytes(self._buffer[: end + 2])
        del self._buffer[: end + len(_END_OF_DATA)]
        self._in_data = False
        if self._too_big:
            self._too_big = False
            self._envelope = Envelope()
            self._answers.append("552 5.3.4 message too big")
        else:
            # RFC 5321 §4.5.2: the client put a dot before every line that starts with one.
            self._finish(message.replace(b"\r\n.", b"\r\n")[2:])
        return True

    def _finish(self, message: bytes) -> None:
        loop = asyncio.get_running_loop()
        delay = self._sink.pace.delay(loop.time())
        if not delay:
            self._accept(message)
            return
        self._send()
        self._waiting = loop.call_later(delay, self._accept_later, message)

    def _accept(self, message: bytes) -> None:
        envelope, self._envelope = self._envelope, Envelope()
        self._sink.ledger.accept(envelope.sender or "", envelope.recipients, message)
        code, text = REPLIES[SinkVerdict.ACCEPTED]
        self._answers.append(f"{code} {text}")

    def _accept_later(self, message: bytes) -> None:
        self._waiting = None
        self._accept(message)
        self._work()


async def serve(sink: Sink, *, host: str, port: int) -> None:
    """Listen, print the port, and stay until SIGTERM, or the end of the parent's pipe.

    On a terminal Ctrl-C ends it too.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    server = await loop.create_server(lambda: SinkSession(sink), host, port, backlog=1024)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    if sys.stdin.isatty():
        loop.add_signal_handler(signal.SIGINT, ended.set)
    else:
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is for the parent to handle
        mode = os.fstat(sys.stdin.fileno()).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # /dev/null has no other end to wait for
            await loop.connect_read_pipe(lambda: _UntilClosed(ended), sys.stdin)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await ended.wait()
    server.close()
    sink.ledger.close()


class _UntilClosed(asyncio.Protocol):
    """Sets the event when the other end of the pipe is closed, however its holder ended."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, _: Exception | None) -> None:
        self._ended.set()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of the sink's process."""
    parser = argparse.ArgumentParser(prog="digest.delivery.sinks", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rejected", type=int, default=200, help="of 10,000 addresses")
    parser.add_argument("--deferred", type=int, default=300, help="of 10,000 addresses")
    parser.add_argument("--rate", type=float, default=0.0, help="messages per second; 0: no limit")
    parser.add_argument("--keep", type=int, default=KEEP_BYTES, help="bytes of messages kept")
    given = parser.parse_args(arguments)
    sink = Sink(
        Ledger(given.folder, keep=given.keep),
        Shares(given.rejected, given.deferred),
        RateLimit(given.rate),
    )
    import uvloop

    uvloop.run(serve(sink, host=given.host, port=given.port))


if __name__ == "__main__":
    main()
