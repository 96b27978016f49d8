"""Parts on hosts of their own: a cable is pulled, a machine stands still, the database restarts.

The first host has PostgreSQL and the relay. Nobody is lost, nobody gets more second copies than
promised, and whoever was away goes on by itself or writes nothing.
"""

from __future__ import annotations

import time
from collections import Counter

import psycopg
import pytest

from tests.fakes.relay_plan import Plan
from tests.scenarios import results
from tests.scenarios.conftest import short
from tests.scenarios.house import SEND
from tests.scenarios.oracle import UNRECORDED, judge
from tests.scenarios.town import (
    FAULTS,
    REPLACED,
    MakeTown,
    a_slot_is_due,
    fill_disk,
    two_schedulers,
    until,
    until_quiet,
)

CONNECTIONS = 6
READERS = 300
SLOW = Plan(pause=0.02)
DISK = "200m"  # PostgreSQL has 60 MB of its own


@pytest.mark.parametrize("fault", short(list(FAULTS), "worker without the database"))
def test_what_happens_to_one_host_costs_nobody_the_issue(make_town: MakeTown, fault: str) -> None:
    town = make_town(READERS, SLOW, connections=CONNECTIONS)
    house = town.house
    host, victim = town.worker()
    town.worker()
    house.run(*SEND)
    house.relay.until_taken(READERS // 6)
    mend = FAULTS[fault](town, host, victim)
    began = time.monotonic()
    taken = house.relay.taken_so_far
    # what was on its way may come in still
    until(lambda: house.relay.taken_so_far > taken + 2 * CONNECTIONS, REPLACED)
    house.until_states(lambda states: states == {"accepted": READERS})
    assert time.monotonic() - began < REPLACED
    house.until_over()
    if fault == "worker without the database":
        until(lambda: "port 5432 failed" in victim.err)
    before = house.rows()
    mend()
    time.sleep(3)  # whoever was away would have written by now
    assert house.rows() == before
    if fault not in ("worker stopped", "worker killed"):
        assert not victim.ended, "it must go on by itself"
    duplicates = judge(house).duplicates
    results.record(
        f"Hosts: {fault}", "postgresql", messages=READERS, duplicates=duplicates, bound=UNRECORDED
    )


@pytest.mark.long
def test_a_full_disk_of_the_databases_host_stops_every_worker_until_there_is_room(
    make_town: MakeTown,
) -> None:
    """PostgreSQL ends where it cannot write its log any more; its host starts it again."""
    readers, few = 3 * READERS, 20
    town = make_town(readers, Plan(pause=0.04), disk=DISK, connections=CONNECTIONS)
    house, server = town.house, town.server
    house.settings["DIGEST_SENDER__UNRECORDED"] = str(few)
    workers = [town.worker()[1] for _ in range(3)]
    house.run(*SEND)
    house.relay.until_taken(readers // 6)
    filler = fill_disk(town)
    with pytest.raises(psycopg.Error):
        house.query("UPDATE issues SET title = title || '!'")
    full = house.relay.taken_so_far
    began = until_quiet(house)
    time.sleep(3)
    assert until_quiet(house) == began, "it began a message whose outcome it could not record"
    assert house.relay.taken_so_far - full <= 3 * few
    assert house.relay.taken_so_far < readers
    assert not any(worker.ended for worker in workers)
    filler.unlink()
    server.bring_back()
    house.until_states(lambda states: states == {"accepted": readers})
    house.until_over()
    assert not any(worker.ended for worker in workers), "they go on by themselves"
    duplicates = judge(house).duplicates
    assert duplicates <= 3 * few
    results.record(
        "Hosts: disk of the database full, three workers",
        "postgresql",
        messages=readers,
        duplicates=duplicates,
        bound=3 * few,
    )


@pytest.mark.long
def test_the_host_of_a_scheduler_is_cut_off_and_the_standby_takes_the_slot_once(
    make_town: MakeTown,
) -> None:
    town = make_town(READERS, SLOW, connections=CONNECTIONS)
    house = town.house
    host, first, standby = two_schedulers(town)
    town.worker()
    host.pull()
    began = time.monotonic()
    a_slot_is_due(house)
    house.until_states(lambda states: states == {"accepted": READERS})
    assert time.monotonic() - began < REPLACED
    host.plug()
    time.sleep(6)  # longer than from one look at the schedule to the next
    assert not first.ended, "it must go on by itself"
    assert not standby.ended
    fired = house.query("SELECT count(*) FROM send_slots WHERE state = 'fired'")
    assert fired == [(1,)]
    judge(house, copies=Counter())
    results.record(
        "Hosts: scheduler cut off", "postgresql", messages=READERS, duplicates=0, bound=0
    )
