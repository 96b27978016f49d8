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
from email.utils import format_datetime
from pathlib import Path

import pytest

from digest.delivery.ledger import MESSAGES, accepted_lines
from digest.rules.slots import next_slot
from tests.cli.shell import ISSUE, NEWSLETTER
from tests.collect.feeds import XML, item, rss
from tests.collect.web import served
from tests.fakes.faked_time import FakedTime
from tests.fakes.pages import Pages, answer
from tests.scenarios.prefork import Prefork
from tests.scenarios.processes import KEY, PATIENCE, Script, capture_relay, environment

ZONE, SCHEDULE = "Europe/Berlin", "thu 09:00"
WEEK, SECOND = timedelta(weeks=1), timedelta(seconds=1)
READERS = ("anne@example.org", "bart@example.net", "cris@example.com")
EDITOR, OPERATOR = "edda@example.org", "olga@example.org"


@pytest.fixture
def clock(tmp_path: Path) -> FakedTime:
    return FakedTime(tmp_path / "now")


@pytest.fixture
def feed() -> Iterator[Pages]:
    """A feed that has nothing yet."""
    with served({"/feed": feed_of()}) as pages:
        yield pages


def feed_of(*names: str) -> bytes:
    """The answer with a feed of these pages, which came today."""
    today = format_datetime(datetime.now(UTC))
    items = "".join(item(name, f"https://example.com/{name}", date=today) for name in names)
    return answer(200, rss(items).encode(), content_type=XML)


@pytest.fixture
def script(
    empty_database_url: str, tmp_path: Path, clock: FakedTime, feed: Pages, prefork: Prefork
) -> Iterator[Script]:
    """A newsletter with an approved issue, readers and a feed. What needs no clock of its own is
    done by commands that have begun already.
    """
    with capture_relay(tmp_path / "capture", "--rejected", "0", "--deferred", "0") as relay:
        settings = {
            "DIGEST_DATABASE_URL": empty_database_url,
            "DIGEST_RELAY_URL": relay,
            "DIGEST_PUBLIC_URL": "http://127.0.0.1:8000",
            "DIGEST_SECRET_KEY": KEY,
            "DIGEST_STATE_DIR": str(tmp_path / "state"),
            "DIGEST_FETCH__ALLOW": "127.0.0.0/8",
        }
        (tmp_path / "readers.csv").write_text("\n".join(["email", *READERS]))
        (tmp_path / "issue.md").write_text(ISSUE)
        for command in (
            ("db", "upgrade"),
            NEWSLETTER,
            (
                *("newsletter", "set", "weekly", "--timezone", ZONE),
                *("--schedule", SCHEDULE, "--undo-window", "1"),
                *("--editor", EDITOR, "--operator", OPERATOR),
            ),
            ("reader", "import", str(tmp_path / "readers.csv"), "--consent", "asked me"),
            ("feed", "add", feed.url("/feed")),
        ):
            prefork.run(*command, env=settings)
        digits = prefork.json("issue", "add", str(tmp_path / "issue.md"), env=settings)["hash"]
        prefork.run("issue", "approve", "182", digits, env=settings)
        yield Script(tmp_path, environment(**settings, **clock.environment))


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
        try:
            yield service
        except BaseException:
            service.kill()  # what went wrong is to be told, and not waited for
            raise
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE) == 0


def the_slot() -> datetime:
    """A slot that is some days away, so that clocks are set forward."""
    slot = next_slot(SCHEDULE, ZONE, datetime.now(UTC) + timedelta(days=1))
    assert slot is not None
    return slot


def test_left_alone_it_sends_tells_the_operator_collects_links_and_then_only_reminds_the_editor(
    script: Script, clock: FakedTime, feed: Pages
) -> None:
    slot = the_slot()
    with serving(script) as service:
        once = Counter(dict.fromkeys(READERS, 1))
        clock.set(slot - 5 * SECOND)
        until(service, lambda: mailed(script) == once)
        feed.answers["/feed"] = feed_of("robot", "sheep")
        clock.set(slot + timedelta(hours=2))  # its sums are told within a minute, the feed is due
        until(service, lambda: mailed(script)[OPERATOR] == 1)
        until(service, lambda: sum(one.path == "/feed" for one in feed.asked) > 1)
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
    waiting = script.run("link", "list", "--state", "waiting", "--json").splitlines()
    assert [json.loads(line)["title"] for line in waiting] == ["robot", "sheep"]
    shown = script.json("newsletter", "show")["next"]
    assert datetime.fromisoformat(shown["at"]) == slot + 2 * WEEK
    assert datetime.fromisoformat(shown["held"]) == slot + WEEK


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_restored_backup_sends_nothing_twice(script: Script, clock: FakedTime) -> None:
    slot, database = the_slot(), script.folder / "empty.db"
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
