"""The rows of an examination: what was looked at, what was found, what to do.

Red is what receivers refuse or what breaks for readers, and only where it is certain; yellow is
worth a look; skipped could not be looked at, and says why. A code means the same for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from digest.errors import SettingsError

STRING_MAX = 255  # octets of one string of a TXT record (RFC 1035 §3.3)
TTL = 3600


class Light(StrEnum):
    """How it stands with one thing."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    SKIPPED = "skipped"


class Area(StrEnum):
    """Where the cure lies."""

    DNS = "dns"
    RELAY = "relay"
    PAGES = "pages"
    MACHINE = "machine"
    MAIL = "mail"


# Every code with its area and what it looks at, in the order they are shown.
CODES: dict[str, tuple[Area, str]] = {
    "spf": (Area.DNS, "the envelope's domain lets the relay send (RFC 7208)"),
    "ptr": (Area.DNS, "the relay's addresses have names that lead back to them"),
    "dkim": (Area.DNS, "the record of the key that signs is the public half of ours (RFC 6376)"),
    "dkim-next": (Area.DNS, "records of keys that will sign, or have signed mail under way"),
    "dmarc": (Area.DNS, "the From domain has a policy (RFC 9989)"),
    "alignment": (Area.DNS, "signature or envelope belong to the From domain (RFC 9989)"),
    "return-path": (Area.DNS, "bounces find their way back (RFC 5321 §5.1)"),
    "relay-reach": (Area.RELAY, "the relay answers at its port"),
    "relay-tls": (Area.RELAY, "TLS with a certificate that fits and lasts"),
    "relay-login": (Area.RELAY, "the relay takes user and password; nothing is sent"),
    "one-click": (Area.PAGES, "a POST as mailbox providers make it reaches us (RFC 8058)"),
    "oidc": (Area.PAGES, "the provider of sign-ins answers (OpenID Connect Discovery)"),
    "clock": (Area.MACHINE, "this machine's clock agrees with the others'"),
    "database": (Area.MACHINE, "the database answers and its tables are up to date"),
    "dkim-key": (Area.MACHINE, "the private keys can be read, by us only"),
    "disk": (Area.MACHINE, "there is room to write"),
    "backup": (Area.MACHINE, "there is a recent copy of the database"),
    "inbound": (Area.MACHINE, "something takes bounces in"),
    "newsletter": (Area.MACHINE, "there is a newsletter to look at"),
    "sent": (Area.MAIL, "the relay took a test mail"),
    "received": (Area.MAIL, "what the receiver's checks said of it (RFC 8601)"),
    "bounce": (Area.MAIL, "a bounce came back and was understood"),
}
# What keeps an issue from going out: what receivers or readers would meet.
BLOCKING = frozenset({"relay-tls", "one-click"}) | {
    code for code, (area, _) in CODES.items() if area is Area.DNS
}


@dataclass(frozen=True, slots=True)
class Record:
    """A DNS record to publish: ``value`` as it is, TXT without quotes and in one piece."""

    name: str
    kind: str
    value: str

    @property
    def strings(self) -> tuple[str, ...]:
        """The value of a TXT record in strings of at most 255 octets, which readers join."""
        return tuple(
            self.value[at : at + STRING_MAX] for at in range(0, len(self.value), STRING_MAX)
        )

    @property
    def zone_line(self) -> str:
        """The record as a zone file has it (RFC 1035 §5.1)."""
        head = f"{self.name}. {TTL} IN {self.kind}"
        if self.kind != "TXT":
            return f"{head} {self.value}"
        quoted = [f'"{_escaped(text)}"' for text in self.strings]
        if len(quoted) == 1:
            return f"{head} {quoted[0]}"
        lines = "\n".join(f"  {text}" for text in quoted)
        return f"{head} (\n{lines} )"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@dataclass(frozen=True, slots=True)
class Check:
    """One row. ``about`` is the domain, relay or file it speaks of; ``records`` are to be written,
    exactly so.
    """

    code: str
    about: str
    light: Light
    found: str
    fix: str = ""
    records: tuple[Record, ...] = ()

    @property
    def area(self) -> Area:
        """Where the cure lies."""
        return CODES[self.code][0]

    @property
    def blocks(self) -> bool:
        """Whether an issue must not go out because of it."""
        return self.light is Light.RED and self.code in BLOCKING


def in_order(checks: Iterable[Check]) -> list[Check]:
    """The rows as they are shown: by code, those alike as they came; each once."""
    order = {code: number for number, code in enumerate(CODES)}
    return sorted(dict.fromkeys(checks), key=lambda check: order[check.code])


def forgiven(checks: Sequence[Check], codes: Iterable[str]) -> list[Check]:
    """The rows with reds of ``codes`` made yellow: somebody has looked, and knows better.

    SettingsError for a code there is not.
    """
    known = frozenset(codes)
    if unknown := sorted(known - CODES.keys()):
        raise SettingsError(
            f"doctor has no code {unknown[0]!r}.",
            where="DIGEST_DOCTOR__IGNORE",
            fix=f"Codes are: {', '.join(CODES)}.",
        )
    return [
        Check(
            check.code,
            check.about,
            Light.YELLOW,
            f"{check.found} (red, but DIGEST_DOCTOR__IGNORE names it)",
            check.fix,
            check.records,
        )
        if check.light is Light.RED and check.code in known
        else check
        for check in checks
    ]
