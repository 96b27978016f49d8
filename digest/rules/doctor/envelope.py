"""The envelope's side: whether SPF lets the relay send, its addresses have names, bounces return.

RFC 7208 (SPF), RFC 1912 §2.1 (an address and its name), RFC 5321 §5.1 and RFC 7505 (where mail to
a domain goes).
"""

from __future__ import annotations

from digest.mail.lookups import Address, Judgment, Question, addresses_of, mail_hosts
from digest.mail.spf import Spf, SpfResult, amended, check_host
from digest.rules.doctor.checkup import Check, Light, Record
from digest.rules.doctor.records import (
    Provider,
    Sending,
    SendsFrom,
    envelope_records,
    provider_of,
    sends_from,
    spf_terms,
)

SAY_ADDRESSES = "say which in DIGEST_RELAY_URL: addresses=192.0.2.25"


def judge_spf(sending: Sending) -> Judgment[Check]:
    """Whether receivers who look at the envelope let the relay send."""
    provider = provider_of(sending.relay)
    if provider is not None:
        return (yield from _judge_provider(sending, provider))
    domain = sending.return_path_domain
    source = yield from sends_from(sending.relay)
    if not source.addresses:
        return (yield from _judge_unknown(sending))
    results = []
    for address in source.addresses:
        result = yield from check_host(domain, address)
        results.append((address, result))
    return _spf_row(domain, source, results)


def _spf_row(domain: str, source: SendsFrom, results: list[tuple[Address, SpfResult]]) -> Check:
    failed = [(address, one) for address, one in results if one.result is not Spf.PASS]
    shown = ", ".join(str(address) for address in source.addresses)
    if not failed:
        return Check("spf", domain, Light.GREEN, f"pass for {shown} ({results[0][1].why})")
    address, worst = failed[0]
    record = Record(domain, "TXT", amended(worst.records, spf_terms(source.addresses)))
    found = f"{worst.result} for {address}: {worst.why}"
    fix = _write_spf(worst)
    # Where the addresses were guessed by a relay's name, only a record that nobody can read, or
    # none at all, is certainly wrong.
    certain = source.certain or worst.result in (Spf.NONE, Spf.PERMERROR)
    if not certain:
        fix = f"If {domain}'s mail is delivered from elsewhere, {SAY_ADDRESSES}. Else {fix.lower()}"
    return Check("spf", domain, Light.RED if certain else Light.YELLOW, found, fix, (record,))


def _write_spf(found: SpfResult) -> str:
    if not found.records:
        return "Publish this record:"
    if len(found.records) > 1:
        return "Replace all of them by this one record:"
    if "lookups" in found.why:
        return "Change the record so (and take out what nobody needs any more):"
    return "Change the record so:"


def _judge_unknown(sending: Sending) -> Judgment[Check]:
    """A relay on this machine, and nobody said which addresses it delivers from."""
    domain = sending.return_path_domain
    result = yield from check_host(domain, None)
    if result.result in (Spf.NONE, Spf.PERMERROR):
        record = Record(domain, "TXT", amended(result.records, ("ip4:ADDRESS",)))
        fix = f"With the address the relay delivers from ({SAY_ADDRESSES}), publish:"
        return Check("spf", domain, Light.RED, result.why, fix, (record,))
    return Check(
        "spf",
        domain,
        Light.SKIPPED,
        "there is a record; which addresses the relay delivers from is not known",
        f"To have it looked at, {SAY_ADDRESSES}.",
    )


def _judge_provider(sending: Sending, provider: Provider) -> Judgment[Check]:
    """A provider puts its own address into the envelope: of a domain of ours, once records say so.

    Without them SPF passes for the provider's domain, which is not aligned; a wrong one fails.
    """
    domain = sending.envelope_domain
    if domain is None:
        fix = (
            f"Publish what {provider.called} shows ({provider.keys}), and say the name of the "
            "first in DIGEST_RELAY_URL: return_path=em1234.example.org"
        )
        found = "which domain it puts into the envelope is not known"
        return Check("spf", sending.from_domain, Light.SKIPPED, found, fix)
    if provider.alias:
        return (yield from _judge_alias(sending, provider, domain))
    wanted = envelope_records(sending)
    terms = [f"include:{provider.include}"]
    result = yield from check_host(domain, None, vouched=provider.include)
    if result.result is Spf.PASS:
        return Check("spf", domain, Light.GREEN, f"{provider.called} may send ({result.why})")
    record = Record(domain, "TXT", amended(result.records, terms))
    missing = result.result is Spf.NONE
    others = tuple(one for one in wanted if one.kind != "TXT") if missing else ()
    return Check(
        "spf",
        domain,
        Light.YELLOW if missing else Light.RED,
        f"{provider.called} may not send for it: {result.why}",
        _write_spf(result),
        (record, *others),
    )


def _judge_alias(sending: Sending, provider: Provider, domain: str) -> Judgment[Check]:
    found = yield Question(domain, "CNAME")
    target = found[0] if found else ""
    if target == provider.alias or target.endswith(f".{provider.alias}"):
        return Check("spf", domain, Light.GREEN, f"leads to {provider.called} ({target})")
    records = envelope_records(sending)
    fix = "Publish this record:" if records else f"Publish what {provider.called} shows for it."
    if not target:
        said = f"does not lead to {provider.called}, so its SPF is not aligned with From"
        return Check("spf", domain, Light.YELLOW, said, fix, records)
    said = f"leads to {target}, not to {provider.called}"
    return Check("spf", domain, Light.RED, said, fix.replace("Publish", "Change it to"), records)


