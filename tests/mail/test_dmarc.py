"""DMARC by the tree walk of RFC 9989, from a dictionary instead of the DNS."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from digest.mail.dmarc import Walk, aligned, parse_dmarc, walk_up
from digest.mail.lookups import Judgment


def driven(judgment: Judgment, names: Mapping[str, str]):
    """The result, with ``names`` as all the records there are; and what was asked."""
    asked: list[str] = []
    answer: tuple[str, ...] | None = None
    while True:
        try:
            question = next(judgment) if answer is None else judgment.send(answer)
        except StopIteration as end:
            return end.value, asked
        asked.append(question.name)
        text = names.get(question.name.removeprefix("_dmarc."))
        answer = (text,) if text else ()


def walk(domain: str, names: Mapping[str, str]) -> Walk:
    return driven(walk_up(domain), names)[0]


def test_the_policy_of_the_domain_itself_comes_first() -> None:
    found = walk(
        "news.example.org",
        {"news.example.org": "v=DMARC1; p=none", "example.org": "v=DMARC1; p=reject; sp=reject"},
    )
    assert (found.found_at, found.policy, found.organisation) == (
        "news.example.org",
        "none",
        "example.org",
    )


def test_a_subdomain_has_the_policy_for_subdomains() -> None:
    record = "v=DMARC1; p=reject; sp=quarantine; pct=20"
    found = walk("news.example.org", {"example.org": record})
    assert (found.found_at, found.policy) == ("example.org", "quarantine")
    assert found.records["example.org"].gone == ("pct",)


@pytest.mark.parametrize(
    ("names", "organisation"),
    [
        ({}, "a.b.co.example"),
        ({"co.example": "v=DMARC1; p=none; psd=y"}, "b.co.example"),
        (
            {"b.co.example": "v=DMARC1; p=none; psd=n", "example": "v=DMARC1; p=none"},
            "b.co.example",
        ),
        ({"b.co.example": "v=DMARC1; p=none"}, "b.co.example"),
    ],
)
def test_the_organisation_ends_where_dns_says_so(
    names: Mapping[str, str], organisation: str
) -> None:
    assert walk("a.b.co.example", names).organisation == organisation


def test_a_long_name_costs_eight_questions() -> None:
    _, asked = driven(walk_up("a.b.c.d.e.f.g.h.i.example.org"), {})
    assert len(asked) == 8
    assert asked[:2] == ["_dmarc.a.b.c.d.e.f.g.h.i.example.org", "_dmarc.e.f.g.h.i.example.org"]


@pytest.mark.parametrize(
    ("domain", "strict", "goes"),
    [
        ("news.example.org", True, True),
        ("bounces.news.example.org", True, False),
        ("bounces.news.example.org", False, True),
        ("example.org", False, True),
        ("example.net", False, False),
    ],
)
def test_domains_go_together_by_their_organisation(domain: str, strict: bool, goes: bool) -> None:
    names = {"example.org": "v=DMARC1; p=none", "example.net": "v=DMARC1; p=none"}
    judgment = aligned(walk("news.example.org", names), domain, strict=strict)
    assert driven(judgment, names)[0] is goes


@pytest.mark.parametrize(
    "text",
    ["v=DMARC1", "v=DMARC1; p=nothing", "v=dmarc1; p=none", "p=none; v=DMARC1", "v=spf1 -all"],
)
def test_what_receivers_take_for_no_record_is_none(text: str) -> None:
    assert parse_dmarc(text) is None


def test_a_policy_nobody_can_read_asks_for_reports_where_they_are_wanted() -> None:
    found = parse_dmarc("v=DMARC1; p=nothing; rua=mailto:d@example.org")
    assert found is not None
    assert found.policy == "none"
