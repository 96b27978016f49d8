"""The stream of replies on one SMTP connection, in the order of the commands.

RFC 5321 §4.2 (replies of several lines), §4.5.3.1.5 (their length). Strict where a lenient reader
could pair a reply with the wrong command: a reply nobody asked for, a line that is no reply, or one
that is too long ends the connection. Receives into a fixed buffer: asyncio would otherwise allocate
256 KiB for every reply (measured: half of the CPU of a message).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import cast

REPLY_MAX = 64 * 1024  # bytes of one reply with all its lines
_RECEIVE = 16 * 1024
_LAST_LINES = {b"%03d " % code: code for code in range(1000)}  # how a reply of one line begins


class ConnectionClosedError(Exception):
    """The server closed, or broke the protocol; nothing more can be sent or read."""


class ReplyTimeoutError(Exception):
    """The server took longer than it may; the connection is of no use any more."""


class ReplyStream(asyncio.BufferedProtocol):
    """Takes over a connected transport by ``transport.set_protocol(stream)``."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._view = memoryview(bytearray(_RECEIVE))
        self._rest = b""  # an incomplete line
        self._lines: list[bytes] = []  # the lines so far of a reply of several
        self._length = 0
        self._replies: deque[tuple[int, bytes]] = deque()
        self._expected = 0  # replies to commands that were written
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None

    @property
    def open(self) -> bool:
        """Whether another command may be written: connected, and no reply is owed to us."""
        return self.alive and self._expected == 0

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as we know."""
        return self._error is None and not self._transport.is_closing()

    def write(self, data: Sequence[bytes], *, replies: int) -> None:
        """Write all of ``data`` at once, which the server answers with so many replies.

        Raises ConnectionClosedError, and then nothing of it was written.
        """
        if self._error is not None:
            raise ConnectionClosedError(str(self._error)) from self._error
        self._expected += replies
        self._transport.writelines(data)

    def take(self) -> tuple[int, bytes] | None:
        """The next reply if it has come, sooner than ``read``; None where that has to wait."""
        if not self._replies:
            return None
        self._expected -= 1
        return self._replies.popleft()

    def take_if(self, *classes: int) -> bool:
        """Take as many replies as ``classes`` if all have come, each of its class (2 for 2yz)."""
        replies = self._replies
        if len(replies) < len(classes):
            return False
        for (code, _), wanted in zip(replies, classes, strict=False):
            if code // 100 != wanted:
                return False
        for _ in classes:
            replies.popleft()
        self._expected -= len(classes)
        return True

    async def read(self, timeout: float) -> tuple[int, bytes]:
        """The next reply: its code and its text, lines joined by LF.

        Raises ReplyTimeoutError after ``timeout`` seconds, however many bytes had trickled in by
        then, and ConnectionClosedError.
        """
        if not self._replies:
            if self._error is not None:
                raise self._error
            await self._wait(timeout)
        self._expected -= 1
        return self._replies.popleft()

    async def _wait(self, timeout: float) -> None:
        self._waiter = self._loop.create_future()
        self._deadline = self._loop.time() + timeout
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        """One timer for many replies: it looks again at the deadline of whatever is awaited
        then.
        """
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self._fail(ReplyTimeoutError("no reply in time"))

    def abort(self) -> None:
        """Cut the connection at once."""
        self._fail(ConnectionClosedError("cut by us"))

    def close(self) -> None:
        """Close after what was written is out."""
        self._stop(ConnectionClosedError("closed by us"))
        self._transport.close()

    def _fail(self, error: Exception) -> None:
        self._stop(error)
        self._transport.abort()

    def _stop(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiter is not None and not self._waiter.done():
            if self._replies:  # what was answered before the end is an answer
                self._waiter.set_result(None)
            else:
                self._waiter.set_exception(self._error)

    # What asyncio calls.

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._view[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Some event loops (uvloop) call this where asyncio calls ``buffer_updated``."""
        if self._error is not None:
            return
        self._length += len(data)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            code = _LAST_LINES.get(line[:4])
            if code is not None and not self._lines and len(self._replies) < self._expected:
                self._replies.append((code, line[4:].strip()))  # as most are
                self._length = len(self._rest)
                continue
            problem = self._take(line.rstrip(b"\r"))
            if problem:
                self._fail(ConnectionClosedError(problem))
                return
        if self._length > REPLY_MAX:
            self._fail(ConnectionClosedError("a reply without end"))
        elif self._replies and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self, line: bytes) -> str:
        """Add one line; what is wrong with it, or nothing."""
        code, mark = line[:3], line[3:4]
        if not (code.isdigit() and len(code) == 3 and mark in (b" ", b"-", b"")):
            return "a line that is no reply"
        if self._lines and self._lines[0][:3] != code:
            return "a reply whose lines have different codes"
        self._lines.append(line)
        if mark == b"-":
            return ""
        if len(self._replies) >= self._expected:
            return f"a reply to no command: {line[:200].decode('utf-8', 'replace')}"
        text = b"\n".join(part[4:].strip() for part in self._lines)
        self._replies.append((int(code), text))
        self._lines.clear()
        self._length = len(self._rest)
        return ""

    def eof_received(self) -> bool:
        return False  # closes the transport

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f"the connection was lost: {exc}" if exc else "the server closed the connection"
        self._stop(ConnectionClosedError(reason))


def take_over(transport: asyncio.BaseTransport) -> ReplyStream:
    """Make a ReplyStream the protocol of a connected, idle ``transport``."""
    writable = cast(asyncio.Transport, transport)
    stream = ReplyStream(writable)
    writable.set_protocol(stream)
    return stream
