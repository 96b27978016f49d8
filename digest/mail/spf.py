"""Whether a domain's SPF record lets an address send: RFC 7208, as receivers evaluate it.

``check_host`` is the function of §4 for the domain of an envelope sender. Its limits are the
RFC's: ten terms that ask the DNS (§4.6.4), ten hosts of an MX, two lookups without an answer.
``ptr`` counts and never matches, as §5.5 would have it be used. A relay whose addresses are its own
affair is asked for by name: ``vouched`` is the domain whose ``include`` counts as a match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network

from digest.mail.lookups import Address, Answers, Judgment, Question, addresses_of, mail_hosts

LOOKUPS_MAX = 10
_VOID_MAX = 2
_HOSTS_MAX = 10
_VERSION = "v=spf1"
_TERM = re.compile(
    r"(?P<sign>[+~?-]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)"
    r"(?::(?P<domain>[^/\s]*(?:/(?!\d|/\d)[^/\s]*)*))?(?P<bits>(?:/\d{1,3})?(?://\d{1,3})?)",
    re.IGNORECASE,
)
_IP_TERM = re.compile(r"(?P<sign>[+~?-]?)(?P<name>ip4|ip6):(?P<net>[0-9A-Fa-f.:/]+)", re.IGNORECASE)
_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9._-]*)=(?P<value>\S*)")
_MACRO = re.compile(r"%(?:\{([slodiphcrtv])(\d{0,3})(r?)([-.+,/_=]*)\}|([%_-]))", re.IGNORECASE)
_NEEDS_NAME = frozenset({"include", "exists"})
_ASKS = frozenset({"include", "a", "mx", "ptr", "exists"})


class Spf(StrEnum):
    """The results of RFC 7208 §2.6; that nobody answered is the driver's error."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a result, no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    PERMERROR = "permerror"


_SIGNS = {"": Spf.PASS, "+": Spf.PASS, "-": Spf.FAIL, "~": Spf.SOFTFAIL, "?": Spf.NEUTRAL}


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What came of it, why in a few words, and the records of the domain itself."""

    result: Spf
    why: str
    records: Answers = ()


class SpfSyntaxError(ValueError):
    """A record that receivers call a permanent error, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism: ``all``, ``ip4:192.0.2.0/24``, ``include:example.org`` …"""

    text: str
    name: str
    result: Spf
    value: str = ""  # a domain, perhaps with macros, or a network
    bits: tuple[int, int] = (32, 128)


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """The mechanisms of a record in their order, and where it sends those nobody matched."""

    terms: tuple[Term, ...]
    redirect: str | None = None


@dataclass(slots=True)
class _Count:
    """What one evaluation has used up."""

    sender: str
    address: Address | None
    vouched: str | None
    lookups: int = 0
    void: int = 0

    def asks(self) -> None:
        self.lookups += 1
        if self.lookups > LOOKUPS_MAX:
            raise SpfSyntaxError(f"it takes more than {LOOKUPS_MAX} DNS lookups")

    def answered(self, answers: Sequence[object]) -> None:
        if not answers:
            self.void += 1
        if self.void > _VOID_MAX:
            raise SpfSyntaxError("too many of the names in it do not exist")


@dataclass(frozen=True, slots=True)
class _Scope:
    """The domain whose record is read, and what is counted on the way."""

    domain: str
    count: _Count = field(repr=False)


def spf_records(answers: Answers) -> Answers:
    """Those TXT records that are SPF records (§4.5)."""
    return tuple(
        text for text in answers if text.lower() == _VERSION or text.lower().startswith("v=spf1 ")
    )


def parse_spf(text: str) -> SpfRecord:
    """Read a record; SpfSyntaxError for what makes it a permanent error (§4.6)."""
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for word in text.split(" ")[1:]:
        if not word:
            continue
        found = _MODIFIER.fullmatch(word)
        if found is None:
            terms.append(_term(word))
            continue
        name = found["name"].lower()
        if name in ("redirect", "exp"):
            if name in modifiers or not found["value"]:
                raise SpfSyntaxError(f"{word!r} stands there twice or says nothing")
            modifiers[name] = found["value"]
    return SpfRecord(tuple(terms), modifiers.get("redirect"))


def _term(word: str) -> Term:
    found = _IP_TERM.fullmatch(word)
    if found is not None:
        return _network_term(word, found)
    found = _TERM.fullmatch(word)
    name = found["name"].lower() if found else ""
    value = (found["domain"] or "") if found else ""
    needless = name == "all" and (value or (found and found["bits"]))
    if found is None or needless or name in ("ip4", "ip6") or (name in _NEEDS_NAME and not value):
        raise SpfSyntaxError(f"{word!r} is no term of SPF")
    short, _, long = found["bits"].removeprefix("/").partition("//")
    if found["bits"].startswith("//"):
        short, long = "", found["bits"].removeprefix("//")
    bits = (int(short or 32), int(long or 128))
    if bits[0] > 32 or bits[1] > 128:
        raise SpfSyntaxError(f"{word!r} has too long a prefix")
    return Term(word, name, _SIGNS[found["sign"]], value, bits)


def _network_term(word: str, found: re.Match[str]) -> Term:
    try:
        network = ip_network(found["net"], strict=False)
    except ValueError:
        raise SpfSyntaxError(f"{word!r} names no network") from None
    if network.version != int(found["name"][-1]):
        raise SpfSyntaxError(f"{word!r} is of the other version of IP")
    return Term(word, found["name"].lower(), _SIGNS[found["sign"]], found["net"])


def check_host(
    domain: str, address: Address | None, *, vouched: str | None = None
) -> Judgment[SpfResult]:
    """What receivers find who get mail from ``address`` with an envelope sender of ``domain``."""
    count = _Count(f"b@{domain}", address, vouched)
    records = spf_records((yield Question(domain, "TXT")))
    try:
        result, why = yield from _evaluate(_Scope(domain, count), records)
    except SpfSyntaxError as error:
        result, why = Spf.PERMERROR, str(error)
    return SpfResult(result, why, records)


def _evaluate(scope: _Scope, records: Answers) -> Judgment[tuple[Spf, str]]:
    if not records:
        return Spf.NONE, f"{scope.domain} has no SPF record"
    if len(records) > 1:
        raise SpfSyntaxError(f"{scope.domain} has {len(records)} SPF records")
    record = parse_spf(records[0])
    for term in record.terms:
        if (yield from _matches(term, scope)):
            return term.result, term.text
    if record.redirect is None or any(term.name == "all" for term in record.terms):
        return Spf.NEUTRAL, "nothing in it matches"
    scope.count.asks()
    target = _expanded(record.redirect, scope)
    if target == scope.count.vouched:
        return Spf.PASS, f"redirect={target}"
    return (yield from _other(target, scope, f"redirect={target}"))


def _other(target: str, scope: _Scope, said: str) -> Judgment[tuple[Spf, str]]:
    """The evaluation of another domain's record: without one, it is an error (§5.2, §6.1)."""
    answers = yield Question(target, "TXT")
    scope.count.answered(answers)
    result, why = yield from _evaluate(_Scope(target, scope.count), spf_records(answers))
    if result is Spf.NONE:
        raise SpfSyntaxError(f"{said}: {target} has no SPF record")
    return result, why


