"""Addresses mail is sent to, and the names beside them.

Syntax and limits: RFC 5321 §4.1.2 and §4.5.3.1 (local part 64 octets, domain 255, path 256 with its
brackets, hence 254 for an address and 253 for a domain without its root), RFC 6531 §3.3 (non-ASCII
local parts), RFC 5891 (domains as A-labels). Quoted local parts (``"a b"@example.org``) and domain
literals are refused: no reader has one, and parsers disagree about them.

What is accepted here is what goes into ``RCPT TO`` and ``To``, byte for byte.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from digest.errors import AddressError
from digest.mail.headers import clean_line

LOCAL_MAX = 64  # octets
ADDRESS_MAX = 254  # octets
NAME_MAX = 200  # characters

_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
# Labels of letters, digits and inner hyphens, none with hyphens at 3 and 4 (xn-- and reserved ones
# are the validator's), the last one ending in a letter.
_LABEL = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!..--)(?:[a-z0-9](?:[a-z0-9-]{{0,61}})?)?[a-z]")
_RESERVED_TOPS = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)


@dataclass(frozen=True, slots=True)
class Address:
    """An address mail can be sent to; ``str()`` of it is what the relay is told.

    ``local`` is as its owner wrote it, ``domain`` is in A-labels and lower case.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a relay with SMTPUTF8 (RFC 6531) can take it; without it, it is a 5.6.7."""
        return not self.local.isascii()


@dataclass(frozen=True, slots=True)
class _Domain:
    name: str
    octets: int  # of its longest spelling: as written, in A-labels, in Unicode


def parse_address(text: str) -> Address:
    """The address written in ``text``, without blanks around it; AddressError says what is wrong.

    Plain ASCII takes a short way that accepts nothing the validator would refuse; each domain is
    looked at once. Nothing is asked of the network.
    """
    local, _, domain = text.rpartition("@")
    if len(local) <= LOCAL_MAX and _DOT_ATOM.fullmatch(local):
        known = _known_domain(domain)
        if known is not None and len(local) + 1 + known.octets <= ADDRESS_MAX:
            return Address(local, known.name)
    return _validate(text)


def address_key(address: Address) -> str:
    """What makes two addresses the same reader: the domain, and the local part without its case.

    NFKC and full case folding, so that ``Anne@`` and ``anne@`` are one, and so are two ways to
    write an accent. To compare only; mail goes to ``str(address)``.
    """
    if address.local.isascii():
        return f"{address.local.lower()}@{address.domain}"
    folded = unicodedata.normalize("NFKC", address.local).casefold()
    return f"{unicodedata.normalize('NFKC', folded)}@{address.domain}"


def clean_name(text: str) -> str:
    """A person's display name as one line: no controls, no line breaks, no marks that reverse text,
    at most 200 characters. May come out empty.
    """
    return clean_line(text)[:NAME_MAX].rstrip(" \u200d")


@lru_cache(maxsize=32_768)  # a list of a million readers has few domains, most of them often
def _known_domain(domain: str) -> _Domain | None:
    if len(domain) > ADDRESS_MAX:
        return None
    lowered = domain.lower()
    plain = domain.isascii() and len(domain) <= 253 and _PLAIN_DOMAIN.fullmatch(lowered)
    if plain and lowered.rpartition(".")[2] not in _RESERVED_TOPS:
        return _Domain(lowered, len(lowered))
    try:
        valid = validate_email(
            f"a@{domain}", strict=True, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError:
        return None
    spellings = (domain, valid.domain, valid.ascii_domain)
    return _Domain(valid.ascii_domain, max(len(name.encode()) for name in spellings))


def _validate(text: str) -> Address:
    """The long way. ``.test`` is allowed by the validator's own switch, and example.org and the
    like are names as any other to it: no table of its module has to be changed for tests and demos.
    """
    if len(text) > ADDRESS_MAX:
        raise _refused(f"it has {len(text)} characters, at most {ADDRESS_MAX} are allowed")
    try:
        valid = validate_email(
            text,
            allow_smtputf8=True,
            allow_quoted_local=False,
            allow_domain_literal=False,
            strict=True,
            check_deliverability=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise _refused(str(error)) from error
    octets = len(valid.local_part.encode())
    if octets > LOCAL_MAX:  # the validator counts characters, RFC 6531 §3.3 counts octets
        raise _refused(f"it has {octets} octets before the @-sign, at most {LOCAL_MAX} are allowed")
    return Address(valid.local_part, valid.ascii_domain)


def _refused(why: str) -> AddressError:
    return AddressError(f"This is no address mail can be sent to: {why.rstrip('.')}.")
