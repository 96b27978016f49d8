"""A domain in order, and each of its records broken in turn, asked of a DNS server on loopback.

What an operator reads names the exact record to write: each row of the table says which one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dns.zone
import pytest

from digest.cli.dns import zone
from digest.delivery.dkim_keys import KeyFolder
from digest.delivery.doctor import Patient, examine_mail, wanted_records
from digest.delivery.machine import examine_keys
from digest.rules.doctor.checkup import Check, Light, Record
from digest.rules.doctor.signature import OwnKey
from digest.rules.relay import parse_relays
from digest.settings import load_settings
from tests.build import NOW
from tests.fakes.names import NameServer

FROM, BOUNCES, HOST = "news.example.org", "bounces.news.example.org", "mail.example.org"
ADDRESS = "192.0.2.25"
RELAY = f"smtp://{HOST}:587?profile=postfix&addresses={ADDRESS}"
REVERSE = "25.2.0.192.in-addr.arpa"
Zone = dict[tuple[str, str], list[str]]


@dataclass(frozen=True)
class House:
    """A name server, and an installation that asks it."""

    names: NameServer
    folder: Path
    owned: list[OwnKey]

    @property
    def key(self) -> OwnKey:
        return self.owned[0]

    async def examine(self, relay: str = RELAY, return_path: str = BOUNCES) -> dict[str, Check]:
        """The rows by their code; several of a code: the worst."""
        patient = self.patient(relay)
        sendings = patient.sendings(f"hello@{FROM}", f"b-{{token}}@{return_path}")
        rows: dict[str, Check] = {}
        order = [Light.SKIPPED, Light.GREEN, Light.YELLOW, Light.RED]
        for check in await examine_mail(patient, sendings, self.owned):
            if check.code not in rows or order.index(check.light) > order.index(
                rows[check.code].light
            ):
                rows[check.code] = check
        return rows

    def patient(self, relay: str = RELAY) -> Patient:
        settings = load_settings(env_file=None).model_copy(
            update={"relay_url": relay, "public_url": f"https://{FROM}"}
        )
        dns_settings = settings.dns.model_copy(
            update={"nameserver": f"127.0.0.1:{self.names.port}", "timeout": 1.0}
        )
        settings = settings.model_copy(update={"dns": dns_settings})
        return Patient(settings, parse_relays(relay), None)


def in_order(key: OwnKey) -> Zone:
    """All that a newsletter behind a Postfix of its own needs."""
    strings = " ".join(f'"{part}"' for part in key.record.strings)
    return {
        (BOUNCES, "TXT"): [f'"v=spf1 ip4:{ADDRESS} -all"'],
        (BOUNCES, "MX"): [f"10 {HOST}."],
        (HOST, "A"): [ADDRESS],
        (REVERSE, "PTR"): [f"{HOST}."],
        (key.record.name, "TXT"): [strings],
        (f"_dmarc.{FROM}", "TXT"): ['"v=DMARC1; p=reject"'],
        (FROM, "A"): [ADDRESS],
    }


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[OwnKey]]:
    folder = tmp_path_factory.mktemp("state") / "dkim"
    KeyFolder(folder).create(FROM, now=NOW)
    _, owned = examine_keys(folder, now=NOW)
    return folder, owned


@pytest.fixture
def house(keys: tuple[Path, list[OwnKey]]):
    folder, owned = keys
    with NameServer(in_order(owned[0])) as names:
        yield House(names, folder, owned)


async def test_a_domain_in_order_is_green(house: House) -> None:
    rows = await house.examine()
    assert {code: row.light for code, row in rows.items()} == dict.fromkeys(
        ("spf", "ptr", "return-path", "dkim", "dmarc", "alignment"), Light.GREEN
    )


Change = Callable[[Zone, OwnKey], None]


def gone(*where: tuple[str, str]) -> Change:
    def change(zone: Zone, _: OwnKey) -> None:
        for place in where:
            del zone[place]

    return change


def says(name: str, kind: str, *values: str) -> Change:
    def change(zone: Zone, _: OwnKey) -> None:
        zone[name, kind] = list(values)

    return change


def key_says(text: str) -> Change:
    def change(zone: Zone, key: OwnKey) -> None:
        zone[key.record.name, "TXT"] = [
            text.format(key=key.record.value, half=key.record.value[:200])
        ]

    return change


def no_key(zone: Zone, key: OwnKey) -> None:
    del zone[key.record.name, "TXT"]


def alias_of_the_host(zone: Zone, _: OwnKey) -> None:
    zone[BOUNCES, "MX"] = ["10 alias.example.org."]
    zone["alias.example.org", "CNAME"] = [f"{HOST}."]


def many_lookups(zone: Zone, _: OwnKey) -> None:
    for number in range(11):
        zone[f"s{number}.a.example", "TXT"] = ['"v=spf1 ip4:198.51.100.1"']
    includes = " ".join(f"include:s{number}.a.example" for number in range(11))
    zone[BOUNCES, "TXT"] = [f'"v=spf1 {includes}" " ip4:{ADDRESS} -all"']


SPF = Record(BOUNCES, "TXT", f"v=spf1 ip4:{ADDRESS} -all")
SOFT_SPF = Record(BOUNCES, "TXT", f"v=spf1 ip4:{ADDRESS} ~all")
MX = Record(BOUNCES, "MX", f"10 {FROM}.")
DMARC = Record(f"_dmarc.{FROM}", "TXT", "v=DMARC1; p=none")
OUR_KEY = Record("", "TXT", "")  # stands for the record of the key

BROKEN: list[tuple[str, Change, str, Light, str, list[Record]]] = [
    ("no SPF", gone((BOUNCES, "TXT")), "spf", Light.RED, "no SPF record", [SOFT_SPF]),
    (
        "SPF of somebody else",
        says(BOUNCES, "TXT", '"v=spf1 include:other.example -all"'),
        *("spf", Light.RED, "other.example has no SPF record"),
        [Record(BOUNCES, "TXT", f"v=spf1 ip4:{ADDRESS} include:other.example -all")],
    ),
    (
        "SPF without our address",
        says(BOUNCES, "TXT", '"v=spf1 ip4:198.51.100.0/24 -all"'),
        *("spf", Light.RED, f"fail for {ADDRESS}: -all"),
        [Record(BOUNCES, "TXT", f"v=spf1 ip4:{ADDRESS} ip4:198.51.100.0/24 -all")],
    ),
    (
        "SPF twice",
        says(BOUNCES, "TXT", f'"v=spf1 ip4:{ADDRESS} -all"', '"v=spf1 mx ~all"'),
        *("spf", Light.RED, "has 2 SPF records"),
        [Record(BOUNCES, "TXT", f"v=spf1 ip4:{ADDRESS} mx ~all")],
    ),
    (
        "SPF misspelt",
        says(BOUNCES, "TXT", f'"v=spf1 ipv4:{ADDRESS} -all"'),
        *("spf", Light.RED, f"'ipv4:{ADDRESS}' is no term of SPF", [SPF]),
    ),
    (
        "SPF with too many lookups",
        many_lookups,
        *("spf", Light.RED, "more than 10 DNS lookups"),
        [
            Record(
                BOUNCES,
                "TXT",
                f"v=spf1 ip4:{ADDRESS} "
                + " ".join(f"include:s{number}.a.example" for number in range(11))
                + " -all",
            )
        ],
    ),
    (
        "no PTR",
        gone((REVERSE, "PTR")),
        *("ptr", Light.RED, "no name (PTR)"),
        [Record(REVERSE, "PTR", f"{HOST}."), Record(HOST, "A", ADDRESS)],
    ),
    (
        "PTR that leads elsewhere",
        says(REVERSE, "PTR", "pool-25.example.net."),
        *("ptr", Light.RED, "pool-25.example.net does not lead back"),
        [Record("pool-25.example.net", "A", ADDRESS)],
    ),
    ("no key", no_key, "dkim", Light.RED, "it is missing", [OUR_KEY]),
    (
        "the beginning of a key",
        key_says('"v=DKIM1; k=rsa; p=MIIBIjANBgkq"'),
        *("dkim", Light.RED, "cut off", [OUR_KEY]),
    ),
    (
        "a foreign key",
        key_says('"v=DKIM1; k=rsa; p=AAAA"'),
        *("dkim", Light.RED, "another key", [OUR_KEY]),
    ),
    ("half a key", key_says('"{half}"'), "dkim", Light.RED, "cut off", [OUR_KEY]),
    ("a revoked key", key_says('"v=DKIM1; p="'), "dkim", Light.RED, "revoked", [OUR_KEY]),
    ("a key of no kind", key_says('"hello"'), "dkim", Light.RED, "no DKIM record", [OUR_KEY]),
    (
        "no DMARC",
        gone((f"_dmarc.{FROM}", "TXT")),
        *("dmarc", Light.RED, "there is no policy", [DMARC]),
    ),
    (
        "DMARC twice",
        says(f"_dmarc.{FROM}", "TXT", '"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'),
        *("dmarc", Light.RED, "has 2 records", [DMARC]),
    ),
    (
        "DMARC misspelt",
        says(f"_dmarc.{FROM}", "TXT", '"v=DMARC1; p=nothing"'),
        *("dmarc", Light.RED, "cannot be read: v=DMARC1; p=nothing", [DMARC]),
    ),
    (
        "DMARC strict about the envelope",
        says(f"_dmarc.{FROM}", "TXT", '"v=DMARC1; p=none; aspf=s"'),
        *("alignment", Light.YELLOW, f"the envelope ({BOUNCES}) does not", []),
    ),
    ("no MX", gone((BOUNCES, "MX")), "return-path", Light.RED, "it has no MX", [MX]),
    (
        "null MX",
        says(BOUNCES, "MX", "0 ."),
        *("return-path", Light.RED, "takes no mail", [MX]),
    ),
    (
        "MX to nowhere",
        says(BOUNCES, "MX", "10 gone.example.org."),
        *("return-path", Light.RED, "gone.example.org has no address"),
        [Record("gone.example.org", "A", "ADDRESS")],
    ),
    (
        "MX to an alias",
        alias_of_the_host,
        *("return-path", Light.YELLOW, "alias.example.org is an alias"),
        [Record(BOUNCES, "MX", f"10 {HOST}.")],
    ),
]


@pytest.mark.parametrize(
    ("change", "code", "light", "words", "records"),
    [row[1:] for row in BROKEN],
    ids=[row[0] for row in BROKEN],
)
async def test_a_broken_record_is_named_and_the_right_one_beside_it(
    house: House, change: Change, code: str, light: Light, words: str, records: list[Record]
) -> None:
    broken = in_order(house.key)
    change(broken, house.key)
    house.names.zone = dict(broken)
    rows = await house.examine()
    wanted = tuple(house.key.record if one is OUR_KEY else one for one in records)
    row = rows[code]
    assert (row.light, row.records) == (light, wanted), row
    assert words in row.found
    assert row.fix
    others = {one for one, found in rows.items() if found.light is Light.RED}
    assert others <= {code}


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED"])
async def test_a_name_server_that_fails_says_nothing_about_our_records(
    house: House, code: str
) -> None:
    house.names.fails = code
    rows = await house.examine()
    assert {row.light for row in rows.values()} == {Light.YELLOW}
    assert all("could not be asked" in row.found for row in rows.values())
    assert not any(row.records for row in rows.values())


PROVIDERS = [
    (
        "smtp://email-smtp.eu-west-1.amazonaws.com:587?profile=ses&selectors=aaa",
        [
            (BOUNCES, "MX", "10 feedback-smtp.eu-west-1.amazonses.com."),
            (BOUNCES, "TXT", "v=spf1 include:amazonses.com ~all"),
        ],
    ),
    (
        "smtp://smtp.postmarkapp.com:587?profile=postmark&selectors=aaa",
        [(f"pm-bounces.{FROM}", "CNAME", "pm.mtasv.net.")],
    ),
    (
        f"smtp://postmaster%40mg.{FROM}:x@smtp.eu.mailgun.org:587?profile=mailgun&selectors=aaa",
        [
            (f"mg.{FROM}", "TXT", "v=spf1 include:mailgun.org ~all"),
            (f"mg.{FROM}", "MX", "10 mxa.eu.mailgun.org."),
            (f"mg.{FROM}", "MX", "10 mxb.eu.mailgun.org."),
        ],
    ),
]


@pytest.mark.parametrize(("relay", "wanted"), PROVIDERS, ids=["ses", "postmark", "mailgun"])
async def test_a_providers_records_are_those_it_documents(
    house: House, relay: str, wanted: list[tuple[str, str, str]]
) -> None:
    expected = {Record(*one) for one in wanted}
    house.names.zone.pop((BOUNCES, "MX"))
    house.names.zone.pop((BOUNCES, "TXT"))
    house.names.zone[f"aaa._domainkey.{FROM}", "TXT"] = ['"k=rsa; p=MIIB"']
    missing = await house.examine(relay)
    assert (missing["spf"].light, missing["dkim"].light) == (Light.YELLOW, Light.GREEN)
    assert {one for row in missing.values() for one in row.records} == expected
    for name, kind, value in wanted:
        text = f'"{value}"' if kind == "TXT" else value
        house.names.zone[name, kind] = (*house.names.zone.get((name, kind), ()), text)
    rows = await house.examine(relay)
    assert (rows["spf"].light, rows["alignment"].light) == (Light.GREEN, Light.GREEN)
    assert not any(row.light is Light.RED for row in rows.values())
    # A record that leads elsewhere is worse than none: the check fails, instead of passing for
    # the provider's own domain.
    for name, kind, _ in wanted:
        wrong = {"TXT": '"v=spf1 -all"', "CNAME": "elsewhere.example.", "MX": "10 other.example."}
        house.names.zone[name, kind] = [wrong[kind]]
    rows = await house.examine(relay)
    assert rows["spf"].light is Light.RED
    kept = {one.value.replace("~all", "-all") for one in expected}
    assert {one.value.replace("~all", "-all") for one in rows["spf"].records} <= kept


@pytest.mark.parametrize(
    "relay", [RELAY, *(relay for relay, _ in PROVIDERS)], ids=["postfix", "ses", "pm", "mailgun"]
)
async def test_what_dns_prints_is_a_zone_that_makes_doctor_content(
    house: House, relay: str
) -> None:
    patient = house.patient(relay)
    (sending,) = patient.sendings(f"hello@{FROM}", f"b@{BOUNCES}")
    owned = patient.keys_for(sending, house.owned)
    text = zone(await wanted_records(sending, owned, patient.resolver))
    parsed = dns.zone.from_text(text, origin="example.org.", relativize=False, check_origin=False)
    kept = {
        place: values
        for place, values in house.names.zone.items()
        if place in {(HOST, "A"), (REVERSE, "PTR"), (FROM, "A")}
    }
    for name, node in parsed.items():
        for rdataset in node:
            kept[str(name).rstrip("."), rdataset.rdtype.name] = [str(one) for one in rdataset]
    house.names.zone.clear()
    house.names.zone.update(kept)
    rows = await house.examine(relay)
    assert not {row.found for row in rows.values() if row.light is Light.RED and row.code != "dkim"}
    if relay is RELAY:
        assert {row.light for row in rows.values()} == {Light.GREEN}
    assert max(len(line) for line in text.splitlines() if '"' in line) < 300
