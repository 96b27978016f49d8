"""Which addresses are worth a look, and which are left in peace."""

from __future__ import annotations

import pytest

from digest.rules.suspects import Suspicion, meant_domain, suspect


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("gmial.com", "gmail.com"),
        ("gamil.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("gmail.cm", "gmail.com"),
        ("gmail.comm", "gmail.com"),
        ("hotmial.com", "hotmail.com"),
        ("hotmail.cmo", "hotmail.com"),
        ("yaho.com", "yahoo.com"),
        ("yahooo.com", "yahoo.com"),
        ("outlok.com", "outlook.com"),
        ("iclod.com", "icloud.com"),
        ("t-onlin.de", "t-online.de"),
        ("example.con", "example.com"),
        ("example.ogr", "example.org"),
    ],
)
def test_a_slip_of_the_fingers_is_seen(typed: str, meant: str) -> None:
    assert meant_domain(typed) == meant


@pytest.mark.parametrize(
    "domain",
    "gmail.com mail.com email.com ymail.com hotmail.co.uk yahoo.ca gmx.net gmx.de example.org "
    "gmail.example.org mail.example.com me.com aol.com proton.me orange.es company.co con".split(),
)
def test_a_domain_that_is_meant_is_left_alone(domain: str) -> None:
    assert meant_domain(domain) == ""


@pytest.mark.parametrize(
    "address, suspicion",
    [
        ("anne@gmial.com", Suspicion.TYPO),
        ("anne@host.invalid", Suspicion.DEAD),
        ("anne@yopmail.com", Suspicion.DISPOSABLE),
        ("info@example.org", Suspicion.ROLE),
        ("Abuse+x@example.org", Suspicion.ROLE),
        ("info@gmial.com", Suspicion.TYPO),
    ],
)
def test_an_address_is_listed_with_the_gravest_thing(address: str, suspicion: Suspicion) -> None:
    found = suspect(address)
    assert found is not None
    assert (found.address, found.suspicion) == (address, suspicion)


def test_what_was_probably_meant_is_said_whole() -> None:
    found = suspect("anne@gmial.com")
    assert found is not None
    assert found.advice == "anne@gmail.com"


@pytest.mark.parametrize("address", ["anne@example.org", "information.anne@example.org"])
def test_a_person_is_not_listed(address: str) -> None:
    assert suspect(address) is None
