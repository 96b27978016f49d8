"""A complete send from a script, as the documentation shows it, on either database."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from digest.delivery.ledger import Shares, SinkVerdict, accepted_lines
from tests.cli.shell import ISSUE, NEWSLETTER
from tests.scenarios.prefork import Child, Prefork
from tests.scenarios.processes import KEY, capture_relay

READERS = 300
TOTALS = (
    *("planned", "accepted", "rejected", "deferred", "in_doubt", "expired", "cancelled"),
    *("suppressed", "skipped", "held", "queued", "sending", "seconds", "messages_per_second"),
)
SETTLED = ("accepted", "rejected", "deferred")


def addresses() -> list[str]:
    return [f"reader{number}@example.org" for number in range(READERS)]


@dataclass(frozen=True, slots=True)
class Script:
    """Commands with one environment."""

    folder: Path
    prefork: Prefork
    environment: dict[str, str]

    def start(self, *arguments: str) -> Child:
        return self.prefork.start(*arguments, env=self.environment)

    def run(self, *arguments: str) -> str:
        return self.prefork.run(*arguments, env=self.environment)

    def json(self, *arguments: str) -> Any:
        return self.prefork.json(*arguments, env=self.environment)


@pytest.fixture
def script(empty_database_url: str, tmp_path: Path, prefork: Prefork) -> Iterator[Script]:
    """Everything up to the approved issue, in the words of the documentation."""
    with capture_relay(tmp_path / "capture") as url:
        settings = {
            "DIGEST_DATABASE_URL": empty_database_url,
            "DIGEST_RELAY_URL": url,
            "DIGEST_PUBLIC_URL": "http://127.0.0.1:8000",
            "DIGEST_SECRET_KEY": KEY,
            "DIGEST_STATE_DIR": str(tmp_path / "state"),
        }
        script = Script(tmp_path, prefork, settings)
        (tmp_path / "issue.md").write_text(ISSUE)
        rows = [f"{address},Reader {address}" for address in addresses()]
        (tmp_path / "readers.csv").write_text("\n".join(["email,name", *rows]))
        script.run("db", "upgrade")
        script.run(*NEWSLETTER)
        script.run("newsletter", "set", "weekly", "--schedule", "thu 09:00", "--undo-window", "300")
        imported = script.json(
            *("reader", "import", str(tmp_path / "readers.csv"), "--newsletter", "weekly"),
            *("--consent", "imported from a list"),
        )
        assert imported["imported"] == READERS
        yield script


def approved(script: Script) -> None:
    added = script.json("issue", "add", str(script.folder / "issue.md"), "--newsletter", "weekly")
    assert added.keys() == {"issue", "hash"}
    assert added["issue"] == 182
    script.run("issue", "approve", "182", added["hash"], "--newsletter", "weekly")


def test_the_script_of_the_documentation_sends_once_to_everyone(
    script: Script, tmp_path: Path
) -> None:
    approved(script)
    send = ("issue", "send", "182", "--newsletter", "weekly", "--wait", "--no-retries")
    totals = script.json(*send)
    assert tuple(totals) == TOTALS
    expected = [Shares().verdict(address) for address in addresses()]
    assert totals["planned"] == READERS
    for verdict in SinkVerdict:
        assert totals[verdict.value] == expected.count(verdict), verdict
    taken = [str(line["rcpt"]) for line in accepted_lines(tmp_path / "capture")]
    wanted = [
        address
        for address, verdict in zip(addresses(), expected, strict=True)
        if verdict is SinkVerdict.ACCEPTED
    ]
    assert sorted(taken) == sorted(wanted)

    again = script.json(*send)
    assert {name: again[name] for name in TOTALS[:-2]} == {
        name: totals[name] for name in TOTALS[:-2]
    }
    assert len(list(accepted_lines(tmp_path / "capture"))) == len(wanted)

    receipt = script.json("issue", "receipt", "182")
    assert receipt["accepted"] == totals["accepted"]
    assert {reply["code"] for reply in receipt["replies"]} == {550, 451}
    missed = [
        json.loads(line) for line in script.run("issue", "missed", "182", "--json").splitlines()
    ]
    assert {one["address"] for one in missed} == set(addresses()) - set(wanted)
    shown = script.json("reader", "show", wanted[0])
    assert [one["state"] for one in shown["deliveries"]] == ["accepted"]
    assert shown["deliveries"][0]["issue"] == 182


def page_of(url: str, link: str, **fields: str) -> str:
    """What ``link`` opens, or answers to a form, where the pages are served at ``url``."""
    form = urllib.parse.urlencode(fields).encode() if fields else None
    with urllib.request.urlopen(url + urlsplit(link).path, form, timeout=30) as answer:
        return str(answer.read().decode())


def become_owner(script: Script, url: str, link: str) -> None:
    """Set the first owner's password by a link that was printed, which opens once."""
    assert "You are the first" in page_of(url, link)
    twice = dict.fromkeys(("password", "again"), "a horse, a battery and a staple")
    page_of(url, link, address="anne@example.org", **twice)
    made = script.json("user", "list")
    assert (made["address"], made["role"], made["password"]) == ("anne@example.org", "owner", True)
    nothing_opens(url, link)


