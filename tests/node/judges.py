"""Runs the foreign judges of ``package.json``: installed once, from the lock file, in this folder.

Development only: what a mail program, a browser or another project's compiler thinks of our mail.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tests.conftest import missing

_FOLDER: Final = Path(__file__).resolve().parent
_OLDEST: Final = (20, 19)
_INSTALL: Final = ("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


@lru_cache(maxsize=1)
def installed() -> Path:
    """The folder ``node_modules``, as the lock file says; skips where it cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("no node and npm on the PATH")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    found = tuple(map(int, re.findall(r"\d+", version)))[:2]
    if found < _OLDEST:
        missing(f"node {version.strip()} is too old: the judges need 20.19")
    modules, lock = _FOLDER / "node_modules", _FOLDER / "package-lock.json"
    with lock.open("rb") as wanted:
        fcntl.flock(wanted, fcntl.LOCK_EX)  # tests run in several processes
        stamp = modules / ".lock-installed"
        if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
            _install(npm)
            stamp.write_bytes(lock.read_bytes())
    return modules


def _install(npm: str) -> None:
    done = subprocess.run(
        [npm, *_INSTALL], cwd=_FOLDER, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        missing(f"npm ci failed: {done.stderr.strip()[-300:]}")


def judge(name: str, texts: Sequence[str]) -> list[Any]:
    """What judge ``name`` of ``judge.mjs`` says of each text."""
    installed()
    done = subprocess.run(
        ["node", str(_FOLDER / "judge.mjs"), name],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[Any] = json.loads(done.stdout)
    return answers
