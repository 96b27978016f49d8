"""What a database bears of a hundred workers: rows claimed, and rows recorded as accepted.

The workers live in two processes on the database's own two cores, claim in turns as real ones do,
and send nothing. What is counted is a stretch in the middle: connections are open by then, and all
still have rows to claim. A delivery is two rows to the database, one claimed and one recorded;
the figures say each. Both sides' processor time says more than the rates do on a busy machine.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import Self, TypeAlias

import uvloop

from bench.contestants import Ours
from bench.result import Figure
from bench.sending import plan
from digest.clock import Clock
from digest.rules.delivery import REST_WAVE, DeliveryState
from digest.store.claims import claim_deliveries, take_turn_to_claim
from digest.store.deliveries import record_outcomes
from digest.store.handover import Outcome
from digest.store.session import Database

AT_ONCE = 500  # rows of a claim
_FLEET, _PROCESSES = 100, 2
_LEAST_ROWS = 40_000  # a second
_STRETCH = (0.2, 0.8)  # of the rows recorded: where it begins, and where it ends
_LOOK = 0.02  # seconds
_TICKS = os.sysconf("SC_CLK_TCK")

Counters: TypeAlias = "SynchronizedArray[int]"  # rows claimed, and recorded, by all


@dataclass(frozen=True, slots=True)
class _Seen:
    """How far everything was at a moment; processor in seconds."""

    at: float
    claimed: int
    recorded: int
    database: float
    clients: float

    @classmethod
    def now(cls, rows: Counters, server: int, clients: list[SpawnProcess]) -> Self:
        used = sum(_used(client.pid or 0) for client in clients)
        return cls(Clock.monotonic(), rows[0], rows[1], _used_by_server(server), used)


def measured(database: Ours, rows: int) -> list[Figure]:
    """Rows a second, claimed and recorded, and what a delivery costs both sides."""
    issue = plan(database.url, database.newsletter(rows))
    server = asyncio.run(_server(database.url))
    context = get_context("spawn")
    counters = context.Array("q", 2)
    each = _FLEET // _PROCESSES
    clients = [
        context.Process(target=_work, args=(database.url, issue, 1 + number * each, each, counters))
        for number in range(_PROCESSES)
    ]
    for client in clients:
        client.start()
    seen = []
    for share in _STRETCH:
        _until(counters, round(rows * share), clients)
        seen.append(_Seen.now(counters, server, clients))
    for client in clients:
        client.join()
    if (counters[0], counters[1]) != (rows, rows):
        raise RuntimeError(f"{counters[0]} rows claimed and {counters[1]} recorded, of {rows}")
    return _figures(*seen)


def _figures(first: _Seen, last: _Seen) -> list[Figure]:
    seconds = last.at - first.at
    claims = (last.claimed - first.claimed) / seconds
    outcomes = (last.recorded - first.recorded) / seconds
    deliveries = outcomes * seconds
    name = f"{_FLEET} workers"
    return [
        Figure(f"{name}, claims", claims, "rows/s", _LEAST_ROWS, at_least=True),
        Figure(f"{name}, outcomes", outcomes, "rows/s", _LEAST_ROWS, at_least=True),
        Figure(
            f"{name}, claims and outcomes together",
            claims + outcomes,
            "rows/s",
            _LEAST_ROWS,
            at_least=True,
        ),
        Figure(
            "processor of the database for a delivery, claimed and recorded",
            (last.database - first.database) / deliveries * 1e6,
            "µs",
        ),
        Figure(
            "processor of the workers for it",
            (last.clients - first.clients) / deliveries * 1e6,
            "µs",
        ),
    ]


def _until(counters: Counters, recorded: int, clients: list[SpawnProcess]) -> None:
    while counters[1] < recorded:
        if all(client.exitcode is not None for client in clients):
            raise RuntimeError("the workers ended early")
        time.sleep(_LOOK)


# Processor time.


async def _server(url: str) -> int:
    """The process that all others of this PostgreSQL are children of."""
    async with await Database.open(url) as db, db.read() as session:
        backend = (await session.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
    return int(_stat(backend)[1])


def _used_by_server(server: int) -> float:
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    ended = sum(map(int, _stat(server)[13:15])) / _TICKS  # of children that are no more
    return ended + sum(_used(pid) for pid in [server, *map(int, children)])


def _used(pid: int) -> float:
    """Seconds of the processor that a process has used; 0 once it is gone."""
    try:
        return sum(map(int, _stat(pid)[11:13])) / _TICKS
    except FileNotFoundError:
        return 0.0


def _stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5), from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


# The workers, in a process of their own.


def _work(url: str, issue: int, first: int, count: int, counters: Counters) -> None:
    """Workers ``first`` and the ``count`` - 1 after it, until nothing is left to claim."""
    uvloop.run(_all(url, issue, range(first, first + count), counters))


async def _all(url: str, issue: int, workers: range, counters: Counters) -> None:
    async with await Database.open(url) as db:
        await asyncio.gather(*(_worker(db, issue, one, counters) for one in workers))


async def _worker(db: Database, issue: int, worker_id: int, counters: Counters) -> None:
    clock = Clock()
    while True:
        async with db.begin() as session:
            await take_turn_to_claim(session, worker_id)
            rows = await claim_deliveries(
                session,
                worker_id=worker_id,
                issue_id=issue,
                limit=AT_ONCE,
                now=clock.now(),
                wave=REST_WAVE,
            )
        if not rows:
            return
        _count(counters, 0, len(rows))
        outcomes = [
            Outcome(row.row_id, row.attempts, DeliveryState.ACCEPTED, phase="dot", code=250)
            for row in rows
        ]
        async with db.begin() as session:
            done = await record_outcomes(session, worker_id, outcomes, clock.now())
        _count(counters, 1, done)


def _count(counters: Counters, which: int, rows: int) -> None:
    with counters.get_lock():
        counters[which] += rows
