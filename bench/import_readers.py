"""Importing a file of a million readers: seconds and memory, on both databases.

A generated CSV: three quarters of the readers at 20 large domains, the rest at 100,000 small ones.
Each import runs in a process of its own, so that the peak of its memory is its own.
Arguments: ``--rows N`` (default 1,000,000).
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.databases import fresh_databases, the_newsletter
from bench.result import Figure, Result
from digest.audience.transfer import import_readers
from digest.clock import Clock
from digest.store.session import Database

SECONDS = 60.0
MEGABYTES = 200.0
_ROWS = 1_000_000


def run(args: Sequence[str]) -> Result:
    """Import the file twice into each database: everybody is new, then nobody is."""
    rows = int(args[args.index("--rows") + 1]) if "--rows" in args else _ROWS
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        file = Path(folder) / "readers.csv"
        write_readers(file, rows)
        with fresh_databases() as urls:
            for kind, url in urls.items():
                first, again = _import(url, file), _import(url, file)
                assert (first["imported"], again["imported"]) == (rows, 0), (first, again)
                figures += [
                    Figure(f"{kind}, seconds", first["seconds"], "s", SECONDS),
                    Figure(f"{kind}, peak memory", first["megabytes"], "MB", MEGABYTES),
                    Figure(f"{kind}, the same file again", again["seconds"], "s", SECONDS),
                ]
        notes = {"rows": rows, "file": f"{file.stat().st_size / 1e6:.0f} MB"}
    return Result("import_readers", tuple(figures), notes=notes)


def write_readers(file: Path, rows: int) -> None:
    """Write ``rows`` made-up readers, the same on every run."""
    chance = random.Random(20261126)
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write("email,name\r\n")
        for number in range(rows):
            size, small = chance.random(), chance.randrange(100_000)
            domain = f"mail{small % 20}.example.com" if size < 0.75 else f"of{small}.example.org"
            out.write(f"reader.{number}@{domain},Reader {number}\r\n")


def _import(url: str, file: Path) -> dict[str, float]:
    child = [sys.executable, "-m", "bench.import_readers", url, str(file)]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


async def _measured(url: str, file: Path) -> dict[str, float]:
    async with await Database.open(url) as db:
        newsletter = await the_newsletter(db)
        begun = time.perf_counter()
        with file.open("rb") as data:
            report = await import_readers(db, newsletter, data, consent="bench", clock=Clock())
        seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"imported": report.imported, "seconds": seconds, "megabytes": peak}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measured(sys.argv[1], Path(sys.argv[2])))))
