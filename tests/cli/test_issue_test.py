"""``digest issue test``: to whom it goes, what it says, and that it never touches the issue."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import Message
from pathlib import Path
from typing import IO

import pytest

from tests.cli.shell import ISSUE, Shell
from tests.fakes.relay import FakeRelay


@contextmanager
def running(relay: FakeRelay) -> Iterator[FakeRelay]:
    """A relay in a thread of its own: the shell has an event loop of its own too."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(relay.__aenter__(), loop).result(10)
        yield relay
        asyncio.run_coroutine_threadsafe(relay.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRelay]:
    with running(FakeRelay()) as relay:
        monkeypatch.setenv("DIGEST_RELAY_URL", relay.url())
        yield relay


@pytest.fixture
def drafted(installed: Shell) -> Shell:
    """A shell with issue 182 as a draft that nobody approved."""
    installed.write("182.md", ISSUE)
    assert installed("issue", "add", "182.md").code == 0
    return installed


def to(relay: FakeRelay, address: str) -> list[Message]:
    return [one.message for one in relay.ledger if one.recipient == address]


def test_a_draft_goes_to_a_few_addresses_and_its_hash_is_told(
    drafted: Shell, relay: FakeRelay
) -> None:
    said = drafted("issue", "test", "182", "--to", "dora@example.org", "emil@example.org", "--json")
    assert said.code == 0
    assert said.json["test"] == 1
    assert [one["state"] for one in said.json["to"]] == ["accepted", "accepted"]
    assert {one["code"] for one in said.json["to"]} == {250}
    (message,) = to(relay, "dora@example.org")
    assert message["Subject"].startswith("[Test 1] ")
    approved = drafted("issue", "approve", "182", said.json["hash"], "--json")
    assert approved.json["state"] == "approved"


def test_what_was_tested_is_still_a_draft_and_was_sent_to_no_reader(
    drafted: Shell, relay: FakeRelay
) -> None:
    drafted("reader", "add", "anne@example.org")
    drafted("issue", "test", "182", "--to", "dora@example.org")
    assert drafted("issue", "show", "182", "--json").json["state"] == "draft"
    assert [one.recipient for one in relay.ledger] == ["dora@example.org"]


def test_tests_are_counted_per_issue(drafted: Shell, relay: FakeRelay) -> None:
    drafted.write("183.md", ISSUE.replace("182", "183"))
    drafted("issue", "add", "183.md")
    for issue, number in (("182", 1), ("182", 2), ("183", 1)):
        said = drafted("issue", "test", issue, "--to", "dora@example.org", "--json")
        assert said.json["test"] == number
    assert len({one["Message-ID"] for one in to(relay, "dora@example.org")}) == 3


def test_a_refused_address_is_told_with_the_reply(drafted: Shell, relay: FakeRelay) -> None:
    relay.fault("RCPT", "550 5.1.1 no such user", to="emil@example.org")
    said = drafted("issue", "test", "182", "--to", "dora@example.org", "emil@example.org")
    assert said.code == 1
    assert "dora@example.org  accepted  250" in said.out
    assert "emil@example.org  rejected  550 5.1.1" in said.out
    assert "approve" not in said.out


def test_an_address_named_twice_gets_one_mail(drafted: Shell, relay: FakeRelay) -> None:
    drafted("issue", "test", "182", "--to", "dora@example.org", "dora@EXAMPLE.org")
    assert len(relay.ledger) == 1


@pytest.mark.parametrize(
    ("addresses", "told"),
    [
        (("nobody",), "@"),
        (("dora@example.org\r\nRCPT TO:<x@y>",), ""),
        (tuple(f"d{number}@example.org" for number in range(21)), "at most 20"),
    ],
)
def test_addresses_that_cannot_be_are_refused_before_anything_is_written(
    drafted: Shell, relay: FakeRelay, addresses: tuple[str, ...], told: str
) -> None:
    said = drafted("issue", "test", "182", "--to", *addresses)
    assert said.code == 2
    assert said.out == ""
    assert said.error["where"] == "--to"
    assert told in said.error["message"]
    after = drafted("issue", "test", "182", "--to", "dora@example.org", "--json")
    assert after.json["test"] == 1
    assert len(relay.ledger) == 1


def test_without_a_relay_it_says_so(drafted: Shell) -> None:
    said = drafted("issue", "test", "182", "--to", "dora@example.org")
    assert said.code == 2
    assert said.error["where"] == "DIGEST_RELAY_URL"


def test_an_issue_that_is_not_there_is_named(installed: Shell, relay: FakeRelay) -> None:
    said = installed("issue", "test", "9", "--to", "dora@example.org")
    assert said.code != 0
    assert "9" in said.error["message"]
    assert not relay.ledger


def test_where_another_process_sends_it_waits_until_the_mail_is_out(
    on_sqlite: Shell, relay: FakeRelay, sqlite_url: str
) -> None:
    on_sqlite.write("182.md", ISSUE)
    on_sqlite("issue", "add", "182.md")
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    lock = database.with_name(database.name + ".sender").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    other = threading.Thread(target=_release_once_asked, args=(database, lock))
    other.start()
    said = on_sqlite("issue", "test", "182", "--to", "dora@example.org", "--json")
    other.join()
    assert said.code == 0
    assert [one.recipient for one in relay.ledger] == ["dora@example.org"]


def _release_once_asked(database: Path, lock: IO[str]) -> None:
    """The other sender ends some time after the test was put in the queue."""
    with closing(sqlite3.connect(database)) as found:
        while not found.execute("SELECT count(*) FROM notices").fetchone()[0]:
            threading.Event().wait(0.05)
    threading.Event().wait(0.7)
    lock.close()


def test_what_was_tested_can_be_approved_without_its_hash(drafted: Shell, relay: FakeRelay) -> None:
    never = drafted("issue", "approve", "182", "--tested")
    assert (never.code, never.error["where"]) == (1, "--tested")
    tested = drafted("issue", "test", "182", "--to", "dora@example.org", "--json").json
    drafted.write("182.md", ISSUE.replace("The blurb", "A later thought"))
    drafted("issue", "add", "182.md")
    approved = drafted("issue", "approve", "182", "--tested", "--json")
    assert (approved.code, approved.json["hash"]) == (0, tested["hash"])
    newer = drafted("issue", "test", "182", "--to", "dora@example.org")
    assert "Next: digest issue approve 182 --tested" in newer.out
    drafted("issue", "approve", "182", "--tested")
    assert "It is approved." in drafted("issue", "test", "182", "--to", "dora@example.org").out
    for wrong in ((), (tested["hash"], "--tested")):
        assert drafted("issue", "approve", "182", *wrong).code == 2


def test_only_an_editor_gets_the_button_that_approves(drafted: Shell, relay: FakeRelay) -> None:
    drafted("newsletter", "set", "weekly", "--editor", "edda@example.org")
    drafted("issue", "test", "182", "--to", "edda@example.org", "dora@example.org")
    (editor,), (other,) = to(relay, "edda@example.org"), to(relay, "dora@example.org")
    assert "/approve/" in str(editor).replace("=\n", "")
    assert "/approve/" not in str(other).replace("=\n", "")
