"""One SMTP session with a relay: opened by aiosmtplib, then spoken by ourselves (RFC 5321).

aiosmtplib connects, says EHLO, starts TLS (RFC 3207) and logs in (RFC 4954); then its transport is
taken over (``wire.ReplyStream``), because it has no pipelining, puts 64 KB through regular
expressions for every reader, and raises the same error for "lost at MAIL" and "lost after the final
dot". An answer is a value; no answer is a RelayError with its phase. Only after the dot was written
can a message have been taken without our knowing (RFC 1047).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import aiosmtplib

from digest.delivery.wire import ConnectionClosedError, ReplyStream, ReplyTimeoutError, take_over
from digest.errors import RelayError, SettingsError
from digest.mail.reply import Reply, parse_reply
from digest.rules.relay import SETTING, RelayConfig, Tls
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
_LOCAL_MAX, _PATH_MAX = 64, 254  # RFC 5321 §4.5.3.1.1, §4.5.3.1.3 without its angle brackets
_ATOMS = re.compile(r"[^\s\x00-\x20\x7f-\xa0<>\"\\()\[\],;:@]+@[A-Za-z0-9.\-]+")
_SERVICE_CLOSING = 421


@dataclass(frozen=True, slots=True)
class Letter:
    """One message for one recipient. ``data``: canonical lines, dot-safe, without the final dot."""

    sender: str
    recipient: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the relay said in the end, and to which command."""

    phase: Phase
    reply: Reply


class SmtpSession:
    """A connection that is ready for messages, one after the other."""

    def __init__(self, relay: RelayConfig, stream: ReplyStream, extensions: dict[str, str]) -> None:
        self.relay = relay
        self.sent = 0  # messages begun
        self._stream = stream
        self._extensions = extensions
        self._size_limit = _size_limit(extensions)
        self._reset_first = False
        self._closing = False

    @property
    def usable(self) -> bool:
        """Whether another message may be sent over it."""
        return self._stream.open and not self._closing and self.sent < self.relay.per_connection

    async def send(self, letter: Letter, *, may_start: Callable[[], bool]) -> Answer | None:
        """Send one message; None when ``may_start`` said no, which is asked right before MAIL.

        Raises RelayError where no answer came; its phase is that of the command without one.
        """
        refusal = self._refuse(letter)
        if refusal is not None:
            return refusal if may_start() else None
        if self._reset_first:
            await self._reset()
        if not may_start():
            return None
        self.sent += 1
        for phase, line, expected in self._commands(letter):
            code, text = await self._ask(phase, line)
            if code // 100 != expected:
                reply = parse_reply(code, text)
                self._after_refusal(phase, reply)
                return Answer(phase, reply)
        code, text = await self._ask(Phase.DOT, letter.data + b".\r\n")
        if code == _SERVICE_CLOSING:
            self._closing = True
        return Answer(Phase.DOT, parse_reply(code, text))

    def _commands(self, letter: Letter) -> tuple[tuple[Phase, bytes, int], ...]:
        options = b""
        if "size" in self._extensions:  # RFC 1870 §6.1
            options += b" SIZE=%d" % len(letter.data)
        if not letter.recipient.isascii():  # RFC 6531 §3.4
            options += b" SMTPUTF8"
        sender, recipient = letter.sender.encode(), letter.recipient.encode()
        return (
            (Phase.MAIL, b"MAIL FROM:<%b>%b\r\n" % (sender, options), 2),
            (Phase.RCPT, b"RCPT TO:<%b>\r\n" % recipient, 2),
            (Phase.DATA, b"DATA\r\n", 3),
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
        if not letter.recipient.isascii() and "smtputf8" not in self._extensions:
            text = "the relay takes no addresses beyond ASCII (SMTPUTF8)"
            return Answer(Phase.RCPT, Reply(553, text, "5.6.7"))
        if self._size_limit and len(letter.data) > self._size_limit:
            text = f"the relay takes at most {self._size_limit} bytes"
            return Answer(Phase.MAIL, Reply(552, text, "5.3.4"))
        return None

    def _after_refusal(self, phase: Phase, reply: Reply) -> None:
        if reply.code == _SERVICE_CLOSING:  # RFC 5321 §3.8: the server closes
            self._closing = True
        elif not 400 <= reply.code <= 599:  # an answer without sense: who knows what comes next
            self._stream.abort()
        elif phase is not Phase.MAIL:
            self._reset_first = True  # the sender was taken: MAIL again would be out of order

    async def _reset(self) -> None:
        code, text = await self._ask(Phase.MAIL, b"RSET\r\n")
        if code // 100 != 2:
            self._stream.abort()
            message = f"RSET: {parse_reply(code, text)}"
            raise RelayError(message, phase=Phase.MAIL, blame=Blame.RELAY)
        self._reset_first = False

    async def _ask(self, phase: Phase, data: bytes) -> tuple[int, bytes]:
        try:
            self._stream.write(data, replies=1)
            return await self._stream.read(self.relay.timeout or TIMEOUTS[phase])
        except (ConnectionClosedError, ReplyTimeoutError) as error:
            self._stream.abort()
            raise RelayError(
                str(error), phase=phase, blame=Blame.RELAY, where=self.relay.name
            ) from error

    async def quit(self) -> None:
        """Say QUIT where the connection is in order, and close it in any case."""
        if self._stream.open and not self._closing:
            try:
                self._stream.write(b"QUIT\r\n", replies=1)
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
    local, _, domain = address.rpartition("@")
    return (
        bool(_ATOMS.fullmatch(address))
        and address.isprintable()
        and len(address.encode(errors="replace")) <= _PATH_MAX
        and len(local.encode(errors="replace")) <= _LOCAL_MAX
        and not domain.startswith((".", "-"))
    )


def _size_limit(extensions: dict[str, str]) -> int:
    limit = extensions.get("size", "")
    return int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 19 else 0


async def open_session(relay: RelayConfig, *, helo: str) -> SmtpSession:
    """Connect to ``relay``, start TLS and log in; ``helo`` is the name we give.

    Raises RelayError where the relay cannot be used now, and SettingsError where it cannot be used
    as it is set: it refuses the login, has no TLS, or the certificate is wrong.
    """
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        local_hostname=helo,
        timeout=relay.timeout or TIMEOUTS[Phase.CONNECT],
        use_tls=relay.implicit_tls,
        start_tls=False,  # we decide, after EHLO
        tls_context=_tls_context(relay),
    )
    phase = Phase.CONNECT
    try:
        await client.connect()
        phase = Phase.EHLO
        await client.ehlo(timeout=_timeout(relay, phase))
        phase = Phase.TLS
        await _start_tls(client, relay)
        phase = Phase.AUTH
        await _log_in(client, relay)
        if client.transport is None:
            raise aiosmtplib.SMTPServerDisconnected("the server closed the connection")
    except (SettingsError, RelayError):
        client.close()
        raise
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        client.close()
        raise _explain(error, phase, relay) from error
    return SmtpSession(relay, take_over(client.transport), dict(client.esmtp_extensions))


