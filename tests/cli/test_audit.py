"""What a command changes is written down with who asked for it, and with no reader's address."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from cyclopts import App

from digest.cli.asked import NO_ACTS, who_calls
from digest.cli.main import COMMANDS, build_app
from tests.cli.shell import ISSUE, Shell

WHO = f"{who_calls()} (command line)"
ANNE, BART = "anne@example.org", "bart@example.org"
AGREED = ("--consent", "at a fair")

# One after the other; each leaves one line, about this.
ACTS = (
    (("newsletter", "set", "weekly", "--timezone", "Europe/Berlin"), "weekly"),
    (("newsletter", "skip", "2030-01-01..2030-01-08"), ""),
    (("reader", "add", ANNE, *AGREED), ""),
    (("reader", "import", "readers.csv", *AGREED), ""),
    (("reader", "set", ANNE, "--tag", "member"), ""),
    (("reader", "leave", ANNE), ""),
    (("reader", "erase", ANNE), ""),
    (("suppression", "add", BART), ""),
    (("suppression", "remove", BART), ""),
    (("feedback", "classify", "hamster of this account", "userunknown"), ""),
    (("link", "add", "https://example.org/1", "--offline"), ""),
    (("link", "keep", "1"), "1"),
    (("link", "move", "1", "--section", "Code"), "1"),
    (("link", "order", "1"), "1"),
    (("link", "edit", "1", "--title", "A title"), "1"),
    (("link", "drop", "1"), "1"),
    (("issue", "add", "182.md"), ""),
    (("issue", "schedule", "182", "--at", "2030-01-01T09:00"), "182"),
    (("issue", "approve", "182", "HASH"), "182"),
    (("issue", "withdraw", "182"), "182"),
    (("issue", "approve", "182", "HASH"), "182"),
    (("issue", "send", "182"), "182"),
    (("issue", "pause", "182"), "182"),
    (("issue", "resume", "182"), "182"),
    (("issue", "cancel", "182", "--yes"), "182"),
    (("user", "add", BART, "--role", "editor"), f"{BART} editor"),
    (("user", "set", BART, "--role", "owner"), f"{BART} owner"),
    (("user", "reset", BART), BART),
    (("api-key", "create", "a program", "--role", "editor"), "a program"),
    (("api-key", "revoke", "1"), ""),
    (("webhook", "add", "https://example.org/hook"), ""),
    (("webhook", "remove", "1"), ""),
)
# These change something, too, by the same door; each needs a server or a longer story.
MORE_ACTS = {
    *("init", "newsletter create", "newsletter welcome", "feed add", "feed remove", "feed pull"),
    *("issue test", "issue amend", "issue resend", "issue correct", "issue unlist"),
    *("feedback report", "reader resend-confirmation", "delivery reconcile"),
    *("user remove", "user sessions", "webhook enable", "webhook test"),
}
# Files, keys beside the database, or the database as a whole: there is no row to be written with.
ELSEWHERE = {
    *("issue new", "issue fmt", "issue import", "issue draft", "issue render", "issue pull"),
    *("theme new", "dkim new", "dkim rotate", "export"),
    *("db backup", "db restore", "db verify", "db copy", "db upgrade", "db check"),
}
LOOKS = {
    *("newsletter show", "newsletter list", "issue preview", "issue list", "issue show"),
    *("issue share", "issue status", "issue receipt", "issue missed", "issue clicks", "link list"),
    *("link bookmarklet", "feed list", "theme check", "theme preview", "feedback list"),
    *("feedback explain", "suppression list", "reader list", "reader show", "reader tags"),
    *(
        "reader check",
        "reader consent",
        "reader data",
        "reader export",
        "delivery list",
        "delivery show",
        "dns",
    ),
    *("dkim show-dns", "user list", "api-key list", "webhook list", "log"),
}


def commands(app: App, *before: str) -> Iterator[str]:
    """Every command there is."""
    for name in app:
        if name.startswith("-"):
            continue
        if not before and name in COMMANDS:
            yield name
        else:
            found = [*commands(app[name], *before, name)]
            yield from found or [" ".join((*before, name))]


def lines(database_url: str) -> list[tuple[Any, ...]]:
    """The log, the first line first."""
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as db:
        return db.execute("SELECT who, action, subject, result FROM audit ORDER BY id").fetchall()


def test_of_every_command_it_is_known_whether_it_changes_anything() -> None:
    acts = {" ".join(tokens[:2]) for tokens, _ in ACTS}
    known = [acts, MORE_ACTS, ELSEWHERE, LOOKS, NO_ACTS]
    assert sorted(commands(build_app())) == sorted(one for kind in known for one in kind)


def test_what_a_command_changes_leaves_one_line(
    on_sqlite: Shell, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_sqlite.write("readers.csv", f"email\n{BART}\n")
    on_sqlite.write("182.md", ISSUE)
    monkeypatch.setenv("DIGEST_RELAY_URL", "smtp://127.0.0.1:1?tls=none")
    hash_ = ""
    written = [(WHO, "newsletter create", "weekly", "done")]
    for tokens, subject in ACTS:
        said = on_sqlite(*(hash_ if token == "HASH" else token for token in tokens), "--json")
        assert said.code == 0, (tokens, said.err)
        if tokens[:2] == ("issue", "add"):
            hash_ = said.json["hash"]
        written.append((WHO, " ".join(tokens[:2]), subject, "done"))
        assert lines(sqlite_url)[len(written) - 1 :] == written[-1:], tokens
    assert ANNE not in repr(lines(sqlite_url))


def test_the_log_is_read_as_the_desk_shows_it(on_sqlite: Shell, sqlite_url: str) -> None:
    assert on_sqlite("user", "add", BART, "--role", "editor").code == 0
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as db, db:
        db.execute(
            "INSERT INTO audit (at, who, action, subject, result) VALUES (?, ?, ?, ?, ?)",
            ("2026-11-26 09:00:00.000000", ANNE, "approve issue", "weekly\n182", "refused"),
        )
    before = lines(sqlite_url)
    rows = on_sqlite("log", "--json").rows
    told = [tuple(row[name] for name in ("who", "action", "subject", "result")) for row in rows]
    assert told == before[::-1]
    assert [row["id"] for row in rows] == [3, 2, 1]
    assert rows[0]["at"] == "2026-11-26T09:00:00Z"
    assert on_sqlite("log", "--limit", "2", "--json").rows == rows[:2]
    titles, first, second = on_sqlite("log", "--limit", "2").out.splitlines()
    assert titles.split() == ["at", "who", "action", "subject", "result"]
    assert re.split(" {2,}", first) == [
        *("2026-11-26 09:00 UTC", ANNE, "approve issue", "weekly 182", "refused"),
    ]
    assert re.split(" {2,}", second)[1:] == [WHO, "user add", f"{BART} editor", "done"]
    for lists in (("log",), ("feedback", "list")):
        assert on_sqlite(*lists, "--limit", "0").code == 2
    assert lines(sqlite_url) == before  # to read it leaves no line


def test_what_is_refused_or_looks_leaves_none(on_sqlite: Shell, sqlite_url: str) -> None:
    before = lines(sqlite_url)
    assert on_sqlite("issue", "approve", "7", "0" * 8).code == 2
    assert on_sqlite("user", "remove", ANNE).code == 2
    for tokens in (("reader", "list"), ("status",), ("newsletter", "show", "weekly")):
        assert on_sqlite(*tokens).code == 0
    assert lines(sqlite_url) == before
