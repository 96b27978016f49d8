"""``./run`` works from anywhere, speaks on standard error only, and gets out of the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.repo.tree import ROOT

RUN = ROOT / "run"
# A uv that only notes how it was called, and makes the .venv it is asked for.
UV = """#!/bin/sh
[ "$1" = --version ] && { echo "uv 0.13.9"; exit 0; }
echo "$@" >> "$UV_NOTES"
mkdir -p "$UV_PROJECT_ENVIRONMENT/bin"
printf '#!/bin/sh\\nexec "%s" "$@"\\n' "$UV_PYTHON" > "$UV_PROJECT_ENVIRONMENT/bin/python"
chmod +x "$UV_PROJECT_ENVIRONMENT/bin/python"
"""
PROGRAM = """import json, os, sys
print(json.dumps({"folder": os.getcwd(), "arguments": sys.argv[1:]}))
sys.exit(int(os.environ.get("EXIT", "0")))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a blank in its path whose ``digest`` tells how it was called."""
    folder = tmp_path / "a checkout"
    (folder / "digest").mkdir(parents=True)
    (folder / "digest" / "__init__.py").write_text("")  # found before the real one
    shutil.copy(RUN, folder / "run")
    for name in ("uv.lock", "pyproject.toml"):
        (folder / name).write_text(name)
    (folder / "digest" / "__main__.py").write_text(PROGRAM)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").write_text(UV)
    (tmp_path / "bin" / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for name in ("uv", "python3"):
        (tmp_path / "bin" / name).chmod(0o755)
    return folder


def call(
    checkout: Path, *arguments: str, program: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Call ``./run`` in the folder above the checkout, with our own uv first on the PATH."""
    above = checkout.parent
    environment = {
        "PATH": f"{above / 'bin'}:{os.environ['PATH']}",
        "HOME": str(above),
        "PYTHONPATH": str(checkout),
        "UV_NOTES": str(above / "notes"),
    }
    command = [str(program or checkout / "run"), *arguments]
    return subprocess.run(
        command,
        cwd=above,
        env=environment | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def notes(checkout: Path) -> list[str]:
    """How uv was called, call by call."""
    path = checkout.parent / "notes"
    return path.read_text().splitlines() if path.exists() else []


def test_it_is_plain_posix_shell() -> None:
    shell = shutil.which("dash") or shutil.which("sh")
    assert shell is not None
    assert subprocess.run([shell, "-n", RUN], check=False).returncode == 0
    assert RUN.stat().st_mode & 0o111


def test_alone_it_says_what_there_is() -> None:
    done = subprocess.run([RUN], capture_output=True, text=True, check=True)
    for command in ("demo", "test", "scenarios", "check", "long", "bench", "digest"):
        assert f"\n  {command} " in done.stdout


def test_what_takes_long_is_left_to_a_command_of_its_own(
    request: pytest.FixtureRequest,
) -> None:
    assert request.config.getini("addopts")[-2:] == ["-m", "not long"]  # what is asked for wins
    assert "-m 'long or not long'" in RUN.read_text()


def test_all_tests_are_in_one_of_two_parts_and_what_is_asked_for_is_run_alone(
    checkout: Path,
) -> None:
    (checkout / "pytest.py").write_text(PROGRAM)

    def arguments(*command: str) -> list[str]:
        done = call(checkout, *command)
        assert done.returncode == 0, done.stderr
        found: list[str] = json.loads(done.stdout)["arguments"]
        return found

    heavy = {"tests/scenarios", "tests/browser"}
    together = ["-n", "--dist", "worksteal"]
    test, scenarios = arguments("test"), arguments("scenarios", "-x")
    assert [test[0], *test[2:4]] == [scenarios[0], *scenarios[2:4]] == together
    assert test[4::2] == ["--ignore"] * 2
    assert set(test[5::2]) == set(scenarios[4:6]) == heavy
    assert scenarios[6:] == ["-x"]
    assert arguments("test", "tests/mail", "-k", "a b") == ["tests/mail", "-k", "a b"]


def test_a_wrong_command_is_refused(checkout: Path) -> None:
    done = call(checkout, "tset")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no command 'tset'" in done.stderr


def test_the_program_runs_in_the_callers_folder_and_keeps_its_arguments(checkout: Path) -> None:
    done = call(checkout, "digest", "issue", "show", "a b", "*", "")
    assert done.returncode == 0, done.stderr
    folder = os.path.realpath(checkout.parent)
    expected = f'{{"folder": "{folder}", "arguments": ["issue", "show", "a b", "*", ""]}}\n'
    assert done.stdout == expected


def test_the_exit_code_is_the_programs(checkout: Path) -> None:
    assert call(checkout, "digest", EXIT="41").returncode == 41


def test_demo_is_a_command_of_digest(checkout: Path) -> None:
    assert '"arguments": ["demo", "--exit"]' in call(checkout, "demo", "--exit").stdout


def test_it_works_through_links_to_the_folder_and_to_itself(checkout: Path) -> None:
    above = checkout.parent
    (above / "folder").symlink_to("a checkout")
    (above / "bin" / "digest-run").symlink_to("../folder/run")
    for program in (above / "folder" / "run", above / "bin" / "digest-run"):
        assert call(checkout, "digest", program=program).returncode == 0
    assert (checkout / ".venv" / ".stamp").exists()


def test_a_second_call_asks_uv_for_nothing(checkout: Path) -> None:
    first, second = call(checkout, "digest"), call(checkout, "digest")
    assert "installing" in first.stderr
    assert second.stderr == ""
    assert len(notes(checkout)) == 1


def test_a_changed_lock_is_installed(checkout: Path) -> None:
    call(checkout, "digest")
    (checkout / "uv.lock").write_text("another")
    call(checkout, "digest")
    assert len(notes(checkout)) == 2


def test_users_get_no_development_tools_and_lose_none(checkout: Path) -> None:
    call(checkout, "digest")
    call(checkout, "bench")
    call(checkout, "demo")
    users, developers = notes(checkout)
    assert "--no-dev" in users.split()
    assert "--no-dev" not in developers.split()
    for line in (users, developers):
        assert {"--frozen", "--all-extras", "--inexact"} <= set(line.split())


def test_a_failed_installation_ends_with_a_message_and_is_tried_again(checkout: Path) -> None:
    uv = checkout.parent / "bin" / "uv"
    uv.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'uv 0.13.9' && exit\nexit 1\n")
    done = call(checkout, "digest")
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith("installing failed")
    uv.write_text(UV)
    assert call(checkout, "digest").returncode == 0


def test_without_a_python_it_says_what_it_needs(checkout: Path) -> None:
    tools = checkout.parent / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "cksum", "dirname", "head", "readlink"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "python3").write_text("#!/bin/sh\nexit 127\n")  # a shim without a version behind it
    (tools / "python3").chmod(0o755)
    done = call(checkout, "digest", PATH=str(tools))
    assert done.returncode == 2
    assert "needs Python 3.11 or newer" in done.stderr


