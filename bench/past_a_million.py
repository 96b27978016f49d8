"""How long ten million readers take: a simulation from figures that were measured, not a run.

What it knows of one worker and one database are the figures of bench/README.md (``MEASURED``).
What it works out is how many of them get along: claims stand in line for two turns, a turn lasts
two round trips to the database, claims and outcomes share its processors, relays are paced, and a
worker stops where outcomes are on their way for longer than 200 ms. Every layout is a number of
shards that have nothing in common; nobody fails, and nothing is deferred. ``--page`` prints the
table that docs/explanation/past-a-million.md has.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.result import Figure, Result
from digest.delivery.feeder import CLAIM_MOST, CLAIM_SECONDS
from digest.delivery.recorder import GROUP_MAX

MILLION = 1_000_000
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one of each does, on two shared cores."""

    worker: float = 3_000  # messages/s of 64 KB, signed (bench sender, dkim)
    planning: float = 6.1e-6  # seconds for a row (bench plan)
    claim: float = 19e-6  # seconds of the database's processor for a row of a large claim
    outcome: float = 26e-6  # the same for its outcome; both: 44 and 45 µs (bench scale)
    cores: int = 2  # of the database
    turns: int = 2  # claims at a time (store.claims)
    unrecorded: int = 500  # outcomes that may wait (promise 2)
    unrecorded_seconds: float = 0.2


MEASURED = Measured()


@dataclass(frozen=True, slots=True)
class Layout:
    """Shards that are all alike, and how far apart their parts are (round trips, in seconds)."""

    name: str
    readers: int
    shards: int = 1
    workers: int = 4  # of each shard
    relays: int = 1  # of each shard
    relay_rate: float = 1_000.0  # messages/s one relay takes
    connections: int = 50  # of each worker, to all of its relays
    to_relay: float = 0.001
    to_database: float = 0.001
    apart: float = 0.0  # hours between the send slots of one shard and the next