def _timeout(relay: RelayConfig, phase: Phase) -> float:
    return relay.timeout or TIMEOUTS[phase]


def _tls_context(relay: RelayConfig) -> ssl.SSLContext | None:
    if relay.tls is Tls.NONE:
        return None
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if relay.tls is Tls.OPPORTUNISTIC and relay.username is None:
        # RFC 7435 §3: any encryption is better than none; but a password is shown to nobody
        # unknown.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _start_tls(client: aiosmtplib.SMTP, relay: RelayConfig) -> None:
    if relay.implicit_tls or relay.tls is Tls.NONE:
        return
    if client.supports_extension("starttls"):
        await client.starttls(timeout=_timeout(relay, Phase.TLS))
        await client.ehlo(timeout=_timeout(relay, Phase.EHLO))  # RFC 3207 §4.2: forget the first
    elif relay.tls is Tls.REQUIRED or relay.username is not None:
        raise _unusable(relay, "offers no STARTTLS", "Use smtps://, or the port that offers it.")


async def _log_in(client: aiosmtplib.SMTP, relay: RelayConfig) -> None:
    if relay.username is None:
        return
    try:
        await client.login(
            relay.username, relay.password or "", timeout=_timeout(relay, Phase.AUTH)
        )
    except aiosmtplib.SMTPAuthenticationError as error:
        reply = parse_reply(error.code, error.message)
        if not reply.permanent:
            raise
        raise _unusable(relay, f"refuses the login ({reply})", "Check user and password.") from None


def _unusable(relay: RelayConfig, what: str, fix: str) -> SettingsError:
    return SettingsError(f"The relay {relay.name} {what}.", where=SETTING, fix=fix)


def _explain(error: Exception, phase: Phase, relay: RelayConfig) -> Exception:
    """Our error for one of aiosmtplib's, without anything of a login in it."""
    if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
        reason = getattr(error.__cause__ or error, "verify_message", "not trusted")
        return _unusable(
            relay, f"shows a wrong certificate ({reason})", "Write the name the certificate has."
        )
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = str(parse_reply(error.code, error.message)) if error.code > 0 else "no SMTP reply"
    elif phase is Phase.AUTH and not isinstance(error, OSError):
        return _unusable(relay, "offers no way to log in that we know", "Leave the user away.")
    else:
        text = str(error) or type(error).__name__
    return RelayError(text, phase=phase, blame=Blame.RELAY, where=relay.name)
