"""What a domain asks of receivers whose checks fail, and which domains belong together: RFC 9989.

The policy of a From domain and its organisation are found by the tree walk of §4.10, without a list
of public suffixes: from the domain upwards, at most eight questions. ``pct``, ``rf`` and ``ri`` of
RFC 7489 are gone; a record that has them is read without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from digest.mail.lookups import Answers, Judgment, Question

POLICIES = ("none", "quarantine", "reject")
_LABELS_MAX = 8  # a longer name is asked for itself, and then from its last seven labels on


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record that holds. ``strict_*``: the domains must be the same, not only belong together."""

    policy: str
    subdomain_policy: str
    strict_dkim: bool
    strict_spf: bool
    public_suffix: str  # y, n or u (nobody said)
    testing: bool
    gone: tuple[str, ...]  # tags of RFC 7489 that mean nothing any more


@dataclass(frozen=True, slots=True)
class Walk:
    """What the walk upwards from ``domain`` found; ``broken`` are answers that are no records."""

    domain: str
    organisation: str
    records: Mapping[str, DmarcRecord]
    broken: Mapping[str, Answers]

    @property
    def found_at(self) -> str | None:
        """Where the record that holds for ``domain`` stands (§4.10.1)."""
        for place in (self.domain, self.organisation):
            if place in self.records:
                return place
        return next(iter(self.records), None)

    @property
    def policy(self) -> str:
        """What is asked for mail of ``domain``: its own policy, or that for subdomains."""
        place = self.found_at
        if place is None:
            return ""
        record = self.records[place]
        return record.policy if place == self.domain else record.subdomain_policy


def is_dmarc(text: str) -> bool:
    """Whether a TXT record means to be one: its first tag says so (§4.7)."""
    name, _, value = text.partition(";")[0].partition("=")
    return name.strip().lower() == "v" and value.strip() == "DMARC1"


def parse_dmarc(text: str) -> DmarcRecord | None:
    """Read a record; None for one that receivers treat as absent (§4.7)."""
    if not is_dmarc(text):
        return None
    tags: dict[str, str] = {}
    for part in text.split(";")[1:]:
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    policy = tags.get("p", "").lower()
    if policy not in POLICIES:
        # Without a policy that can be read it asks for reports, or for nothing at all.
        if not tags.get("rua", "").lower().startswith("mailto:"):
            return None
        policy = "none"
    below = tags.get("sp", "").lower()
    return DmarcRecord(
        policy=policy,
        subdomain_policy=below if below in POLICIES else policy,
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        strict_spf=tags.get("aspf", "r").lower() == "s",
        public_suffix=tags.get("psd", "u").lower(),
        testing=tags.get("t", "n").lower() == "y",
        gone=tuple(name for name in ("pct", "rf", "ri") if name in tags),
    )


def walk_up(domain: str) -> Judgment[Walk]:
    """Look for records from ``domain`` upwards, and for the end of its organisation (§4.10)."""
    records: dict[str, DmarcRecord] = {}
    broken: dict[str, Answers] = {}
    for place in _places(domain):
        said = tuple(text for text in (yield Question(f"_dmarc.{place}", "TXT")) if _meant(text))
        valid = [record for text in said if (record := parse_dmarc(text)) is not None]
        if len(valid) != 1:  # several count as none
            if said:
                broken[place] = said
            continue
        records[place] = valid[0]
        if valid[0].public_suffix == "n" or (valid[0].public_suffix == "y" and place != domain):
            break
    return Walk(domain, _organisation(domain, records), records, broken)


def aligned(sender: Walk, domain: str, *, strict: bool) -> Judgment[bool]:
    """Whether ``domain`` (of a signature, of an envelope) goes with the From domain (§4.10.2)."""
    if domain == sender.domain:
        return True
    if strict:
        return False
    other = yield from walk_up(domain)
    return other.organisation == sender.organisation


def _meant(text: str) -> bool:
    return text.strip().lower().startswith("v=dmarc")


def _places(domain: str) -> list[str]:
    labels = domain.split(".")
    above = labels[1:] if len(labels) < _LABELS_MAX else labels[-(_LABELS_MAX - 1) :]
    return [domain, *(".".join(above[at:]) for at in range(len(above)))]


def _organisation(domain: str, records: Mapping[str, DmarcRecord]) -> str:
    for place, record in records.items():
        if record.public_suffix == "n":
            return place
        if record.public_suffix == "y" and place != domain:
            return ".".join(domain.split(".")[-(place.count(".") + 2) :])
    return list(records)[-1] if records else domain  # the highest of them
