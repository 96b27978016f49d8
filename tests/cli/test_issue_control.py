"""An issue on its way taken in hand on the command line, on either database."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from digest.delivery.ledger import accepted_lines
from tests.cli.shell import ISSUE, Shell
from tests.scenarios.processes import capture_relay, environment

READERS = ("anne", "bart", "cris")
NOBODY = "smtp://127.0.0.1:1?tls=none"  # a relay that is set and never asked


@pytest.fixture
def on_its_way(installed: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell with issue 182 planned for three readers, and nobody who sends it."""
    for name in READERS:
        assert installed("reader", "add", f"{name}@example.org", "--name", name.title()).code == 0
    installed.write("182.md", ISSUE)
    hash_ = installed("issue", "add", "182.md", "--json").json["hash"]
    installed("issue", "approve", "182", hash_)
    monkeypatch.setenv("DIGEST_RELAY_URL", NOBODY)
    assert installed("issue", "send", "182").code == 0
    return installed


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return tmp_path / "capture"


def send(shell: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """Send issue 182 to a relay that keeps everything; the exit code."""
    with capture_relay(capture, *(options or ("--rejected", "0", "--deferred", "0"))) as url:
        monkeypatch.setenv("DIGEST_RELAY_URL", url)
        return shell("issue", "send", "182", "--wait", "--no-retries").code


def test_paused_it_waits_and_resumed_it_reaches_everybody(
    on_its_way: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = on_its_way("issue", "pause", "182", "--reason", "a wrong link", "--json")
    assert paused.code == 0
    assert paused.json == {
        "issue": 182,
        "state": "paused",
        "paused_reason": "a wrong link",
        "under_way": 0,
        "unanswered": 0,
        "waiting": 3,
    }
    refused = on_its_way("issue", "send", "182", "--wait")
    assert (refused.code, refused.out) == (1, "")
    assert "a wrong link" in refused.error["message"]
    assert "digest issue resume 182" in refused.error["message"]
    again = on_its_way("issue", "pause", "182", "--reason", "another")
    assert again.code == 0
    assert "paused already: a wrong link" in again.out
    resumed = on_its_way("issue", "resume", "182", "--json")
    assert resumed.json == {"issue": 182, "state": "sending", "released": 0, "waiting": 3}
    assert "was on its way already" in on_its_way("issue", "resume", "182").out
    assert send(on_its_way, capture, monkeypatch) == 0
    assert len(list(accepted_lines(capture))) == 3


def test_who_paused_it_is_said_where_no_reason_is_given(on_its_way: Shell) -> None:
    reason = on_its_way("issue", "pause", "182", "--json").json["paused_reason"]
    assert reason.startswith("paused by ")


def test_a_cancelled_issue_reaches_nobody_else(
    on_its_way: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = on_its_way("issue", "cancel", "182", "--json")
    assert (cancelled.code, cancelled.json["state"]) == (0, "cancelled")
    assert (cancelled.json["cancelled"], cancelled.json["accepted"]) == (3, 0)
    assert "cancelled already" in on_its_way("issue", "cancel", "182").out
    assert send(on_its_way, capture, monkeypatch) == 1
    assert not list(accepted_lines(capture))
    for verb in ("pause", "resume"):
        refused = on_its_way("issue", verb, "182")
        assert (refused.code, refused.out, refused.error["error"]) == (1, "", "refused")
        assert "cancelled" in refused.error["message"]


def test_an_approved_issue_that_is_cancelled_is_a_draft_again(installed: Shell) -> None:
    installed.write("182.md", ISSUE)
    hash_ = installed("issue", "add", "182.md", "--json").json["hash"]
    installed("issue", "approve", "182", hash_)
    assert installed("issue", "cancel", "182", "--json").json["state"] == "draft"
    assert installed("issue", "cancel", "182").code == 0
    assert installed("issue", "show", "182", "--json").json["state"] == "draft"
    for verb in ("pause", "resume"):
        refused = installed("issue", verb, "182")
        assert (refused.code, refused.out) == (1, "")
        assert "draft" in refused.error["message"]


def test_a_finished_issue_has_nothing_to_pause_or_cancel(
    on_its_way: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send(on_its_way, capture, monkeypatch) == 0
    again = on_its_way("issue", "resend", "182", "--missed")
    assert (again.code, again.out) == (1, "Issue 182 has missed nobody; nothing is queued.\n")
    for verb in ("pause", "resume", "cancel"):
        refused = on_its_way("issue", verb, "182")
        assert (refused.code, refused.out) == (1, "")
        assert "finished" in refused.error["message"]


@pytest.mark.parametrize("dialect", ["sqlite"])
@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("y\n", 0)])
def test_on_a_terminal_it_asks_before_it_cancels(
    on_its_way: Shell, tmp_path: Path, answer: str, code: int
) -> None:
    keys = ("DIGEST_DATABASE_URL", "DIGEST_SECRET_KEY")
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "digest", "issue", "cancel", "182"],
            cwd=tmp_path,
            env=environment(**{key: os.environ[key] for key in keys}),
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        ) as asked:
            said = b""
            while b"[y/N]" not in said:
                said += os.read(ours, 1000)
            assert b"3 readers will not get issue 182" in said
            os.write(ours, answer.encode())
            assert asked.wait(60) == code
    finally:
        os.close(theirs)
        os.close(ours)
    state = on_its_way("issue", "show", "182", "--json").json["state"]
    assert state == ("sending" if code else "cancelled")


