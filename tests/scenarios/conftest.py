"""What the scenarios of faults share: installations to copy, a relay, a seed that is printed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.fakes.disk import small_disk
from tests.fakes.hosts import Network, can_have_hosts
from tests.fakes.postgres import PostgresServer, find_binaries
from tests.fakes.relay_plan import Plan
from tests.scenarios.house import House, Houses, furnish
from tests.scenarios.prefork import Prefork
from tests.scenarios.relays import RelayProcess
from tests.scenarios.town import MakeTown, Town

SEED = "DIGEST_TEST_SEED"

MakeHouse = Callable[..., House]
MakeOwnHouse = Callable[..., tuple[House, PostgresServer]]

# What is about the relay is shown on one database in ./run scenarios, and on both in ./run long.
ON_SQLITE = pytest.mark.parametrize(
    "dialect", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)]
)
ON_POSTGRESQL = pytest.mark.parametrize(
    "dialect", ["postgresql", pytest.param("sqlite", marks=pytest.mark.long)]
)


def short(cases: Sequence[Any], *few: Any) -> list[Any]:
    """``cases`` for parametrize: all but a ``few`` are left to ./run long."""
    return [case if case in few else pytest.param(case, marks=pytest.mark.long) for case in cases]


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number for this test's chance; ``DIGEST_TEST_SEED`` repeats a run that failed."""
    chosen = int(os.environ.get(SEED) or random.SystemRandom().randrange(1 << 32))
    # Shown on failure.
    print(f"to repeat: {SEED}={chosen} ./run test -m '' '{request.node.nodeid}'")
    return chosen


@pytest.fixture(scope="session")
def prefork(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefork]:
    """The parent of this session's commands."""
    with Prefork(tmp_path_factory.mktemp("commands"), {}) as parent:
        yield parent


@pytest.fixture(scope="session")
def houses(
    prefork: Prefork, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Houses:
    """The maker of installations."""
    return Houses(tmp_path_factory.mktemp("houses"), prefork)


@pytest.fixture
def make_house(
    houses: Houses, dialect: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[MakeHouse]:
    """Makes one installation of the test's dialect, with a relay of its own; all go at its end."""
    if dialect == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        houses.postgres = server
    with ExitStack() as stack:

        def make(
            readers: int,
            plan: Plan | None = None,
            *,
            certificate: Path | None = None,
            **keys: object,
        ) -> House:
            relay = RelayProcess(tmp_path / "relay", plan or Plan(), certificate)
            stack.enter_context(relay)
            keywords: dict[str, Any] = keys  # of the relay's URL, or the text
            return stack.enter_context(houses.house(dialect, readers, relay, **keywords))

        yield make


@pytest.fixture
def make_own_house(prefork: Prefork, tmp_path: Path) -> Iterator[MakeOwnHouse]:
    """Makes one installation on a server of PostgreSQL of its own, which may be stopped."""
    binaries = find_binaries()
    if binaries is None:
        missing("no binaries of PostgreSQL")
    with ExitStack() as stack:

        def make(
            readers: int, plan: Plan, *, durable: bool = False, **keys: object
        ) -> tuple[House, PostgresServer]:
            server = stack.enter_context(PostgresServer(binaries, durable=durable))
            relay = stack.enter_context(RelayProcess(tmp_path / "relay", plan))
            server.create_database("own")
            furnish(prefork, server.url("own"), folder=tmp_path, readers=readers)
            return House(tmp_path, server.url("own"), readers, relay, prefork, keys), server

        yield make


@pytest.fixture
def make_town(prefork: Prefork, tmp_path: Path) -> Iterator[MakeTown]:
    """Makes the installation of a test on hosts of their own, which go at the end."""
    binaries = find_binaries()
    if binaries is None:
        missing("no binaries of PostgreSQL")
    if not can_have_hosts():
        missing(
            "no network namespaces can be made here: that takes root, ip and a kernel with them"
        )
    with ExitStack() as stack:

        def make(readers: int, plan: Plan, *, disk: str = "", **keys: object) -> Town:
            network = stack.enter_context(Network())
            server = PostgresServer(binaries, address=network.address, durable=bool(disk))
            if disk:
                stack.enter_context(small_disk(server.folder, disk))
            stack.enter_context(server)
            relay = RelayProcess(tmp_path / "relay", plan, host=network.other_address)
            stack.enter_context(relay)
            server.create_database("own")
            furnish(prefork, server.url("own"), folder=tmp_path, readers=readers)
            house = House(tmp_path, server.url("own"), readers, relay, prefork, keys)
            town = Town(network, server, house)
            stack.callback(town.end)
            return town

        yield make


@pytest.fixture(scope="session")
def strace() -> str:
    """The program that kills at a system call."""
    path = shutil.which("strace")
    if path is None:
        missing("no strace on the PATH")
    return path
