"""Looking at a relay without sending anything: does it answer, in what TLS, does it let us in.

The same door as for mail (``smtp.open_session``), so that what is found is what sending would meet.
A certificate that is refused is looked at once more, to name what it says (RFC 6125): before any
login, and nothing is sent.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from digest.delivery.smtp import open_session, read_certificate
from digest.errors import RelayError, SettingsError
from digest.rules.doctor.checkup import Check, Light
from digest.rules.relay import SETTING, RelayConfig, Tls
from digest.rules.verdict import Phase
from digest.settings import is_loopback

PORTS = (587, 465, 2525)  # where relays take mail to be sent on; 25 is shut in many networks
_PATIENCE = 5.0  # seconds for each step
_SOON = timedelta(days=14)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a relay's certificate says of itself."""

    names: tuple[str, ...]
    until: datetime

    @classmethod
    def read(cls, der: bytes) -> Certificate:
        """ValueError for what is no certificate."""
        found = x509.load_der_x509_certificate(der)
        names: list[str] = []
        with suppress(x509.ExtensionNotFound):
            listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = [
                *listed.get_values_for_type(x509.DNSName),
                *(str(one) for one in listed.get_values_for_type(x509.IPAddress)),
            ]
        return cls(tuple(names), found.not_valid_after_utc)


async def probe(
    relay: RelayConfig, *, helo: str, now: datetime, ports: Sequence[int] = PORTS
) -> list[Check]:
    """The rows about one relay: whether it answers, its TLS, its login."""
    quick = replace(relay, timeout=min(relay.timeout or _PATIENCE, _PATIENCE))
    name = relay.name
    try:
        session = await open_session(quick, helo=helo)
    except SettingsError as error:
        return await _refused(quick, error, helo=helo, now=now)
    except RelayError as error:
        if error.phase == Phase.CONNECT:
            return [await _unreachable(quick, error, ports)]
        code = {Phase.TLS: "relay-tls", Phase.AUTH: "relay-login"}.get(Phase(error.phase))
        found = f"at {error.phase}: {error.message}"
        fix = "Look again later: the relay did not finish."
        return [Check(code or "relay-reach", name, Light.YELLOW, found, fix)]
    await session.quit()
    answers = Check("relay-reach", name, Light.GREEN, "it answers")
    return [answers, await _tls_row(quick, helo=helo, now=now), _login_row(relay)]


async def _tls_row(relay: RelayConfig, *, helo: str, now: datetime) -> Check:
    if relay.tls is Tls.NONE:
        if is_loopback(relay.host):
            return Check("relay-tls", relay.name, Light.SKIPPED, "no TLS, on this machine")
        found = "mail goes to it in clear text (tls=none)"
        fix = f"Take tls=none out of {SETTING}."
        return Check("relay-tls", relay.name, Light.YELLOW, found, fix)
    certificate = await _certificate(relay, helo=helo)
    if certificate is None:
        found = "it offers no TLS"
        fix = f"Use a port that does, and tls=required in {SETTING}."
        return Check("relay-tls", relay.name, Light.YELLOW, found, fix)
    left = certificate.until - now
    if left < timedelta(0):  # opportunistic TLS takes any
        return Check("relay-tls", relay.name, Light.YELLOW, _ended(certificate), "Renew it.")
    if left < _SOON:
        found = f"the certificate ends in {left // _DAY} days, on {certificate.until:%Y-%m-%d}"
        return Check("relay-tls", relay.name, Light.YELLOW, found, "Have it renewed.")
    if relay.tls is Tls.OPPORTUNISTIC and relay.username is None:
        found = "TLS where it is offered, with any certificate"
        fix = f"Write tls=required in {SETTING}, where the certificate allows it."
        return Check("relay-tls", relay.name, Light.YELLOW, found, fix)
    found = f"TLS, certificate until {certificate.until:%Y-%m-%d}"
    return Check("relay-tls", relay.name, Light.GREEN, found)


def _login_row(relay: RelayConfig) -> Check:
    if relay.username is None:
        return Check("relay-login", relay.name, Light.SKIPPED, "no user is set")
    return Check("relay-login", relay.name, Light.GREEN, f"{relay.username} is let in")


async def _refused(
    relay: RelayConfig, error: SettingsError, *, helo: str, now: datetime
) -> list[Check]:
    """It cannot be used as it is set: its certificate, no TLS, or the login."""
    name = relay.name
    answers = Check("relay-reach", name, Light.GREEN, "it answers")
    said = error.message.removeprefix(f"The relay {name} ").rstrip(".")
    if "log in" in said or "login" in said:
        tls = await _tls_row(relay, helo=helo, now=now)
        return [answers, tls, Check("relay-login", name, Light.RED, said, error.fix)]
    if "certificate" not in said:
        return [answers, Check("relay-tls", name, Light.RED, said, error.fix)]
    certificate = await _certificate(relay, helo=helo)
    fix = error.fix
    if certificate is not None:
        said, fix = _explained(certificate, relay, said=said, now=now)
    return [answers, Check("relay-tls", name, Light.RED, said, fix)]


def _explained(
    certificate: Certificate, relay: RelayConfig, *, said: str, now: datetime
) -> tuple[str, str]:
    if certificate.until < now:
        return _ended(certificate), "Have the relay's certificate renewed."
    names = ", ".join(certificate.names[:5]) or "nobody"
    if "ismatch" in said:
        other = next((one for one in certificate.names if not one.startswith("*")), "NAME")
        fix = f"If that is the relay, write its name in {SETTING}: smtp://{other}:{relay.port}."
        return f"the certificate is for {names}, not for {relay.host}", fix
    fix = (
        "Have it signed by an authority this machine trusts, or add its authority to the "
        "machine's (SSL_CERT_FILE names a file of them)."
    )
    return f"nobody this machine trusts has signed the certificate (for {names})", fix


def _ended(certificate: Certificate) -> str:
    return f"the certificate ended on {certificate.until:%Y-%m-%d %H:%M} UTC"


async def _certificate(relay: RelayConfig, *, helo: str) -> Certificate | None:
    with suppress(RelayError, SettingsError, ValueError, ssl.SSLError):
        der = await read_certificate(relay, helo=helo)
        return Certificate.read(der) if der else None
    return None


async def _unreachable(relay: RelayConfig, error: RelayError, ports: Sequence[int]) -> Check:
    """Its port is shut, or the way to it: say which other one answers."""
    others = [port for port in ports if port != relay.port]
    open_ones = await asyncio.gather(*(_answers(relay.host, port) for port in others))
    answering = [port for port, answer in zip(others, open_ones, strict=True) if answer]
    found = f"port {relay.port} does not answer ({error.message})"
    if relay.port == 25:
        found += "; many networks let no mail out through it"
    if answering:
        port = answering[0]
        scheme = "smtps" if port == 465 else "smtp"
        found += f", port {' and '.join(map(str, answering))} does"
        fix = f"Write it so in {SETTING}: {scheme}://…@{relay.host}:{port}."
    else:
        tried = ", ".join(map(str, others))
        fix = (
            f"Nor do {tried}. Check the name, whether the relay runs, and whether this machine's "
            "network or firewall lets mail out."
        )
    return Check("relay-reach", relay.name, Light.RED, found, fix)


async def _answers(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
