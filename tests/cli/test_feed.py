"""Feeds on the command line."""

from __future__ import annotations

import pytest

from tests.cli.shell import Shell
from tests.collect.feeds import ONE, item, rss, xml
from tests.collect.web import served
from tests.fakes.pages import answer

WORDS = "&lt;script&gt;alert(1)&lt;/script&gt;\u202eTwo \x1b[31m{name|x}"


def test_a_feed_is_added_asked_listed_and_removed(
    installed: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_FETCH__ALLOW", "127.0.0.0/8")
    with served({"/feed": xml(rss(item(date="")))}) as pages:
        made = installed("feed", "add", pages.url("/feed"), "--section", "Industry", "--json").json
        assert made == {"id": 1, "url": pages.url("/feed"), "title": "The Site", "new": 1}
        assert installed("feed", "add", pages.url("/feed")).code == 2
        pages.answers["/feed"] = xml(rss(item(date="") + item(WORDS, f"{ONE}/2", date="")))
        assert installed("feed", "pull", "--json").rows == [
            {"id": 1, "title": "The Site", "new": 1, "error": None}
        ]
        pages.answers["/feed"] = answer(500)
        said = installed("feed", "pull", "1", "--json")
        assert (said.code, said.rows[0]["error"]) == (1, "It answers 500.")
        assert installed("feed", "pull", "7").code == 2
    (feed,) = installed("feed", "list", "--json").rows
    assert (feed["section"], feed["state"], feed["failures"]) == ("Industry", "active", 1)
    rows = installed("link", "list", "--state", "waiting", "--json").rows
    assert [(row["title"], row["section"]) for row in rows] == [
        ("One", "Industry"),
        (rows[1]["title"], "Industry"),
    ]
    assert "\x1b" not in installed("link", "list").out
    assert installed("link", "keep", *(str(row["id"]) for row in rows)).code == 0
    assert installed("issue", "draft").code == 0
    assert installed("issue", "check", "issue-1.md", "--newsletter", "weekly").code == 0
    assert "alert" not in (installed.folder / "issue-1.md").read_text()
    assert installed("feed", "remove", "1", "--json").json == {"id": 1, "removed": True}
    assert installed("feed", "remove", "1").code == 2
    assert installed("feed", "list", "--json").rows == []
    assert len(installed("link", "list", "--json").rows) == 2  # kept


def test_no_feed_of_our_own_network_is_asked(on_sqlite: Shell) -> None:
    with served({"/feed": xml(rss(item()))}) as pages:
        said = on_sqlite("feed", "add", pages.url("/feed"), "--json")
        assert (said.code, said.out, pages.asked) == (2, "", [])
