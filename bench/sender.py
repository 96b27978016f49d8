"""Sending, end to end, beside everything a user could pick instead: one run, one sink, one message.

Ours is measured from rows that are planned to outcomes that are committed, on both databases; the
others only send. Then the same through TLS 1.3 and a delay of 20 ms, and how much is sent but not
recorded. Arguments: ``--rounds 5``, ``--messages 40000`` (ours; slower ones send fewer),
``--quick`` (2 rounds, 4,000 messages), ``--large`` (a million readers, ten million rows too).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench import sender_large, tools
from bench.contest import Contestant, Run, contest, measure, medians
from bench.contestants import CONNECTIONS, Ours, others
from bench.databases import fresh_databases
from bench.letters import difference
from bench.peers.letter import PeerLetter, values_of
from bench.result import Figure, Result
from bench.sending import letter_of

_LEAST_RATE = 20_000  # msg/s
_LEAST_TIMES = {"nodemailer": 25, "nodemailer, ready strings": 8, "aiosmtplib": 80}
_MOST_CPU = 1.5  # times that of smtp-source
_UNRECORDED, _OLDEST_MS = 500, 200
_FEW, _LEAST_RATE_WITH_FEW = 64, 5_000
_LEAST_TLS = 0.5  # of the plain messages per processor second
_ONE_WAY_MS = 10.0
_MOST_ROUND_TRIPS = 1.05
_DELAYED = {"nodemailer": (2_000, 2), "aiosmtplib": (1_000, 4)}  # messages, times slower at least
_OWN_DELAYED = 5_000
_TLS = ", TLS 1.3"
_CHECKED = 32  # messages of every sender that are read and compared


def run(args: Sequence[str]) -> Result:
    """Medians of all rounds; ``passed`` only when every figure keeps its limit."""
    given = _arguments(args)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digest-bench-")))
        urls = stack.enter_context(fresh_databases())
        figures, ratios, notes = _measured(given, urls, folder)
    notes |= {"rounds": given.rounds, "connections": CONNECTIONS, "load": os.getloadavg()[0]}
    return Result("sender", tuple(figures), ratios, notes)


def _arguments(args: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench sender")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--messages", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args(list(args))
    given.rounds = given.rounds or (2 if given.quick else 5)
    given.messages = given.messages or (4_000 if given.quick else 40_000)
    given.delayed = min(given.messages, _OWN_DELAYED)
    return given


def _measured(
    given: argparse.Namespace, urls: Mapping[str, str], folder: Path
) -> tuple[list[Figure], dict[str, float], dict[str, object]]:
    databases = [Ours(kind, url) for kind, url in urls.items()]
    letter = letter_of(urls["sqlite"], databases[0].newsletter(_CHECKED))
    found = list(others(letter, folder, given.messages, urls.get("postgresql")))
    peers = [one for one in found if isinstance(one, Contestant)]
    left_out = [one for one in found if isinstance(one, str)]
    ours = [one.contestant(given.messages) for one in databases]
    few = [_with_few(one, given.messages // 2) for one in databases]
    _check(letter, [*ours, *(one for one in peers if one.same)], folder)
    with tools.sink() as server, ExitStack() as stack:
        contestants = [*ours, *peers, *few]
        try:
            tls = stack.enter_context(tools.tls_proxy(server.port))
            contestants.append(databases[0].contestant(given.messages // 2, _TLS, tls=tls))
        except tools.ToolError as error:
            left_out.append(f"TLS 1.3: {error}")
        runs = contest(contestants, server, given.rounds)
        figures, ratios = _compared(runs, [one.kind for one in databases])
        for database in databases:
            watched = database.contestant(given.messages, watch=True)
            figures += _watched(measure(watched, server), database.kind)
        figures += _delayed([databases[0].contestant(given.delayed), *peers], server)
        if given.large:
            figures += sender_large.measured(databases, server)
    notes = _notes(runs, letter) | {"left out": "; ".join(left_out)}
    return figures, ratios, notes


def _with_few(database: Ours, messages: int) -> Contestant:
    return database.contestant(messages, f", {_FEW} unrecorded", unrecorded=_FEW)


def _check(letter: PeerLetter, contestants: Sequence[Contestant], folder: Path) -> None:
    """Let everyone send a little and compare it; RuntimeError when it is not the same message."""
    for number, one in enumerate(contestants):
        kept = folder / f"sent-{number}"
        kept.mkdir()
        with tools.sink(folder=kept) as server:
            measure(replace(one, messages=_CHECKED), server)
        for path in sorted(kept.iterdir()):
            message = path.read_bytes().removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
            wrong = difference(letter, message)
            if wrong:
                raise RuntimeError(f"{one.name} sends another message: {wrong}")


def _compared(
    runs: Mapping[str, Sequence[Run]], kinds: Sequence[str]
) -> tuple[list[Figure], dict[str, float]]:
    rates = medians(runs, lambda run: run.rate)
    cpus = medians(runs, lambda run: run.cpu_per_1000)
    memory = medians(runs, lambda run: run.memory)
    trips = medians(runs, lambda run: run.counted["replies"] / run.messages)
    figures: list[Figure] = []
    for name in runs:
        limit = _LEAST_RATE if name in kinds else None
        limit = _LEAST_RATE_WITH_FEW if name.endswith("unrecorded") else limit
        figures += [
            Figure(name, rates[name], "msg/s", limit, at_least=True),
            Figure(f"{name}, processor", cpus[name], "s/1,000"),
            Figure(f"{name}, memory", memory[name], "MB"),
            Figure(f"{name}, round trips", trips[name], "/message"),
        ]
    ratios: dict[str, float] = {}
    for kind in kinds:
        for peer in (name for name in runs if name.split(", ")[0] not in kinds):
            times = rates[kind] / rates[peer]
            ratios |= {f"{kind} / {peer}": times}
            ratios |= {f"{kind} / {peer}, processor": cpus[kind] / cpus[peer]}
            if peer in _LEAST_TIMES:
                least = _LEAST_TIMES[peer]
                figures.append(Figure(f"{kind} / {peer}", times, "×", least, at_least=True))
        if "smtp-source" in runs:
            more = cpus[kind] / cpus["smtp-source"]
            figures.append(Figure(f"{kind} / smtp-source, processor", more, "×", _MOST_CPU))
    if f"sqlite{_TLS}" in runs:
        kept = cpus["sqlite"] / cpus[f"sqlite{_TLS}"]
        figures.append(Figure("TLS 1.3 / plain", kept, "×", _LEAST_TLS, at_least=True))
    return figures, ratios


def _watched(one: Run, name: str) -> list[Figure]:
    return [
        Figure(f"{name}, sent and not recorded", one.told["unrecorded"], "messages", _UNRECORDED),
        Figure(f"{name}, the oldest of them", one.told["oldest_ms"], "ms", _OLDEST_MS),
    ]


def _delayed(contestants: Sequence[Contestant], server: tools.Counting) -> list[Figure]:
    """The first is ours, the others those of ``_DELAYED``."""
    figures: list[Figure] = []
    own = 0.0
    with tools.delay_proxy(server.port, one_way_ms=_ONE_WAY_MS) as proxy:
        for number, one in enumerate(contestants):
            if number and one.name not in _DELAYED:
                continue
            messages, least = _DELAYED.get(one.name, (one.messages, 0))
            proxy.counters()
            run = measure(replace(one, messages=messages), server, port=proxy.port)
            trips = proxy.counters()["turns"] / run.messages
            name = f"20 ms away: {one.name}"
            most = None if number else _MOST_ROUND_TRIPS
            figures.append(Figure(f"{name}, round trips", trips, "/message", most))
            figures.append(Figure(name, run.rate, "msg/s"))
            own = own or run.rate
            if number:
                times = own / run.rate
                figures.append(Figure(f"{name}, times slower", times, "×", least, at_least=True))
    return figures


def _notes(runs: Mapping[str, Sequence[Run]], letter: PeerLetter) -> dict[str, object]:
    """What one has to know to judge the figures."""
    notes: dict[str, object] = {"bytes": len(letter.ready(values_of(1)))}
    for name, found in runs.items():
        rates = " ".join(f"{run.rate:.0f}" for run in found)
        notes[f"{name}, each round"] = f"{rates} msg/s of {found[0].messages}"
    for name, found in runs.items():
        sink = median(run.counted["cpu"] / run.messages * 1000 for run in found)
        notes[f"{name}, processor of the sink"] = f"{sink:.3f} s/1,000"
    return notes
