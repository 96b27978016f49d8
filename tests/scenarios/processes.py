"""Real processes for scenarios: the command line and the capture relay, as a script starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "0123456789abcdef0123456789abcdef"
PATIENCE = 180  # seconds; a slow machine is no failure, a hanging process is


def environment(**ours: str) -> dict[str, str]:
    """This process's environment without settings, and with ``ours``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    return kept | ours


@dataclass(frozen=True, slots=True)
class Script:
    """Calls ``digest`` in processes, in one folder and one environment."""

    folder: Path
    environment: Mapping[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command; the caller waits for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "digest", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end; its standard output."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, (arguments, process.returncode, out, err)
        return out

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json; the one line it prints."""
        (line,) = self.run(*arguments, "--json", code=code).splitlines()
        return json.loads(line)

    def rows(self, *arguments: str) -> list[Any]:
        """The same for one that prints a line for each row."""
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]


@contextmanager
def capture_relay(folder: Path, *options: str) -> Iterator[str]:
    """The capture relay in a process; yields its URL."""
    command = [sys.executable, "-m", "digest.delivery.sinks", "--folder", str(folder), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield f"smtp://127.0.0.1:{port}?tls=none&connections=4"
        finally:
            process.communicate()  # closes its standard input, at which it ends
