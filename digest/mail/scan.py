"""Addresses and codes in texts that people and programs wrote: found, and freed of what stands
around them.

Searches for addresses run over each ``@`` once and look a bounded way to both sides: no word,
however long, costs more than its length. What is found is a claim of a report and not checked: RFC
5322 §3.4.1 is read with all the liberty servers take (dots anywhere, underscores in domains). Codes
are those of RFC 3463 and RFC 5321 §4.2, as far as no number of another kind looks the same.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

STATUS = re.compile(r"(?<![\w.])([245]\.[0-7]\.\d{1,3})(?![\d-]|\.\d)")
REPLY = re.compile(r"(?<![\w./:+-])([45][0-5]\d)(?=[\s:;,#.)-]|$)(?!\.\d|-\d\d)")

LOCAL_MAX = 128
DOMAIN_MAX = 255
FOUND_MAX = 200

_LOCAL = string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~."
_DOMAIN = string.ascii_letters + string.digits + "-._"
_BEFORE_LOCAL = "'`*=.|/"  # quotes and list marks that are letters of a local part only in theory


def addresses(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and address of every address in ``text``, at most 200, in lower case.

    Servers change the case at will, and no two readers differ by it (``mail.address.address_key``).
    """
    at = text.find("@")
    for _ in range(FOUND_MAX):
        if at < 0:
            return
        start, local = _local(text, at)
        right = text[at + 1 : at + 1 + DOMAIN_MAX]
        domain = right[: len(right) - len(right.lstrip(_DOMAIN))].rstrip("-_")
        end = at + 1 + len(domain)
        domain = domain.rstrip(".")
        if local and domain and not domain.startswith((".", "-")):
            yield start, end, f"{local}@{domain}".lower()
        at = text.find("@", max(end, at + 1))


def first_address(text: str) -> str:
    """The first address in ``text``, or ""."""
    for _, _, address in addresses(text):
        return address
    return ""


def clean_address(value: str) -> str:
    """The address a field names, or "" where it names none.

    A pipe command or a file is no address; a route (``@host:anne@example.org``) is left out.
    """
    value = value[: LOCAL_MAX + DOMAIN_MAX + 200].strip()
    if "<" in value and ">" in value:
        inner = value[value.rfind("<") + 1 : value.rfind(">")]
        value = inner if "@" in inner else value
    value = value.strip("<>() \t;,'")
    if value.startswith("@") and ":" in value:
        value = value.partition(":")[2]
    if "=?" in value and "?=" in value and "@" in value and " " not in value:
        return value.lower()
    for start, _, address in addresses(value):
        if start > 0 and value[0] in "|/":
            return ""
        return address
    return ""


def phrases(table: str) -> tuple[str, ...]:
    """The phrases of a table of words, which bars part."""
    return tuple(phrase.strip() for phrase in " ".join(table.split()).split("|"))


def has_domain(address: str) -> bool:
    """Whether the domain of ``address`` is one of the world's, not the name of a delivery agent."""
    return "." in address.rpartition("@")[2]


def _local(text: str, at: int) -> tuple[int, str]:
    """Where the local part before ``at`` starts, and what it is."""
    left = text[max(0, at - LOCAL_MAX) : at]
    if left.endswith('"'):
        opening = left.rfind('"', 0, len(left) - 1)
        inner = left[opening + 1 : -1]
        if opening >= 0 and inner and " " not in inner and "@" not in inner:
            return at - len(left) + opening, _unquoted(inner)
        left = left[:-1] if opening < 0 else left
        return at - len(left), ""
    local = left[len(left.rstrip(_LOCAL)) :]
    # An encoded-word (RFC 2047) is none in an address, but servers quote what they were given.
    trimmed = local if local.startswith("=?") else local.lstrip(_BEFORE_LOCAL)
    if trimmed[:5].lower() == "smtp=":  # an attribute of X.400: dda:SMTP=anne@example.org
        trimmed = trimmed[5:]
    return at - len(trimmed), trimmed


def _unquoted(local: str) -> str:
    """A quoted local part without its quotes, where it needs none but for its dots."""
    return local if not local.strip(_LOCAL) else f'"{local}"'
