"""Many readers and many workers on one PostgreSQL: planning, the first mail, two and four workers
beside one, and what the database bears of a hundred.

Workers send one issue together through a delay of 20 ms, each with as many connections. A
connection waits for the relay nearly all of the time then (about 50 messages a second), so that
eight of them hold a worker and not the processor, of which four workers, the sink and the database
need less than two cores; what the sink counts in a stretch in the middle is compared. The hundred
claim rows and record that they were accepted, in turns as real ones do, without SMTP, from two
processes on the same two cores. Arguments: ``--seconds 8``, ``--rows 200000`` of the hundred,
``--readers 1000000``; ``--large``: also ten million (half an hour, 10 GB).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import uvloop
from sqlalchemy import text

from bench import tools
from bench.contestants import Ours
from bench.crowd import make_crowd
from bench.databases import fresh_databases
from bench.first_mail import first_mail
from bench.result import Figure, Result
from bench.sender_large import measured as measured_large
from bench.sending import Relay, approve, ours, plan, start
from digest.clock import Clock
from digest.rules.delivery import REST_WAVE, DeliveryState
from digest.store.claims import claim_deliveries, take_turn_to_claim
from digest.store.deliveries import record_outcomes
from digest.store.handover import Outcome
from digest.store.session import Database

_WORKERS = (1, 2, 4)
_LEAST_TIMES = {2: 1.9, 4: 3.6}
_MOST_MEMORY = 120  # MB
_CONNECTIONS = 8  # of each worker
_READERS = 60_000
_ONE_WAY_MS = 10.0
_LOOK, _LOOKS = 2.0, 30  # seconds between two looks at a rate that still grows, and how many
_GROWS = 1.05  # a rate that grew by less is steady: all have begun and have their parts
_FLEET, _PROCESSES = 100, 2
_AT_ONCE = 500  # rows of a claim
_LEAST_ROWS = 40_000  # a second
_MOST_SECONDS = {1_000_000: 10.0, 10_000_000: 120.0}  # of planning
_MOST_WAIT = 2.0  # seconds from the slot to the first mail


def run(args: Sequence[str]) -> Result:
    """Seconds of planning and to the first mail; rates of workers; rows a second of a hundred."""
    parser = argparse.ArgumentParser(prog="bench scale")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args(list(args))
    load = os.getloadavg()[0]
    with fresh_databases() as urls:
        database = Ours("postgresql", urls["postgresql"])
        figures = _workers(database, given.seconds)
        figures.append(_fleet(database, given.rows))
    figures += _crowd(given.readers)
    if given.large:
        figures += _crowd(10_000_000, mail=False)
        with fresh_databases() as urls, tools.sink() as server:
            small = Ours("postgresql", urls["postgresql"])
            figures += measured_large([small], server)
    notes = {"connections of each": _CONNECTIONS, "rows of a claim": _AT_ONCE, "load": load}
    return Result("scale", tuple(figures), notes=notes)


# Many readers.


def _crowd(readers: int, *, mail: bool = True) -> list[Figure]:
    """Planning for so many, twice, and then the first mail of a third issue."""
    with fresh_databases() as urls, tempfile.TemporaryDirectory() as folder:
        url = urls["postgresql"]
        make_crowd(url, "crowd", readers)
        seconds = [start(url, approve(url, "crowd")) for _ in range(2 if mail else 1)]
        limit = _MOST_SECONDS.get(readers)
        figures = [
            Figure(f"plan {readers:,}, issue {number}", value, "s", limit)
            for number, value in enumerate(seconds, 1)
        ]
        if mail:
            asyncio.run(_stop_all(url))
            wait, memory = first_mail(url, "crowd", Path(folder))
            figures += [
                Figure(f"slot to first mail, {readers:,} readers", wait, "s", _MOST_WAIT),
                Figure("memory of a worker then", memory, "MB", _MOST_MEMORY),
            ]
        return figures


async def _stop_all(url: str) -> None:
    """Issues that were only planned are in nobody's way."""
    async with await Database.open(url) as db, db.begin() as session:
        await session.execute(text("UPDATE issues SET state = 'paused' WHERE state = 'sending'"))


# Workers that send.


