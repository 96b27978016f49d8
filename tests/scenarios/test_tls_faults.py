"""F12: a relay whose TLS is not as it should be sees no message and no password."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.relay_plan import At, Does, Plan, Rule
from tests.scenarios import results
from tests.scenarios.conftest import ON_SQLITE, MakeHouse, short
from tests.scenarios.house import House
from tests.scenarios.oracle import judge

READERS = 20
GOOD = Plan(starttls=True, login=True)
REFUSED = {  # what is wrong for good: told at once
    "expired": ("127.0.0.1", True, GOOD),
    "wrong host": ("other.example", False, GOOD),
    "no TLS offered": ("127.0.0.1", False, Plan(login=True)),
}
LATER = {  # what may be over in a moment: tried again
    "no handshake": Rule(At.STARTTLS, Does.STALL),
    "closed after the handshake": Rule(At.STARTTLS, Does.DROP),
    "454 at STARTTLS": Rule(At.STARTTLS, reply="454 4.7.0 not now"),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


def trusting(house: House, authority: Authority) -> House:
    """The house as one that trusts the authority and logs in after TLS."""
    url = house.relay.url(tls="required", timeout=1, connections=2)
    house.settings["DIGEST_RELAY_URL"] = url.replace("smtp://", "smtp://anne:hunter2@")
    house.settings["SSL_CERT_FILE"] = str(authority.trusted)
    return house


def nothing_in_clear(house: House) -> None:
    """No login and no envelope without TLS."""
    events = [event for event in house.relay.events() if event["event"] in ("auth", "mail")]
    assert not [event for event in events if not event["tls"]]


def heal(house: House, certificate: Path) -> None:
    """Give the relay a certificate that is right."""
    house.relay.stop()
    house.relay.plan, house.relay.certificate = GOOD, certificate
    house.relay.start()


@ON_SQLITE
@pytest.mark.parametrize("fault", short(list(REFUSED), "wrong host", "no TLS offered"))
def test_a_relay_that_cannot_be_trusted_is_refused_and_sees_nothing(
    make_house: MakeHouse, dialect: str, authority: Authority, fault: str
) -> None:
    host, expired, plan = REFUSED[fault]
    certificate = authority.certificate(host, expired=expired)
    house = trusting(make_house(READERS, plan, certificate=certificate), authority)
    child = house.begin_send()
    assert child.wait() == 2
    assert "hunter2" not in child.err
    nothing_in_clear(house)
    assert house.relay.ledger == []
    assert {(row.state, row.attempts) for row in house.rows()} == {("queued", 0)}
    heal(house, authority.certificate())
    assert house.send()["accepted"] == READERS
    nothing_in_clear(house)
    judge(house, alerts=1)
    results.record("F12 TLS that is not right", dialect, messages=READERS)


@ON_SQLITE
@pytest.mark.parametrize("fault", short(list(LATER), "no handshake"))
def test_a_relay_whose_tls_fails_is_tried_again_and_sees_nothing(
    make_house: MakeHouse, dialect: str, authority: Authority, fault: str
) -> None:
    certificate = authority.certificate()
    plan = Plan(starttls=True, login=True, rules=(LATER[fault],))
    house = trusting(make_house(READERS, plan, certificate=certificate), authority)
    child = house.begin_send()
    house.relay.until(lambda state: state["connections"] > 1)  # it has tried again
    assert not child.ended
    nothing_in_clear(house)
    assert house.relay.ledger == []
    heal(house, certificate)
    assert child.wait() == 0, child.err[-2000:]
    assert house.states() == {"accepted": READERS}
    nothing_in_clear(house)
    assert "hunter2" not in child.err
    judge(house)
    results.record("F12 TLS that fails for a while", dialect, messages=READERS)