def test_an_amended_text_goes_to_those_it_was_not_tried_for(
    on_its_way: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_its_way("issue", "pause", "182")
    on_its_way.write("new.md", ISSUE.replace("The blurb", "A better blurb"))
    amended = on_its_way("issue", "amend", "182", "new.md", "--json")
    assert amended.code == 0
    assert (amended.json["amended"], amended.json["earlier"]) == (3, 0)
    assert (amended.json["version"], amended.json["state"]) == (2, "paused")
    shown = on_its_way("issue", "show", "182", "--json").json
    assert [one["approved"] for one in shown["versions"]] == [False, True]
    assert shown["versions"][1]["hash"] == amended.json["hash"]
    on_its_way("issue", "resume", "182")
    assert send(on_its_way, capture, monkeypatch) == 0
    messages = (capture / "messages").read_bytes()
    assert messages.count(b"A better blurb") == 2 * messages.count(b"\r\nMessage-ID:") == 6


def test_what_was_tried_keeps_its_text(
    on_its_way: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(on_its_way, capture, monkeypatch, "--rejected", "0", "--deferred", "10000")
    on_its_way.write("new.md", ISSUE.replace("The blurb", "A better blurb"))
    amended = on_its_way("issue", "amend", "182", "new.md", "--json")
    assert (amended.json["amended"], amended.json["earlier"]) == (0, 3)


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("https://example.org/page", "TODO", 1, "11:"),
        ("number: 182", "number: 183", 2, "183"),
        ("The blurb", "The blurb", 1, "already"),
        ("preview:", "prewiev:", 2, "prewiev"),
    ],
)
def test_a_text_that_may_not_be_approved_amends_nothing(
    on_its_way: Shell, old: str, new: str, code: int, says: str
) -> None:
    on_its_way.write("new.md", ISSUE.replace(old, new))
    refused = on_its_way("issue", "amend", "182", "new.md")
    assert (refused.code, refused.out) == (code, "")
    assert says in refused.error["message"]
    assert len(on_its_way("issue", "show", "182", "--json").json["versions"]) == 1


def test_an_issue_that_is_not_on_its_way_is_not_amended(installed: Shell) -> None:
    installed.write("182.md", ISSUE)
    installed("issue", "add", "182.md")
    refused = installed("issue", "amend", "182", "182.md")
    assert (refused.code, refused.out) == (1, "")
    assert "digest issue add" in refused.error["message"]


def test_who_was_missed_is_queued_again_and_who_left_is_not(
    on_its_way: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(on_its_way, capture, monkeypatch, "--rejected", "10000", "--deferred", "0")
    suppressed = on_its_way("issue", "resend", "182", "--missed", "--json")
    assert (suppressed.code, suppressed.json["refused"]) == (1, {"suppressed": 3})
    for name in ("anne", "bart", "cris"):  # the relay was wrong
        assert on_its_way("suppression", "remove", f"{name}@example.org").code == 0
    on_its_way("reader", "leave", "cris@example.org")
    again = on_its_way("issue", "resend", "182", "--missed", "--json")
    assert (again.code, again.json["queued"], again.json["refused"]) == (0, 2, {"left": 1})
    assert send(on_its_way, capture, monkeypatch) == 0
    taken = [str(line["rcpt"]) for line in accepted_lines(capture)]
    assert sorted(taken) == ["anne@example.org", "bart@example.org"]
    nobody = on_its_way("issue", "resend", "182", "--missed", "--json")
    assert (nobody.code, nobody.json["queued"]) == (1, 0)
    assert "0 readers" in on_its_way("issue", "resend", "182", "--missed").out


def test_those_named_get_it_once_more_or_it_is_said_why_not(
    on_its_way: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send(on_its_way, capture, monkeypatch) == 0
    on_its_way("reader", "leave", "cris@example.org")
    on_its_way("reader", "add", "dora@example.org")
    named = [f"{name}@example.org" for name in ("Anne", "cris", "dora", "emma")]
    said = on_its_way("issue", "resend", "182", "--to", *named, "--json")
    assert (said.code, said.json["queued"]) == (0, 1)
    assert said.json["addresses"] == {
        "cris@example.org": "left",
        "dora@example.org": "not_planned",
        "emma@example.org": "unknown",
    }
    told = on_its_way("issue", "resend", "182", "--to", "emma@example.org")
    assert told.code == 1
    assert "emma@example.org: no reader has this address" in told.out
    waiting = on_its_way("issue", "resend", "182", "--to", "anne@example.org")
    assert "it is still being tried" in waiting.out


def test_who_is_to_get_it_again_has_to_be_said(on_its_way: Shell) -> None:
    for tokens in ((), ("--missed", "--to", "anne@example.org")):
        said = on_its_way("issue", "resend", "182", *tokens)
        assert (said.code, said.out, said.error["where"]) == (2, "", "--to")
    odd = on_its_way("issue", "resend", "182", "--to", "x\r\nRCPT TO:<y@example.org>")
    assert (odd.code, odd.out, odd.error["error"]) == (2, "", "address")
