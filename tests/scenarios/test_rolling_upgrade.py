"""A rolling upgrade, as the page of many machines tells it, from each release to this code.

The older parts are the real ones: their code comes out of the history. An issue is on its way all
the while, and the database has something of what an installation gathers.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx2 import Client

from digest import __version__
from digest.store.revisions import known_revisions
from tests.cli.shell import ISSUE
from tests.collect.web import served
from tests.fakes.pages import Pages, answer
from tests.fakes.postgres import PostgresServer
from tests.fakes.relay_plan import Plan
from tests.fakes.releases import RELEASES, unpack
from tests.inbound.returned import dsn
from tests.scenarios.house import SEND, House, address, furnish
from tests.scenarios.oracle import judge
from tests.scenarios.prefork import Prefork
from tests.scenarios.relays import RelayProcess, Taken
from tests.scenarios.test_fleet import Fleet, said, status, until

READERS, CONNECTIONS = 300, 4
SLOW = Plan(pause=0.4)  # half a minute for all of them, so that the rest happens in between
AFTERWARDS = 5  # mails each must have got out beside the other
FEED = b'{"version": "https://jsonfeed.org/version/1.1", "title": "Robots", "items": []}'
OLGA, DORA, NEVER = "olga@example.org", "dora@example.net", "never@example.org"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
# What an installation gathers, as commands of every version list it.
LISTS = (
    *("suppression list", "link list", "feed list", "feedback list", "webhook list"),
    *("api-key list", "user list", "newsletter list", "reader list"),
)


@dataclass(frozen=True)
class Release:
    """A release whose code is there, and the parent of its commands."""

    version: str
    code: Path
    prefork: Prefork

    @property
    def newest_revision(self) -> str:
        return max(file.name[:4] for file in (self.code / "alembic" / "versions").glob("0*.py"))


@pytest.fixture(scope="module", params=RELEASES)
def release(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    version: str = request.param
    code = unpack(version, tmp_path_factory.mktemp("release"))
    with Prefork(tmp_path_factory.mktemp("old"), {}, code) as parent:
        yield Release(version, code, parent)


@pytest.fixture
def pages() -> Iterator[Pages]:
    """Somebody's feed, and another program that wants to be told of readers."""
    feed = answer(200, FEED, content_type="application/feed+json")
    with served({"/feed": feed, "/hook": answer(200)}) as pages:
        yield pages


@pytest.fixture
def old(
    release: Release, postgres_server: PostgresServer, pages: Pages, tmp_path: Path
) -> Iterator[House]:
    """An installation of the release, with an approved issue."""
    name = f"rolling_{release.version}"
    postgres_server.create_database(name)
    url = postgres_server.url(name)
    furnish(release.prefork, url, folder=tmp_path, readers=READERS)
    with RelayProcess(tmp_path / "relay", SLOW) as relay:
        keys = {"connections": CONNECTIONS}
        house = House(tmp_path, url, READERS, relay, release.prefork, keys)
        house.settings.update(
            DIGEST_FETCH__ALLOW="127.0.0.0/8", DIGEST_WEBHOOKS__ALLOW="127.0.0.0/8"
        )
        yield house
    postgres_server.drop_database(name)