def _workers(database: Ours, seconds: float) -> list[Figure]:
    newsletter = database.newsletter(_READERS)
    rates: dict[int, float] = {}
    memory = 0.0
    with tools.sink() as server, tools.delay_proxy(server.port, one_way_ms=_ONE_WAY_MS) as proxy:
        for count in _WORKERS:
            issue = plan(database.url, newsletter)
            relay = Relay(proxy.port, _CONNECTIONS * count)
            with _sending(database.url, issue, relay, count) as pids:
                _until_steady(server)
                began = time.perf_counter()
                time.sleep(seconds)
                sent = server.counters()["messages"]
                rates[count] = sent / (time.perf_counter() - began)
                memory = max(memory, *(tools.peak_memory(pid) for pid in pids))
            print(f"{count} workers: {rates[count]:,.0f} msg/s", file=sys.stderr)
    figures = [Figure(f"20 ms away, {n} workers", rate, "msg/s") for n, rate in rates.items()]
    figures += [
        Figure(f"{n} workers beside one", rates[n] / rates[1], "×", least, at_least=True)
        for n, least in _LEAST_TIMES.items()
    ]
    return [*figures, Figure("memory of a worker", memory, "MB", _MOST_MEMORY)]


def _until_steady(server: tools.Counting) -> None:
    """Return once what comes in grows no more: on a busy machine four workers begin slowly."""
    server.counters()
    most = 0.0
    for _ in range(_LOOKS):
        time.sleep(_LOOK)
        found = server.counters()["messages"]
        if most and found < most * _GROWS:
            return
        most = max(most, found)


@contextmanager
def _sending(url: str, issue: int, relay: Relay, count: int) -> Iterator[list[int]]:
    """So many workers that send an issue together; killed at the end."""
    program = ours(url, issue, relay)
    workers = [
        subprocess.Popen(
            program.command, env={**os.environ, **program.environment}, stdout=subprocess.DEVNULL
        )
        for _ in range(count)
    ]
    try:
        yield [worker.pid for worker in workers]
        ended = [worker.returncode for worker in workers if worker.poll() is not None]
        if ended:
            raise RuntimeError(f"workers ended too early: {ended}")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


# A hundred that only claim and record.


def _fleet(database: Ours, rows: int) -> Figure:
    issue = plan(database.url, database.newsletter(rows))
    each = _FLEET // _PROCESSES
    begun = time.perf_counter()
    with get_context("spawn").Pool(_PROCESSES) as pool:
        found = pool.starmap(
            _claim_and_record,
            [(database.url, issue, 1 + number * each, each) for number in range(_PROCESSES)],
        )
    seconds = max(end for _, _, end in found) - min(start for _, start, _ in found)
    done = sum(count for count, _, _ in found)
    if done != rows:
        raise RuntimeError(f"{done} of {rows} rows after {time.perf_counter() - begun:.0f} s")
    name = f"{_FLEET} workers that claim and record"
    return Figure(name, done / seconds, "rows/s", _LEAST_ROWS, at_least=True)


def _claim_and_record(url: str, issue: int, first: int, count: int) -> tuple[int, float, float]:
    """Rows that workers ``first`` and the ``count`` - 1 after it handled, and from when to when
    (monotonic, which all processes of a machine share).
    """
    return uvloop.run(_handled(url, issue, first, count))


async def _handled(url: str, issue: int, first: int, count: int) -> tuple[int, float, float]:
    async with await Database.open(url) as db:
        began = Clock.monotonic()
        workers = (_worker(db, issue, first + number) for number in range(count))
        return sum(await asyncio.gather(*workers)), began, Clock.monotonic()


async def _worker(db: Database, issue: int, worker_id: int) -> int:
    clock, done = Clock(), 0
    while True:
        async with db.begin() as session:
            await take_turn_to_claim(session, worker_id)
            rows = await claim_deliveries(
                session,
                worker_id=worker_id,
                issue_id=issue,
                limit=_AT_ONCE,
                now=clock.now(),
                wave=REST_WAVE,
            )
        if not rows:
            return done
        outcomes = [
            Outcome(row.row_id, row.attempts, DeliveryState.ACCEPTED, phase="dot", code=250)
            for row in rows
        ]
        async with db.begin() as session:
            done += await record_outcomes(session, worker_id, outcomes, clock.now())
