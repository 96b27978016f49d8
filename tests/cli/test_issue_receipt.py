"""What became of an issue, on the command line: sums, causes, who was missed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.cli.stage import HALF, planned, sent

READERS = 40


@pytest.fixture
def shell_of_182(installed: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell where issue 182 was tried once for forty readers."""
    planned(installed, READERS, monkeypatch)
    assert sent(installed, tmp_path / "capture", monkeypatch, *HALF).code == 0
    return installed


def test_the_lines_of_a_receipt_add_up_and_each_opens_its_list(shell_of_182: Shell) -> None:
    found = shell_of_182("issue", "receipt", "182", "--json").json
    assert sum(line["deliveries"] for line in found["lines"]) == found["planned"] == READERS
    assert {line["state"] for line in found["lines"]} == {"accepted", "rejected", "deferred"}
    for line in found["lines"]:
        assert line["deliveries"] == found[line["state"]]
        listed = shell_of_182(
            *("delivery", "list", "--issue", "182", "--state", line["state"], "--json")
        ).rows
        assert len(listed) == line["deliveries"]
    assert sum(one["planned"] for one in found["versions"]) == READERS
    assert sum(one["planned"] for one in found["destinations"]) == READERS
    assert [one["accepted"] for one in found["relays"]] == [found["accepted"]]
    causes = {one["words"]: one for one in found["causes"]}
    assert sum(one["deliveries"] for one in found["causes"]) == (
        found["rejected"] + found["deferred"]
    )
    assert causes["the address does not exist"]["reply"].startswith("550 5.1.1")
    assert {reply["code"] for reply in found["replies"]} == {550, 451}


def test_a_receipt_is_understood_by_a_stranger(shell_of_182: Shell) -> None:
    text = shell_of_182("issue", "receipt", "182").out
    table = text[: text.index("planned")]
    above = [int(one) for one in re.findall(r"^ +(\d+)  \S", table, re.MULTILINE)]
    assert sum(above[:-1]) == above[-1] == READERS or sum(above) == READERS
    assert "accepted by the relay" in text
    assert "refused for good" in text
    assert "digest delivery list --issue 182" in text
    assert "the address does not exist" in text
    assert "example.net" in text


def test_who_was_missed_is_told_why(shell_of_182: Shell) -> None:
    receipt = shell_of_182("issue", "receipt", "182", "--json").json
    missed = shell_of_182("issue", "missed", "182", "--json").rows
    assert len(missed) == READERS - receipt["accepted"]
    for one in missed:
        if one["state"] == "rejected":
            assert one["words"] == "the address does not exist"
            assert one["reply"].startswith("550")
        else:
            assert one["words"].startswith("not yet, it is tried again: ")
            assert one["not_before"]
    lines = shell_of_182("issue", "missed", "182").out.splitlines()
    assert len(lines) == len(missed)
    assert all("@example." in line for line in lines)


def test_nobody_missed_is_said(
    installed: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(installed, 3, monkeypatch)
    assert sent(installed, tmp_path / "capture", monkeypatch).code == 0
    said = installed("issue", "missed", "182")
    assert (said.code, said.out) == (0, "")
    assert "Nobody" in said.err
    assert "all 3 readers" in installed("issue", "receipt", "182").out


def test_an_issue_nobody_was_planned_for_has_an_empty_receipt(installed: Shell) -> None:
    installed.write(
        "182.md", "---\nnumber: 182\ntitle: T\n---\n\n## A\n### [B](https://b.example)\nC.\n"
    )
    installed("issue", "add", "182.md")
    assert installed("issue", "receipt", "182", "--json").json["planned"] == 0
    assert "nobody was planned" in installed("issue", "receipt", "182").out
    assert "nobody is planned" in installed("issue", "status", "182").out


def test_a_title_cannot_drive_a_terminal(
    installed: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(installed, 1, monkeypatch)
    monkeypatch.setenv("DIGEST_RELAY_URL", "smtp://127.0.0.1:1?tls=none")
    installed("issue", "pause", "182", "--reason", "\x1b]0;owned\x07\x1b[2J")
    for tokens in (("issue", "receipt"), ("issue", "status"), ("issue", "pause")):
        assert "\x1b" not in installed(*tokens, "182").out


def test_how_far_an_issue_is_is_told_in_numbers_and_words(shell_of_182: Shell) -> None:
    said = shell_of_182("issue", "status", "182", "--json")
    status = said.json
    assert said.code == 0
    assert status["state"] == "sending"
    assert status["percent"] == 100 * (READERS - status["deferred"]) / READERS
    assert status["messages_per_second"] is None  # one look tells no pace
    assert sum(one["accepted"] for one in status["destinations"]) == status["accepted"]
    text = shell_of_182("issue", "status", "182").out
    assert f"{status['accepted']} accepted" in text
    assert "example.net" in text
    shell_of_182("issue", "pause", "182", "--reason", "a wrong link")
    paused = shell_of_182("issue", "status", "182", "--watch")
    assert paused.code == 1
    assert "a wrong link" in paused.out
    assert "digest issue resume 182" in paused.out
