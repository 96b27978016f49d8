"""The TXT record that lets others check a signature: RFC 6376 §3.6.1, with RFC 8301.

What stands in DNS is compared with the public half of our private key: a record somebody cut,
escaped or pasted twice is found before a receiver finds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from digest.mail.lookups import Answers

_BLANKS = re.compile(r"[\s\\\"]+")  # what forms of DNS services leave in a key


class KeyFault(StrEnum):
    """What is wrong with a key's record."""

    MISSING = "it is missing"
    SEVERAL = "there are several at this name, and receivers may take any of them"
    UNREADABLE = "it is no DKIM record"
    REVOKED = "it says that the key is revoked (p= is empty)"
    OTHER = "it holds another key"
    CUT = "its key is cut off"
    QUOTED = "its key has quotes, blanks or backslashes in it"
    TYPE = "it is for another kind of key than RSA"
    NO_SHA256 = "it does not allow sha256 (h=)"
    NOT_MAIL = "it is not for mail (s=)"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A record that can be read."""

    key: str
    kind: str
    hashes: tuple[str, ...]
    services: tuple[str, ...]
    testing: bool


def parse_key_record(text: str) -> KeyRecord | None:
    """Read a record; None for what is none."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip(), value.strip())
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        return None
    return KeyRecord(
        key=tags["p"],
        kind=tags.get("k", "rsa"),
        hashes=_listed(tags.get("h", "sha256")),
        services=_listed(tags.get("s", "*")),
        testing="y" in _listed(tags.get("t", "")),
    )


def compare_key(answers: Answers, wanted: str) -> KeyFault | None:
    """How what DNS answers differs from the record ``wanted``; None where it serves as well."""
    if not answers:
        return KeyFault.MISSING
    if len(answers) > 1:
        return KeyFault.SEVERAL
    found, ours = parse_key_record(answers[0]), parse_key_record(wanted)
    if found is None or ours is None:
        return KeyFault.UNREADABLE
    if not found.key:
        return KeyFault.REVOKED
    if found.kind != ours.kind:
        return KeyFault.TYPE
    if found.key != ours.key:
        return _difference(found.key, ours.key)
    return usable(found)


def usable(found: KeyRecord) -> KeyFault | None:
    """What keeps receivers from checking mail of ours with a key, whoever has its private half."""
    if not found.key:
        return KeyFault.REVOKED
    if "sha256" not in found.hashes:
        return KeyFault.NO_SHA256
    return None if {"*", "email"} & set(found.services) else KeyFault.NOT_MAIL


def _difference(found: str, ours: str) -> KeyFault | None:
    bare = _BLANKS.sub("", found)
    if bare == ours:
        # RFC 6376 §3.2: blanks inside the value mean nothing; quotes and backslashes break it.
        return KeyFault.QUOTED if re.search(r"[\\\"]", found) else None
    return KeyFault.CUT if len(bare) < len(ours) and ours.startswith(bare) else KeyFault.OTHER


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(":") if part.strip())
