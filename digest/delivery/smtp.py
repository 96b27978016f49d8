"""Opening a session with a relay, by aiosmtplib: connect, EHLO, TLS (RFC 3207), login (RFC 4954).

Then its transport is taken over (``wire.ReplyStream``) and spoken to by ourselves
(``session.SmtpSession``), because aiosmtplib has no pipelining, puts 64 KB through regular
expressions for every reader, and raises the same error for "lost at MAIL" and "lost after the final
dot".
"""

from __future__ import annotations

import ssl

import aiosmtplib

from digest.delivery.session import TIMEOUTS, Answer, Job, Letter, SmtpSession, Work, is_path
from digest.delivery.wire import take_over
from digest.errors import RelayError, SettingsError
from digest.mail.reply import Reply, parse_reply
from digest.rules.relay import SETTING, RelayConfig, Tls
from digest.rules.verdict import Blame, Phase
from digest.settings import is_loopback

__all__ = ["Answer", "Job", "Letter", "SmtpSession", "Work", "is_path", "open_session"]


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


async def read_certificate(relay: RelayConfig, *, helo: str) -> bytes | None:
    """The relay's certificate as it shows it, trusted or not (DER); None where it has no TLS.

    Ends before any login: nothing of ours is sent. Raises RelayError where it cannot be reached.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        local_hostname=helo,
        timeout=relay.timeout or TIMEOUTS[Phase.CONNECT],
        use_tls=relay.implicit_tls,
        start_tls=False,
        tls_context=context,
    )
    try:
        await client.connect()
        await client.ehlo()
        if not relay.implicit_tls and client.supports_extension("starttls"):
            await client.starttls()
        spoken = client.transport.get_extra_info("ssl_object") if client.transport else None
        return spoken.getpeercert(binary_form=True) if spoken else None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise _explain(error, Phase.TLS, relay) from error
    finally:
        client.close()


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
        fix = "Use smtps://, or the port that offers it."
        raise _unusable(relay, "offers no STARTTLS", _or_in_clear(relay, fix))


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
        # Its text is not quoted: a relay may repeat in it what we sent, the password too.
        words = f"refuses the login ({_codes(reply)})"
        raise _unusable(relay, words, "Check user and password.") from None


def _codes(reply: Reply) -> str:
    return f"{reply.code} {reply.status}" if reply.status else str(reply.code)


def _unusable(relay: RelayConfig, what: str, fix: str) -> SettingsError:
    return SettingsError(f"The relay {relay.name} {what}.", where=SETTING, fix=fix)


def _or_in_clear(relay: RelayConfig, fix: str) -> str:
    """What a relay on this machine may do without, no other may."""
    return f"{fix} It is on this machine: tls=none will do." if is_loopback(relay.host) else fix


def _explain(error: Exception, phase: Phase, relay: RelayConfig) -> Exception:
    """Our error for one of aiosmtplib's, without anything of a login in it."""
    if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
        reason = getattr(error.__cause__ or error, "verify_message", "not trusted")
        fix = _or_in_clear(relay, "Write the name the certificate has.")
        return _unusable(relay, f"shows a wrong certificate ({reason})", fix)
    reply = None
    if isinstance(error, aiosmtplib.SMTPResponseException):
        reply = parse_reply(error.code, error.message) if error.code > 0 else None
        text = "no SMTP reply"
        if reply is not None:
            text = _codes(reply) if phase is Phase.AUTH else str(reply)
    elif phase is Phase.AUTH and not isinstance(error, OSError):
        return _unusable(relay, "offers no way to log in that we know", "Leave the user away.")
    else:
        text = str(error) or type(error).__name__
    code = reply.code if reply else None
    return RelayError(text, phase=phase, blame=Blame.RELAY, where=relay.name, code=code)
