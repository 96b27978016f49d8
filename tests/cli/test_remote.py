"""Commands on an installation elsewhere, by its API: the same words, the same exit codes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Self

import httpx2
import pytest

from digest.access.api_keys import create_key
from digest.cli.remote import Server
from digest.collect.asking import Asker
from digest.errors import InputError
from digest.logs import configure_logs
from digest.mail.tokens import KeyRing
from digest.rules.delivery import UNPLANNED, IssueState
from digest.store.api_keys import NewKey
from digest.store.session import Database
from digest.web.app import Site, create_app
from digest.web.server import open_listener, serving
from tests.build import KEY, NOW, PUBLIC_URL, a_newsletter, an_installation
from tests.cli.shell import ISSUE, Shell, a_picture
from tests.collect.web import html, served

SCOPES = (
    *("newsletters:read", "issues:read", "issues:write", "issues:approve"),
    *("links:read", "links:write"),
)


class Elsewhere:
    """A server with one newsletter, in a thread of its own."""

    def __init__(self, url: str) -> None:
        self.database = url
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        configure_logs("error", "json")  # to standard error
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with await Database.open(self.database) as db:
            await an_installation(db)
            await a_newsletter(db)
            asker = Asker(allow="127.0.0.0/8")
            site = Site(db, KeyRing(KEY), PUBLIC_URL, relay_configured=False, asker=asker)
            async with db.begin() as session:
                self.key = (await create_key(session, NewKey("Edda", SCOPES, None), NOW))[1]
                reading = NewKey("a sponsor", ("issues:read",), None)
                self.reading = (await create_key(session, reading, NOW))[1]
            async with serving(create_app(site), open_listener("127.0.0.1", 0)) as url:
                self.url = url
                self._ready.set()
                await self._over.wait()


@pytest.fixture
def there(sqlite_url: str) -> Iterator[Elsewhere]:
    with Elsewhere(sqlite_url) as server:
        yield server


@pytest.fixture
def editor(shell: Shell, there: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell without a database, a key or a relay."""
    monkeypatch.setenv("DIGEST_SERVER", there.url)
    monkeypatch.setenv("DIGEST_TOKEN", there.key)
    shell.write("182.md", ISSUE)
    return shell


def test_an_editor_without_a_shell_on_the_server_does_it_all(editor: Shell) -> None:
    checked = editor("issue", "check", "182.md", "--json")
    assert (checked.code, checked.json["ok"]) == (0, True)
    added = editor("issue", "add", "182.md", "--json")
    assert (added.code, added.json.keys()) == (0, {"issue", "hash"})
    assert editor("issue", "pull", "182").out == ISSUE
    tested = editor("issue", "test", "182", "--to", "edda@example.org", "--json").json
    assert (tested["test"], tested["to"][0]["state"]) == (1, "queued")
    approved = editor("issue", "approve", "182", "--tested", "--json").json
    assert approved == {"issue": 182, "hash": added.json["hash"], "state": "approved"}
    assert [one["state"] for one in editor("issue", "list", "--json").rows] == ["approved"]
    assert editor("issue", "status", "182", "--json").json["planned"] == 0


