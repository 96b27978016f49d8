"""An installation whose parts are on hosts of their own, and what may happen to one of them.

The first host has PostgreSQL and the relay, each at an address of its own.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.fakes.disk import fill
from tests.fakes.hosts import Host, Network, Process
from tests.fakes.postgres import PostgresServer
from tests.scenarios.house import House
from tests.scenarios.processes import environment

REPLACED = 60.0  # seconds within which others must have gone on
PATIENCE = 180.0


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


def cut_off(town: Town, host: Host, _process: Process) -> Callable[[], None]:
    """Its cable is pulled."""
    host.pull()
    return host.plug


def without_database(town: Town, host: Host, _process: Process) -> Callable[[], None]:
    """It reaches the relay and not PostgreSQL."""
    host.lose(town.network.address)
    return lambda: host.find(town.network.address)


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


def fill_disk(town: Town) -> Path:
    """Let PostgreSQL find no room for its log; the file to take away again."""
    filler = fill(town.server.folder)
    with suppress(psycopg.Error):
        town.server.execute("SELECT pg_switch_wal()")
    return filler


def disk_full(town: Town) -> None:
    """The disk of the database is full until nothing is sent any more; then there is room."""
    filler = fill_disk(town)
    until_quiet(town.house)
    filler.unlink()
    town.server.bring_back()


def until_quiet(house: House) -> int:
    """How many MAIL and DATA the relay has seen once no more come for a second."""
    seen = -1
    while (now := sum(one["event"] in ("mail", "data") for one in house.relay.events())) != seen:
        seen = now
        time.sleep(1)
    return seen


FAULTS = {
    "worker cut off": cut_off,
    "worker without the database": without_database,
    "worker stopped": stopped,
    "worker killed": killed,
    "database restarted": database_restarted,
}


def two_schedulers(town: Town) -> tuple[Host, Process, Process]:
    """The host of one, itself, and a standby on another host, with a slot that is to come."""
    weekly = ("newsletter", "set", "weekly", "--timezone", "UTC", "--schedule", "thu 09:00")
    town.house.run(*weekly, "--undo-window", "0")
    host, first = town.start("scheduler", "--health-port", "0")
    _, standby = town.start("scheduler", "--health-port", "0", "--take-over")
    opened = "SELECT count(*) FROM send_slots WHERE state = 'open'"
    until(lambda: town.house.query(opened) == [(1,)])
    return host, first, standby


def a_slot_is_due(house: House) -> None:
    """Let the slot that comes next be one that came a minute ago."""
    at = "date_trunc('minute', now()) - interval '1 minute'"
    local = f"to_char(({at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI')"
    house.query(f"UPDATE send_slots SET due_at = {at}, local_time = {local} WHERE state = 'open'")
