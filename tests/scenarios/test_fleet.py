"""The service as parts on many machines: pages, two schedulers and workers on one PostgreSQL.

Each machine is a state folder of its own. Any of them may die: a slot is taken once, nobody is
lost, and whoever is left goes on without an operator.
"""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.faked_time import FakedTime
from tests.fakes.relay_plan import Plan
from tests.scenarios import results
from tests.scenarios.conftest import MakeHouse
from tests.scenarios.house import SEND, House
from tests.scenarios.oracle import UNRECORDED, judge
from tests.scenarios.prefork import Child
from tests.scenarios.processes import Script, environment

pytestmark = pytest.mark.parametrize("dialect", ["postgresql"])
READERS, CONNECTIONS = 240, 4
SLOW = Plan(pause=0.02)
TAKEN_OVER = 60.0  # seconds within which a standby must have taken over


@dataclass
class Fleet:
    """The machines of one house."""

    house: House
    children: list[Child] = field(default_factory=list)

    def start(self, machine: str, *command: str) -> Child:
        """Begin a part on a machine; return once it says that it has begun."""
        folder = self.house.folder / machine
        there = {**self.house.settings, "DIGEST_STATE_DIR": str(folder)}
        child = replace(self.house, settings=there).start(*command, "--json")
        child.until(lambda: child.out.endswith("\n"))
        self.children.append(child)
        return child

    @contextmanager
    def ahead(self, machine: str, by: timedelta, *command: str) -> Iterator[None]:
        """A part on a machine whose clock is ahead; it has begun, and ends well."""
        clock = FakedTime(self.house.folder / f"{machine}.time")
        clock.shift(by)
        folder = {"DIGEST_STATE_DIR": str(self.house.folder / machine)}
        settings = environment(**self.house.environment | folder | clock.environment)
        with Script(self.house.folder, settings).start(*command, "--json") as process:
            try:
                assert process.stdout is not None
                json.loads(process.stdout.readline())  # it has begun
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                code = process.wait(TAKEN_OVER)
            assert code == 0

    def worker(self, machine: str) -> Child:
        return self.start(machine, "worker", "--health-port", "0")

    def stop(self) -> None:
        """SIGTERM to all that live; each ends by itself, and well."""
        living = [child for child in self.children if not child.ended]
        for child in living:
            child.signal(signal.SIGTERM)
        for child in living:
            assert child.wait() == 0, child.err[-3000:]

    def slot_is_due(self, minutes: int) -> None:
        """Let the next slot be one that came so many minutes ago."""
        at = f"date_trunc('minute', now()) - interval '{minutes} minutes'"
        local = f"to_char(({at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI')"
        self.house.query(
            f"UPDATE send_slots SET due_at = {at}, local_time = {local} WHERE state = 'open'"
        )

    def slots(self) -> Counter[str]:
        """How many send slots are in each state."""
        return Counter(str(state) for (state,) in self.house.query("SELECT state FROM send_slots"))


def said(child: Child) -> Any:
    return json.loads(child.out)


def status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: int = answer.status
    return found


def until(fits: Callable[[], bool], patience: float = TAKEN_OVER) -> None:
    deadline = time.monotonic() + patience
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def on_a_schedule(house: House) -> None:
    house.run(
        *("newsletter", "set", "weekly", "--timezone", "UTC", "--schedule", "thu 09:00"),
        *("--undo-window", "0"),
    )


def test_two_schedulers_whose_clocks_differ_take_a_slot_once_and_either_is_enough(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(60, connections=CONNECTIONS)
    on_a_schedule(house)
    fleet = Fleet(house)
    web = fleet.start("one", "web", "--port", "0")
    first = fleet.start("one", "scheduler", "--health-port", "0")
    with fleet.ahead("two", timedelta(minutes=2), "scheduler", "--take-over"):
        for number in range(4):
            fleet.worker(f"worker {number}")
        for url in (said(web)["url"], said(first)["health"]):
            assert status(f"{url}/healthz") == status(f"{url}/readyz") == 200
        until(lambda: fleet.slots()["open"] == 1)
        fleet.slot_is_due(3)
        house.until_states(lambda states: states.get("accepted") == 60)
        until(lambda: fleet.slots() == Counter(fired=1, open=1))
        judge(house, copies=Counter())
        # Whoever took it, it was by the one time all machines have.
        assert house.query("SELECT planned_at <= now() FROM issues") == [(True,)]

        first.kill()
        fleet.slot_is_due(1)  # whoever is left takes it too, and has the next one ready
        until(lambda: fleet.slots().total() == 3)
        assert fleet.slots()["open"] == 1
    fleet.stop()


def test_workers_join_die_and_leave_during_an_issue_and_nobody_is_lost(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(READERS, SLOW, connections=CONNECTIONS)
    fleet = Fleet(house)
    first, second = fleet.worker("one"), fleet.worker("two")
    house.run(*SEND)
    house.relay.until_taken(40)
    first.kill()
    house.relay.until_taken(80)
    third = fleet.worker("three")
    house.relay.until_taken(140)
    second.signal(signal.SIGTERM)
    assert second.wait() == 0, second.err[-2000:]
    house.until_states(lambda states: states == {"accepted": READERS})
    house.until_over()
    assert not third.ended
    duplicates = judge(house).duplicates
    assert duplicates <= UNRECORDED
    fleet.stop()
    results.record(
        "Workers join, die and leave",
        dialect,
        messages=READERS,
        duplicates=duplicates,
        bound=UNRECORDED,
    )


def test_three_workers_together_keep_to_the_rate_of_a_relay(
    make_house: MakeHouse, dialect: str
) -> None:
    rate = 40
    house = make_house(READERS, connections=CONNECTIONS, rate=rate)
    fleet = Fleet(house)
    first = fleet.worker("one")
    house.run(*SEND)
    house.relay.until_taken(rate)
    fleet.worker("two")
    fleet.worker("three")
    house.relay.until_taken(3 * rate)
    first.kill()
    house.until_states(lambda states: states == {"accepted": READERS})
    house.until_over()
    fleet.stop()
    assert judge(house).duplicates <= rate  # of who was killed: no more than a second's worth
    assert house.relay.most_within(1) <= rate
