"""What is looked at beside the text: pages, earlier issues, a spam filter; and what was not."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.shell import ISSUE, Shell
from tests.fakes.pages import Pages, answer

FILE = "182.md"
TEXT = ISSUE.replace("[link]", "[page about it]")


@contextmanager
def web(**paths: bytes) -> Iterator[Pages]:
    """Pages in a thread of their own, since the command line has a loop of its own."""
    pages = Pages({f"/{name}": made for name, made in paths.items()})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(pages.__aenter__(), loop).result()
        try:
            yield pages
        finally:
            asyncio.run_coroutine_threadsafe(pages.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are asked, those on loopback too."""
    monkeypatch.setenv("DIGEST_CHECK__OFFLINE", "false")
    monkeypatch.setenv("DIGEST_FETCH__ALLOW", "127.0.0.0/8")


def linking(pages: Pages, path: str) -> str:
    return TEXT.replace("https://example.org/page", pages.url(path)).replace(
        "https://github.com/owner/repository", "https://example.org/repository"
    )


def codes(said_json: dict[str, list[dict[str, str]]]) -> list[str]:
    return [finding["code"] for finding in said_json["findings"]]


def test_a_dead_link_stands_in_the_way_and_is_asked_again_only_later(
    shell: Shell, online: None
) -> None:
    with web(page=answer(404)) as pages:
        shell.write(FILE, linking(pages, "/page"))
        for _ in range(2):
            said = shell("issue", "check", FILE, "--json")
            assert (said.code, codes(said.json)) == (1, ["dead-link"])
            assert said.json["findings"][0]["line"] == 11
        assert [asked.method for asked in pages.asked] == ["HEAD", "GET"]
        assert "digest/" in pages.asked[0].fields["user-agent"]
        again = shell("issue", "check", FILE, "--offline", "--json")
        assert codes(again.json) == ["dead-link"]  # what is known still counts
        assert again.json["not_checked"]["links"]


