"""Addresses that are worth a look before the first send: each with what is odd about it.

Likely typos of large domains, top-level domains nobody can register, mailboxes of an office rather
than a person (RFC 2142 and their like), and mailboxes made to be thrown away. Nothing is decided by
it: an operator reads the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from digest.rules.disposable import is_disposable


class Suspicion(StrEnum):
    """What is odd about an address."""

    TYPO = "typo"
    DEAD = "dead domain"
    DISPOSABLE = "disposable"
    ROLE = "role address"


@dataclass(frozen=True, slots=True)
class Suspect:
    """An address that is worth a look; ``advice`` is what was probably meant, or what it is."""

    address: str
    suspicion: Suspicion
    advice: str


# Whose names are mistyped most, because most people have them.
_LARGE = tuple(
    """
    gmail.com googlemail.com hotmail.com hotmail.de hotmail.fr hotmail.co.uk hotmail.it hotmail.es
    outlook.com outlook.de outlook.fr yahoo.com yahoo.de yahoo.fr yahoo.co.uk yahoo.es yahoo.it
    icloud.com protonmail.com proton.me t-online.de freenet.de comcast.net verizon.net
    sbcglobal.net bellsouth.net btinternet.com laposte.net wanadoo.fr orange.fr libero.it
    """.split()
)
# Real domains that look like one of them.
_REAL = frozenset(
    """
    mail.com email.com ymail.com rmail.com hotmail.co outlook.co gmx.com gmx.de gmx.net yahoo.ca
    yahoo.in yahoo.co.in yahoo.co.jp yahoo.com.au yahoo.com.br hotmail.be hotmail.ca hotmail.se
    hotmail.nl hotmail.ch hotmail.com.au outlook.be outlook.es outlook.it outlook.pt outlook.at
    orange.es t-online.hu
    """.split()
) | set(_LARGE)
# Ends that no registry has.
_NO_ENDS = {
    **dict.fromkeys("con cmo ocm comm coom vom xom cim cpm dom clm cok cim coml".split(), "com"),
    **dict.fromkeys("nett ner ent nte".split(), "net"),
    **dict.fromkeys("ogr rog orgg prg".split(), "org"),
}
_RESERVED = frozenset(("invalid", "localhost", "test", "local"))  # RFC 2606 §2, RFC 6762
_ROLES = frozenset(
    """
    abuse accounting accounts admin administrator all billing bookings buchhaltung buero contact
    contacto contabilidad customerservice editor editorial enquiries everyone feedback finance ftp
    help helpdesk hello hostmaster hr info information inquiries it jobs kontakt list mail
    mailer-daemon marketing media news newsletter no-reply noc noreply no_reply office orders
    postmaster press presse privacy redaktion reception recruiting redaction registrar reservations
    root sales secretary secretariat security sekretariat service spam staff subscribe support
    sysadmin team tech unsubscribe usenet uucp ventas vertrieb verwaltung webmaster www
    """.split()
)


def suspect(address: str) -> Suspect | None:
    """What is odd about ``address``, the gravest thing first; None where nothing is."""
    local, _, domain = address.rpartition("@")
    meant = meant_domain(domain)
    if meant:
        return Suspect(address, Suspicion.TYPO, f"{local}@{meant}")
    if domain.rpartition(".")[2] in _RESERVED:
        return Suspect(address, Suspicion.DEAD, f"{domain} can never have mail")
    if is_disposable(domain):
        return Suspect(address, Suspicion.DISPOSABLE, f"{domain} gives mailboxes for an hour")
    if local.partition("+")[0].lower() in _ROLES:
        return Suspect(address, Suspicion.ROLE, "read by an office, which may complain")
    return None


@lru_cache(maxsize=65_536)
def meant_domain(domain: str) -> str:
    """The domain that was probably meant, "" where this one may well be meant."""
    if domain in _REAL:
        return ""
    for large in _LARGE:
        if _one_slip(domain, large):
            return large
    name, _, end = domain.rpartition(".")
    return f"{name}.{_NO_ENDS[end]}" if name and end in _NO_ENDS else ""


def _one_slip(typed: str, meant: str) -> bool:
    """Whether one letter was left out, doubled, hit beside its key or swapped with the next.

    The first letter is right in most slips; another one is mostly another name.
    """
    if abs(len(typed) - len(meant)) > 1 or typed == meant:
        return False
    start = 0
    while start < min(len(typed), len(meant)) and typed[start] == meant[start]:
        start += 1
    rest, right = typed[start:], meant[start:]
    if len(rest) < len(right):
        return rest == right[1:]
    if len(rest) > len(right):
        return rest[1:] == right
    swapped = rest[1::-1] + rest[2:] == right
    return swapped or (start > 0 and rest[1:] == right[1:])
