"""The message's side: whether DNS has the keys that sign, and whether DMARC is content.

RFC 6376 §3.6.1 (key records), RFC 9989 (policy and alignment). One of the two is enough for DMARC:
a signature, or an envelope, of a domain that goes with From.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from digest.mail.dkim_record import KeyFault, compare_key, parse_key_record, usable
from digest.mail.dmarc import Walk, aligned, walk_up
from digest.mail.lookups import Judgment, Question
from digest.rules.doctor.checkup import Check, Light, Record
from digest.rules.doctor.records import (
    DMARC_FIRST,
    Provider,
    Sending,
    envelope_records,
    provider_of,
)


class KeyUse(StrEnum):
    """What a key's record is needed for."""

    SIGNS = "signs"
    NEXT = "next"
    UNDER_WAY = "under way"


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A key of ours, and the record that has to stand in DNS."""

    domain: str
    record: Record
    use: KeyUse


def judge_key(key: OwnKey) -> Judgment[Check]:
    """Whether the record of a key of ours is the one it needs."""
    answers = yield Question(key.record.name, "TXT")
    fault = compare_key(answers, key.record.value)
    code = "dkim" if key.use is KeyUse.SIGNS else "dkim-next"
    if fault is None:
        found = parse_key_record(answers[0])
        if found is not None and found.testing:
            said = "it is the key's, but t=y says that nobody is to act on it"
            fix = "Publish it without:"
            return Check(code, key.record.name, Light.YELLOW, said, fix, (key.record,))
        return Check(code, key.record.name, Light.GREEN, "the record is the key's")
    if key.use is KeyUse.SIGNS:
        light = Light.RED
    elif key.use is KeyUse.NEXT and fault is KeyFault.MISSING:
        said = "not published yet; until it is, the key must not sign"
        return Check(
            code, key.record.name, Light.YELLOW, said, "Publish this record:", (key.record,)
        )
    else:
        light = Light.YELLOW
    fix = "Publish this record:" if fault is KeyFault.MISSING else "Replace it by this record:"
    return Check(code, key.record.name, light, str(fault), fix, (key.record,))


def no_key(domain: str) -> Check:
    """A relay that does not sign, and no key of ours."""
    return Check(
        "dkim",
        domain,
        Light.RED,
        "nobody signs: the relay does not, and there is no key",
        f"Run: digest dkim new {domain}, publish the record it prints, and restart `digest run`.",
    )


def judge_provider_keys(sending: Sending, provider: Provider) -> Judgment[list[Check]]:
    """The keys a provider signs with: their records' values are its own affair, but they exist."""
    selectors = sending.relay.selectors or provider.selectors
    domain = sending.from_domain
    if not selectors:
        found = f"{provider.called} signs; the names of its keys are not known"
        fix = (
            f"Publish what it shows ({provider.keys}). To have them looked at, say their names in "
            "DIGEST_RELAY_URL: selectors=a1,b2"
        )
        return [Check("dkim", domain, Light.SKIPPED, found, fix)]
    checks = []
    for selector in selectors:
        name = f"{selector}._domainkey.{domain}"
        answers = yield Question(name, "TXT")
        record = parse_key_record(answers[0]) if len(answers) == 1 else None
        fault = usable(record) if record else KeyFault.UNREADABLE if answers else KeyFault.MISSING
        if fault is None:
            checks.append(Check("dkim", name, Light.GREEN, f"{provider.called} can sign with it"))
            continue
        certain = bool(sending.relay.selectors)
        fix = f"Publish what {provider.called} shows for {name} ({provider.keys})."
        checks.append(Check("dkim", name, Light.RED if certain else Light.YELLOW, str(fault), fix))
    return checks


def judge_dmarc(sending: Sending, signing_domains: Sequence[str]) -> Judgment[list[Check]]:
    """Whether there is a policy, and whether what is authenticated goes with From.

    ``signing_domains`` are those of the signatures our mail has, ``d=``.
    """
    domain = sending.from_domain
    walk = yield from walk_up(domain)
    checks = [_policy(walk)]
    if walk.found_at is None:
        return checks
    record = walk.records[walk.found_at]
    signed = []
    for one in signing_domains:
        goes_with = yield from aligned(walk, one, strict=record.strict_dkim)
        signed += [one] if goes_with else []
    envelope = sending.envelope_domain
    mailed = envelope is not None and (yield from aligned(walk, envelope, strict=record.strict_spf))
    tags = (("adkim=s", record.strict_dkim), ("aspf=s", record.strict_spf))
    strict = [tag for tag, on in tags if on]
    return [*checks, _alignment(sending, signed, mailed=mailed, strict=strict)]


def _policy(walk: Walk) -> Check:
    domain = walk.domain
    first = Record(f"_dmarc.{domain}", "TXT", DMARC_FIRST)
    place = walk.found_at
    if walk.broken and (place is None or domain in walk.broken):
        where, texts = next(iter(walk.broken.items()))
        several = len(texts) > 1
        found = (
            f"_dmarc.{where} has {len(texts)} records, so none counts"
            if several
            else f"the record at _dmarc.{where} cannot be read: {texts[0][:120]}"
        )
        mended = Record(f"_dmarc.{where}", "TXT", DMARC_FIRST)
        light = Light.RED if place is None else Light.YELLOW
        fix = "Leave one of them, like:" if several else "Write it so, or stricter:"
        return Check("dmarc", domain, light, found, fix, (mended,))
    if place is None:
        found = "there is no policy, and Gmail, Yahoo and Microsoft refuse bulk mail without one"
        return Check("dmarc", domain, Light.RED, found, "Publish this record:", (first,))
    record = walk.records[place]
    found = f"p={walk.policy}, found at _dmarc.{place}"
    if record.gone:
        found += f" ({', '.join(record.gone)} in it mean nothing any more)"
    return Check("dmarc", domain, Light.GREEN, found)


def _alignment(
    sending: Sending, signed: Sequence[str], *, mailed: bool, strict: Sequence[str]
) -> Check:
    domain, envelope = sending.from_domain, sending.envelope_domain
    if signed and mailed:
        return Check(
            "alignment", domain, Light.GREEN, f"signature ({signed[0]}) and envelope ({envelope})"
        )
    if signed:
        found = f"the signature ({signed[0]}) goes with From, the envelope ({envelope}) does not"
        return Check("alignment", domain, Light.YELLOW, found, _closer(sending, strict))
    if mailed:
        found = f"the envelope ({envelope}) goes with From, no signature does"
        fix = f"Sign for it: digest dkim new {domain}."
        return Check("alignment", domain, Light.YELLOW, found, fix)
    found = f"neither the envelope ({envelope}) nor a signature goes with From, so DMARC fails"
    fix = f"Sign for it: digest dkim new {domain}. {_closer(sending, strict)}"
    return Check("alignment", domain, Light.RED, found, fix)


def _closer(sending: Sending, strict: Sequence[str]) -> str:
    provider = provider_of(sending.relay)
    if strict:
        return (
            f"The policy asks for the very same domain ({', '.join(strict)}): take that out of the "
            "DMARC record, or use that domain."
        )
    if provider is None:
        return (
            "Take a return path in the From domain or below it: digest newsletter set "
            f"--return-path-domain bounces.{sending.from_domain}."
        )
    records = envelope_records(sending)
    shown = "the records of the row spf" if records else provider.keys
    return f"Have {provider.called} use a return path of yours: publish {shown}."
