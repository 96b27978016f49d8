"""What a receiver's own checks said of a message: Authentication-Results, RFC 8601.

Whoever takes a message puts its field above all that came with it, so only the topmost one is the
receiver's word; what stands below may be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import HeaderParser

_COMMENT = re.compile(r"\([^()]*\)")
_RESULT = re.compile(r"(?P<method>[a-z0-9_-]+)(?:/\d+)?\s*=\s*(?P<result>[a-z]+)", re.IGNORECASE)
_PROPERTY = re.compile(
    r"(?P<kind>[a-z]+)\s*\.\s*(?P<name>[a-z0-9_-]+)\s*=\s*(?P<value>\"[^\"]*\"|\S+)"
)


@dataclass(frozen=True, slots=True)
class AuthResult:
    """One check: ``dkim``, ``spf``, ``dmarc`` …, its result, and of what (``header.d``)."""

    method: str
    result: str
    properties: Mapping[str, str]

    @property
    def domain(self) -> str:
        """The domain it is about, where it names one."""
        for name in ("header.d", "header.i", "smtp.mailfrom", "header.from"):
            if name in self.properties:
                return self.properties[name].rpartition("@")[2].lower()
        return ""


@dataclass(frozen=True, slots=True)
class Received:
    """A message's header as somebody received it. ``results`` are those of ``authority``."""

    message_id: str
    authority: str
    results: tuple[AuthResult, ...]


def read_received(text: str) -> Received:
    """Read the header (or the whole source) of a message that arrived."""
    header = HeaderParser().parsestr(text.lstrip())
    authority, results = "", tuple[AuthResult, ...]()
    found = header.get("Authentication-Results")
    if found is not None:
        authority, results = _parse(str(found))
    message_id = str(header.get("Message-ID", "")).strip()
    return Received(message_id, authority, results)


def _parse(value: str) -> tuple[str, tuple[AuthResult, ...]]:
    previous = ""
    while previous != value:  # comments may stand in comments
        previous, value = value, _COMMENT.sub(" ", value)
    authority, *parts = " ".join(value.split()).split(";")
    results = []
    for part in parts:
        found = _RESULT.match(part.strip())
        if found is None:
            continue
        properties = {
            f"{one['kind']}.{one['name']}".lower(): one["value"].strip('"')
            for one in _PROPERTY.finditer(part)
        }
        results.append(AuthResult(found["method"].lower(), found["result"].lower(), properties))
    return authority.split(" ")[0], tuple(results)