def test_a_cache_that_is_broken_or_cannot_be_written_is_no_fault(
    shell: Shell, online: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web(page=answer()) as pages:
        shell.write(FILE, linking(pages, "/page"))
        cache = tmp_path / "cache" / "digest" / "links.json"
        cache.parent.mkdir(parents=True)
        for broken in ("{", "[]", '{"a": 1}', '{"a": {"state": "odd"}}'):
            cache.write_text(broken)
            assert shell("issue", "check", FILE).code == 0
            assert cache.stat().st_size > len(broken) + 20
        assert len(pages.asked) == 4
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
        assert shell("issue", "check", FILE).code == 0


def test_without_leave_no_page_on_this_machine_is_asked(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_CHECK__OFFLINE", "false")
    with web(page=answer()) as pages:
        shell.write(FILE, linking(pages, "/page"))
        said = shell("issue", "check", FILE, "--json")
        assert (said.code, codes(said.json)) == (1, ["dead-link"])
        assert pages.asked == []


def test_a_newsletters_answers_are_kept_with_it_and_hold_back_an_approval(
    installed: Shell, online: None
) -> None:
    with web(page=answer(410), moved=answer(301, Location="/new"), new=answer()) as pages:
        text = linking(pages, "/page").replace("https://example.org/more", pages.url("/moved"))
        installed.write(FILE, text)
        checked = installed("issue", "check", FILE, "--newsletter", "weekly", "--json")
        assert codes(checked.json) == ["dead-link", "moved-link"]
        asked = len(pages.asked)
        added = installed("issue", "add", FILE, "--json").json
        refused = installed("issue", "approve", "182", added["hash"], "--json")
        assert refused.code == 1
        assert "gone for good" in refused.error["message"]
        text = text.replace("preview:", "ignore: dead-link: it comes back on Monday\npreview:")
        installed.write(FILE, text)
        added = installed("issue", "add", FILE, "--json").json
        assert installed("issue", "approve", "182", added["hash"]).code == 0
        assert len(pages.asked) == asked  # neither add nor approve asks anybody
    checked = installed("issue", "check", FILE, "--newsletter", "weekly", "--json")
    assert checked.json["ignored"] == {"dead-link": "it comes back on Monday"}
    assert checked.code == 0


def test_earlier_issues_are_looked_at_for_a_newsletter_only(installed: Shell) -> None:
    installed.write("181.md", TEXT.replace("182", "181").replace("/page", "/page?utm_source=x"))
    assert installed("issue", "add", "181.md", "--sent-at", "2021-01-14").code == 0
    installed.write(FILE, TEXT.replace("Issue #182", "Issue #181"))
    said = installed("issue", "check", FILE, "--newsletter", "weekly", "--json")
    found = {(one["code"], one["line"]): one["message"] for one in said.json["findings"]}
    assert found.keys() == {("already-sent", 11), ("already-sent", 17), ("same-subject", 1)}
    assert all("No. 181 of 14 January 2021" in message for message in found.values())
    alone = installed("issue", "check", FILE, "--json")
    assert alone.json["findings"] == []
    assert "newsletter" in alone.json["not_checked"]["earlier-issues"]


def test_a_sponsor_may_come_again(on_sqlite: Shell) -> None:
    on_sqlite.write("181.md", TEXT.replace("182", "181"))
    assert on_sqlite("issue", "add", "181.md", "--sent-at", "2021-01-14").code == 0
    text = TEXT.replace("/page)", "/page) {sponsor}").replace("owner/repository", "owner/another")
    on_sqlite.write(FILE, text)
    said = on_sqlite("issue", "check", FILE, "--newsletter", "weekly", "--json")
    assert said.json["findings"] == []


FILTER = """#!/bin/sh
cat >message.eml
printf 'Content analysis details:   (6.3 points, 5.0 required)\\n\\n'
printf ' pts rule name              description\\n'
printf ' 0.0 HTML_MESSAGE           BODY: HTML included in message\\n'
printf ' 2.1 SUBJ_ALL_CAPS          Subject is all capitals\\n'
printf ' 4.2 LOTS_OF_MONEY          Huge... sums of money\\n'
"""


def test_a_spam_filter_that_is_installed_says_what_it_thinks(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_CHECK__SPAM", "true")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "spamassassin").write_text(FILTER)
    (programs / "spamassassin").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    shell.write(FILE, TEXT)
    said = shell("issue", "check", FILE, "--json")
    assert (said.code, codes(said.json), said.json["spam_points"]) == (1, ["spam-score"], 6.3)
    message = said.json["findings"][0]["message"]
    assert message.endswith("6.3 points of 5.0: LOTS_OF_MONEY 4.2, SUBJ_ALL_CAPS 2.1.")
    assert (shell.folder / "message.eml").read_bytes().startswith(b"From:")


def test_what_was_not_checked_is_said(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_CHECK__SPAM", "true")
    monkeypatch.setenv("PATH", "/nowhere")
    shell.write(FILE, TEXT)
    said = shell("issue", "check", FILE)
    assert said.code == 0
    for name in ("spam-score, since SpamAssassin is not installed", "links", "earlier-issues"):
        assert f"Not checked: {name}" in said.err
    assert json.dumps(shell("issue", "check", FILE, "--json").json["spam_points"]) == "null"


def test_findings_are_annotations_whose_words_are_no_commands(shell: Shell) -> None:
    """A pull request is written by anybody; what the runner undoes is in no place of ours."""
    name = shell.write("9::error file=x,line=1.md", f"{TEXT}\n### [TODO %0A::x](TODO)\nTODO\n")
    said = shell("issue", "check", name, "--annotate")
    assert said.code == 1
    lines = said.out.splitlines()
    assert len(lines) > 1
    for line in lines:
        assert re.match(
            r"::(error|warning|notice) file=9%3A%3Aerror file=x%2Cline=1\.md,line=\d+,col=\d+,"
            r"title=[a-z-]+::(?!.*%0A)",
            line,
        ), line
    assert any(line.startswith("::error ") and "title=placeholder::" in line for line in lines)
    both = shell("issue", "check", name, "--annotate", "--json")
    assert (both.code, both.error["where"]) == (2, "--annotate")


def test_a_file_that_is_no_issue_is_an_annotation_at_its_line(shell: Shell) -> None:
    shell.write(FILE, "---\nnumber: 1\nhead%0Aline: x\n---\n")
    said = shell("issue", "check", FILE, "--annotate")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("::error file=182.md,line=3,col=1,title=syntax::")
    assert said.error["where"] == "182.md:3:1"