def test_it_is_the_last_two_releases_that_are_upgraded() -> None:
    log = (Path(__file__).resolve().parents[2] / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", log, re.MULTILINE)
    earlier = [version for version in versions if version != __version__]
    assert list(RELEASES) == earlier[1::-1]


def test_the_code_of_a_release_is_its_own_with_all_that_lies_beside_it(release: Release) -> None:
    ask = (
        "import digest; from digest.resources import migrations, templates;"
        " print(digest.__file__, templates(), migrations())"
    )
    shown = subprocess.run(
        [sys.executable, "-P", "-c", ask],
        env={"PYTHONPATH": str(release.code)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    beside = ("digest/__init__.py", "templates", "alembic")
    assert shown == [str(release.code / name) for name in beside]
    assert release.prefork.run("--version").strip() == release.version


def test_an_issue_goes_out_once_to_everybody_while_older_parts_give_way_to_newer_ones(
    release: Release, old: House, pages: Pages, prefork: Prefork
) -> None:
    new, relay = replace(old, prefork=prefork), old.relay
    older, newer = Fleet(old), Fleet(new)
    web = older.start("pages", "web", "--port", "0")
    scheduler = older.start("schedule", "scheduler", "--health-port", "0")
    worker = older.worker("one")
    key, welcome, confirm = gathered(old, said(web)["url"], pages)
    relay.begin_anew()
    old.run(*SEND)
    until(lambda: len(relay.ledger) > CONNECTIONS)
    bounced, leaver, later, *_ = relay.ledger
    comes_back(old, bounced)
    listed = lists(old)
    assert all(listed.values()), listed

    upgrades = [new.start("db", "upgrade") for _ in range(2)]
    assert [one.wait() for one in upgrades] == [0, 0], [one.err for one in upgrades]
    assert has(lists(new), listed)
    begun_too_late = old.start("status")
    refused = release.newest_revision < known_revisions()[-1]
    assert begun_too_late.wait() == (2 if refused else 0)
    assert ("A newer version of digest" in begun_too_late.err) == refused

    # Workers first.
    second = newer.worker("two")
    hands = Hands(old)
    leaves(old, said(web)["url"], leaver)
    until(lambda: min(hands.sent()[one.pid] for one in (worker, second)) >= AFTERWARDS)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    until(lambda: told(pages) == [leaver.recipient])
    # Then schedulers and pages, each where its older one was.
    for part in (scheduler, web):
        assert not part.ended
        part.signal(signal.SIGTERM)
        assert part.wait() == 0
    newer.start("schedule", "scheduler", "--health-port", "0")
    url = said(newer.start("pages", "web", "--port", "0"))["url"]
    assert status(f"{url}/readyz") == 200
    leaves(new, url, later)
    assert old.states()["accepted"] < READERS, "it was over too early"
    relay.does(Plan())
    new.until_over()
    assert judge(new).duplicates == 0

    until(lambda: told(pages) == [leaver.recipient, later.recipient])
    what_was_given_out_opens(url, key, welcome, confirm)
    relay.begin_anew()
    sends_another(new)
    gone = {one.recipient for one in (bounced, leaver, later)}
    wanted = Counter({address(number) for number in range(READERS)} - gone | {DORA})
    until(lambda: Counter(one.recipient for one in relay.ledger) == wanted)
    assert not second.ended
    newer.stop()
    for part in (*older.children, *newer.children):
        assert not re.search(r'Traceback|"level": "(error|critical)"', part.err), part.err


@dataclass
class Hands:
    """Who got which mail out: each row is seen in its worker's hands, the relay being so slow."""

    house: House
    held: dict[int, int] = field(default_factory=dict)

    def sent(self) -> Counter[int]:
        """How many mails each process got out since the first look."""
        holding = "SELECT d.id, w.pid FROM deliveries d JOIN workers w ON w.id = d.owner"
        self.held.update(self.house.query(holding))
        accepted = {row.id for row in self.house.rows() if row.state == "accepted"}
        return Counter(pid for row, pid in self.held.items() if row in accepted)


def gathered(house: House, url: str, pages: Pages) -> tuple[str, str, str]:
    """Let the database have something of everything; a key and two links that lead to it."""
    house.run("suppression", "add", NEVER, "--evidence", "asked by telephone")
    house.run("link", "add", "https://example.org/robot", "--title", "A robot", "--offline")
    house.run("feed", "add", pages.url("/feed"))
    house.run("webhook", "add", pages.url("/hook"), "--events", "left")
    scopes = ("--scope", "readers:read", "--scope", "signups:write")
    key = house.json("api-key", "create", "crm", *scopes)["key"]
    welcome = house.json("user", "add", OLGA, "--role", "owner")["link"]
    with Client(base_url=url) as program:
        asked = program.post(
            "/api/v1/newsletters/weekly/signups", json={"address": DORA}, headers=bearer(key)
        )
    assert asked.status_code == 202, asked.text
    until(lambda: any(one.recipient == DORA for one in house.relay.ledger))
    (mail,) = (one for one in house.relay.ledger if one.recipient == DORA)
    found = re.search(r"http://\S+/c/\S+", text_of(house, mail))
    assert found is not None
    return key, urlsplit(welcome).path, urlsplit(found[0]).path


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def text_of(house: House, mail: Taken) -> str:
    """The bytes of a mail, its lines as they were before they were folded."""
    data = house.relay.message(mail).replace(b"=\r\n", b"").replace(b"\r\n ", b" ")
    return data.decode()


def leave_link(house: House, mail: Taken) -> str:
    found = re.search(r"^List-Unsubscribe:.*<(http[^>]*)>", text_of(house, mail), re.MULTILINE)
    assert found is not None
    return found[1]


def leaves(house: House, url: str, mail: Taken) -> None:
    """The reader of a mail leaves by its button, at whoever serves the pages now."""
    path = urlsplit(leave_link(house, mail)).path
    with Client(base_url=url) as provider:
        assert provider.post(path, data=ONE_CLICK).status_code == 200


def told(pages: Pages) -> list[str]:
    """Who left, as the other program was told."""
    bodies = [json.loads(one.body) for one in pages.asked if one.path == "/hook"]
    return [body["data"]["address"] for body in bodies]


def comes_back(house: House, mail: Taken) -> None:
    """A server reports that it could not deliver a mail."""
    file = house.folder / "bounce.eml"
    file.write_bytes(dsn(to=mail.sender, address=mail.recipient))
    house.run("feedback", "read", str(file))


def lists(house: House) -> dict[str, list[dict[str, Any]]]:
    """What the commands that list say."""
    return {
        what: [json.loads(line) for line in house.run(*what.split(), "--json").splitlines()]
        for what in LISTS
    }


def has(newer: Any, older: Any) -> bool:
    """Whether all that an older version said is there; a newer one may say more of each thing."""
    if isinstance(older, dict):
        return all(has(newer[name], value) for name, value in older.items())
    if isinstance(older, list):
        return len(newer) == len(older) and all(map(has, newer, older))
    return bool(newer == older)


def what_was_given_out_opens(url: str, key: str, welcome: str, confirm: str) -> None:
    """A key, a welcome and a confirmation of before the upgrade."""
    password = "a horse, a battery and a staple"
    with Client(base_url=url) as client:
        found = client.post("/api/v1/readers/find", json={"address": DORA}, headers=bearer(key))
        assert found.json()["subscriptions"][0]["state"] == "pending", found.text
        chosen = {"password": password, "again": password}
        assert client.post(welcome, data=chosen).headers["location"] == "/desk"
        assert client.get("/desk").status_code == 200
        assert client.post(confirm, data={"confirm": "yes"}).status_code == 303


def sends_another(house: House) -> None:
    """The next issue, from its file on."""
    file = house.folder / "183.md"
    file.write_text(ISSUE.replace("182", "183"))
    digits = house.json("issue", "add", str(file), "--newsletter", "weekly")["hash"]
    house.run("issue", "approve", "183", digits, "--newsletter", "weekly")
    house.run("issue", "send", "183", "--newsletter", "weekly")
