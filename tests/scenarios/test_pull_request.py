"""The workflow for the CI of a repository of issues, its steps run as they stand in the file.

The repository, the server and the commands are real; ``gh`` is a script that keeps what it is told,
since there is no pull request to write on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.cli.shell import ISSUE, KEY, NEWSLETTER
from tests.conftest import missing
from tests.fakes.ports import free_port
from tests.repo.tree import ROOT
from tests.scenarios.prefork import Prefork

WORKFLOW = ROOT / "examples" / "ci" / "issues.yml"
GH = """#!/bin/sh
echo "$@" >> "$RUNNER_TEMP/gh.args"
for last; do :; done
cat "$last" >> "$RUNNER_TEMP/gh.body"
"""
SCOPES = ("newsletters:read", "issues:read", "issues:write")
TEXT = ISSUE.replace("[link]", "[page about it]")
EARLIER = TEXT.replace("182", "181")
FORGOTTEN = f"{TEXT}\n### [TODO](TODO)\nTODO\n"


@dataclass(frozen=True, slots=True)
class Repository:
    """A clone with issues in it, and the machine of one run of the workflow."""

    folder: Path
    runner: Path
    server: str
    token: str

    def git(self, *arguments: str) -> str:
        """Call git; what it prints."""
        author = ("-c", "user.name=Anne", "-c", "user.email=anne@example.org")
        command = ["git", "-C", str(self.folder), *author, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, **issues: str) -> str:
        """Write issues by their name and commit them; the commit."""
        (self.folder / "issues").mkdir(exist_ok=True)
        for name, text in issues.items():
            (self.folder / "issues" / f"{name}.md").write_text(text)
        self.git("add", "issues")
        self.git("commit", "--quiet", "--message", "Write")
        return self.git("rev-parse", "HEAD")

    def step(self, name: str, *, event: str, before: str = "") -> subprocess.CompletedProcess[str]:
        """Run a step as the runner does for ``event``."""
        workflow = yaml.safe_load(WORKFLOW.read_text())
        job = workflow["jobs"]["issues"]
        (found,) = [one for one in job["steps"] if one.get("name") == name]
        values = {
            "secrets.DIGEST_TOKEN": self.token,
            "github.token": "t",
            "github.event.number": "7",
            "github.event_name == 'push' && github.event.before || 'HEAD^1'": before or "HEAD^1",
        }

        def filled(text: str) -> str:
            return re.sub(r"\$\{\{ (.*?) \}\}", lambda place: values[place[1]], text)

        said = {k: filled(str(v)) for k, v in (job["env"] | found.get("env", {})).items()}
        assert event in found.get("if", event)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        ours = {
            "SERVER": self.server,  # the line to set
            "RUNNER_TEMP": str(self.runner),
            "XDG_CACHE_HOME": str(self.runner / "links"),
            "PATH": f"{self.runner}:{kept['PATH']}",
            "DIGEST_CHECK__OFFLINE": "true",
            "DIGEST_CHECK__SPAM": "false",
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", filled(found["run"])],
            cwd=self.folder,
            env=kept | said | ours,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="module")
def there(prefork: Prefork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A ``digest run`` with a newsletter and issue 181; its URL, and a key for a CI."""
    folder = tmp_path_factory.mktemp("there")
    port = free_port()
    settings = {
        "DIGEST_DATABASE_URL": f"sqlite:///{folder / 'digest.db'}",
        "DIGEST_SECRET_KEY": KEY,
        "DIGEST_STATE_DIR": str(folder / "state"),
        "DIGEST_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    prefork.run("db", "upgrade", env=settings)
    prefork.run(*NEWSLETTER, env=settings)
    (folder / "181.md").write_text(EARLIER)
    prefork.run("issue", "add", str(folder / "181.md"), "--sent-at", "2026-11-05", env=settings)
    made = prefork.json("api-key", "create", "CI", "--scope", *SCOPES, env=settings)
    service = prefork.start("run", "--port", str(port), "--json", env=settings)
    service.until(lambda: service.out.endswith("\n"))
    yield json.loads(service.out)["url"], made["key"]
    service.signal(signal.SIGTERM)
    assert service.wait() == 0, service.err[-3000:]


@pytest.fixture
def repository(there: tuple[str, str], tmp_path: Path) -> Repository:
    """A fresh clone with the issue that is on main, and the program beside it."""
    if shutil.which("git") is None or shutil.which("jq") is None:
        missing("git or jq is not installed")
    folder, runner = tmp_path / "clone", tmp_path / "runner"
    folder.mkdir()
    runner.mkdir()
    (runner / "gh").write_text(GH)
    (runner / "gh").chmod(0o755)
    program = folder / ".digest-program" / "run"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nshift\nPYTHONPATH={ROOT} exec {sys.executable} -m digest "$@"\n'
    )
    program.chmod(0o755)
    made = Repository(folder, runner, *there)
    made.git("init", "--quiet", "--initial-branch", "main")
    made.commit(**{"181": EARLIER})
    return made


def test_a_pull_request_is_checked_and_shown_and_what_is_merged_is_added_and_tested(
    repository: Repository,
) -> None:
    before = repository.git("rev-parse", "HEAD")
    repository.commit(**{"182": FORGOTTEN, "183": "---\nnumber: 183\nheadline: x\n---\n"})
    assert repository.step("Which issues", event="pull_request").returncode == 0
    checked = repository.step("Check", event="pull_request")
    assert checked.returncode == 1
    line = FORGOTTEN.splitlines().index("### [TODO](TODO)") + 1
    place = f"file=issues/182.md,line={line},col="
    assert f"::error {place}" in checked.stdout
    assert "title=placeholder::" in checked.stdout
    assert "already-sent" not in checked.stdout
    assert "::error file=issues/183.md,line=3,col=1,title=syntax::" in checked.stderr

    shown = repository.step("Show", event="pull_request")
    assert shown.returncode == 0, shown.stderr
    assert "title=already-sent::" in shown.stdout  # which only the server knows
    assert "title=placeholder::" not in shown.stdout
    told = (repository.runner / "gh.args").read_text()
    assert told.startswith("pr comment 7 --edit-last --create-if-none --body-file ")
    body = (repository.runner / "gh.body").read_text()
    (url,) = re.findall(r"\((http.*?)\)", body)  # what is no issue is not there
    assert body.startswith("Issue 182, version 1, ")
    page = httpx2.get(url)
    assert (page.status_code, "A preview" in page.text, "What it does." in page.text) == (
        *(200, True, True),
    )

    (repository.folder / "issues" / "183.md").unlink()
    merged = repository.commit(**{"182": TEXT})
    assert repository.step("Which issues", event="push", before=before).returncode == 0
    added = repository.step("Add and test", event="push")
    assert added.returncode == 0, added.stderr
    assert "Test 1, version 2" in added.stdout
    assert repository.git("rev-parse", "HEAD") == merged


def test_the_file_names_the_steps_and_rights_it_needs_and_no_more() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    for step in workflow["jobs"]["issues"]["steps"]:
        # What others wrote comes by the environment; written into a script, it would be one.
        assert "${{" not in step.get("run", "")
