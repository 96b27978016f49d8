"""The two processes beside the demo's own: the relay that keeps everything, and the sender.

They are real processes, so that the sender can be killed as a machine's crash would, and the relay
is a witness that shares no memory with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import digest
from digest.delivery.ledger import LEDGER
from digest.errors import DigestError

CAPTURE = "capture"  # the folder in the demo's folder that the relay writes to
LOOK = 0.002  # seconds between two looks at the ledger: a kill comes a few messages late
START_WITHIN = 30.0  # seconds
PATIENCE = 10.0  # seconds a process that was asked to end may take
# With kills, the relay takes its time, so that every kill finds mail on its way.
SECONDS_PER_KILL = 0.3
SLOWEST, FASTEST = 100.0, 5_000.0  # messages per second
WATCHED_SECONDS, SLOWEST_WATCHED = 25.0, 20.0  # how long an issue takes that somebody watches
EARLIEST, LATEST = 0.03, 0.85  # kills come between these shares of the issue


@dataclass(slots=True)
class LedgerTail:
    """Counts the lines of a growing ledger without reading any twice."""

    path: Path
    lines: int = 0
    _offset: int = 0

    def count(self) -> int:
        """Recipients the relay has answered so far."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self._offset)
            while chunk := file.read(1 << 20):
                self.lines += chunk.count(b"\n")
                self._offset += len(chunk)
        return self.lines


@dataclass(frozen=True, slots=True)
class SentBy:
    """How long sending took, over all its processes, and how many of them were killed at work."""

    seconds: float
    kills: int


@dataclass(slots=True)
class DemoProcesses:
    """What the processes of one demo share: a folder, an environment, a ledger."""

    folder: Path
    environment: dict[str, str]
    readers: int
    kills: int = 0
    tail: LedgerTail = field(init=False)

    def __post_init__(self) -> None:
        self.tail = LedgerTail(self.capture / LEDGER)

    @property
    def capture(self) -> Path:
        """The folder the relay writes to."""
        return self.folder / CAPTURE


def clean_environment(**ours: str) -> dict[str, str]:
    """This process's environment without any setting of an installation, and with ``ours``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    package = str(Path(digest.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH"))))
    return kept | ours | {"PYTHONPATH": path}


@asynccontextmanager
async def capture_relay(demo: DemoProcesses, *, refusing: bool = True) -> AsyncIterator[str]:
    """The relay in a process of its own; yields the URL to send to.

    ``refusing``: it does so to some addresses, as relays do; then it is as fast as can be, unless
    it shall be killed. Otherwise it takes its time, so that there is something to watch.
    """
    rate = 0.0 if refusing else max(SLOWEST_WATCHED, demo.readers / WATCHED_SECONDS)
    if demo.kills and refusing:
        rate = min(FASTEST, max(SLOWEST, demo.readers / (SECONDS_PER_KILL * (demo.kills + 1))))
    process = await start_process(
        demo,
        *("digest.delivery.sinks", "--folder", str(demo.capture), "--rate", str(rate)),
        *(() if refusing else ("--rejected", "0", "--deferred", "0")),
        stdin=PIPE,  # it ends when this closes, even if this process is killed
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_WITHIN)
        if not line.strip().isdigit():
            raise DigestError("The demo's relay did not start.", where=str(demo.capture))
        yield f"smtp://127.0.0.1:{int(line)}?tls=none&connections=8"
    finally:
        await end_process(process)


async def send_through_relay(
    demo: DemoProcesses, issue: str, *, progress: Callable[[int], None]
) -> SentBy:
    """Send to a relay of our own, killing the sending process ``demo.kills`` times meanwhile.

    Raises DigestError with what the process said where it fails by itself.
    """
    async with capture_relay(demo) as url:
        demo.environment["DIGEST_RELAY_URL"] = url
        return await _send(demo, issue, progress=progress)


async def _send(demo: DemoProcesses, issue: str, *, progress: Callable[[int], None]) -> SentBy:
    moments = _moments(demo.readers, demo.kills)
    killed = 0
    began = time.monotonic()
    while True:
        process = await start_process(
            demo,
            *("digest", "issue", "send", issue, "--wait", "--no-retries", "--json"),
            stderr=PIPE,
        )
        try:
            moment = moments[killed] if killed < demo.kills else None
            output = asyncio.create_task(process.communicate())
            if await _watch(demo, output, moment, progress):
                process.kill()
            stdout, stderr = await output
        finally:
            await end_process(process)
        if process.returncode == -9:
            killed += 1
            continue
        if process.returncode != 0:
            raise _failed(stderr)
        if demo.kills:
            return SentBy(time.monotonic() - began, killed)
        return SentBy(json.loads(stdout)["seconds"], killed)


def _moments(readers: int, kills: int) -> list[int]:
    """After how many answered recipients each kill comes: at random, at least one apart."""
    first, last = max(1, int(readers * EARLIEST)), max(1, int(readers * LATEST))
    span = range(first, last + 1)
    if len(span) < kills:
        raise DigestError(
            f"{readers} readers are too few for {kills} kills.", where="--kill", fix="Take more."
        )
    return sorted(random.SystemRandom().sample(span, kills))


async def _watch(
    demo: DemoProcesses,
    output: asyncio.Task[tuple[bytes, bytes]],
    moment: int | None,
    progress: Callable[[int], None],
) -> bool:
    """Follow a sending process; True when its moment has come before it was done."""
    while not output.done():
        answered = demo.tail.count()
        progress(min(answered, demo.readers))
        if moment is not None and answered >= moment:
            return True
        await asyncio.wait((output,), timeout=LOOK if moment is not None else 0.05)
    progress(min(demo.tail.count(), demo.readers))
    return False


async def start_process(
    demo: DemoProcesses, *command: str, stdin: int = DEVNULL, stderr: int | None = None
) -> Process:
    """Start a module of ours in the demo's folder and environment; ``end_process`` ends it."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command),
        cwd=demo.folder,  # no .env of the caller's is read there
        env=demo.environment,
        stdin=stdin,
        stdout=PIPE,
        stderr=stderr,
    )


async def end_process(process: Process) -> None:
    """End a process that may have ended, without leaving it behind whatever happens."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except (TimeoutError, asyncio.CancelledError):
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise


def _failed(stderr: bytes) -> DigestError:
    """The sending process's own error, from the last line it wrote."""
    lines = stderr.decode(errors="replace").strip().splitlines() or [""]
    try:
        told = json.loads(lines[-1])
        return DigestError(f"Sending failed: {told['message']}", where=told["where"])
    except (ValueError, KeyError, TypeError):
        return DigestError(f"Sending failed: {lines[-1]}")
