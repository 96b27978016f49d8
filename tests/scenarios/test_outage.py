"""F16: a relay is away for a day and more, and comes back: no herd, and nothing expires early."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fakes.relay_plan import At, Plan, Rule
from tests.scenarios import results
from tests.scenarios.conftest import ON_SQLITE, MakeHouse
from tests.scenarios.oracle import judge

HOUR = 3600.0  # seconds
_PATIENCE = 900.0  # seconds for 40,000 messages, each of which the relay writes to its disk
BUSY = Plan(rules=(Rule(At.RCPT, reply="451 4.3.0 a problem", domain="dead.example"),))


@ON_SQLITE
@pytest.mark.parametrize(
    "readers, rate", [(300, 100), pytest.param(50_000, 2_000, marks=pytest.mark.long)]
)
def test_a_relay_that_comes_back_after_a_day_is_not_overrun_and_nothing_expires_early(
    make_house: MakeHouse, dialect: str, readers: int, rate: int
) -> None:
    house = make_house(readers, BUSY, connections=8, rate=rate)
    child = house.begin_send("--no-retries")
    house.relay.until_taken(readers // 5)
    house.relay.stop()
    child.wait()
    before = house.states()
    assert before["accepted"] < readers * 4 // 5
    dead = {row.address for row in house.rows() if row.address.endswith("@dead.example")}
    early = {row.address for row in house.rows() if row.first_claimed_at} & dead
    assert early

    house.let_pass(24 * HOUR, since_first=True)
    house.relay.start()
    house.relay.begin_anew()
    assert house.begin_send("--no-retries").wait(_PATIENCE) == 0
    assert house.relay.most_within(1) <= rate
    states = house.states()
    assert states == {"accepted": readers - len(dead), "deferred": len(dead)}

    house.let_pass(25 * HOUR, since_first=True)  # more than 48 hours after the first attempt
    house.send("--no-retries")
    assert {row.address for row in house.rows() if row.state == "expired"} == early
    house.relay.start_of_ledger = 0
    in_doubt = {row.address for row in house.rows() if row.maybe_sent}  # cut with the relay
    judge(house, open_states={"deferred"})
    copies = Counter(one.recipient for one in house.ledger)
    assert {who for who, count in copies.items() if count > 1} <= in_doubt
    results.record(
        "F16 relay away for a day",
        dialect,
        messages=readers,
        duplicates=sum(copies.values()) - len(copies),
        bound=len(in_doubt),
    )
