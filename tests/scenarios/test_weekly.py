"""Left alone, ``digest run`` sends what was approved at its slot, and nothing at the next one."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.delivery.ledger import MESSAGES, accepted_lines
from digest.rules.slots import next_slot
from tests.cli.shell import ISSUE, NEWSLETTER
from tests.fakes.faked_time import FakedTime
from tests.scenarios.processes import KEY, PATIENCE, Script, capture_relay, environment

ZONE, SCHEDULE = "Europe/Berlin", "thu 09:00"
WEEK, SECOND = timedelta(weeks=1), timedelta(seconds=1)
READERS = ("anne@example.org", "bart@example.net", "cris@example.com")
EDITOR, OPERATOR = "edda@example.org", "olga@example.org"


@pytest.fixture
def clock(tmp_path: Path) -> FakedTime:
    return FakedTime(tmp_path / "now")


@pytest.fixture
def script(empty_database_url: str, tmp_path: Path, clock: FakedTime) -> Iterator[Script]:
    with capture_relay(tmp_path / "capture", "--rejected", "0", "--deferred", "0") as relay:
        settings = environment(
            DIGEST_DATABASE_URL=empty_database_url,
            DIGEST_RELAY_URL=relay,
            DIGEST_PUBLIC_URL="http://127.0.0.1:8000",
            DIGEST_SECRET_KEY=KEY,
            DIGEST_STATE_DIR=str(tmp_path / "state"),
            **clock.environment,
        )
        script = Script(tmp_path, settings)
        script.run("db", "upgrade")
        script.run(*NEWSLETTER)
        script.run(
            *("newsletter", "set", "weekly", "--timezone", ZONE),
            *("--schedule", SCHEDULE, "--undo-window", "1"),
            *("--editor", EDITOR, "--operator", OPERATOR),
        )
        lines = "\n".join(["email", *READERS])
        (tmp_path / "readers.csv").write_text(lines)
        script.run("reader", "import", "readers.csv", "--consent", "asked me")
        yield script


def mailed(script: Script) -> Counter[str]:
    """How many mails each address got."""
    return Counter(str(line["rcpt"]) for line in accepted_lines(script.folder / "capture"))


def until(service: subprocess.Popen[str], true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert service.poll() is None, service.communicate()
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def clock_seen(service: subprocess.Popen[str]) -> None:
    """Wait until the service has noticed that the clock was set."""
    assert service.stderr is not None
    assert any("the clock was set" in line for line in service.stderr), "it has ended"


@contextmanager
def serving(script: Script) -> Iterator[subprocess.Popen[str]]:
    """A ``digest run`` that has begun, and ends well on SIGTERM."""
    with script.start("run", "--port", "0", "--json") as service:
        assert service.stdout is not None
        json.loads(service.stdout.readline())
        yield service
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE) == 0


def the_slot() -> datetime:
    """A slot that is some days away, so that clocks are set forward."""
    slot = next_slot(SCHEDULE, ZONE, datetime.now(UTC) + timedelta(days=1))
    assert slot is not None
    return slot


def test_left_alone_it_sends_at_the_slot_tells_the_operator_and_then_reminds_the_editor(
    script: Script, clock: FakedTime
) -> None:
    (script.folder / "issue.md").write_text(ISSUE)
    digits = script.json("issue", "add", "issue.md")["hash"]
    script.run("issue", "approve", "182", digits)
    slot = the_slot()
    with serving(script) as service:
        once = Counter(dict.fromkeys(READERS, 1))
        clock.set(slot - 5 * SECOND)
        until(service, lambda: mailed(script) == once)
        clock.set(slot + timedelta(hours=1))  # its sums are told within a minute
        until(service, lambda: mailed(script)[OPERATOR] == 1)
        for again in (slot - 5 * SECOND, slot + 5 * SECOND):  # the same slot, as it seems
            clock.set(again)
            clock_seen(service)

        clock.set(slot + WEEK - timedelta(hours=1))
        until(service, lambda: mailed(script)[EDITOR] == 1)
        clock.set(slot + WEEK)
        until(service, lambda: mailed(script)[EDITOR] == 2)
        until(service, lambda: mailed(script)[OPERATOR] == 2)
        assert mailed(script) == once + Counter({EDITOR: 2, OPERATOR: 2})
    mails = (script.folder / "capture" / MESSAGES).read_bytes()
    for subject in (b"issue 182 is out", b"due in 2 hours", b"no issue was approved"):
        assert subject in mails.replace(b"=\r\n", b"").replace(b"\r\n ", b" "), subject
    shown = script.json("newsletter", "show")["next"]
    assert datetime.fromisoformat(shown["at"]) == slot + 2 * WEEK
    assert datetime.fromisoformat(shown["held"]) == slot + WEEK


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_restored_backup_sends_nothing_twice(script: Script, clock: FakedTime) -> None:
    (script.folder / "issue.md").write_text(ISSUE)
    digits = script.json("issue", "add", "issue.md")["hash"]
    script.run("issue", "approve", "182", digits)
    slot, database = the_slot(), script.folder / "empty.db"
    with serving(script):
        pass
    shutil.copyfile(database, script.folder / "backup.db")
    once = Counter(dict.fromkeys(READERS, 1))
    with serving(script) as service:
        clock.set(slot - 5 * SECOND)
        until(service, lambda: mailed(script) == once)
    for file in script.folder.glob("empty.db*"):
        file.unlink()
    shutil.copyfile(script.folder / "backup.db", database)
    clock.set(slot + timedelta(minutes=30))  # the slot would be taken once more
    with serving(script) as service:
        until(service, lambda: mailed(script)[OPERATOR] == 1)  # that it was restored
        clock.set(slot + WEEK)
        until(service, lambda: mailed(script)[EDITOR] == 1)  # that nothing is approved
    assert {reader: mailed(script)[reader] for reader in READERS} == once
