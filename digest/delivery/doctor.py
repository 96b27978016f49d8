"""Examining an installation: asks the DNS, the relays, our own pages and this machine.

Each question has its own short patience, and all are asked at once. What nobody could tell is
yellow, never red: a name server that fails says nothing about our records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from digest.delivery.machine import (
    examine_backups,
    examine_inbound,
    examine_issuer,
    examine_keys,
    examine_room,
)
from digest.delivery.own_pages import clock_row, examine_pages
from digest.delivery.probe import PORTS, probe
from digest.errors import DnsError
from digest.mail.lookups import Judgment
from digest.mail.spf import amended
from digest.mail.tokens import KeyRing
from digest.net.dns import Resolver
from digest.rules.doctor.checkup import Check, Light, Record, forgiven, in_order
from digest.rules.doctor.envelope import judge_ptr, judge_return_path, judge_spf
from digest.rules.doctor.records import (
    DMARC_FIRST,
    Sending,
    SendsFrom,
    envelope_records,
    provider_of,
    sends_from,
    spf_terms,
)
from digest.rules.doctor.signature import (
    KeyUse,
    OwnKey,
    judge_dmarc,
    judge_key,
    judge_provider_keys,
    no_key,
)
from digest.rules.relay import RelayConfig, no_relay, parse_relays
from digest.settings import Settings, is_loopback
from digest.store.newsletters import Newsletter
from digest.store.session import Database


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined: an installation as its settings describe it."""

    settings: Settings
    relays: tuple[RelayConfig, ...]
    keys: KeyRing | None
    ports: Sequence[int] = PORTS

    @classmethod
    def of(cls, settings: Settings, keys: KeyRing | None) -> Patient:
        """SettingsError for relays that cannot be read."""
        return cls(settings, parse_relays(settings.relay_url), keys)

    @property
    def resolver(self) -> Resolver:
        """One that remembers its answers, for one examination."""
        return Resolver(self.settings.dns.nameserver, timeout=self.settings.dns.timeout)

    @property
    def helo(self) -> str:
        """The name we give relays."""
        return urlsplit(self.settings.public_url).hostname or "localhost"

    def signs(self, relay: RelayConfig) -> bool:
        """Whether mail through ``relay`` is signed by us, where we have a key."""
        sign = self.settings.dkim.sign
        return sign == "always" or (sign == "auto" and not relay.profile.signs_dkim)

    def keys_for(self, sending: Sending, owned: Sequence[OwnKey]) -> list[OwnKey]:
        """Our keys that mail of this kind is signed with, now, next or a moment ago: those of the
        nearest domain.
        """
        name = sending.from_domain if self.signs(sending.relay) else ""
        while name:
            found = [key for key in owned if key.domain == name]
            if found:
                return found
            name = name.partition(".")[2]
        return []

    def sendings(self, from_address: str, return_path: str) -> list[Sending]:
        """Mail with this From and return path, through each relay."""
        host = self.helo if not is_loopback(self.helo) else ""
        return [
            Sending(
                from_address.rpartition("@")[2].lower(),
                return_path.rpartition("@")[2].lower(),
                relay,
                host,
            )
            for relay in self.relays
        ]


async def examine_mail(
    patient: Patient, sendings: Sequence[Sending], owned: Sequence[OwnKey]
) -> list[Check]:
    """The rows about the DNS: what receivers will find of these kinds of mail."""
    resolver = patient.resolver
    asked: list[Awaitable[list[Check]]] = []
    for sending in sendings:
        domain, envelope = sending.from_domain, sending.envelope_domain or sending.from_domain
        mine = patient.keys_for(sending, owned)
        asked += [
            _asked(resolver, "spf", envelope, judge_spf(sending)),
            _asked(resolver, "ptr", sending.relay.name, judge_ptr(sending)),
            _asked(resolver, "return-path", envelope, judge_return_path(sending)),
            *(_asked(resolver, _code(key), key.record.name, judge_key(key)) for key in mine),
        ]
        provider = provider_of(sending.relay)
        signing = [key.domain for key in mine if key.use is KeyUse.SIGNS]
        if provider is not None and sending.relay.profile.signs_dkim:
            signing.append(domain)
            judged = judge_provider_keys(sending, provider)
            asked.append(_asked(resolver, "dkim", domain, judged))
        elif not signing:
            asked.append(_at_once([no_key(domain)]))
        asked.append(_asked(resolver, "dmarc", domain, judge_dmarc(sending, signing)))
    return [check for checks in await asyncio.gather(*asked) for check in checks]


def _code(key: OwnKey) -> str:
    return "dkim" if key.use is KeyUse.SIGNS else "dkim-next"


async def _asked(
    resolver: Resolver, code: str, about: str, judgment: Judgment[Check] | Judgment[list[Check]]
) -> list[Check]:
    try:
        result: Check | list[Check] = await resolver.answered(judgment)
    except DnsError as error:
        found = f"could not be asked: {error.message}"
        return [Check(code, about, Light.YELLOW, found, error.fix)]
    return result if isinstance(result, list) else [result]


