"""Which DNS records mail of a newsletter through a relay needs.

One table says what each kind of relay does with the envelope sender and asks for in DNS, as its
documentation has it (Amazon SES: custom MAIL FROM domain; Postmark: custom Return-Path; Mailgun:
domain verification; SendGrid: domain authentication). What only the provider knows (names of keys,
numbers of an account) is said in words and told by ``selectors`` and ``return_path`` of the relay's
URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from digest.mail.lookups import Address, Judgment, addresses_of
from digest.rules.doctor.checkup import Record
from digest.rules.relay import RelayConfig
from digest.settings import is_loopback

_REGION = re.compile(r"email-smtp(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com")
DMARC_FIRST = "v=DMARC1; p=none"  # what Gmail, Yahoo and Microsoft ask for at least


@dataclass(frozen=True, slots=True)
class Sending:
    """Mail of one newsletter through one relay, as receivers see it.

    ``bounce_host`` takes what comes back, where we take it ourselves.
    """

    from_domain: str
    return_path_domain: str
    relay: RelayConfig
    bounce_host: str = ""

    @property
    def envelope_domain(self) -> str | None:
        """The domain SPF is asked of; None where only the provider knows it."""
        if self.relay.return_path:
            return self.relay.return_path
        provider = PROVIDERS.get(self.relay.profile.name)
        return provider.envelope(self) if provider else self.return_path_domain


@dataclass(frozen=True, slots=True)
class Provider:
    """What a provider asks for. ``records`` are those of the envelope's domain: kind and value."""

    called: str
    envelope: Callable[[Sending], str | None]
    records: tuple[tuple[str, str], ...]
    include: str = ""  # whose SPF record it is
    alias: str = ""  # what the envelope's domain must lead to, as CNAME: this or below it
    selectors: tuple[str, ...] = ()  # names of keys that are the same for everybody
    keys: str = ""  # what it shows of its keys, and where


def _ses_envelope(sending: Sending) -> str:
    """A domain below the From domain that takes nothing but bounces, which SES itself reads."""
    below = sending.return_path_domain.endswith(f".{sending.from_domain}")
    return sending.return_path_domain if below else f"bounces.{sending.from_domain}"


def _mailgun_envelope(sending: Sending) -> str:
    """Its logins belong to a domain: postmaster@mg.example.org."""
    login = (sending.relay.username or "").rpartition("@")[2]
    return login if "." in login else sending.from_domain


PROVIDERS: dict[str, Provider] = {
    "ses": Provider(
        "Amazon SES",
        _ses_envelope,
        (
            ("MX", "10 feedback-smtp.{region}.amazonses.com."),
            ("TXT", "v=spf1 include:amazonses.com ~all"),
        ),
        include="amazonses.com",
        keys="three CNAME records, shown under the identity's Easy DKIM",
    ),
    "postmark": Provider(
        "Postmark",
        lambda sending: f"pm-bounces.{sending.from_domain}",
        (("CNAME", "pm.mtasv.net."),),
        alias="pm.mtasv.net",
        keys="one TXT record, shown under the domain's DNS settings",
    ),
    "mailgun": Provider(
        "Mailgun",
        _mailgun_envelope,
        (
            ("TXT", "v=spf1 include:mailgun.org ~all"),
            ("MX", "10 mxa.{mailgun}."),
            ("MX", "10 mxb.{mailgun}."),
        ),
        include="mailgun.org",
        keys="one TXT or two CNAME records, shown under the domain's DNS records",
    ),
    "sendgrid": Provider(
        "SendGrid",
        lambda _: None,
        (),
        alias="sendgrid.net",
        selectors=("s1", "s2"),
        keys="three CNAME records (em…, s1._domainkey, s2._domainkey), shown under Sender "
        "Authentication",
    ),
}


def provider_of(relay: RelayConfig) -> Provider | None:
    """What the relay's provider asks for; None for a server that keeps our envelope."""
    return PROVIDERS.get(relay.profile.name)


def envelope_records(sending: Sending) -> tuple[Record, ...]:
    """The records a provider wants at the domain its bounces go to."""
    provider, domain = provider_of(sending.relay), sending.envelope_domain
    if provider is None or domain is None:
        return ()
    region = _REGION.fullmatch(sending.relay.host)
    values = {
        "region": region[1] if region else "REGION",
        "mailgun": "eu.mailgun.org" if ".eu." in sending.relay.host else "mailgun.org",
    }
    return tuple(Record(domain, kind, value.format(**values)) for kind, value in provider.records)


@dataclass(frozen=True, slots=True)
class SendsFrom:
    """The addresses a relay's mail comes from; ``certain`` unless they were guessed by its name."""

    addresses: tuple[Address, ...]
    certain: bool


def sends_from(relay: RelayConfig) -> Judgment[SendsFrom]:
    """Where receivers see mail of ``relay`` come from, as far as can be known.

    The machine one hands mail to need not be the one that delivers it; of a Postfix of one's own it
    is taken to be.
    """
    if relay.addresses:
        return SendsFrom(tuple(ip_address(text) for text in relay.addresses), certain=True)
    if is_loopback(relay.host):
        return SendsFrom((), certain=False)
    found = yield from addresses_of(relay.host)
    return SendsFrom(found, certain=relay.profile.name == "postfix")


def spf_terms(addresses: tuple[Address, ...]) -> list[str]:
    """The mechanisms that let these addresses send."""
    return [f"ip{one.version}:{one}" for one in addresses]
