"""Imports point down, and what a quick command does not need is not imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.tree import ROOT

HEAVY = {"sqlalchemy", "alembic", "starlette", "uvicorn", "lxml", "mjml", "PIL", "jinja2", "nh3"}
PURE_KNOWS_NOT = {"sqlalchemy", "starlette", "aiosmtplib", "pydantic", "jinja2", "asyncio"}


def test_the_import_contracts_are_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def _imported(program: str, unwanted: set[str]) -> set[str]:
    """Which of the ``unwanted`` modules a process holds after ``program``."""
    report = f"import sys\nprint(*({unwanted!r} & sys.modules.keys()), file=sys.stderr)"
    command = [sys.executable, "-P", "-c", f"{program}\n{report}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["issue", "--help"]])
def test_help_is_quick_because_it_imports_little(arguments: list[str]) -> None:
    program = f"from digest.cli.main import run\nassert run({arguments!r}) == 0"
    assert _imported(program, HEAVY) == set()


@pytest.mark.parametrize("module", ["digest.mail.message", "digest.rules.verdict"])
def test_the_pure_layers_need_none_of_the_libraries_above_them(module: str) -> None:
    assert _imported(f"import {module}", PURE_KNOWS_NOT) == set()


def test_what_a_process_holds_is_seen() -> None:
    assert _imported("import nh3", HEAVY) == {"nh3"}
