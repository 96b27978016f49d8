"""One SMTP session with a relay, ready for messages (RFC 5321), pipelined where EHLO offers it.

RFC 2920: the body of a message goes out in one write with MAIL, RCPT and DATA of the next one, so a
message costs one round trip instead of four. DATA ends such a group, the body begins the next; RSET
may stand anywhere. Nothing is ever held back for the next message: where none is at hand, a body
goes alone. The order of the replies is the only key to what they answer.

An answer is a value; no answer is a RelayError with its phase. Only once its final dot was written
can a message have been taken without our knowing (RFC 1047). A message whose MAIL, RCPT and DATA
alone were written is certainly not sent.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from digest.delivery.wire import ConnectionClosedError, ReplyStream, ReplyTimeoutError
from digest.errors import RelayError, SettingsError
from digest.mail.address import ADDRESS_MAX, LOCAL_MAX
from digest.mail.reply import Reply, parse_reply
from digest.rules.relay import RelayConfig
from digest.rules.verdict import Blame, Phase

# Seconds, RFC 5321 §4.5.3.2; connecting and TLS as Postfix does.
TIMEOUTS: dict[Phase, float] = {
    Phase.CONNECT: 30.0,
    Phase.EHLO: 300.0,
    Phase.TLS: 30.0,
    Phase.AUTH: 300.0,
    Phase.MAIL: 300.0,
    Phase.RCPT: 300.0,
    Phase.DATA: 120.0,
    Phase.DOT: 600.0,
}
_QUIT_TIMEOUT = 2.0
_ATOMS = re.compile(r"[^\s\x00-\x20\x7f-\xa0<>\"\\()\[\],;:@]+@[A-Za-z0-9.\-]+")
_SERVICE_CLOSING = 421
# What most paths are. ``is_path`` takes more, and longer over it.
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,188}")
_DOT, _RESET = b".\r\n", b"RSET\r\n"
# The commands that open a message, and the class of the reply that goes on.
_OPENING = ((Phase.MAIL, 2), (Phase.RCPT, 2), (Phase.DATA, 3))
_CLASSES = tuple(expected for _, expected in _OPENING)


class Letter(NamedTuple):
    """One message for one recipient. ``data``: canonical lines, dot-safe, without the final dot.

    A tuple, like all that is made for every message: a frozen dataclass takes three times as long.
    """

    sender: str
    recipient: str
    data: bytes


class Answer(NamedTuple):
    """What the relay said in the end, and to which command."""

    phase: Phase
    reply: Reply


class Job(Protocol):
    """A letter, and who wants to know what became of it."""

    @property
    def letter(self) -> Letter: ...

    def may_start(self) -> bool:
        """Asked right before its MAIL is written, with nothing awaited in between."""

    def may_end(self) -> bool:
        """Asked right before its body is written: whether the message is still ours to send."""

    def finish(self, result: Answer | Exception | None) -> None:
        """Told once: the relay's answer, a RelayError where none came, None where it was not sent.

        None is our own doing: not begun, or cut before its body. Any other exception: the letter
        cannot be sent as it is, and was not begun.
        """


class Work(Protocol):
    """Where a session gets its jobs."""

    def at_hand(self) -> Job | None:
        """The next job, if there is one now."""

    async def wait(self) -> Job | None:
        """The next job; None when the session is to end."""


class SmtpSession:
    """A connection that is ready for messages."""

    def __init__(self, relay: RelayConfig, stream: ReplyStream, extensions: dict[str, str]) -> None:
        self.relay = relay
        self.sent = 0  # messages begun
        self._stream = stream
        self._size_limit = _size_limit(extensions)
        self._announces_size = "size" in extensions  # RFC 1870 §6.1
        self._utf8 = "smtputf8" in extensions  # RFC 6531 §3.4
        self._pipelining = "pipelining" in extensions
        self._timeouts = {phase: relay.timeout or limit for phase, limit in TIMEOUTS.items()}
        self._reset_first = False  # a transaction is open on the other side
        self._dot_owed = False  # it said 354 although it had taken no recipient
        self._closing = False

    @property
    def usable(self) -> bool:
        """Whether another message may be sent over it."""
        return self._stream.alive and not self._closing and self.sent < self.relay.per_connection

    async def run(self, work: Work) -> None:
        """Send what ``work`` has until it has no more, or the connection takes no more.

        Returns with every job finished and nothing half-sent, whatever the relay does.
        """
        begun: Job | None = None  # the relay waits for its body
        while begun is not None or self._dot_owed or self.usable:
            # Whatever is finished goes out at once: only an idle connection waits for a job.
            if begun is not None or self._dot_owed:
                job = self._at_hand(work)
            else:
                job = await self._next(work)
                if job is None:
                    return
            begun = await self._exchange(begun, job)

    def _at_hand(self, work: Work) -> Job | None:
        while self._pipelining and self.usable:
            job = work.at_hand()
            if job is None or self._begin(job):
                return job
        return None

    async def _next(self, work: Work) -> Job | None:
        while self.usable:
            job = await work.wait()
            if job is None or self._begin(job):
                return job
        return None

    def _begin(self, job: Job) -> bool:
        """Whether its MAIL is to be written now; else it is finished."""
        if not self._stream.alive:  # closed while there was nothing to send
            self.sent += 1
            job.finish(self._lost(Phase.MAIL, "the server closed the connection"))
            return False
        try:
            refusal = self._refuse(job.letter)
        except (SettingsError, ValueError) as error:
            job.finish(error)
            return False
        if not job.may_start() or refusal is not None:
            job.finish(refusal)
            return False
        self.sent += 1
        return True

    async def _exchange(self, begun: Job | None, job: Job | None) -> Job | None:
        """Write the body of ``begun`` and open ``job``; the job whose body is next."""
        if begun is not None and not begun.may_end():
            self._stream.abort()  # a body that was asked for can be kept back in no other way
            for unsent in (begun, job):
                if unsent is not None:
                    unsent.finish(None)
            return None
        lines = self._lines(job.letter) if job is not None else ()
        owed, self._dot_owed = self._dot_owed, False
        try:
            self._write_group(begun, lines, dot_owed=owed)
        except ConnectionClosedError as error:  # nothing of it was written
            if begun is not None:
                begun.finish(self._lost(Phase.DATA, error))
            if job is not None:
                job.finish(self._lost(Phase.MAIL, error))
            return None
        if begun is not None:
            begun.finish(await self._end())
        elif owed:
            await self._end()  # 554, no valid recipients: nobody's answer
        if job is None:
            return None
        if self._opens_at_once() or await self._open(job, lines):
            return job
        return None

    def _write_group(self, begun: Job | None, lines: tuple[bytes, ...], *, dot_owed: bool) -> None:
        body: tuple[bytes, ...] = () if begun is None else (begun.letter.data,)
        commands: tuple[bytes, ...] = (_DOT,) if begun is not None or dot_owed else ()
        if self._pipelining:
            commands += lines
        if commands:
            self._stream.write((*body, b"".join(commands)), replies=len(commands))

    def _lines(self, letter: Letter) -> tuple[bytes, ...]:
        """The commands that open a message, RSET before them where it is needed."""
        size = b" SIZE=%d" % len(letter.data) if self._announces_size else b""
        utf8 = b"" if letter.recipient.isascii() else b" SMTPUTF8"
        sender, recipient = letter.sender.encode(), letter.recipient.encode()
        lines = (
            b"MAIL FROM:<%b>%b%b\r\n" % (sender, size, utf8),
            b"RCPT TO:<%b>\r\n" % recipient,
            b"DATA\r\n",
        )
        return (_RESET, *lines) if self._reset_first else lines

    async def _end(self) -> Answer | RelayError:
        """What became of the message whose final dot was written."""
        try:
            code, text = self._stream.take() or await self._read(Phase.DOT)
        except RelayError as error:
            return error
        if code == _SERVICE_CLOSING:
            self._closing = True
        elif code // 100 not in (2, 4, 5):  # who knows what it has done, and what comes next
            self._closing = True
            self._stream.abort()
            return self._lost(Phase.DOT, f"{parse_reply(code, text)} after the final dot")
        return Answer(Phase.DOT, parse_reply(code, text))

    def _opens_at_once(self) -> bool:
        """Whether all that opens a message was answered, and well: as in most groups."""
        simple = self._pipelining and not self._reset_first and not self._closing
        return simple and self._stream.take_if(*_CLASSES)

    async def _open(self, job: Job, lines: tuple[bytes, ...]) -> bool:
        """Read what opening ``job`` is answered; whether its body is next, else it is finished."""
        if self._closing:
            job.finish(self._lost(Phase.MAIL, "the server closes the connection"))
            return False
        refused = False
        try:
            if self._reset_first:
                await self._reset()
                lines = lines[1:]
            for (phase, expected), line in zip(_OPENING, lines, strict=True):
                if not self._pipelining:
                    self._write(phase, line)
                code, text = await self._read(phase)
                if code // 100 == expected and not refused:
                    continue
                if not refused:
                    refused = True
                    # RCPT or DATA refused: MAIL was taken, and again it would be out of order.
                    self._reset_first = phase is not Phase.MAIL
                    job.finish(self._refusal(phase, code, text))
                if not self._goes_on(phase, code):
                    break
        except RelayError as error:
            if not refused:
                job.finish(error)
            return False
        return not refused

    def _refusal(self, phase: Phase, code: int, text: bytes) -> Answer | RelayError:
        reply = parse_reply(code, text)
        if code == _SERVICE_CLOSING and phase is Phase.MAIL and self.sent > 1:
            # It has had enough of this connection: no word about this message.
            return self._lost(phase, reply)
        return Answer(phase, reply)

    def _goes_on(self, phase: Phase, code: int) -> bool:
        """After a refusal: whether the rest of the group is answered, or is to be sent."""
        if code == _SERVICE_CLOSING:  # RFC 5321 §3.8: the server closes
            self._closing = True
            return False
        if code == 354 and phase is Phase.DATA and self._pipelining:
            # RFC 2920 §3.1: it takes a body although it took no recipient; it gets an empty one.
            self._dot_owed, self._reset_first = True, False
            return False
        if not 400 <= code <= 599:  # out of step: who knows what the next reply answers
            self._stream.abort()
            return False
        return self._pipelining

    async def _reset(self) -> None:
        if not self._pipelining:
            self._write(Phase.MAIL, _RESET)
        code, text = await self._read(Phase.MAIL)
        if code // 100 != 2:
            self._stream.abort()
            raise self._lost(Phase.MAIL, f"RSET: {parse_reply(code, text)}")
        self._reset_first = False

    def _write(self, phase: Phase, line: bytes) -> None:
        try:
            self._stream.write((line,), replies=1)
        except ConnectionClosedError as error:
            raise self._lost(phase, error) from error

    async def _read(self, phase: Phase) -> tuple[int, bytes]:
        try:
            return await self._stream.read(self._timeouts[phase])
        except (ConnectionClosedError, ReplyTimeoutError) as error:
            self._stream.abort()
            raise self._lost(phase, error) from error

    def _lost(self, phase: Phase, why: object) -> RelayError:
        code = why.code if isinstance(why, Reply) else None
        return RelayError(
            str(why), phase=phase, blame=Blame.RELAY, where=self.relay.name, code=code
        )

    def _refuse(self, letter: Letter) -> Answer | None:
        """What this relay is certain to refuse, or what must never be written to it."""
        if not is_path(letter.sender) or not letter.sender.isascii():
            raise SettingsError(
                "The return path is no address.",
                where="return_path",
                fix="Set it: digest newsletter set --return-path 'b-{token}@bounces.example.org'",
            )
        if not letter.data.endswith(b"\r\n"):
            raise ValueError("a message must end with a line end")
        if not is_path(letter.recipient):
            return Answer(Phase.RCPT, Reply(553, "not an address mail can be sent to", "5.1.3"))
        if not self._utf8 and not letter.recipient.isascii():
            text = "the relay takes no addresses beyond ASCII (SMTPUTF8)"
            return Answer(Phase.RCPT, Reply(553, text, "5.6.7"))
        if self._size_limit and len(letter.data) > self._size_limit:
            text = f"the relay takes at most {self._size_limit} bytes"
            return Answer(Phase.MAIL, Reply(552, text, "5.3.4"))
        return None

    async def quit(self) -> None:
        """Say QUIT where the connection is in order, and close it in any case."""
        if self._stream.open and not self._closing:
            try:
                self._stream.write((b"QUIT\r\n",), replies=1)
                await self._stream.read(_QUIT_TIMEOUT)
            except (ConnectionClosedError, ReplyTimeoutError):
                pass
        self._stream.close()

    def abort(self) -> None:
        """Cut the connection: whoever waits for an answer gets a RelayError."""
        self._stream.abort()


def is_path(address: str) -> bool:
    """Whether ``address`` may stand between the angle brackets of MAIL and RCPT (RFC 5321 §4.1.2).

    Our own door: aiosmtplib would shorten odd addresses silently, and a line end in one would be
    the next command.
    """
    if _PLAIN.fullmatch(address):
        return True
    local, _, domain = address.rpartition("@")
    return (
        bool(_ATOMS.fullmatch(address))
        and address.isprintable()
        and len(address.encode(errors="replace")) <= ADDRESS_MAX
        and len(local.encode(errors="replace")) <= LOCAL_MAX
        and not domain.startswith((".", "-"))
    )


def _size_limit(extensions: dict[str, str]) -> int:
    limit = extensions.get("size", "")
    return int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 19 else 0
