"""F2 and F3: senders killed at random, and told to end (promises 1 and 2)."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.fakes.relay_plan import At, Does, Plan, Rule
from tests.scenarios import results
from tests.scenarios.conftest import ON_POSTGRESQL, ON_SQLITE, MakeHouse
from tests.scenarios.house import House
from tests.scenarios.oracle import UNRECORDED, Doubt, judge

CONNECTIONS = 4
BUSY = CONNECTIONS - 1  # one is kept for confirmations and the like
SLOW = Plan(pause=0.02)  # 200 messages a second over four connections


def kill_at_random(house: House, *, kills: int, seed: int) -> Doubt:
    """Kill the sender again and again, after a random number of messages and a random moment."""
    chance = random.Random(seed)
    doubt = Doubt(house)
    for kill in range(kills):
        taken = house.relay.taken_so_far
        left = house.readers - taken
        child = house.begin_send()
        # So many more, and all kills together about as many as there are readers.
        house.relay.until_taken(taken + chance.randint(0, max(1, left // (kills - kill + 1))))
        time.sleep(chance.random() * 0.02)
        child.signal(signal.SIGKILL)
        assert child.wait() == -9, (kill, child.out, child.err[-2000:])
        assert doubt.after_kill() <= UNRECORDED, kill
    return doubt


@pytest.mark.parametrize(
    "readers, kills",
    [(1_000, 5), pytest.param(20_000, 200, marks=pytest.mark.long)],
    ids=["short", "long"],
)
def test_killed_at_random_and_started_again_nobody_is_lost(
    make_house: MakeHouse, dialect: str, seed: int, readers: int, kills: int
) -> None:
    house = make_house(readers, connections=CONNECTIONS)
    doubt = kill_at_random(house, kills=kills, seed=seed)
    totals = house.send()
    assert totals["planned"] == totals["accepted"] == readers
    found = judge(house, copies=doubt.copies)
    results.record(
        "F2 random SIGKILLs with restarts",
        dialect,
        kills=kills,
        messages=readers,
        duplicates=found.duplicates,
        bound=kills * UNRECORDED,
    )


def test_sigterm_ends_a_send_without_a_second_copy(make_house: MakeHouse, dialect: str) -> None:
    house = make_house(300, SLOW, connections=CONNECTIONS)
    for goal in (60, 150):
        child = house.begin_send()
        house.relay.until_taken(goal)
        child.signal(signal.SIGTERM)
        assert child.wait() in (0, 1), child.err
        taken = house.relay.taken_so_far
        assert goal <= taken < house.readers
        assert house.states() == {"accepted": taken, "queued": house.readers - taken}
        assert not [row for row in house.rows() if row.maybe_sent or row.owner]
    assert house.send()["accepted"] == house.readers
    found = judge(house, copies=Doubt(house).copies)
    results.record("F3 SIGTERM", dialect, runs=2, messages=300, duplicates=found.duplicates)


@ON_POSTGRESQL
def test_sigterm_twice_ends_it_at_once_and_loses_nobody(
    make_house: MakeHouse, dialect: str
) -> None:
    silent = Rule(At.DOT, Does.SILENCE, begin=40, taken=True)
    house = make_house(200, Plan(rules=(silent,)), connections=CONNECTIONS)
    child = house.begin_send()
    house.relay.until_taken(40 + BUSY)
    house.until_states(lambda states: states.get("accepted") == 40)
    child.signal(signal.SIGTERM)
    while not (ended := child.ended) and _handles(child.pid, signal.SIGTERM):
        time.sleep(0.001)  # the first signal has been understood once it is handled no more
    assert not ended
    child.signal(signal.SIGTERM)
    child.wait()
    doubt = Doubt(house)
    assert doubt.after_kill() == BUSY
    house.relay.does(Plan())
    assert house.send()["accepted"] == house.readers
    found = judge(house, copies=doubt.copies)
    results.record(
        "F3 SIGTERM twice, the relay hangs",
        dialect,
        messages=200,
        duplicates=found.duplicates,
        bound=BUSY,
    )


@ON_SQLITE
def test_sigterm_with_a_relay_that_hangs_ends_within_the_grace_and_says_what_is_in_doubt(
    make_house: MakeHouse, dialect: str
) -> None:
    silent = Rule(At.DOT, Does.SILENCE, begin=40, taken=True)
    house = make_house(200, Plan(rules=(silent,)), connections=CONNECTIONS)
    house.settings["DIGEST_SENDER__GRACE"] = "1"
    child = house.begin_send()
    house.relay.until_taken(40 + BUSY)
    child.signal(signal.SIGTERM)
    child.wait(20)  # far less than what it would wait for the relay otherwise
    rows = house.rows()
    assert not [row for row in rows if row.owner or row.state == "sending"]
    assert len([row for row in rows if row.maybe_sent]) == BUSY
    assert len([row for row in rows if row.state == "accepted"]) == 40
    doubt = Doubt(house)
    assert doubt.after_kill() == BUSY
    house.relay.does(Plan())
    assert house.send()["accepted"] == house.readers
    found = judge(house, copies=doubt.copies)
    results.record(
        "F3 SIGTERM, the relay hangs",
        dialect,
        messages=200,
        duplicates=found.duplicates,
        bound=BUSY,
    )


def _handles(pid: int, number: int) -> bool:
    """Whether a process catches a signal."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (caught,) = (line.split()[1] for line in status if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)
