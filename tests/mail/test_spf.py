"""SPF as receivers evaluate it: RFC 7208, from a dictionary instead of the DNS."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from digest.mail.lookups import Question
from digest.mail.spf import Spf, SpfSyntaxError, amended, check_host, parse_spf

DOMAIN, ADDRESS = "bounces.example.org", "192.0.2.25"
NAMES = {
    ("other.example", "TXT"): ("v=spf1 ip4:192.0.2.0/24 -all",),
    ("nobody.example", "TXT"): ("v=spf1 -all",),
    ("loop.example", "TXT"): ("v=spf1 include:loop.example -all",),
    ("mail.example", "A"): (ADDRESS,),
    ("near.example", "A"): ("192.0.2.200",),
    (DOMAIN, "MX"): ("20 near.example", "10 mail.example"),
    ("six.example", "AAAA"): ("2001:db8::25",),
    ("25.2.0.192.in-addr.list.example", "A"): ("127.0.0.2",),
}


def evaluated(record: str | tuple[str, ...], address: str = ADDRESS, vouched: str | None = None):
    """The result for a domain with ``record``, and the questions it took."""
    records = (record,) if isinstance(record, str) else record
    names = {**NAMES, (DOMAIN, "TXT"): records}
    asked: list[Question] = []
    judgment = check_host(DOMAIN, ip_address(address), vouched=vouched)
    question = next(judgment)
    while True:
        asked.append(question)
        try:
            question = judgment.send(names.get((question.name, question.kind), ()))
        except StopIteration as end:
            return end.value, asked


CASES = [
    ("v=spf1 ip4:192.0.2.25 -all", Spf.PASS),
    ("v=spf1 IP4:192.0.2.0/24 -ALL", Spf.PASS),
    ("v=spf1 ip4:192.0.2.0/32 -all", Spf.FAIL),
    ("v=spf1 -ip4:192.0.2.25 +all", Spf.FAIL),
    ("v=spf1 ip6:2001:db8::/32 ~all", Spf.SOFTFAIL),
    ("v=spf1 a:mail.example -all", Spf.PASS),
    ("v=spf1 a:near.example/24 -all", Spf.PASS),
    ("v=spf1 a:near.example/25 -all", Spf.FAIL),
    ("v=spf1 a:near.example/24//64 -all", Spf.PASS),
    ("v=spf1 mx -all", Spf.PASS),
    ("v=spf1 mx:nobody.example ?all", Spf.NEUTRAL),
    ("v=spf1 include:other.example -all", Spf.PASS),
    ("v=spf1 include:nobody.example ~all", Spf.SOFTFAIL),
    ("v=spf1 include:missing.example -all", Spf.PERMERROR),
    ("v=spf1 redirect=other.example", Spf.PASS),
    ("v=spf1 redirect=missing.example", Spf.PERMERROR),
    ("v=spf1 redirect=other.example -all", Spf.FAIL),
    ("v=spf1 exists:%{ir}.%{v}.list.example -all", Spf.PASS),
    ("v=spf1 ptr -all", Spf.FAIL),
    ("v=spf1", Spf.NEUTRAL),
    ("v=spf1 include:loop.example -all", Spf.PERMERROR),
    ("v=spf1 a:x1.example a:x2.example a:x3.example ip4:192.0.2.25", Spf.PERMERROR),
    ("v=spf1 ip5:192.0.2.25 -all", Spf.PERMERROR),
    ("v=spf1 ip4:192.0.2.300 -all", Spf.PERMERROR),
    ("v=spf1 all:x -all", Spf.PERMERROR),
    ("v=spf1 a/33 -all", Spf.PERMERROR),
    ("v=spf1 include -all", Spf.PERMERROR),
    ("v=spf1 exists:%{x}.example -all", Spf.PERMERROR),
    ("v=spf10 ip4:192.0.2.25", Spf.NONE),
    ("hello", Spf.NONE),
]


@pytest.mark.parametrize(("record", "result"), CASES)
def test_a_record_is_evaluated_as_receivers_do(record: str, result: Spf) -> None:
    assert evaluated(record)[0].result is result


def test_two_records_are_an_error() -> None:
    found, _ = evaluated(("v=spf1 ip4:192.0.2.25 -all", "v=spf1 mx -all"))
    assert (found.result, "2 SPF records" in found.why) == (Spf.PERMERROR, True)


def test_no_more_than_ten_lookups_are_made() -> None:
    found, asked = evaluated("v=spf1 include:loop.example -all")
    assert "more than 10" in found.why
    assert len(asked) <= 12


def test_an_address_of_ipv6_meets_the_long_prefix() -> None:
    assert evaluated("v=spf1 a:six.example//64 -all", "2001:db8::1")[0].result is Spf.PASS
    assert evaluated("v=spf1 a:six.example//128 -all", "2001:db8::1")[0].result is Spf.FAIL


def test_a_relay_is_vouched_for_by_its_include() -> None:
    judged = evaluated("v=spf1 include:amazonses.com ~all", vouched="amazonses.com")[0]
    assert judged.result is Spf.PASS


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), "v=spf1 ip4:192.0.2.25 ~all"),
        (("v=spf1 -all",), "v=spf1 ip4:192.0.2.25 -all"),
        (("v=spf1 mx +all",), "v=spf1 ip4:192.0.2.25 mx ~all"),
        (("v=spf1 nonsense ip4:192.0.2.25",), "v=spf1 ip4:192.0.2.25 ~all"),
        (("v=spf1 a -all", "v=spf1 a mx ~all"), "v=spf1 ip4:192.0.2.25 a mx ~all"),
        (("v=spf1 redirect=x.example",), "v=spf1 ip4:192.0.2.25 redirect=x.example"),
    ],
)
def test_what_is_to_be_written_keeps_what_was_meant_and_lets_the_relay_send(
    before: tuple[str, ...], after: str
) -> None:
    assert amended(before, ["ip4:192.0.2.25"]) == after
    assert evaluated(after)[0].result is Spf.PASS


def test_a_modifier_stands_there_once() -> None:
    with pytest.raises(SpfSyntaxError):
        parse_spf("v=spf1 redirect=a.example redirect=b.example")
