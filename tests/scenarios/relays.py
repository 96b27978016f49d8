"""The scripted relay as a scenario sees it: started, told what to do, asked for its ledger."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fakes.ports import hold_port
from tests.fakes.relay_plan import Plan

_ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds


@dataclass(frozen=True, slots=True)
class Taken:
    """One message the relay has said 250 to, or meant to."""

    recipient: str
    sender: str
    message_id: str
    date: str
    sha256: str
    offset: int
    size: int
    at: float


@dataclass
class RelayProcess:
    """``with RelayProcess(folder) as relay``; ``relay.url()`` is for settings."""

    folder: Path
    plan: Plan = field(default_factory=Plan)
    certificate: Path | None = None
    port: int = 0
    host: str = "127.0.0.1"
    start_of_ledger: int = 0  # bytes of it that no longer count
    _process: subprocess.Popen[bytes] | None = None
    _held: socket.socket | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.host == "127.0.0.1":  # while it is down, nobody else answers there
            self._held = hold_port()
            self.port = self._held.getsockname()[1]
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._held is not None:
            self._held.close()

    def start(self) -> None:
        """Start it, on the same port as before if it has run already."""
        command = [sys.executable, "-m", "tests.fakes.relay_process", "--folder", str(self.folder)]
        command += [
            "--host",
            self.host,
            "--port",
            str(self.port),
            "--plan",
            json.dumps(self.plan.as_json()),
        ]
        if self.certificate is not None:
            command += ["--certificate", str(self.certificate)]
        self._process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """End it at once: its connections are cut."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(PATIENCE)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def url(self, **keys: object) -> str:
        """Its URL, as ``DIGEST_RELAY_URL`` takes it."""
        given = {"tls": "none", "connections": 4, "timeout": 20, **keys}
        query = "&".join(f"{key}={value}" for key, value in given.items())
        return f"smtp://{self.host}:{self.port}?{query}"

    def does(self, plan: Plan) -> None:
        """Follow another plan from now on."""
        self.plan = plan
        self._ask({"plan": plan.as_json()})

    @property
    def taken_so_far(self) -> int:
        """How many messages it has taken."""
        taken: int = self._ask({})["taken"]
        return taken

    def until_taken(self, count: int, *, patience: float = PATIENCE) -> None:
        """Return once it has taken so many messages."""
        self.until(lambda state: state["taken"] >= count, patience=patience)

    def until_quiet(self) -> None:
        """Return once no connection is open: whatever was sent to it has been read."""
        self.until(lambda state: state["open"] == 0)

    def until(self, fits: Any, *, patience: float = PATIENCE) -> None:
        """Return once what it says of itself fits."""
        deadline = time.monotonic() + patience
        while not fits(state := self._ask({})):
            assert time.monotonic() < deadline, f"the relay never came so far: {state}"
            time.sleep(0.002)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    # The ledger.

    def begin_anew(self) -> None:
        """Count nothing that stands in the ledger up to now."""
        self.start_of_ledger = (self.folder / "ledger.jsonl").stat().st_size

    def events(self, kind: str = "") -> Iterator[dict[str, Any]]:
        """What it wrote down, in order; an unfinished last line is left out."""
        with (self.folder / "ledger.jsonl").open("rb") as lines:
            lines.seek(self.start_of_ledger)
            for line in lines:
                if line.endswith(b"\n"):
                    event = json.loads(line)
                    if kind in ("", event["event"]):
                        yield event

    def most_within(self, seconds: float) -> int:
        """How many MAIL commands at most certainly came within so many seconds.

        Each came between its last look at all sockets and its reading: both are within.
        """
        came = [(event["since"], event["at"]) for event in self.events("mail")]
        since, at = (sorted(moments) for moments in zip(*came, strict=True))
        return max(
            bisect_left(at, moment + seconds) - bisect_left(since, moment) for moment in since
        )

    @property
    def ledger(self) -> list[Taken]:
        """The messages it has taken."""
        return [
            Taken(
                recipient=event["rcpt"],
                **{name: event[name] for name in Taken.__slots__ if name != "recipient"},
            )
            for event in self.events("taken")
        ]

    def message(self, taken: Taken) -> bytes:
        """The bytes of a message it has taken."""
        with (self.folder / "messages").open("rb") as messages:
            return os.pread(messages.fileno(), taken.size, taken.offset)
