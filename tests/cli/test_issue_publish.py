"""From a stored version to what goes out: approval, withdrawal, past issues, no relay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import ISSUE, Shell
from tests.scenarios.processes import capture_relay


@pytest.fixture
def stored(installed: Shell) -> Shell:
    """A shell with three readers and an issue in draft."""
    for name in ("anne", "bart", "cris"):
        assert installed("reader", "add", f"{name}@example.org").code == 0
    installed.write("182.md", ISSUE)
    assert installed("issue", "add", "182.md").code == 0
    return installed


def test_adding_prints_number_and_hash_and_the_same_text_is_the_same_version(
    stored: Shell,
) -> None:
    again = stored("issue", "add", "182.md", "--json")
    assert again.json.keys() == {"issue", "hash"}
    assert again.json["issue"] == 182
    shown = stored("issue", "show", "182", "--json").json
    assert [version["hash"] for version in shown["versions"]] == [again.json["hash"]]
    assert stored("issue", "show", "182", "--source").out == ISSUE


def test_an_issue_with_a_slug_is_called_by_it(installed: Shell) -> None:
    installed.write("special.md", ISSUE.replace("number: 182", "slug: special"))
    assert installed("issue", "add", "special.md", "--json").json["issue"] == "special"
    assert installed("issue", "show", "special", "--json").json["issue"] == "special"


def test_an_approval_stays_with_the_version_it_was_given_to(
    stored: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stored("issue", "add", "182.md", "--json").json["hash"]
    assert stored("issue", "approve", "182", first[:12]).code == 0
    stored.write("182.md", ISSUE.replace("The blurb", "A later thought"))
    assert stored("issue", "add", "182.md", "--json").json["hash"] != first
    with capture_relay(tmp_path / "capture", "--rejected", "0", "--deferred", "0") as url:
        monkeypatch.setenv("DIGEST_RELAY_URL", url)
        sent = stored("issue", "send", "182", "--wait", "--json")
    assert (sent.code, sent.json["accepted"]) == (0, 3)
    messages = (tmp_path / "capture" / "messages").read_bytes()
    assert b"The blurb" in messages
    assert b"A later thought" not in messages
    too_late = stored("issue", "add", "182.md")
    assert (too_late.code, too_late.error["error"]) == (2, "conflict")
    assert "finished" in stored("issue", "status", "182").out


def test_what_is_not_approved_does_not_go_out(
    stored: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_RELAY_URL", "smtp://127.0.0.1:1?tls=none")
    for _ in range(2):  # never approved, then approved and withdrawn
        refused = stored("issue", "send", "182", "--wait")
        assert (refused.code, refused.out) == (1, "")
        assert "issue approve" in refused.error["message"]
        hash_ = stored("issue", "add", "182.md", "--json").json["hash"]
        assert stored("issue", "approve", "182", hash_).code == 0
        assert stored("issue", "withdraw", "182", "--json").json["state"] == "draft"
    assert stored("issue", "status", "182", "--json").json["planned"] == 0


def test_without_a_relay_nothing_is_planned(stored: Shell) -> None:
    hash_ = stored("issue", "add", "182.md", "--json").json["hash"]
    stored("issue", "approve", "182", hash_)
    for tokens in (("--wait",), ()):
        said = stored("issue", "send", "182", *tokens)
        assert (said.code, said.out, said.error["where"]) == (2, "", "DIGEST_RELAY_URL")
    assert stored("issue", "status", "182", "--json").json["state"] == "approved"


def test_a_placeholder_blocks_the_approval(installed: Shell) -> None:
    installed.write("182.md", ISSUE.replace("https://example.org/page", "TODO"))
    hash_ = installed("issue", "add", "182.md", "--json").json["hash"]
    said = installed("issue", "approve", "182", hash_)
    assert (said.code, said.out, said.error["error"]) == (1, "", "refused")
    assert "11:" in said.error["message"]


def test_a_hash_nobody_has_approves_nothing(stored: Shell) -> None:
    said = stored("issue", "approve", "182", "0" * 12)
    assert (said.code, said.out) == (1, "")
    assert stored("issue", "list", "--json").rows[0]["state"] == "draft"


def test_a_past_issue_stands_in_the_archive_and_is_sent_to_nobody(
    installed: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("reader", "add", "anne@example.org")
    installed.write("182.md", ISSUE)
    assert installed("issue", "add", "182.md", "--sent-at", "2021-01-15").code == 0
    (issue,) = installed("issue", "list", "--json").rows
    assert (issue["issue"], issue["state"], issue["planned"]) == (182, "finished", 0)
    assert issue["finished_at"].startswith("2021-01-15")
    monkeypatch.setenv("DIGEST_RELAY_URL", "smtp://127.0.0.1:1?tls=none")
    sent = installed("issue", "send", "182", "--wait", "--json")
    assert (sent.code, sent.json["planned"], sent.json["accepted"]) == (0, 0, 0)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_no_issue_went_out_before_there_was_mail_or_in_the_future(
    on_sqlite: Shell, day: str
) -> None:
    on_sqlite.write("182.md", ISSUE)
    said = on_sqlite("issue", "add", "182.md", "--sent-at", day)
    assert (said.code, said.out, said.error["where"]) == (2, "", "--sent-at")
    assert on_sqlite("issue", "list", "--json").rows == []


def test_an_issue_that_cannot_be_used_is_not_stored(on_sqlite: Shell) -> None:
    many = "".join(f"### [Item {n}](https://example.org/{n})\nText.\n\n" for n in range(10_000))
    for name, text in (
        ("key.md", ISSUE.replace("preview:", "prewiev:")),
        ("many.md", f"{ISSUE}\n## Many\n{many}"),
        ("script.md", ISSUE.replace("https://example.org/page", "javascript:alert(1)")),
    ):
        on_sqlite.write(name, text)
        said = on_sqlite("issue", "add", name)
        assert (said.code, said.out, said.error["error"]) == (2, "", "issue_file")
    assert on_sqlite("issue", "list", "--json").out == ""