def test_a_wheel_of_uv_that_was_tampered_with_is_not_installed(checkout: Path) -> None:
    """The wheel is fetched where pip is missing; another file in its place changes nothing."""
    above = checkout.parent
    (above / "bin" / "uv").write_text("#!/bin/sh\necho uv 0.1.0\n")  # too old: as good as none
    with zipfile.ZipFile(above / "wheel", "w") as wheel:
        wheel.writestr("uv-0.13.9.data/scripts/uv", UV)
    (above / "sitecustomize.py").write_text(
        "import urllib.request\n"
        f"urllib.request.urlopen = lambda *_, **__: open({str(above / 'wheel')!r}, 'rb')\n"
    )
    python = above / "bin" / "python3"
    python.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "-m pip" ] && exit 1\nexec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    done = call(checkout, "digest", PYTHONPATH=str(above))
    assert done.returncode == 2
    assert "SHA-256 differs, nothing installed" in done.stderr
    assert not list((checkout / ".cache").glob("uv-*"))


def test_what_a_fresh_machine_runs_has_nothing_to_skip() -> None:
    script = ROOT / ".ci" / "run"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert script.stat().st_mode & 0o111
    text = script.read_text(encoding="utf-8")
    assert "./run check" in text
    for command in ("test", "scenarios"):
        assert re.search(rf"DIGEST_TEST_REQUIRE=all timeout \d+ \./run {command} ", text)
