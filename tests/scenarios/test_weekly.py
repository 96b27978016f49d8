"""Left alone, ``digest run`` sends what was approved at its slot, and nothing at the next one.

The processes are real, their wall clock is set: to a slot, over a change of the hour, back.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH

import pytest
from httpx2 import Client

from digest.delivery.ledger import MESSAGES, accepted_lines
from digest.mail.tokens import KeyRing, TokenKind
from digest.rules.slots import next_slot
from tests.cli.shell import ISSUE, NEWSLETTER
from tests.collect.feeds import XML, item, rss
from tests.collect.web import served
from tests.fakes.faked_time import FakedTime
from tests.fakes.pages import Pages, answer
from tests.fakes.ports import free_port
from tests.scenarios.conftest import ON_SQLITE
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
def unattended(
    empty_database_url: str, tmp_path: Path, clock: FakedTime, feed: Pages, prefork: Prefork
) -> Iterator[Script]:
    """A newsletter with readers and a feed, and nobody who works at it."""
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
        for command in (
            ("db", "upgrade"),
            NEWSLETTER,
            (
                *("newsletter", "set", "weekly", "--timezone", ZONE),
                *("--schedule", SCHEDULE, "--undo-window", "1"),
            ),
            ("reader", "import", str(tmp_path / "readers.csv"), "--consent", "asked me"),
            ("feed", "add", feed.url("/feed")),
        ):
            prefork.run(*command, env=settings)
        yield Script(tmp_path, environment(**settings, **clock.environment))


@pytest.fixture
def script(unattended: Script, prefork: Prefork) -> Script:
    """The same with an editor, an operator and an approved issue."""
    people = ("--editor", EDITOR, "--operator", OPERATOR)
    prefork.run("newsletter", "set", "weekly", *people, env=unattended.environment)
    approve(unattended, prefork, 182)
    return unattended


def approve(script: Script, prefork: Prefork, number: int) -> None:
    """Add an issue and approve it. Commands that need no clock of their own have begun already."""
    file = script.folder / f"{number}.md"
    file.write_text(ISSUE.replace("182", str(number)))
    digits = prefork.json("issue", "add", str(file), env=script.environment)["hash"]
    prefork.run("issue", "approve", str(number), digits, env=script.environment)


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
def serving(script: Script, *, port: str = "0", **more: str) -> Iterator[subprocess.Popen[str]]:
    """A ``digest run``, with ``more`` in its environment, that has begun; it ends well on SIGTERM,
    unless it was killed.
    """
    there = replace(script, environment={**script.environment, **more})
    with there.start("run", "--port", port, "--json") as service:
        assert service.stdout is not None
        json.loads(service.stdout.readline())
        try:
            yield service
        except BaseException:
            service.kill()  # what went wrong is to be told, and not waited for
            raise
        if service.returncode is None:
            service.send_signal(signal.SIGTERM)
            assert service.wait(PATIENCE) == 0


def asked(feed: Pages, path: str) -> int:
    return sum(one.path == path for one in feed.asked)


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
        until(service, lambda: asked(feed, "/feed") > 1)
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


@ON_SQLITE
def test_a_digest_without_anybody_makes_and_sends_itself_and_is_skipped_when_nothing_came(
    unattended: Script, clock: FakedTime, feed: Pages, prefork: Prefork
) -> None:
    def listed(*what: str) -> list[dict[str, Any]]:
        lines = prefork.run(*what, "--json", env=unattended.environment).splitlines()
        return [json.loads(line) for line in lines]

    def waiting() -> set[str]:
        return {str(one["title"]) for one in listed("link", "list", "--state", "waiting")}

    automatic = ("--automatic", "at-least=2,per-source=3")
    prefork.run("newsletter", "set", "weekly", *automatic, env=unattended.environment)
    slot, names = the_slot(), ("robot", "sheep", "whale", "otter")
    once, twice = (Counter(dict.fromkeys(READERS, times)) for times in (1, 2))
    feed.answers["/feed"] = feed_of(*names)
    with serving(unattended) as service:
        clock.set(slot - timedelta(days=1))  # the feed is due
        until(service, lambda: waiting() >= set(names))
        clock.set(slot - timedelta(minutes=20))
        until(service, lambda: [one["state"] for one in listed("issue", "list")] == ["approved"])
        clock.set(slot - 5 * SECOND)
        until(service, lambda: readers_mail(unattended) == once)

        clock.set(slot + WEEK + 5 * SECOND)  # nothing has come
        until(service, lambda: next_at(listed("newsletter", "show")) == slot + 2 * WEEK)
        feed.answers["/feed"] = feed_of(*names, "eagle", "snail")
        clock.set(slot + WEEK + timedelta(hours=3))
        until(service, lambda: waiting() >= {"eagle", "snail"})
        clock.set(slot + 2 * WEEK - timedelta(minutes=20))
        until(service, lambda: "approved" in [one["state"] for one in listed("issue", "list")])
        clock.set(slot + 2 * WEEK - 5 * SECOND)
        until(service, lambda: readers_mail(unattended) == twice)
    texts = [prefork.run("issue", "pull", name, env=unattended.environment) for name in ("1", "2")]
    within = [{one for one in (*names, "eagle", "snail") if one in text} for text in texts]
    assert len(within[0]) == 3  # of one source
    assert within[1] == {"eagle", "snail"}  # what came since
    assert len(listed("issue", "list")) == 2


@ON_SQLITE
def test_a_heartbeat_that_a_killed_process_owes_is_paid_by_the_next_one_and_once(
    script: Script, clock: FakedTime, feed: Pages
) -> None:
    monitor = {
        "DIGEST_HEARTBEAT_URL": feed.url("/well"),
        "DIGEST_WEBHOOKS__ALLOW": "127.0.0.0/8",
    }
    feed.answers["/well"] = answer(503, b"")
    with serving(script, **monitor) as service:
        clock.set(the_slot() - 5 * SECOND)
        until(service, lambda: asked(feed, "/well") > 0)
        service.kill()
        service.wait(PATIENCE)
    in_vain = asked(feed, "/well")
    feed.answers["/well"] = answer(200, b"")
    with serving(script, **monitor) as service:  # for which the slot is about to come again
        until(service, lambda: asked(feed, "/well") > in_vain)
        until(service, lambda: readers_mail(script) == Counter(dict.fromkeys(READERS, 1)))
    with serving(script, **monitor):
        pass  # a clean end would pay what is owed
    assert asked(feed, "/well") == in_vain + 1


# 28 March and 31 October 2027 have no 02:30, and two; 29 February comes in 2028.
AT_CHANGES = "cron 30 2 28,29,31 2,3,10 *"
SPRING = datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
AUTUMN = datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
LEAP_DAY = datetime(2028, 2, 29, 1, 30, tzinfo=UTC)
BY_OTHER_RULES = datetime(2028, 3, 27, 23, 30, tzinfo=UTC)  # 28 March 02:30, three hours from UTC


@ON_SQLITE
def test_each_date_has_its_issue_once_however_the_clock_is_set_and_the_zone_changed(
    script: Script, clock: FakedTime, prefork: Prefork
) -> None:
    for number in range(183, 188):
        approve(script, prefork, number)
    prefork.run("newsletter", "set", "weekly", "--schedule", AT_CHANGES, env=script.environment)

    def sent(issues: int) -> bool:
        return readers_mail(script) == Counter(dict.fromkeys(READERS, issues))

    hour, day = timedelta(hours=1), timedelta(days=1)
    with serving(script) as service:
        clock.set(SPRING - 5 * SECOND)
        until(service, lambda: sent(1))
        for again in (SPRING - hour, SPRING + 5 * SECOND):
            clock.set(again)
            clock_seen(service)
        clock.set(SPRING + day)  # where the slot was an hour ago
        until(service, lambda: sent(2))
        clock.set(AUTUMN - 5 * SECOND)
        until(service, lambda: sent(3))
        for again in (AUTUMN + hour + 5 * SECOND, AUTUMN - 5 * SECOND, AUTUMN + 2 * hour):
            clock.set(again)
            clock_seen(service)
        clock.set(LEAP_DAY - 5 * SECOND)
        until(service, lambda: sent(4))
    rules = script.folder / "zones" / "Europe"
    rules.mkdir(parents=True)
    (rules / "Berlin").write_bytes(zone_file("Europe/Moscow"))
    clock.shift(timedelta(0))  # a process that begins believes PostgreSQL's clock, which is not set
    with serving(script, PYTHONTZPATH=f"{rules.parent}:/usr/share/zoneinfo") as service:
        clock.set(BY_OTHER_RULES - 5 * SECOND)
        until(service, lambda: sent(5))
    lines = prefork.run("issue", "list", "--json", env=script.environment).splitlines()
    states = {one["issue"]: one["state"] for one in map(json.loads, lines)}
    assert [number for number, state in states.items() if state == "approved"] == [187]


@ON_SQLITE
def test_a_clock_that_is_set_ends_no_session_no_link_and_no_key(
    unattended: Script, clock: FakedTime, prefork: Prefork
) -> None:
    port, keys, dora = str(free_port()), KeyRing(KEY), "dora@example.org"
    url = f"http://127.0.0.1:{port}"
    here = {"DIGEST_PUBLIC_URL": url}
    env = {**unattended.environment, **here}
    welcome = prefork.json("user", "add", OPERATOR, "--role", "owner", env=env)["link"]
    key = prefork.json("api-key", "create", "crm", "--scope", "readers:read", env=env)["key"]
    password = "a horse, a battery and a staple"
    with serving(unattended, port=port, **here) as service, Client(base_url=url) as olga:
        chosen = {"password": password, "again": password}
        assert olga.post(welcome, data=chosen).headers["location"] == "/desk"
        stamp = olga.get("/n/weekly/subscribe.json").json()["stamp"]
        clock.shift(timedelta(minutes=5))  # nobody fills in a form so fast
        clock_seen(service)
        olga.post("/n/weekly/subscribe.json", json={"email": dora, "stamp": stamp})
        until(service, lambda: mailed(unattended)[dora] == 1)
        mail = (unattended.folder / "capture" / MESSAGES).read_bytes().replace(b"=\r\n", b"")
        confirm = mail.partition(f"{url}/c/".encode())[2].split()[0].decode()
        paths = [
            "/desk",
            f"/c/{confirm}",
            f"/u/{keys.sign(TokenKind.LEAVE, 1)}",
            f"/p/{keys.sign(TokenKind.PREFERENCES, 1)}",
            "/api/v1/readers",
        ]
        signing_in = {"address": OPERATOR, "password": password}
        for by in (timedelta(days=1), -timedelta(hours=1), timedelta(0)):
            clock.shift(by)
            clock_seen(service)
            answers = {path: olga.get(path, headers=bearer(key)).status_code for path in paths}
            assert answers == dict.fromkeys(paths, 200), by
            with Client(base_url=url) as elsewhere:  # and forgets sessions that are over
                assert elsewhere.post("/desk/sign-in", data=signing_in).status_code == 303
        assert olga.post(f"/c/{confirm}", data={"confirm": "yes"}).status_code == 303
    shown = prefork.json("reader", "show", dora, env=env)
    assert shown["subscriptions"][0]["state"] == "active"


def bearer(key: str) -> dict[str, str]:
    """How a program shows its key."""
    return {"Authorization": f"Bearer {key}"}


def readers_mail(script: Script) -> Counter[str]:
    """How many mails each reader got."""
    got = mailed(script)
    return Counter({reader: got[reader] for reader in READERS if got[reader]})


def next_at(shown: list[dict[str, Any]]) -> datetime:
    """The next slot, as ``newsletter show`` has it."""
    return datetime.fromisoformat(shown[0]["next"]["at"])


def zone_file(name: str) -> bytes:
    """The rules of a zone, from where Python finds them."""
    for folder in TZPATH:
        if (Path(folder) / name).is_file():
            return (Path(folder) / name).read_bytes()
    return (resources.files("tzdata") / "zoneinfo" / name).read_bytes()