_TEN = Layout("10 M, 10 relays, 10 workers", 10 * MILLION, workers=10, relays=10)
LAYOUTS = (
    Layout("1 M, a provider's relay of 100/s", MILLION, relay_rate=100),
    Layout("1 M, a relay of your own of 1,000/s", MILLION),
    Layout("10 M, the same", 10 * MILLION),
    _TEN,
    replace(_TEN, name="10 M, 30 relays, 20 workers", workers=20, relays=30),
    replace(_TEN, name="10 M, 60 relays, 40 workers", workers=40, relays=60),
    replace(_TEN, name="10 M in 5 shards of 12 relays, 8 workers", shards=5, workers=8, relays=12),
    replace(_TEN, name="10 M, 10 and 10, workers 20 ms from the relays", to_relay=0.020),
    replace(_TEN, name="10 M, 10 and 10, workers 150 ms from the relays", to_relay=0.150),
    replace(_TEN, name="10 M, 10 and 10, workers 30 ms from the database", to_database=0.030),
    replace(_TEN, name="10 M, 10 and 10, workers 100 ms from the database", to_database=0.100),
    replace(_TEN, name="30 M in 3 regions 7 h apart", readers=30 * MILLION, shards=3, apart=7.0),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a layout ends: seconds from the (first) slot, of which ``planning`` come before most."""

    seconds: float
    planning: float
    rate: float  # messages/s of one shard while it sends
    busy: float  # the part of the database's processors that was used


@dataclass
class _Database:
    """One database: until when its turns are taken, and when its processors have done all that was
    asked of them.
    """

    round_trip: float
    turns: list[float] = field(default_factory=lambda: [0.0] * MEASURED.turns)
    done_at: float = 0.0
    used: float = 0.0

    def work(self, at: float, seconds: float) -> float:
        """Have a processor do something; how long that takes, with what was asked before."""
        wait = max(self.done_at - at, 0.0)
        self.done_at = max(at, self.done_at) + seconds / MEASURED.cores
        self.used += seconds
        return wait + seconds

    def claim(self, at: float, rows: int) -> float:
        """Wait for a turn and claim; when the worker has its rows."""
        turn = max(at + self.round_trip / 2, heapq.heappop(self.turns))
        asked = turn + self.round_trip  # it is told that it has the turn, and asks
        done = asked + self.work(at, rows * MEASURED.claim)
        heapq.heappush(self.turns, done + self.round_trip)  # and commits
        return done + self.round_trip * 1.5


def simulate(layout: Layout) -> Outcome:
    """One shard of a layout, from its slot to its last message."""
    readers = layout.readers // layout.shards
    database, rate = _Database(layout.to_database), worker_rate(layout)
    most = max(2 * layout.connections, round(CLAIM_SECONDS * rate))  # as delivery.feeder has it
    batch = min(most, CLAIM_MOST) // 2  # it asks for more when half of it is left
    planned = readers * MEASURED.planning  # the canary goes meanwhile, and is not counted
    left, last = readers, planned
    # Each worker: when it asks for more, and until when it has something to send.
    asking = [(planned, number, planned) for number in range(layout.workers)]
    heapq.heapify(asking)
    while left and asking:
        at, number, empty = heapq.heappop(asking)
        rows = min(batch, left)
        left -= rows
        database.work(at, rows * MEASURED.outcome)  # of as many, sent before
        empty = max(database.claim(at, rows), empty) + rows / rate
        last = max(last, empty)
        heapq.heappush(asking, (max(at, empty - rows / rate), number, empty))
    seconds = last + layout.apart * HOUR * (layout.shards - 1)
    sending = last - planned
    busy = database.used / (MEASURED.cores * sending)
    return Outcome(seconds, planned, readers / sending, busy)


def worker_rate(layout: Layout) -> float:
    """Messages/s of one worker that always has rows: what its processor, its connections, its part
    of the relays and the outcomes on their way allow.
    """
    paced = layout.relays * layout.relay_rate / layout.workers
    by_relay = layout.connections / layout.to_relay  # a message for each round trip
    rate = min(MEASURED.worker, by_relay, paced)
    latency = 2 * layout.to_database + GROUP_MAX * MEASURED.outcome  # of a group, with its commit
    return rate * may_send(rate, latency)


def may_send(rate: float, latency: float, *, step: float = 0.001, seconds: float = 5.0) -> float:
    """The part of the time in which a worker may begin messages, whose outcomes are written group
    after group, each within ``latency`` seconds (``delivery.recorder``).
    """
    waiting: list[tuple[float, float]] = []  # since when, how many
    group: list[tuple[float, float]] = []
    done_at = sent = 0.0
    for tick in range(round(seconds / step)):
        now = tick * step
        if group and now >= done_at:
            group = []
        if not group and waiting:
            group, waiting, done_at = waiting, [], now + latency
        oldest = (group or waiting or [(now, 0.0)])[0][0]
        many = sum(count for _, count in group) + sum(count for _, count in waiting)
        if now - oldest <= MEASURED.unrecorded_seconds and many < MEASURED.unrecorded:
            waiting.append((now, rate * step))
            sent += rate * step
    return sent / (rate * seconds)


def run(args: Sequence[str]) -> Result:
    """Hours to deliver, by layout."""
    if "--page" in args:
        print(table())
    figures = tuple(Figure(layout.name, simulate(layout).seconds / 60, "min") for layout in LAYOUTS)
    return Result("past_a_million", figures, notes={"a simulation from": str(MEASURED)})


def table() -> str:
    """The layouts as a page shows them."""
    head = "| layout | messages/s of a shard | its database is busy | from the slot to the last |"
    lines = [head, "|---|--:|--:|--:|"]
    for layout in LAYOUTS:
        found = simulate(layout)
        cells = (layout.name, f"{_round(found.rate):,}", f"{found.busy:.0%}", _span(found.seconds))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _round(number: float) -> int:
    """Two digits: more would claim what a reckoning cannot know."""
    return int(round(number, 2 - len(str(int(number)))))


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{seconds / HOUR:.1f} h"