def test_what_is_told_from_elsewhere_is_what_is_told_at_home(
    editor: Shell, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = editor("issue", "add", "182.md", "--json")
    editor("issue", "approve", "182", added.json["hash"])
    asked = [
        ("issue", "list"),
        ("issue", "list", "--json"),
        ("issue", "pull", "182"),
        ("issue", "add", "182.md", "--json"),
        ("issue", "status", "182"),
        ("issue", "status", "182", "--json"),
    ]
    elsewhere = [editor(*tokens).out for tokens in asked]
    monkeypatch.delenv("DIGEST_SERVER")
    monkeypatch.delenv("DIGEST_TOKEN")
    monkeypatch.setenv("DIGEST_DATABASE_URL", there.database)
    for tokens, out in zip(asked, elsewhere, strict=True):
        here = editor(*tokens)
        assert here.out == out, (tokens, here.err)
        assert out, tokens


def test_a_text_is_looked_at_elsewhere_as_at_home_but_for_what_is_asked_around(
    editor: Shell, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = editor("issue", "check", "182.md", "--json").json
    assert elsewhere.pop("not_checked").keys() == {"links", "spam-score"}
    words = editor("issue", "check", "182.md")
    monkeypatch.delenv("DIGEST_SERVER")
    monkeypatch.delenv("DIGEST_TOKEN")
    monkeypatch.setenv("DIGEST_DATABASE_URL", there.database)
    monkeypatch.setenv("DIGEST_CHECK__SPAM", "no")
    asked = ("issue", "check", "182.md", "--newsletter", "weekly", "--offline")
    here = editor(*asked, "--json").json
    assert here.pop("not_checked").keys() == {"links", "spam-score"}
    assert here == elsewhere
    assert editor(*asked).out == words.out
    assert editor(*asked).err.splitlines()[-1] == words.err.splitlines()[-1]


@pytest.mark.parametrize("state", IssueState)
def test_an_approval_is_proposed_after_a_test_only_where_there_can_be_one(
    editor: Shell, there: Elsewhere, state: IssueState
) -> None:
    editor("issue", "add", "182.md")
    with closing(sqlite3.connect(there.database.removeprefix("sqlite:///"))) as file, file:
        file.execute("UPDATE issues SET state = ?", (state.value,))
    tested = editor("issue", "test", "182", "--to", "edda@example.org")
    assert ("digest issue approve 182 --tested" in tested.out) is (state in UNPLANNED)
    shown = editor("issue", "test", "182", "--to", "edda@example.org", "--json").json
    assert shown.keys() == {"issue", "test", "version", "hash", "to"}  # as at home


def test_what_somebody_else_added_meanwhile_is_not_undone(
    editor: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor("issue", "add", "182.md")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    assert editor("issue", "pull", "182", "--out", "theirs.md").code == 0
    editor.write("theirs.md", ISSUE.replace("The blurb", "Their blurb"))
    assert editor("issue", "add", "theirs.md").code == 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    editor.write("182.md", ISSUE.replace("The blurb", "Our blurb"))
    late = editor("issue", "add", "182.md")
    assert (late.code, late.error["error"]) == (2, "conflict")
    assert "Version 2" in late.error["message"]
    editor("issue", "pull", "182", "--out", "both.md")
    editor.write("both.md", ISSUE.replace("The blurb", "Both blurbs"))
    assert editor("issue", "add", "both.md").code == 0


def test_an_issue_comes_with_its_pictures_and_may_go_back_at_once(
    editor: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor.write("img/x.png", a_picture())
    editor.write("182.md", ISSUE.replace("*The Site", "![A picture](img/x.png)\n*The Site"))
    assert editor("issue", "add", "182.md").code == 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    pulled = editor("issue", "pull", "182", "--out", "theirs/182.md", "--json")
    assert pulled.code == 2  # there is no such folder
    (editor.folder / "theirs").mkdir()
    pulled = editor("issue", "pull", "182", "--out", "theirs/182.md", "--json")
    assert pulled.json["pictures"] == ["img/x.png"], pulled.err
    assert (editor.folder / "theirs/img/x.png").read_bytes() == a_picture()
    assert editor("issue", "add", "theirs/182.md", "--json").json["hash"] == pulled.json["hash"]


async def test_a_picture_is_what_its_name_says_and_comes_from_the_server_alone(
    there: Elsewhere,
) -> None:
    place = Server(there.url, there.key)
    for url in ("https://evil.example/media/x.png", f"https://evil.example/media/{'0' * 64}.png"):
        with pytest.raises(InputError):
            await place.picture(url)


def test_a_link_is_kept_listed_moved_and_dropped_from_elsewhere_as_at_home(
    editor: Shell, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same words and keys, from the server and from the database itself."""
    with served({"/robot": html("<title>A robot that counts</title>")}) as pages:
        url = pages.url("/robot")
        made = editor("link", "add", url, "--note", "Read it.", "--json").json
        said = editor("link", "add", url, "--offline")
    assert (made["title"], made["note"], made["new"]) == ("A robot that counts", "Read it.", True)
    assert said.out == "Kept before; this adds to it: A robot that counts\n"
    sponsor = ("--sponsor", "--for", "2026-12-03", "--offline", "--json")
    booked = editor("link", "add", "https://sponsor.example/?ref=1", *sponsor).json
    assert (booked["sponsor_for"], booked["id"]) == ("2026-12-03", 2)
    assert editor("link", "move", "1", "--section", "Code", "--json").json == {
        "ids": [1],
        "section": "Code",
    }
    assert editor("link", "drop", "2", "--json").json == {"ids": [2], "state": "dropped"}
    listed = editor("link", "list", "--json")
    dropped = editor("link", "list", "--state", "dropped", "--json")
    monkeypatch.delenv("DIGEST_SERVER")
    monkeypatch.setenv("DIGEST_DATABASE_URL", there.database)
    assert editor("link", "list", "--json").out == listed.out
    assert editor("link", "list", "--state", "dropped", "--json").out == dropped.out
    assert [row["section"] for row in listed.rows] == ["Code"]


def test_a_link_that_cannot_be_kept_is_told_from_elsewhere_as_at_home(
    editor: Shell, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor("issue", "add", "182.md")
    had = editor("link", "add", "https://example.org/page", "--offline")
    assert (had.code, had.error["error"], "182" in had.error["message"]) == (1, "refused", True)
    for verb in (("drop",), ("keep",), ("move", "--section", "News")):
        assert editor("link", *verb, "7").code == 2
    for url in ("http://169.254.169.254/latest/", "http://10.0.0.1/", "file:///etc/passwd"):
        assert editor("link", "add", url).code == 2
    assert editor("link", "list", "--json").rows == []
    monkeypatch.setenv("DIGEST_TOKEN", there.reading)
    refused = editor("link", "add", "https://example.org/x", "--newsletter", "weekly")
    assert (refused.code, "links:write" in refused.error["message"]) == (1, True)


def test_a_version_is_shown_around_from_elsewhere(editor: Shell, there: Elsewhere) -> None:
    added = editor("issue", "add", "182.md", "--json").json
    shared = editor("issue", "share", "182", "--days", "3", "--json").json
    assert (shared["hash"], shared["version"]) == (added["hash"], 1)
    assert shared["url"].startswith(f"{PUBLIC_URL}/share/")
    seen = httpx2.get(there.url + shared["url"].removeprefix(PUBLIC_URL))
    assert (seen.status_code, "A preview" in seen.text) == (200, True)
    by_hash = editor("issue", "share", "182", "--version", added["hash"][:8])
    assert by_hash.out.splitlines()[1].startswith("Issue 182, version 1, until ")
    unknown = editor("issue", "share", "182", "--version", "0" * 8)
    assert (unknown.code, unknown.error["error"]) == (1, "refused")


def test_what_is_wrong_is_told_as_at_home(editor: Shell) -> None:
    editor.write("wrong.md", "---\nnumber: 1\nheadline: x\n---\n")
    wrong = editor("issue", "add", "wrong.md")
    assert wrong.code == 2
    assert "wrong.md:3:1" in wrong.error["where"] + wrong.error["message"]
    assert editor("issue", "status", "999").code == 2
    editor.write("todo.md", f"{ISSUE}\n### [TODO](TODO)\nTODO\n")
    found = editor("issue", "check", "todo.md")
    assert (found.code, "[placeholder]" in found.out) == (1, True)


def test_a_key_opens_what_it_may(
    editor: Shell, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_TOKEN", there.reading)
    refused = editor("issue", "add", "182.md", "--newsletter", "weekly")
    assert (refused.code, "issues:write" in refused.error["message"]) == (1, True)
    monkeypatch.setenv("DIGEST_TOKEN", "dgk_1_nonsense")
    unknown = editor("issue", "list", "--newsletter", "weekly")
    assert (unknown.code, unknown.error["where"]) == (2, "DIGEST_TOKEN")
    assert "dgk_1_nonsense" not in unknown.out + unknown.err


@pytest.mark.parametrize(
    ("server", "token", "where"),
    [
        ("http://news.example.org", "dgk_1_x", "DIGEST_SERVER"),
        ("news.example.org", "dgk_1_x", "DIGEST_SERVER"),
        ("https://news.example.org", "", "DIGEST_TOKEN"),
        ("http://127.0.0.1:9", "dgk_1_x", "DIGEST_SERVER"),
    ],
)
def test_a_key_is_shown_to_nobody_it_is_not_for(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, server: str, token: str, where: str
) -> None:
    monkeypatch.setenv("DIGEST_SERVER", server)
    monkeypatch.setenv("DIGEST_TOKEN", token)
    said = shell("issue", "list", "--newsletter", "weekly")
    assert said.code != 0
    assert said.error["where"] == where
