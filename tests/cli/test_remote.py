"""Commands on an installation elsewhere, by its API: the same words, the same exit codes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from digest.access.api_keys import create_key
from digest.logs import configure_logs
from digest.mail.tokens import KeyRing
from digest.store.api_keys import NewKey
from digest.store.session import Database
from digest.web.app import Site, create_app
from digest.web.server import open_listener, serving
from tests.build import KEY, NOW, PUBLIC_URL, a_newsletter, an_installation
from tests.cli.shell import ISSUE, Shell

SCOPES = ("newsletters:read", "issues:read", "issues:write", "issues:approve")


class Elsewhere:
    """A server with one newsletter, in a thread of its own."""

    def __init__(self, url: str) -> None:
        self._database = url
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
        async with await Database.open(self._database) as db:
            await an_installation(db)
            await a_newsletter(db)
            site = Site(db, KeyRing(KEY), PUBLIC_URL, relay_configured=False)
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
