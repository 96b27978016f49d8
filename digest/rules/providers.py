"""Who runs a destination, by its domain, and what that provider takes from one sender at a time.

The domains are those of large providers of free mail; MX records are not looked up (a relay stands
in between), so a company's own domain at the same provider is a destination of its own. The numbers
are the providers' own where they publish any, else those of KumoMTA's shaping rules, which its
users keep together with postmasters.

They hold for a relay that answers for the destination (``queues=no``). Behind one that only queues,
it is the relay that opens connections to the provider.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider: its name in ``destinations.provider``, how many connections, hence messages, it
    takes at the same time, the domains it is known by.
    """

    name: str
    at_once: int
    domains: re.Pattern[str]


def _domains(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives))


_CC = r"(com?\.)?[a-z]{2}"  # a country's ending: fr, co.uk, com.br

TABLE: tuple[Provider, ...] = (
    Provider("google", 5, _domains(r"gmail\.com", r"googlemail\.com", r"google\.com")),
    # Its own servers, run by another company than yahoo.com.
    Provider("yahoo japan", 2, _domains(r"yahoo\.co\.jp", r"ymail\.ne\.jp")),
    Provider(
        "yahoo",
        5,
        _domains(
            rf"yahoo\.(com|{_CC})",
            r"(ymail|rocketmail|myyahoo|aol|aim|netscape|verizon)\.(com|net)",
            rf"aol\.{_CC}",
        ),
    ),
    Provider(
        "outlook",
        5,
        _domains(
            rf"(outlook|hotmail|live)\.(com|{_CC})",
            r"msn\.com",
            r"passport\.com",
            r"windowslive\.com",
        ),
    ),
    Provider("apple", 10, _domains(r"icloud\.com", r"me\.com", r"mac\.com")),
    Provider("comcast", 25, _domains(r"comcast\.net")),
    Provider("gmx", 4, _domains(r"gmx\.(de|net|at|ch)", r"web\.de")),
    Provider("mail.com", 5, _domains(r"(mail|gmx|email|usa)\.com")),
    Provider("orange", 3, _domains(r"orange\.fr", r"wanadoo\.fr")),
    Provider("kpn", 10, _domains(r"(kpnmail|planet|hetnet)\.nl")),
    Provider("tencent", 4, _domains(r"qq\.com", r"foxmail\.com")),
    Provider("netease", 4, _domains(r"(163|126)\.com", r"yeah\.net")),
)
_BY_NAME = {provider.name: provider for provider in TABLE}


def provider_of(domain: str) -> str | None:
    """The provider behind ``domain`` (A-labels); None: not one of the table's."""
    domain = domain.lower().rstrip(".")
    for provider in TABLE:
        if provider.domains.fullmatch(domain):
            return provider.name
    return None


def destination_of(domain: str) -> str:
    """What brakes and caps go by: the provider where one is known, else the domain itself."""
    return provider_of(domain) or domain.lower().rstrip(".")


def most_at_once(provider: str | None) -> int | None:
    """How many messages a provider takes at the same time; None: nothing is known."""
    return _BY_NAME[provider].at_once if provider in _BY_NAME else None