def _matches(term: Term, scope: _Scope) -> Judgment[bool]:
    if term.name == "all":
        return True
    if term.name in ("ip4", "ip6"):
        return scope.count.address is not None and _inside(scope.count.address, term.value)
    if term.name in _ASKS:
        scope.count.asks()
    target = _expanded(term.value, scope) if term.value else scope.domain
    if term.name == "include":
        if target == scope.count.vouched:
            return True
        result, _ = yield from _other(target, scope, term.text)
        return result is Spf.PASS
    if term.name == "exists":
        found = yield Question(target, "A")
        scope.count.answered(found)
        return bool(found)
    if term.name == "ptr":
        return False
    return (yield from _host_matches(term, target, scope))


def _host_matches(term: Term, target: str, scope: _Scope) -> Judgment[bool]:
    """``a`` and ``mx`` (§5.3, §5.4)."""
    hosts: tuple[str, ...] = (target,)
    if term.name == "mx":
        hosts = tuple(host for host in (yield from mail_hosts(target)) if host)
        scope.count.answered(hosts)
        if len(hosts) > _HOSTS_MAX:
            raise SpfSyntaxError(f"{term.text}: {target} has more than {_HOSTS_MAX} MX hosts")
    address = scope.count.address
    for host in hosts:
        found = yield from addresses_of(host)
        if term.name == "a":
            scope.count.answered(found)
        for one in found:
            bits = term.bits[0] if one.version == 4 else term.bits[1]
            if address is not None and _inside(address, f"{one}/{bits}"):
                return True
    return False


def _inside(address: Address, network: str) -> bool:
    return address in ip_network(network, strict=False)


def _expanded(text: str, scope: _Scope) -> str:
    """A domain-spec with its macros filled in (§7)."""
    rest = _MACRO.sub("", text)
    if "%" in rest:
        raise SpfSyntaxError(f"{text!r} holds half a macro")

    def fill(found: re.Match[str]) -> str:
        if found[5]:
            return {"%": "%", "_": " ", "-": "%20"}[found[5]]
        parts = re.split(f"[{re.escape(found[4] or '.')}]", _macro(found[1].lower(), scope))
        if found[3]:
            parts.reverse()
        return ".".join(parts[-int(found[2]) :] if found[2] else parts)

    return _MACRO.sub(fill, text).lower().rstrip(".")


def _macro(letter: str, scope: _Scope) -> str:
    address = scope.count.address
    local, _, domain = scope.count.sender.partition("@")
    dotted = ""
    if address is not None:
        dotted = str(address)
        if address.version == 6:
            dotted = ".".join(address.exploded.replace(":", ""))
    version = "ip6" if address is not None and address.version == 6 else "in-addr"
    values = {"s": scope.count.sender, "l": local, "o": domain, "h": domain, "d": scope.domain}
    return (values | {"i": dotted, "v": version}).get(letter, "unknown")


def amended(records: Answers, wanted: Sequence[str]) -> str:
    """One record that says what ``records`` say, and that ``wanted`` may send too.

    What is new stands first: it matches before any limit is reached. Terms nobody can read go, and
    so does ``+all``, which lets everybody send. Of several endings the mildest stays; the DNS gives
    records in any order.
    """
    kept: list[str] = []
    endings: set[str] = set()
    for word in (word for record in sorted(records) for word in record.split()[1:]):
        try:
            terms = parse_spf(f"{_VERSION} {word}").terms
        except SpfSyntaxError:
            continue
        if word.lower().startswith("redirect="):
            endings.add(word)
        elif terms and terms[0].name == "all":
            endings.add("~all" if terms[0].result is Spf.PASS else word.lower())
        elif word.lower() not in {one.lower() for one in (*kept, *wanted)}:
            kept.append(word)
    mildest: list[str] = [one for one in ("?all", "~all", "-all") if one in endings]
    return " ".join((_VERSION, *wanted, *kept, *(mildest or sorted(endings) or ["~all"])[:1]))
