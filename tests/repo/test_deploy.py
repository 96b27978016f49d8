"""What deploy/ says of the service holds for this tree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.repo.tree import ROOT

UNIT = ROOT / "deploy" / "digest.service"
CONTAINER = ROOT / "deploy" / "Containerfile"
_EXPOSED = 20  # tenths of systemd's measure, of 100


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    if shutil.which("systemd-analyze") is None:
        missing("no systemd-analyze is installed")
    text = UNIT.read_text()
    text = text.replace("/opt/digest/.venv/bin/digest", sys.executable)
    copy = tmp_path / "digest.service"
    copy.write_text(text.replace("/opt/digest", str(ROOT)))
    return copy


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ("systemd-analyze", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_understands_the_unit(unit: Path) -> None:
    found = analyzed("verify", str(unit))
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_the_unit_may_do_little(unit: Path) -> None:
    found = analyzed("security", "--offline=true", f"--threshold={_EXPOSED}", str(unit))
    assert found.returncode == 0, found.stdout[-300:]


def test_the_container_copies_what_is_there_and_brings_the_uv_of_run() -> None:
    text = CONTAINER.read_text()
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert {"digest", "templates", "alembic", "uv.lock"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    version = re.search(r"^uv_version=(\S+)", (ROOT / "run").read_text(), re.MULTILINE)
    assert version is not None
    assert f"uv=={version[1]}" in text
    assert re.search(r"^USER digest$", text, re.MULTILINE)
