"""Programs that send, one after the other, round after round, so that all meet the same noise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.tools import Counting, peak_memory

_ROOT = Path(__file__).resolve().parent.parent
_LOOK = 0.05  # seconds between two looks at a program's memory


@dataclass(frozen=True, slots=True)
class Run:
    """What one program did: seconds, processor seconds, MB at most; the rest as it told it."""

    messages: int
    seconds: float
    cpu: float
    memory: float
    told: Mapping[str, float] = field(default_factory=dict)
    counted: Mapping[str, float] = field(default_factory=dict)  # by the sink, meanwhile

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_per_1000(self) -> float:
        """Processor seconds of the sender for 1,000 messages."""
        return self.cpu / self.messages * 1000


@dataclass(frozen=True, slots=True)
class Program:
    """A command line and what its environment has besides ours."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to send ``messages`` messages.

    ``prepare`` makes the program that sends so many to a port; it is not measured. ``same``: what
    it sends is the very message that the others send.
    """

    name: str
    messages: int
    prepare: Callable[[int, int], Program]
    same: bool = True


def python(module: str, task: Mapping[str, Any], **environment: str) -> Program:
    """A module of this package with its task."""
    return Program([sys.executable, "-m", module, json.dumps(task)], environment)


def contest(
    contestants: Sequence[Contestant], server: Counting, rounds: int
) -> dict[str, list[Run]]:
    """Every contestant once in every round, each round beginning with another one."""
    runs: dict[str, list[Run]] = {one.name: [] for one in contestants}
    for number in range(rounds):
        first = number % len(contestants)
        for one in (*contestants[first:], *contestants[:first]):
            runs[one.name].append(measure(one, server))
            print(f"round {number + 1}: {one.name}: {_said(runs[one.name][-1])}", file=sys.stderr)
    return runs


def measure(one: Contestant, server: Counting, *, port: int | None = None) -> Run:
    """Let one contestant send, by way of ``port``; RuntimeError unless the sink got it all."""
    program = one.prepare(port or server.port, one.messages)
    server.counters()
    run = execute(program, one.messages)
    counted = server.counters()
    if counted["refused"] or counted["messages"] != run.messages:
        raise RuntimeError(f"{one.name} sent {run.messages}, the sink has {counted}")
    return replace(run, counted=counted)


def execute(program: Program, messages: int) -> Run:
    """Run a program. What it prints about itself counts; else all of it was measured."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        began = time.perf_counter()
        process = subprocess.Popen(
            program.command,
            cwd=_ROOT,
            env={**os.environ, **program.environment},
            stdout=said,
            stderr=complained,
            text=True,
        )
        memory = _Memory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        memory.end()
        said.seek(0)
        complained.seek(0)
        if process.returncode != 0:
            raise RuntimeError(f"{program.command[:3]} failed:\n{complained.read()[-2000:]}")
        lines = [line for line in said.read().splitlines() if line.startswith("{")]
    told: dict[str, float] = json.loads(lines[-1]) if lines else {}
    return Run(
        messages=int(told.get("messages", messages)),
        seconds=told.get("seconds", seconds),
        cpu=told.get("cpu", usage.ru_utime + usage.ru_stime),
        memory=told.get("memory", memory.peak),
        told=told,
    )


def medians(runs: Mapping[str, Sequence[Run]], of: Callable[[Run], float]) -> dict[str, float]:
    """The median of every contestant."""
    return {name: median(map(of, found)) for name, found in runs.items()}


class _Memory:
    """Looks at a process from time to time; its peak never falls, so the last look counts."""

    def __init__(self, pid: int) -> None:
        self.peak = 0.0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            self.peak = max(self.peak, peak_memory(self._pid))

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def _said(run: Run) -> str:
    return f"{run.rate:,.0f} msg/s, {run.cpu_per_1000:.3f} CPU-s/1,000, {run.memory:.0f} MB"
