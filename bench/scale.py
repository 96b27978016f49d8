"""Many readers and many workers on one PostgreSQL: planning, the first mail, two and four workers
beside one, and what the database bears of a hundred.

Workers send one issue together through a delay of 20 ms, each with as many connections; what the
sink counts in a stretch in the middle is compared. A connection waits for the relay nearly all of
the time then, and sends about 48 messages a second. Four of them hold a worker, and not the two
cores that four workers share here with the sink, the delay and the database: the figure says that
workers are not in each other's way, not what two cores can send. The hundred claim and record
without SMTP (``bench.fleet``). Arguments: ``--seconds 8``, ``--rows 400000`` of the hundred,
``--readers 1000000``; ``--only`` a part of it; ``--large``: also ten million readers and as many
rows (half an hour, 10 GB).
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
from pathlib import Path

from sqlalchemy import text

from bench import fleet, tools
from bench.contestants import Ours
from bench.crowd import make_crowd
from bench.databases import fresh_databases
from bench.first_mail import first_mail
from bench.result import Figure, Result
from bench.sender_large import measured as measured_large
from bench.sending import Relay, approve, ours, plan, start
from digest.store.session import Database

_PARTS = ("workers", "fleet", "readers")
_LARGE = ("ten-million", "rows")
_WORKERS = (1, 2, 4)
_LEAST_TIMES = {2: 1.9, 4: 3.6}
_MOST_MEMORY = 120  # MB
_CONNECTIONS = 4  # of each worker
_READERS = 60_000
_ONE_WAY_MS = 10.0
_LOOK, _LOOKS = 2.0, 30  # seconds between two looks at a rate that still grows, and how many
_GROWS = 1.05  # a rate that grew by less is steady: all have begun and have their parts
_MOST_SECONDS = {1_000_000: 10.0, 10_000_000: 120.0}  # of planning
_MOST_WAIT = 2.0  # seconds from the slot to the first mail


def run(args: Sequence[str]) -> Result:
    """Seconds of planning and to the first mail; rates of workers; rows a second of a hundred."""
    parser = argparse.ArgumentParser(prog="bench scale")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--only", choices=_PARTS + _LARGE)
    given = parser.parse_args(list(args))
    load = os.getloadavg()[0]
    parts = (given.only,) if given.only else _PARTS + (_LARGE if given.large else ())
    figures: list[Figure] = []
    if "workers" in parts:
        with _one_database() as database:
            figures += _workers(database, given.seconds)
    if "fleet" in parts:
        with _one_database() as database:
            figures += fleet.measured(database, given.rows)
    if "readers" in parts:
        figures += _crowd(given.readers)
    if "ten-million" in parts:
        figures += _crowd(10_000_000, mail=False)
    if "rows" in parts:
        with _one_database() as small, tools.sink() as server:
            figures += measured_large([small], server)
    notes = {"connections of each": _CONNECTIONS, "rows of a claim": fleet.AT_ONCE, "load": load}
    return Result("scale", tuple(figures), notes=notes)


@contextmanager
def _one_database() -> Iterator[Ours]:
    with fresh_databases() as urls:
        yield Ours("postgresql", urls["postgresql"])


# Many readers.


def _crowd(readers: int, *, mail: bool = True) -> list[Figure]:
    """Planning for so many, twice, and then the first mail of a third issue."""
    with fresh_databases() as urls, tempfile.TemporaryDirectory() as folder:
        url = urls["postgresql"]
        make_crowd(url, "crowd", readers)
        limit = _MOST_SECONDS.get(readers)
        planning, _ = start(url, approve(url, "crowd"))
        figures = [Figure(f"plan {readers:,}", planning, "s", limit)]
        if mail:
            planning, overtaking = start(url, approve(url, "crowd"))
            asyncio.run(_stop_all(url))
            wait, memory = first_mail(url, "crowd", Path(folder))
            figures += [
                Figure(f"plan {readers:,} for a second issue", planning, "s", limit),
                Figure("give up the rows of the first, which all wait", overtaking, "s"),
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
