"""F6 and F5 with pages: the database is full, fails or is away while ``digest run`` sends.

Sending stops before the next message, whoever watches is told, whoever wants to leave is asked to
come again and never told what is not true, and all of it is over by itself.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.fakes.disk import fill, small_disk
from tests.fakes.relay_plan import Plan
from tests.scenarios import results, tracing
from tests.scenarios.conftest import MakeHouse, MakeOwnHouse
from tests.scenarios.house import House, address
from tests.scenarios.oracle import judge
from tests.scenarios.service import Service

READERS, CONNECTIONS, UNRECORDED = 200, 4, 20
SLOW = Plan(pause=0.01)
LEAVER = address(READERS - 1)
DISK = "6m"
ON_SQLITE_ONLY = pytest.mark.parametrize("dialect", ["sqlite"])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with ExitStack() as stack:
        try:
            stack.enter_context(small_disk(folder, DISK))
        except OSError as error:
            missing(str(error))
        yield folder


def begin(house: House) -> Service:
    """A service in the middle of an issue, that may have few outcomes unrecorded."""
    house.settings["DIGEST_SENDER__UNRECORDED"] = str(UNRECORDED)
    service = Service.start(house)
    house.run("issue", "send", "182", "--newsletter", "weekly")
    house.relay.until_taken(50)
    assert service.leave(address(0)).status == 200  # and now the service knows everybody's link
    return service


def holds_out(service: Service, *, before: int) -> None:
    """While the database takes nothing: little is sent, and nobody is told a lie."""
    watched = service.until_ready(lambda answer: answer.status == 503)
    assert "database" in watched.json["failing"]
    assert watched.retry_after
    assert service.ask("/healthz").status == 200
    for _ in range(3):
        refused = service.leave(LEAVER)
        assert (refused.status, bool(refused.retry_after)) == (503, True), refused
    stays = service.house.relay.taken_so_far
    assert stays - before <= 2 * UNRECORDED  # some were recorded before it failed
    assert stays < READERS
    assert service.leave(LEAVER).status == 503
    assert service.house.relay.taken_so_far == stays, "it went on sending"


def ends_well(service: Service) -> int:
    """It goes on by itself; how many second copies there are."""
    house = service.house
    service.until_ready(lambda answer: answer.status == 200)
    assert service.leave(LEAVER).status == 200
    house.until_states(lambda states: not set(states) & {"queued", "sending", "deferred"})
    house.until_over()
    service.stop()
    return judge(house, copies=Counter()).duplicates


@ON_SQLITE_ONLY
def test_a_full_disk_stops_the_sending_and_nobody_who_leaves_is_told_a_lie(
    make_house: MakeHouse, dialect: str, disk: Path
) -> None:
    house = make_house(READERS, SLOW, connections=CONNECTIONS)
    path = disk / "digest.db"
    shutil.copyfile(house.database_url.removeprefix("sqlite:///"), path)
    house.database_url = f"sqlite:///{path}"
    service = begin(house)
    before, filler = house.relay.taken_so_far, fill(disk)
    holds_out(service, before=before)
    filler.unlink()
    copies = ends_well(service)
    results.record("F6 disk full, with pages", dialect, messages=READERS, duplicates=copies)


@pytest.mark.long
@ON_SQLITE_ONLY
def test_a_disk_that_fails_stops_the_sending_and_nobody_who_leaves_is_told_a_lie(
    make_house: MakeHouse, dialect: str, strace: str, tmp_path: Path
) -> None:
    house = make_house(READERS, SLOW, connections=CONNECTIONS)
    service = begin(house)
    calls = "fsync,fdatasync"
    options = ("-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO")
    before = house.relay.taken_so_far
    trace = tracing.attach([service.child.pid], strace, *options, log=tmp_path / "strace.log")
    holds_out(service, before=before)
    trace.stop()
    copies = ends_well(service)
    results.record("F6 fsync EIO, with pages", dialect, messages=READERS, duplicates=copies)


@pytest.mark.long
def test_a_server_that_is_away_stops_the_sending_and_nobody_who_leaves_is_told_a_lie(
    make_own_house: MakeOwnHouse,
) -> None:
    house, server = make_own_house(READERS, SLOW, connections=CONNECTIONS)
    service = begin(house)
    before = house.relay.taken_so_far
    server.halt()
    holds_out(service, before=before)
    server.start()
    copies = ends_well(service)
    results.record(
        "F5 database away, with pages", "postgresql", messages=READERS, duplicates=copies
    )