def nothing_opens(url: str, link: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="410") as gone:
        page_of(url, link)
    gone.value.close()


def served(script: Script) -> str:
    """What ``digest web`` tells a person when it has begun; it is stopped again."""
    pages = script.start("web", "--port", "0")
    pages.until(lambda: "Pages at http://127.0.0.1:" in pages.err and pages.err.endswith("\n"))
    pages.signal(signal.SIGTERM)
    assert pages.wait() == 0
    assert pages.out == ""
    return pages.err


def test_run_sends_what_was_started_and_ends_at_sigterm(script: Script, tmp_path: Path) -> None:
    approved(script)
    begin = re.search(r"^Nobody can sign in yet\. Begin at (\S+)$", served(script), re.MULTILINE)
    assert begin is not None
    service = script.start("run", "--port", "0", "--json")
    service.until(lambda: service.out.endswith("\n"))
    said = json.loads(service.out)
    url, first = said["url"], said["first_owner"]
    for link in (begin[1], first):
        assert link.startswith("http://127.0.0.1:8000/desk/welcome/")
    nothing_opens(url, begin[1])  # the link that was printed last is the one that opens
    become_owner(script, url, first)
    with urllib.request.urlopen(f"{url}/readyz", timeout=30) as answer:
        assert answer.status == 200
    script.run("issue", "send", "182")
    watching = script.start("issue", "status", "182", "--watch", "--json")

    def settled() -> int:
        lines = watching.out.rpartition("\n")[0].splitlines()
        status = json.loads(lines[-1]) if lines else dict.fromkeys(SETTLED, 0)
        return sum(status[name] for name in SETTLED)

    watching.until(lambda: settled() == READERS)
    accepted = json.loads(watching.out.rpartition("\n")[0].splitlines()[-1])["accepted"]
    watching.signal(signal.SIGINT)
    watching.wait()
    service.signal(signal.SIGTERM)
    assert service.wait() == 0
    assert len(list(accepted_lines(tmp_path / "capture"))) == accepted
    assert "Begin at" not in served(script)  # somebody can sign in now
    service = script.start("run", "--port", "0", "--json")
    service.until(lambda: service.out.endswith("\n"))
    assert "first_owner" not in json.loads(service.out)
    service.signal(signal.SIGTERM)
    assert service.wait() == 0


@pytest.mark.parametrize("dialect", ["sqlite"])  # PostgreSQL has room for several senders
def test_beside_another_sender_it_watches_and_goes_on_when_that_is_gone(
    script: Script, tmp_path: Path
) -> None:
    approved(script)
    with (tmp_path / "empty.db.sender").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = script.start("issue", "send", "182", "--wait", "--no-retries", "--json")
        waiting.until(lambda: "Watching" in waiting.err)
        assert list(accepted_lines(tmp_path / "capture")) == []
        fcntl.flock(other, fcntl.LOCK_UN)
        assert waiting.wait() == 0, waiting.err
    taken = len(list(accepted_lines(tmp_path / "capture")))
    assert json.loads(waiting.out)["accepted"] == taken > 200
