"""Parts on hosts of their own: a cable is pulled, a machine stands still, the database restarts.

The first host has PostgreSQL and the relay. Nobody is lost, nobody gets more second copies than
promised, and whoever was away goes on by itself or writes nothing.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.conftest import missing
from tests.fakes.disk import fill, small_disk
from tests.fakes.hosts import Host, Network, Process, can_have_hosts
from tests.fakes.postgres import PostgresServer, find_binaries
from tests.fakes.relay_plan import Plan
from tests.scenarios import results
from tests.scenarios.conftest import short
from tests.scenarios.house import SEND, House, furnish
from tests.scenarios.oracle import UNRECORDED, judge
from tests.scenarios.prefork import Prefork
from tests.scenarios.processes import environment
from tests.scenarios.relays import RelayProcess

REPLACED = 60.0  # seconds within which others must have gone on
PATIENCE = 180.0
CONNECTIONS = 6
FEW, MANY = 300, 100_000
DISK = "200m"  # PostgreSQL has 60 MB of its own


@dataclass
class Town:
    """One installation and its hosts."""

    network: Network
    server: PostgresServer
    house: House
    processes: list[Process] = field(default_factory=list)

    def worker(self) -> tuple[Host, Process]:
        """A worker on a new host, that has begun."""
        return self.start("worker")

    def start(self, *command: str) -> tuple[Host, Process]:
        """A part of the service on a new host, that has begun."""
        host = self.network.host()
        settings = self.house.environment | {
            "DIGEST_DATABASE_URL": self.server.url_from_afar("own"),
            "DIGEST_STATE_DIR": str(self.house.folder / host.namespace),
        }
        process = host.start(
            [sys.executable, "-m", "digest", *command, "--json"],
            env=environment(**settings),
            log=self.house.folder / host.namespace,
        )
        self.processes.append(process)
        until(lambda: process.out.endswith("\n") or process.ended)
        assert not process.ended, process.err[-3000:]
        return host, process

    def end(self) -> None:
        """End what still lives."""
        for process in self.processes:
            if not process.ended:
                process.signal(signal.SIGCONT)
                process.popen.kill()
            process.popen.wait()


def until(fits: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.02)


MakeTown = Callable[..., Town]


@pytest.fixture
def make_town(prefork: Prefork, tmp_path: Path) -> Iterator[MakeTown]:
    """Makes the installation of a test; its hosts go at the end."""
    binaries = find_binaries()
    if binaries is None:
        missing("no binaries of PostgreSQL")
    if not can_have_hosts():
        missing(
            "no network namespaces can be made here: that takes root, ip and a kernel with them"
        )
    with ExitStack() as stack:

        def make(readers: int, *, disk: str = "", pause: float | None = None) -> Town:
            network = stack.enter_context(Network())
            server = PostgresServer(binaries, address=network.address, durable=bool(disk))
            if disk:
                stack.enter_context(small_disk(server.folder, disk))
            stack.enter_context(server)
            plan = Plan(pause=pause or (0.02 if readers == FEW else 0.001))
            relay = RelayProcess(tmp_path / "relay", plan, host=network.address)
            stack.enter_context(relay)
            server.create_database("own")
            furnish(prefork, server.url("own"), folder=tmp_path, readers=readers)
            keys = {"connections": CONNECTIONS}
            town = Town(
                network, server, House(tmp_path, server.url("own"), readers, relay, prefork, keys)
            )
            stack.callback(town.end)
            return town

        yield make


def cut_off(town: Town, host: Host, _process: Process) -> Callable[[], None]:
    """Its cable is pulled."""
    host.pull()
    return host.plug


def stopped(town: Town, _host: Host, process: Process) -> Callable[[], None]:
    """The machine stands still."""
    process.signal(signal.SIGSTOP)
    return lambda: process.signal(signal.SIGCONT)


def killed(town: Town, _host: Host, process: Process) -> Callable[[], None]:
    """Its power is cut."""
    process.signal(signal.SIGKILL)
    return lambda: None


def database_restarted(town: Town, _host: Host, _process: Process) -> Callable[[], None]:
    """PostgreSQL is shut down, and started again."""
    town.server.halt()
    time.sleep(3)
    town.server.start()
    return lambda: None


FAULTS = {
    "worker cut off": cut_off,
    "worker stopped": stopped,
    "worker killed": killed,
    "database restarted": database_restarted,
}


@pytest.mark.parametrize("readers", short([FEW, MANY], FEW))
@pytest.mark.parametrize("fault", short(list(FAULTS), "worker cut off"))
def test_what_happens_to_one_host_costs_nobody_the_issue(
    make_town: MakeTown, fault: str, readers: int
) -> None:
    town = make_town(readers)
    house = town.house
    host, victim = town.worker()
    town.worker()
    house.run(*SEND)
    house.relay.until_taken(readers // 6)
    mend = FAULTS[fault](town, host, victim)
    began = time.monotonic()
    taken = house.relay.taken_so_far
    # what was on its way may come in still
    until(lambda: house.relay.taken_so_far > taken + 2 * CONNECTIONS, REPLACED)
    house.until_states(lambda states: states == {"accepted": readers})
    assert time.monotonic() - began < REPLACED or readers == MANY
    before = house.rows()
    mend()
    time.sleep(3)  # whoever was away would have written by now
    assert house.rows() == before
    if fault in ("worker cut off", "database restarted"):
        assert not victim.ended, "it must go on by itself"
    duplicates = judge(house).duplicates
    results.record(
        f"Hosts: {fault}", "postgresql", messages=readers, duplicates=duplicates, bound=UNRECORDED
    )


@pytest.mark.long
def test_a_full_disk_of_the_databases_host_stops_every_worker_until_there_is_room(
    make_town: MakeTown,
) -> None:
    """PostgreSQL ends where it cannot write its log any more; its host starts it again."""
    readers, few = 3 * FEW, 20
    town = make_town(readers, disk=DISK, pause=0.04)
    house, server = town.house, town.server
    house.settings["DIGEST_SENDER__UNRECORDED"] = str(few)
    workers = [town.worker()[1] for _ in range(3)]
    house.run(*SEND)
    house.relay.until_taken(readers // 6)
    filler = fill(server.folder)
    with suppress(psycopg.Error):
        server.execute("SELECT pg_switch_wal()")
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


def until_quiet(house: House) -> int:
    """How many MAIL and DATA the relay has seen once no more come for a second."""
    seen = -1
    while (now := sum(one["event"] in ("mail", "data") for one in house.relay.events())) != seen:
        seen = now
        time.sleep(1)
    return seen


@pytest.mark.long
def test_the_host_of_a_scheduler_is_cut_off_and_the_standby_takes_the_slot_once(
    make_town: MakeTown,
) -> None:
    town = make_town(FEW)
    house = town.house
    weekly = ("newsletter", "set", "weekly", "--timezone", "UTC", "--schedule", "thu 09:00")
    house.run(*weekly, "--undo-window", "0")
    host, first = town.start("scheduler", "--health-port", "0")
    _, standby = town.start("scheduler", "--health-port", "0", "--take-over")
    town.worker()
    until(lambda: house.query("SELECT count(*) FROM send_slots WHERE state = 'open'") == [(1,)])
    host.pull()
    began = time.monotonic()
    a_slot_is_due(house)
    house.until_states(lambda states: states == {"accepted": FEW})
    assert time.monotonic() - began < REPLACED
    host.plug()
    time.sleep(6)  # longer than from one look at the schedule to the next
    assert not first.ended, "it must go on by itself"
    assert not standby.ended
    fired = house.query("SELECT count(*) FROM send_slots WHERE state = 'fired'")
    assert fired == [(1,)]
    judge(house, copies=Counter())
    results.record("Hosts: scheduler cut off", "postgresql", messages=FEW, duplicates=0, bound=0)


def a_slot_is_due(house: House) -> None:
    """Let the slot that comes next be one that came a minute ago."""
    at = "date_trunc('minute', now()) - interval '1 minute'"
    local = f"to_char(({at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI')"
    house.query(f"UPDATE send_slots SET due_at = {at}, local_time = {local} WHERE state = 'open'")