def judge_ptr(sending: Sending) -> Judgment[list[Check]]:
    """Whether each address the relay delivers from has a name that leads back to it."""
    if provider_of(sending.relay) is not None:
        return []
    source = yield from sends_from(sending.relay)
    checks = []
    for address in source.addresses:
        check = yield from _judge_address(address, sending, certain=source.certain)
        checks.append(check)
    if not source.addresses:
        found = "which addresses the relay delivers from is not known"
        fix = f"To have their names looked at, {SAY_ADDRESSES}."
        checks.append(Check("ptr", sending.relay.name, Light.SKIPPED, found, fix))
    return checks


def _judge_address(address: Address, sending: Sending, *, certain: bool) -> Judgment[Check]:
    about = str(address)
    if address.is_private and not _documentation(address):
        found = "no address others see"
        return Check("ptr", about, Light.YELLOW, found, f"Of the public one, {SAY_ADDRESSES}.")
    bad = Light.RED if certain else Light.YELLOW
    reverse = address.reverse_pointer
    names = [name for name in (yield Question(reverse, "PTR")) if name]
    for name in names:
        if address in (yield from addresses_of(name)):
            return Check("ptr", about, Light.GREEN, f"{name}, and back")
    kind = "A" if address.version == 4 else "AAAA"
    if names:
        found = f"its name {names[0]} does not lead back to it"
        record = Record(names[0], kind, about)
        return Check("ptr", about, bad, found, "Publish this record:", (record,))
    host = _host_name(sending)
    return Check(
        "ptr",
        about,
        bad,
        "it has no name (PTR), and Gmail refuses mail from such addresses (5.7.25)",
        "Ask whoever gave you the address for the first, which is theirs, and publish the second:",
        (Record(reverse, "PTR", f"{host}."), Record(host, kind, about)),
    )


def _host_name(sending: Sending) -> str:
    """The name a mail server of ours would have."""
    host = sending.relay.host
    named = "." in host and not host.replace(".", "").isdigit() and ":" not in host
    return host if named else f"mail.{sending.from_domain}"


def _documentation(address: Address) -> bool:
    """Examples (RFC 5737, RFC 3849) are private to Python, and public in examples."""
    text = address.exploded
    return text.startswith(("192.0.2.", "198.51.100.", "203.0.113.", "2001:0db8:"))


def judge_return_path(sending: Sending) -> Judgment[Check]:
    """Whether what comes back finds a server."""
    provider = provider_of(sending.relay)
    domain = sending.envelope_domain if provider else sending.return_path_domain
    if domain is None or (provider is not None and provider.alias):
        what = f"{provider.called if provider else 'the relay'} takes bounces itself"
        about = domain or sending.from_domain
        return Check("return-path", about, Light.SKIPPED, f"{what}; its webhook tells of them")
    records = _wanted_mx(sending, domain)
    bad = Light.YELLOW if provider else Light.RED  # a provider goes on with a domain of its own
    hosts = yield from mail_hosts(domain)
    if not hosts:
        plain = yield from addresses_of(domain)
        if plain and not provider:
            found = "it has no MX; mail to it goes to its own address"
            fix = "If that is not meant, publish this record:"
            return Check("return-path", domain, Light.YELLOW, found, fix, records)
        found = "it has no MX, so bounces are lost and many servers refuse its mail"
        return Check("return-path", domain, bad, found, "Publish this record:", records)
    if hosts == ("",):
        found = "it says that it takes no mail (null MX, RFC 7505)"
        return Check("return-path", domain, bad, found, "Replace that record by:", records)
    if provider is not None:
        return _provider_mx(provider, domain, hosts, records)
    return (yield from _judge_hosts(domain, hosts))


def _wanted_mx(sending: Sending, domain: str) -> tuple[Record, ...]:
    theirs = tuple(one for one in envelope_records(sending) if one.kind == "MX")
    if theirs or not sending.bounce_host:
        return theirs or (Record(domain, "MX", f"10 {_host_name(sending)}."),)
    return (Record(domain, "MX", f"10 {sending.bounce_host}."),)


def _provider_mx(
    provider: Provider, domain: str, hosts: tuple[str, ...], records: tuple[Record, ...]
) -> Check:
    wanted = {record.value.split()[1].rstrip(".").split(".", 1)[1] for record in records}
    if any(host.endswith(tuple(wanted)) or ".REGION." in str(wanted) for host in hosts):
        return Check("return-path", domain, Light.GREEN, f"bounces go to {provider.called}")
    found = f"bounces go to {hosts[0]}, not to {provider.called}"
    return Check("return-path", domain, Light.YELLOW, found, "Replace that record by:", records)


def _judge_hosts(domain: str, hosts: tuple[str, ...]) -> Judgment[Check]:
    lost = []
    for host in hosts:
        alias = yield Question(host, "CNAME")
        if alias:
            found = f"its MX {host} is an alias, which no MX may be (RFC 2181 §10.3)"
            better = (Record(domain, "MX", f"10 {alias[0]}."),)
            return Check("return-path", domain, Light.YELLOW, found, "Name its target:", better)
        if not (yield from addresses_of(host)):
            lost.append(host)
    if not lost:
        return Check("return-path", domain, Light.GREEN, f"bounces go to {', '.join(hosts)}")
    every = len(lost) == len(hosts)
    found = f"its MX {lost[0]} has no address"
    better = (Record(lost[0], "A", "ADDRESS"),)
    fix = "Publish its address (yours instead of ADDRESS):" if every else "Take it out."
    light = Light.RED if every else Light.YELLOW
    return Check("return-path", domain, light, found, fix, better if every else ())
