"""Half a million deliveries by workers on hosts of their own, a fifth of them for each fault.

What test_hosts shows of a few readers, with as many as an issue has, with signatures, a rate to
keep to and a destination that is slow to answer; all ten invariants are asked each time.
``./run test -m long -s tests/scenarios/test_hosts_at_length.py`` prints what they are.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from tests.fakes.relay_plan import At, Does, Plan, Rule
from tests.scenarios import results
from tests.scenarios.house import SEND
from tests.scenarios.invariants import Witness, until_settled
from tests.scenarios.oracle import UNRECORDED
from tests.scenarios.town import (
    FAULTS,
    REPLACED,
    MakeTown,
    a_slot_is_due,
    disk_full,
    two_schedulers,
    until,
)

READERS = 100_020  # 9 of them get nothing, and 10 may have left in time
CONNECTIONS, RATE = 24, 1_000
SLOW = Rule(
    *(At.RCPT, Does.LATE),
    seconds=10,
    domain="slow.example",  # a fifth of the readers
    begin=READERS // 20,
    end=READERS // 2,
)
SCHEDULER, DISK = "scheduler cut off", "disk of the database full"
PATIENCE = 3_600.0


@pytest.mark.long
@pytest.mark.parametrize("fault", [*FAULTS, SCHEDULER, DISK])
def test_a_hundred_thousand_readers_lose_nothing_by_what_happens_to_one_host(
    make_town: MakeTown, fault: str
) -> None:
    plan = Plan(rules=(SLOW,), synced=False)
    disk = "2g" if fault == DISK else ""
    town = make_town(READERS, plan, disk=disk, connections=CONNECTIONS, rate=RATE)
    house = town.house
    witness = Witness.of(town, connections=CONNECTIONS, rate=RATE)
    host, victim = town.worker()
    town.worker()
    town.worker()
    with ExitStack() as mending:
        if fault == SCHEDULER:
            host, victim, _ = two_schedulers(town)
            host.pull()
            mending.callback(host.plug)
            began, taken = time.monotonic(), 0
            a_slot_is_due(house)
        else:
            house.run(*SEND)
            house.relay.until_taken(READERS // 5, patience=PATIENCE)
            witness.look()
            if fault == DISK:
                disk_full(town)
            else:
                mending.callback(FAULTS[fault](town, host, victim))
            began, taken = time.monotonic(), house.relay.taken_so_far
        # what was on its way may come in still
        until(lambda: house.relay.taken_so_far > taken + 2 * CONNECTIONS, REPLACED)
        recovered = time.monotonic() - began
        witness.somebody_leaves(range(READERS - 10, READERS))
        states = until_settled(town, PATIENCE)
        before = house.rows()
    time.sleep(6)  # whoever was away would have written by now
    assert house.rows() == before
    assert set(states) <= {"accepted", "cancelled"}
    assert victim.ended == (fault == "worker killed"), "it must go on by itself"
    found = witness.ask(recovered=recovered, victim=host if fault.startswith("worker") else None)
    name = f"Hosts: {fault}"
    results.record(
        name,
        "postgresql",
        kills=int(fault == "worker killed"),
        messages=states["accepted"],
        duplicates=int(found["I2"].split()[0]),
        bound=UNRECORDED,
    )
    results.witness(name, found)
