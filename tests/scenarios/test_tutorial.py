"""The tutorial works: its commands are typed as they stand on the page, against a real relay."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
# What waits for Ctrl-C, and what needs the network.
NOT_TYPED = (
    "git clone",
    "cd digest",
    "./run demo",
    "./run digest issue preview",
    "./run digest run",
)


@pytest.fixture
def relay_port(tmp_path: Path) -> Iterator[int]:
    """The tutorial's relay, in a process of its own; it ends with its standard input."""
    (line,) = [line for line in PAGE.splitlines() if "digest.delivery.sinks" in line]
    words = line.replace("captured", str(tmp_path / "captured")).replace("2525", "0").split()
    with subprocess.Popen(
        [sys.executable, *words[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as relay:
        assert relay.stdout is not None
        printed = re.search(r"\d{2,5}", relay.stdout.readline())
        assert printed is not None
        yield int(printed[0])
        relay.terminate()


def _commands() -> list[str]:
    """Every command of the page from its third section on, in its order."""
    rest = PAGE[PAGE.index("## 3.") :]
    blocks = [block["body"] for block in _BLOCK.finditer(rest) if block["kind"] == "sh"]
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if not line.startswith(NOT_TYPED)]


def _issue() -> str:
    (block,) = [block["body"] for block in _BLOCK.finditer(PAGE) if block["kind"] == "markdown"]
    return block


def _typed(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Type one command; ``export`` changes the environment of the ones after it."""
    script = f'{command}\nstatus=$?\nenv -0 > "{folder / "environment"}"\nexit $status'
    process = subprocess.Popen(
        ["sh", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the shell and what it started
        printed, said = process.communicate()
        pytest.fail(f"does not end: {command}\n{printed}{said}")
    assert process.returncode == 0, f"{command}\n{printed}{said}"
    exported = (folder / "environment").read_bytes().decode().split("\0")
    pairs = (line.partition("=") for line in exported if line)
    environment.update({name: value for name, _, value in pairs})
    return printed


def test_the_tutorial_sends_its_first_issue(tmp_path: Path, relay_port: int) -> None:
    (tmp_path / "run").write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -P -m digest "$@"\n')
    (tmp_path / "run").chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    environment["DIGEST_CHECK__OFFLINE"] = "true"  # nothing of a test leaves this machine
    printed: dict[str, str] = {}
    for command in _commands():
        if "issue check" in command:
            (tmp_path / "issue-1.md").write_text(_issue())
        known = json.loads(printed["issue add"])["hash"][:8] if "issue add" in printed else ""
        typed = command.replace("127.0.0.1:2525", f"127.0.0.1:{relay_port}")
        words = " ".join(command.split()[2:4])
        printed[words] = _typed(
            typed.replace("6f1c2d3e", known or "6f1c2d3e"), tmp_path, environment
        )

    receipt = json.loads(printed["issue send"])
    assert receipt["planned"] == 3
    assert receipt["accepted"] == 3
    ledger = (tmp_path / "captured" / "ledger.jsonl").read_text().splitlines()
    verdicts = [json.loads(line)["verdict"] for line in ledger]
    assert verdicts == ["accepted"] * 3
    assert "weekly" in printed["reader show"]
