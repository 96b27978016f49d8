"""Killing, or failing, a process at its n-th system call of a kind, by strace.

strace counts for each thread by itself: call n of a kind is the first at which some thread makes
its n-th. The order in which threads run is the kernel's, so a count may differ by a few from run to
run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.prefork import Child

# What a sender does to the world: pwrite64 is how SQLite writes, the others are of the design.
CALLS = (
    *("read", "write", "writev", "recvfrom", "recvmsg", "sendto", "sendmsg"),
    *("fsync", "fdatasync", "pwrite64"),
)
_CALL = re.compile(r"^(\d+)\s+(\w+)\(")
PATIENCE = 60.0  # seconds


@dataclass(slots=True)
class Trace:
    """strace on a command, until the command ends or ``stop``."""

    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Let the command run on without it."""
        self.process.send_signal(signal.SIGTERM)
        self.wait()

    def wait(self) -> None:
        """Return once strace has ended."""
        self.process.wait(PATIENCE)


def begin(child: Child, strace: str, *options: str, log: Path) -> Trace:
    """Trace a command that was started ``stopped``, and let it go."""
    _until(child.pid, lambda status: "\nState:\tT" in status)
    trace = attach([child.pid], strace, *options, log=log)
    os.kill(child.pid, signal.SIGCONT)
    return trace


def attach(pids: Sequence[int], strace: str, *options: str, log: Path) -> Trace:
    """Trace processes, and those that they start, from now on."""
    traced = [part for pid in pids for part in ("-p", str(pid))]
    command = [strace, "-f", "-qq", "-o", str(log), *options, *traced]
    trace = Trace(subprocess.Popen(command, stdin=subprocess.DEVNULL))
    for pid in pids:
        _until(pid, lambda status: "\nTracerPid:\t0\n" not in status)
    return trace


def kill_at(child: Child, strace: str, call: str, number: int, *, log: Path) -> int:
    """SIGKILL at the n-th ``call``; the exit code, -9 where it came to that."""
    inject = f"inject={call}:signal=KILL:when={number}"
    trace = begin(child, strace, "-e", f"trace={call}", "-e", inject, log=log)
    code = child.wait()
    trace.wait()
    return code


def count(child: Child, strace: str, *, log: Path) -> Counter[str]:
    """How many calls of each kind the busiest thread made, from beginning to end."""
    trace = begin(child, strace, "-e", f"trace={','.join(CALLS)}", log=log)
    assert child.wait() == 0, child.err
    trace.wait()
    threads: dict[str, Counter[str]] = {}
    for line in log.read_text(errors="replace").splitlines():
        found = _CALL.match(line)
        if found:
            threads.setdefault(found[1], Counter())[found[2]] += 1
    busiest: Counter[str] = Counter()
    for calls in threads.values():
        busiest |= calls
    return busiest


def _until(pid: int, fits: Callable[[str], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(FileNotFoundError):
            if fits(Path(f"/proc/{pid}/status").read_text()):
                return
        assert time.monotonic() < deadline, f"process {pid} is not where it should be"
        time.sleep(0.001)
