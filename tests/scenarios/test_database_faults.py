"""The database stops, breaks or fills up, and a worker sleeps too long: F5, F6 and F18.

No message is begun whose outcome could not be recorded, what is known is kept, and sending goes on
by itself.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.fakes.relay_plan import Plan
from tests.scenarios import results, tracing
from tests.scenarios.conftest import MakeHouse, MakeOwnHouse, short
from tests.scenarios.house import House
from tests.scenarios.oracle import judge
from tests.scenarios.prefork import Child

READERS, CONNECTIONS, UNRECORDED = 300, 4, 20
SLOW = Plan(pause=0.01)  # 400 messages a second over four connections
NONE: Counter[str] = Counter()
AWAY = 1.5  # seconds in which a sender that goes on would be found out
ON_SQLITE_ONLY = pytest.mark.parametrize("dialect", ["sqlite"])
ON_POSTGRESQL_ONLY = pytest.mark.parametrize("dialect", ["postgresql"])


def begin(house: House) -> Child:
    """A sender that may have few outcomes unrecorded, in the middle of its work."""
    house.settings["DIGEST_SENDER__UNRECORDED"] = str(UNRECORDED)
    child = house.begin_send()
    house.relay.until_taken(60)
    return child


def begun_so_far(house: House) -> Counter[str]:
    """How many MAIL and DATA the relay has seen, whatever became of them."""
    return Counter(one["event"] for one in house.relay.events() if one["event"] in ("mail", "data"))


def hold_out(house: House, taken: int) -> None:
    """While the database is away, no more is sent than may be unrecorded."""
    end = time.monotonic() + AWAY
    while time.monotonic() < end:
        assert house.relay.taken_so_far - taken <= UNRECORDED
        time.sleep(0.05)
    stays, begun = house.relay.taken_so_far, begun_so_far(house)
    time.sleep(0.5)
    assert house.relay.taken_so_far == stays < house.readers, "it went on sending"
    assert begun_so_far(house) == begun, "it began a message whose outcome it could not record"


def ends_well(house: House, child: Child) -> int:
    """It goes on by itself and ends; how many second copies there are."""
    assert child.wait() == 0, child.err[-3000:]
    assert house.states() == {"accepted": house.readers}
    return judge(house, copies=NONE).duplicates


def test_a_server_that_stands_still_stops_the_sending_until_it_goes_on(
    make_own_house: MakeOwnHouse,
) -> None:
    house, server = make_own_house(READERS, SLOW, connections=CONNECTIONS)
    child = begin(house)
    stopped = server.pids
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        hold_out(house, house.relay.taken_so_far)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    duplicates = ends_well(house, child)
    results.record(
        "F5 database stands still", "postgresql", messages=READERS, duplicates=duplicates
    )


@pytest.mark.long
def test_a_server_that_is_started_again_loses_no_outcome(
    make_own_house: MakeOwnHouse,
) -> None:
    house, server = make_own_house(READERS, SLOW, connections=CONNECTIONS)
    child = begin(house)
    taken = house.relay.taken_so_far
    server.halt()
    try:
        hold_out(house, taken + UNRECORDED)  # recorded until it had gone down
    finally:
        server.start()
    duplicates = ends_well(house, child)
    results.record("F5 database restarted", "postgresql", messages=READERS, duplicates=duplicates)


@ON_SQLITE_ONLY
def test_a_file_that_another_program_locks_stops_the_sending_until_it_is_free(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(READERS, SLOW, connections=CONNECTIONS)
    child = begin(house)
    path = house.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        hold_out(house, house.relay.taken_so_far)
        other.execute("ROLLBACK")
    duplicates = ends_well(house, child)
    results.record("F5 database locked", dialect, messages=READERS, duplicates=duplicates)


FAILURES = {
    "F6 fsync EIO": ("fsync,fdatasync", "EIO", 25),
    "F6 write ENOSPC": ("pwrite64", "ENOSPC", 120),
}


@ON_SQLITE_ONLY
@pytest.mark.parametrize("fault", short(list(FAILURES), "F6 fsync EIO"))
def test_a_disk_that_fails_stops_the_sending_until_it_works(
    make_house: MakeHouse, dialect: str, strace: str, tmp_path: Path, fault: str
) -> None:
    calls, error, number = FAILURES[fault]
    house = make_house(READERS, SLOW, connections=CONNECTIONS)
    house.settings["DIGEST_SENDER__UNRECORDED"] = str(UNRECORDED)
    child = house.begin_send(stopped=True)
    options = ("-e", f"trace={calls}", "-e", f"inject={calls}:error={error}:when={number}+")
    trace = tracing.begin(child, strace, *options, log=tmp_path / "strace.log")
    _until(lambda: "INJECTED" in (tmp_path / "strace.log").read_text())
    _until(lambda: house.relay.taken_so_far > 0)
    taken = house.relay.taken_so_far
    hold_out(house, taken)
    recorded = house.states().get("accepted", 0)
    assert house.relay.taken_so_far - recorded <= UNRECORDED
    assert not child.ended
    trace.stop()  # the disk is repaired
    duplicates = ends_well(house, child)
    results.record(fault, dialect, messages=READERS, duplicates=duplicates, bound=UNRECORDED)


SERVER_FAILURES = {
    "F6 fsync EIO": ("fsync,fdatasync", "EIO"),
    "F6 write ENOSPC": ("pwrite64", "ENOSPC"),
}


@pytest.mark.parametrize("fault", short(list(SERVER_FAILURES), "F6 write ENOSPC"))
def test_a_servers_disk_that_fails_stops_the_sending_until_it_works(
    make_own_house: MakeOwnHouse, strace: str, tmp_path: Path, fault: str
) -> None:
    calls, error = SERVER_FAILURES[fault]
    house, server = make_own_house(READERS, SLOW, connections=CONNECTIONS, durable=True)
    child = begin(house)
    options = ("-e", f"trace={calls}", "-e", f"inject={calls}:error={error}")
    trace = tracing.attach(server.pids, strace, *options, log=tmp_path / "strace.log")
    _until(lambda: "INJECTED" in (tmp_path / "strace.log").read_text())
    hold_out(house, house.relay.taken_so_far)
    assert not child.ended
    trace.stop()  # the disk is repaired
    server.bring_back()
    duplicates = ends_well(house, child)
    results.record(fault, "postgresql", messages=READERS, duplicates=duplicates)


@contextmanager
def asleep(child: Child) -> Iterator[None]:
    """SIGSTOP, and SIGCONT afterwards."""
    child.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        child.signal(signal.SIGCONT)


@ON_SQLITE_ONLY
def test_a_sender_that_sleeps_keeps_its_file_and_goes_on_when_it_wakes(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(READERS, SLOW, connections=CONNECTIONS)
    sleeper = begin(house)
    with asleep(sleeper):
        time.sleep(0.5)  # the relay takes what lies in its sockets
        taken = house.relay.taken_so_far
        other = house.begin_send()
        time.sleep(AWAY)
        assert house.relay.taken_so_far == taken < READERS
    duplicates = ends_well(house, sleeper)
    assert other.wait() == 0, other.err
    assert "Watching, not sending" in other.err
    results.record("F18 sender sleeps", dialect, messages=READERS, duplicates=duplicates)


@ON_POSTGRESQL_ONLY
def test_a_worker_that_sleeps_past_its_lease_writes_nothing_when_it_wakes(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(READERS, Plan(pause=0.02), connections=CONNECTIONS)
    sleeper = begin(house)
    with asleep(sleeper):
        time.sleep(0.5)  # the relay takes what lies in its sockets
        begun = {event["rcpt"] for event in house.relay.events("rcpt")}
        in_flight = begun - {row.address for row in house.rows() if row.state == "accepted"}
        assert in_flight
        # As if it had slept for a minute: nobody has seen it since.
        house.query("UPDATE workers SET heartbeat_at = heartbeat_at - interval '60 seconds'")
        assert house.send()["accepted"] == READERS
        before = house.rows()
    assert sleeper.wait() == 0, sleeper.err[-2000:]
    assert house.rows() == before
    duplicates = judge(house).duplicates
    # What it had begun or handed over and not recorded; both count (promise 2).
    copies = Counter(one.recipient for one in house.ledger)
    assert {who for who, count in copies.items() if count > 1} <= in_flight
    assert max(copies.values()) == 2
    results.record(
        "F18 worker wakes after its lease",
        dialect,
        messages=READERS,
        duplicates=duplicates,
        bound=UNRECORDED,
    )


@pytest.mark.long
@ON_POSTGRESQL_ONLY
def test_a_worker_that_sleeps_for_longer_than_its_lease_sends_nothing_when_it_wakes(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(READERS, Plan(pause=0.02), connections=CONNECTIONS)
    sleeper = begin(house)
    with asleep(sleeper):
        assert house.send()["accepted"] == READERS  # the other waits until it counts as dead
        taken = house.relay.taken_so_far
    assert sleeper.wait() == 0, sleeper.err[-2000:]
    assert house.relay.taken_so_far == taken, "it sent what was no longer its own"
    duplicates = judge(house).duplicates
    results.record(
        "F18 worker sleeps past its lease",
        dialect,
        messages=READERS,
        duplicates=duplicates,
        bound=UNRECORDED,
    )


def _until(fits: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.01)
