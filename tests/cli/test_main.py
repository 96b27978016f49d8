"""The front door: what is loaded, how errors are told, which exit code comes out."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digest import __version__
from digest.cli.main import build_app
from digest.cli.options import GROUPS
from tests.cli.shell import Shell

HEAVY = (
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "lxml",
    "mjml",
    "jinja2",
    "markdown_it",
    "aiosmtplib",
)


def test_help_loads_neither_database_nor_web_nor_renderer() -> None:
    code = (
        "import sys; from digest.cli.main import run; code = run(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for name, text in GROUPS.items():
        assert re.search(rf"^  {name}  +{re.escape(text.split()[0])}", done.stdout, re.MULTILINE)


def test_every_group_and_verb_has_help(shell: Shell) -> None:
    app = build_app()
    chains: list[tuple[str, ...]] = [("digest",)]
    for name in GROUPS:
        chains.append((name,))
        chains += [(name, verb) for verb in app[name] if not verb.startswith("-")]
    assert len(chains) > 25
    for chain in chains[1:]:
        said = shell(*chain, "--help")
        assert said.code == 0, chain
        assert said.out.startswith(f"Usage: digest {' '.join(chain)}"), chain


@pytest.mark.parametrize("width", [60, 80, 200])
def test_help_is_as_wide_as_the_terminal_and_never_ragged(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for chain in ((), ("reader", "import"), ("newsletter", "set"), ("issue", "check")):
        lines = shell(*chain, "--help").out.splitlines()
        assert max(map(len, lines)) <= min(width, 100)
        told = lines[lines.index("Parameters:" if chain else "Commands:") + 1 :]
        columns = {len(line) - len(line.lstrip()) for line in told if line}
        assert len(columns) <= 2, columns  # the names, and what is said of them


def test_the_version_is_printed(shell: Shell) -> None:
    assert shell("--version").out.strip() == __version__


@pytest.mark.parametrize(
    "tokens",
    [
        ("frob",),
        ("issue", "frob"),
        ("issue", "send"),
        ("issue", "send", "182", "--frob"),
        ("demo", "--readers", "many"),
        ("reader", "list", "--state", "gone"),
    ],
)
def test_wrong_use_is_told_on_standard_error_alone(shell: Shell, tokens: tuple[str, ...]) -> None:
    for said in (shell(*tokens), shell(*tokens, "--json")):
        assert (said.code, said.out) == (2, "")
        assert said.error.keys() == {"error", "message", "where"}
        assert said.error["error"] == "usage"
        assert "--help" in said.error["message"]


def test_a_word_too_many_is_quoted(shell: Shell) -> None:
    said = shell("status", "weekly", "--json")
    assert (said.code, said.error["where"]) == (2, "digest status")
    assert said.error["message"].startswith("'weekly' is one thing too many.")


def test_with_json_standard_error_is_one_line(shell: Shell) -> None:
    said = shell("issue", "check", "missing.md", "--json")
    assert said.code == 2
    assert len(said.err.splitlines()) == 1
    assert said.error["where"] == "missing.md"


def test_a_wrong_setting_is_named_before_anything_else_happens(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_PORT", "eighty")
    said = shell("db", "upgrade")
    assert (said.code, said.out) == (2, "")
    assert said.error["where"] == "DIGEST_PORT"
    assert list(shell.folder.iterdir()) == []


def test_a_reader_of_our_output_may_go_away(tmp_path: Path) -> None:
    files = [str(tmp_path / f"{number}.md") for number in range(2)]
    for file in files:
        Path(file).write_text("---\nnumber: 1\ntitle: T\npreview: P\n---\n## A\nText.\n")
    command = [sys.executable, "-m", "digest", "issue", "fmt", "--json", *files]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # before a line was written
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_ctrl_c_ends_quietly(tmp_path: Path) -> None:
    file = tmp_path / "issue.md"
    file.write_text("---\nnumber: 1\ntitle: T\npreview: P\n---\n## A\nText.\n")
    command = [sys.executable, "-m", "digest", "issue", "preview", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "http://127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_ctrl_c_while_it_still_starts_is_130(tmp_path: Path) -> None:
    fifo = tmp_path / "issue.md"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "digest", "issue", "fmt", "--json", str(fifo)]
    ours = os.open(fifo, os.O_RDWR)
    os.write(ours, b"-")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _wait_until_read(ours)  # now it waits for more
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    os.close(ours)
    assert (process.returncode, out, err) == (130, b"", b"Stopped.\n")


def _wait_until_read(pipe: int) -> None:
    """Until nothing is left in the pipe; TimeoutError after half a minute."""
    deadline = time.monotonic() + 30
    while select.select([pipe], [], [], 0)[0]:
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_leads_nowhere(on_sqlite: Shell, closed: str) -> None:
    command = f"{sys.executable} -m digest newsletter set weekly --name Another --json {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert on_sqlite("newsletter", "show", "--json").json["name"] == "Another"


def test_output_that_no_disk_takes_is_told(on_sqlite: Shell) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "digest", "newsletter", "list", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert json.loads(done.stderr)["error"] == "output"


def test_what_is_printed_is_the_same_wherever_it_is_called_from() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "digest", "issue", "check", "nowhere.md", "--json"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == b""
    assert json.loads(done.stderr.splitlines()[-1])["error"] == "input"