async def _at_once(checks: list[Check]) -> list[Check]:
    return checks


async def examine(
    patient: Patient, db: Database, newsletters: Sequence[Newsletter], *, now: datetime
) -> list[Check]:
    """Every row about an installation whose database is open, for these newsletters."""
    sendings = [
        sending
        for one in newsletters
        for sending in patient.sendings(one.from_address, one.return_path)
    ]
    answers = "it answers, and its tables are up to date"
    checks = [Check("database", str(db), Light.GREEN, answers)]
    if not newsletters:
        checks.append(no_newsletter("there is no newsletter yet"))
    offset = await db.clock_offset()
    checks += await examine_without(patient, sendings, now=now)
    checks += await examine_machine(patient, database_file=db.path, offset=offset, now=now)
    return in_order(checks)


def no_newsletter(why: str) -> Check:
    """That no domain could be looked at."""
    found = f"{why}, so no domain could be looked at"
    return Check("newsletter", "", Light.SKIPPED, found, "Make one: digest newsletter create.")


async def examine_without(
    patient: Patient, sendings: Sequence[Sending], *, now: datetime
) -> list[Check]:
    """What needs no database; that there is no relay is one of it."""
    checks = []
    if not patient.relays:
        error = no_relay()
        checks.append(Check("relay-reach", "DIGEST_RELAY_URL", Light.RED, error.message, error.fix))
    return checks + await examine_outside(patient, sendings, now=now)


async def examine_outside(
    patient: Patient, sendings: Sequence[Sending], *, now: datetime
) -> list[Check]:
    """What others would meet: the DNS, the relays, our pages; rows that are ignored are no red."""
    key_checks, owned = examine_keys(patient.settings.dkim_folder, now=now)
    asked: list[Awaitable[list[Check]]] = [examine_mail(patient, sendings, owned)]
    asked += [
        probe(relay, helo=patient.helo, now=now, ports=patient.ports) for relay in patient.relays
    ]
    if patient.keys is not None:
        pages = examine_pages(patient.settings.public_url, patient.keys, patient.resolver, now=now)
        asked.append(pages)
    found = [check for checks in await asyncio.gather(*asked) for check in checks]
    return in_order(forgiven([*key_checks, *found], patient.settings.doctor.ignored))


async def examine_machine(
    patient: Patient, *, database_file: Path | None, offset: timedelta, now: datetime
) -> list[Check]:
    """What only this machine knows. ``offset`` is how far the database's clock is ahead."""
    state_dir = patient.settings.state_dir
    paths = [state_dir, *([database_file] if database_file else [])]
    checks = [*examine_room(paths), examine_backups(state_dir, now=now)]
    checks.append(await examine_inbound(patient.settings, patient.relays))
    checks += await examine_issuer(patient.settings, now=now)
    if database_file is None:
        checks.append(clock_row("database", abs(offset)))
    return forgiven(checks, patient.settings.doctor.ignored)


async def wanted_records(
    sending: Sending, owned: Sequence[OwnKey], resolver: Resolver
) -> list[tuple[str, list[Record]]]:
    """All records to publish for mail of this kind, in groups with a word on each."""
    provider = provider_of(sending.relay)
    domain = sending.from_domain
    groups: list[tuple[str, list[Record]]] = []
    if provider is not None:
        note = f"{provider.called}: where its bounces go, and that it may send"
        groups.append((note, list(envelope_records(sending))))
        if sending.relay.profile.signs_dkim:
            groups.append((f"{provider.called} signs: publish {provider.keys}", []))
    else:
        source = await _source(sending, resolver)
        terms = spf_terms(source.addresses) or ["ip4:ADDRESS"]
        spf = Record(sending.return_path_domain, "TXT", amended((), terms))
        note = "SPF: who may send with this envelope"
        if not source.certain:
            note += " (check the addresses the relay delivers from)"
        groups.append((note, [spf]))
        host = sending.bounce_host or f"mail.{domain}"
        mx = Record(sending.return_path_domain, "MX", f"10 {host}.")
        groups.append(("the host that takes bounces", [mx]))
    for use, words in _KEY_WORDS.items():
        records = [key.record for key in owned if key.use is use]
        if records:
            groups.append((words, records))
    note = "DMARC: without it Gmail, Yahoo and Microsoft refuse bulk mail; be stricter later"
    groups.append((note, [Record(f"_dmarc.{domain}", "TXT", DMARC_FIRST)]))
    return groups


_KEY_WORDS = {
    KeyUse.SIGNS: "DKIM: the key that signs",
    KeyUse.NEXT: "DKIM: the key that signs next",
    KeyUse.UNDER_WAY: "DKIM: an old key, while mail signed with it is under way",
}


async def _source(sending: Sending, resolver: Resolver) -> SendsFrom:
    try:
        return await resolver.answered(sends_from(sending.relay))
    except DnsError:
        return SendsFrom((), certain=False)
