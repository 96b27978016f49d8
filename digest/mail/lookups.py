"""Judgments that need answers of the DNS, without asking it themselves.

Such a judgment is a generator: it yields a ``Question``, is sent the answer and returns what it
found. Whoever drives it (``net.dns.answered``) asks a server, a test a dictionary. Answers are
texts: of TXT the strings of a record joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2), of MX ``10 host``,
of PTR and CNAME a name; names in lower case without the root's dot. No answer is ``()``; that
nobody could be asked is the driver's error and ends the judgment.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeVar

T = TypeVar("T")

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: ``kind`` of record at ``name``."""

    name: str
    kind: str


Answers = tuple[str, ...]
Judgment = Generator[Question, Answers, T]


def addresses_of(name: str) -> Judgment[tuple[Address, ...]]:
    """The addresses of a host; a name that is an address itself is that one."""
    try:
        return (ip_address(name),)
    except ValueError:
        found = [*(yield Question(name, "A")), *(yield Question(name, "AAAA"))]
        return tuple(ip_address(text) for text in found)


def takes_mail(domain: str) -> Judgment[bool]:
    """Whether mail to a domain has anywhere to go: a host of its MX that is not null, or without
    MX the address it has itself (RFC 5321 §5.1, RFC 7505).
    """
    hosts = yield from mail_hosts(domain)
    if hosts:
        return any(hosts)
    return bool((yield from addresses_of(domain)))


def mail_hosts(domain: str) -> Judgment[tuple[str, ...]]:
    """The hosts of a domain's MX, most preferred first; ``""`` is the null MX (RFC 7505)."""
    pairs = [text.split(" ", 1) for text in (yield Question(domain, "MX"))]
    ordered = sorted(pairs, key=lambda pair: int(pair[0]))
    return tuple(host for _, host in ordered)
