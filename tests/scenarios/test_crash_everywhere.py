"""F1: a sender is killed at every system call of a batch of fifty messages (promises 1 and 2).

Each killed run is followed by one that completes it; then the oracle demands that exactly those
messages went out twice that the relay had taken and the database did not know at the kill.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.postgres import PostgresServer
from tests.scenarios import results, tracing
from tests.scenarios.house import House, Houses
from tests.scenarios.oracle import Doubt, judge
from tests.scenarios.prefork import Prefork
from tests.scenarios.relays import RelayProcess

READERS, CONNECTIONS, UNRECORDED = 50, 2, 10
CLEAN_RUNS = 5
ATTEMPTS = 10  # runs until one comes as far as the call at which it is to be killed
REACHED = 0.95  # of the calls, where the machine is so busy that a sender wakes up less often
SAMPLE = 4  # kills in ./run scenarios
SHARDS = 2

Point = tuple[str, int]  # a system call and its ordinal


@dataclass(frozen=True, slots=True)
class Bench:
    """What one shard works with."""

    houses: Houses
    dialect: str
    prefork: Prefork
    relay: RelayProcess
    strace: str
    log: Path

    @contextmanager
    def house(self) -> Iterator[House]:
        self.relay.begin_anew()
        with self.houses.house(
            self.dialect, READERS, self.relay, prefork=self.prefork, connections=CONNECTIONS
        ) as house:
            house.settings["DIGEST_SENDER__UNRECORDED"] = str(UNRECORDED)
            yield house

    def points(self) -> list[Point]:
        """Every call a clean run makes for certain."""
        counts = []
        for _ in range(CLEAN_RUNS):
            with self.house() as house:
                child = house.begin_send(stopped=True)
                counts.append(tracing.count(child, self.strace, log=self.log))
                judge(house)
        least = counts[0]
        for one in counts[1:]:
            least &= one
        return [(call, number) for call in tracing.CALLS for number in range(1, least[call] + 1)]

    def kill(self, point: Point) -> int | None:
        """Kill a run there and complete it; how many second copies that made.

        None where no run makes that many calls: a sender that wakes up less often on a machine that
        is busier needs fewer, and then its last ones were killed at already.
        """
        for _ in range(ATTEMPTS):
            with self.house() as house:
                child = house.begin_send(stopped=True)
                code = tracing.kill_at(child, self.strace, *point, log=self.log)
                if code == 0:
                    continue  # this time it needed fewer calls
                assert code == -9, (point, code, child.err)
                doubt = Doubt(house)
                unknown = doubt.after_kill()
                assert unknown <= UNRECORDED, (point, unknown)
                totals = house.send()
                assert totals["accepted"] == READERS, (point, totals)
                return judge(house, copies=doubt.copies).duplicates
        return None


@contextmanager
def a_bench(houses: Houses, dialect: str, folder: Path, strace: str) -> Iterator[Bench]:
    folder.mkdir()
    with Prefork(folder / "commands", {}) as prefork, RelayProcess(folder / "relay") as relay:
        yield Bench(houses, dialect, prefork, relay, strace, folder / "strace.log")


def kill_at_each(
    houses: Houses, dialect: str, folder: Path, *, strace: str, points: Sequence[Point]
) -> list[int]:
    """Kill one run at each of ``points``, in several shards; the second copies of each kill."""

    def shard(number: int) -> list[int | None]:
        with a_bench(houses, dialect, folder / f"shard{number}", strace) as bench:
            return [bench.kill(point) for point in points[number::SHARDS]]

    in_turn = [point for number in range(SHARDS) for point in points[number::SHARDS]]
    with ThreadPoolExecutor(SHARDS) as pool:
        kills = [copies for found in pool.map(shard, range(SHARDS)) for copies in found]
    killed = [copies for copies in kills if copies is not None]
    print(f"{len(killed)} of {len(points)} calls")
    unreached = [point for point, copies in zip(in_turn, kills, strict=True) if copies is None]
    assert len(killed) >= REACHED * len(points), f"no run came to {unreached}"
    return killed


@pytest.fixture
def ready_houses(houses: Houses, dialect: str, request: pytest.FixtureRequest) -> Houses:
    if dialect == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        houses.postgres = server
    return houses


@pytest.fixture(scope="module")
def counted() -> dict[str, list[Point]]:
    """The calls of a clean run, by database; filled where they are first needed."""
    return {}


@pytest.fixture
def clean_points(
    counted: dict[str, list[Point]],
    ready_houses: Houses,
    dialect: str,
    tmp_path: Path,
    strace: str,
) -> list[Point]:
    if dialect not in counted:
        with a_bench(ready_houses, dialect, tmp_path / "clean", strace) as bench:
            counted[dialect] = bench.points()
        assert len(counted[dialect]) > 400, "a batch makes more system calls than that"
    return counted[dialect]


def test_killed_at_some_system_calls_nobody_is_lost(
    clean_points: list[Point],
    ready_houses: Houses,
    dialect: str,
    tmp_path: Path,
    strace: str,
    seed: int,
) -> None:
    sample = random.Random(seed).sample(clean_points, SAMPLE)
    print(sample)
    kill_at_each(ready_houses, dialect, tmp_path, strace=strace, points=sample)


@pytest.mark.long
@pytest.mark.parametrize("call", tracing.CALLS)
def test_killed_at_every_system_call_nobody_is_lost(
    clean_points: list[Point],
    ready_houses: Houses,
    dialect: str,
    tmp_path: Path,
    strace: str,
    call: str,
) -> None:
    points = [point for point in clean_points if point[0] == call]
    kills = kill_at_each(ready_houses, dialect, tmp_path, strace=strace, points=points)
    results.record(
        "F1 SIGKILL at every system call of 50 messages",
        dialect,
        runs=len(kills),
        kills=len(kills),
        messages=len(kills) * READERS,
        duplicates=sum(kills),
        bound=len(kills) * UNRECORDED,
    )
