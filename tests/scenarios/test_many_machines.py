"""The page on many machines works: its commands as they stand, on network namespaces."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.fakes.hosts import can_have_hosts
from tests.fakes.postgres import PostgresServer, find_binaries

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "many-machines.md").read_text(encoding="utf-8")
TRY_IT = PAGE[PAGE.index("## Try it") :]
ADDRESS = "10.77.0.1"
PATIENCE = 240  # seconds
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LOCK = Path("/tmp/digest-many-machines.lock")  # names of hosts are the machine's


def typed(script: str, folder: Path, environment: dict[str, str]) -> str:
    """Type it into one shell, which ends at the first command that fails; what it printed."""
    log = folder / "typed.log"
    with log.open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-ec", script], cwd=folder, env=environment, stdout=out, stderr=out
        )
        code = shell.wait(PATIENCE)
    logs = "".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log")))
    assert code == 0, logs
    return log.read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A checkout to type in; hosts and processes are gone at its end."""
    if not can_have_hosts():
        missing(
            "no network namespaces can be made here: that takes root, ip and a kernel with them"
        )
    (tmp_path / "run").write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -P -m digest "$@"\n')
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield tmp_path
        finally:
            for path in tmp_path.glob("*.pid"):
                with suppress(ProcessLookupError):
                    os.kill(int(path.read_text()), signal.SIGKILL)
            hosts = [["netns", "del", f"worker{number}"] for number in (1, 2, 3)]
            links = [["link", "del", name] for name in ("cable1", "cable2", "cable3", "digest0")]
            for command in hosts + links:  # a host's cable outlives it by a moment
                subprocess.run(["ip", *command], check=False, capture_output=True)


def test_the_page_leads_from_nothing_to_three_workers(folder: Path) -> None:
    binaries = find_binaries()
    if binaries is None:
        missing("no binaries of PostgreSQL")
    hosts, *rest, end = _BLOCK.findall(TRY_IT)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "DIGEST_CHECK__OFFLINE": "true",  # nothing of a test leaves this machine
        "DIGEST_STATE_DIR": str(folder / "state"),
    }
    typed(hosts, folder, environment)
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(binaries, address=ADDRESS))
        server.create_database("digest")
        receipt = "./run digest issue receipt 12 --newsletter weekly --json > receipt.json"
        printed = typed("\n".join([*rest, receipt, end]), folder, environment)
        totals = json.loads((folder / "receipt.json").read_text())
        assert (totals["planned"], totals["state"]) == (1000, "finished"), printed
        assert subprocess.run(["ip", "link", "show", "digest0"], check=False).returncode != 0
