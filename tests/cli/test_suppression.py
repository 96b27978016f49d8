"""What comes back by the command line: taken in, listed, taught, lifted; on either database."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from digest.mail.tokens import KeyRing, TokenKind
from tests.cli.shell import KEY, Shell
from tests.cli.stage import planned, sent
from tests.inbound.returned import dsn

ANNE = "r0@example.net"


@pytest.fixture
def out(installed: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell where issue 182 went out to sixty readers, twenty of them at example.net."""
    planned(installed, 60, monkeypatch)
    assert sent(installed, tmp_path / "capture", monkeypatch).code == 0
    return installed


def ids(shell: Shell) -> dict[str, int]:
    listed = shell("delivery", "list", "--json").out.splitlines()
    return {row["address"]: row["id"] for row in map(json.loads, listed)}


def verp(number: int) -> str:
    return f"b-{KeyRing(KEY).sign(TokenKind.DELIVERY, number)}@bounces.news.example.org"


def lines(shell: Shell, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shell(*words, "--json").out.splitlines()]


def read(shell: Shell, number: int, **report: str) -> dict[str, Any]:
    (shell.folder / "bounce.eml").write_bytes(dsn(to=verp(number), **report))
    (row,) = lines(shell, "feedback", "read", "bounce.eml")
    return row


def test_a_bounce_suppresses_and_the_operator_lifts_it(out: Shell) -> None:
    deliveries = ids(out)
    told = read(out, deliveries[ANNE])
    assert told == {"kind": "bounce", "effect": "suppressed", "known": True, "new": True}
    assert read(out, deliveries[ANNE])["new"] is False
    (row,) = lines(out, "suppression", "list")
    assert (row["address"], row["reason"]) == (ANNE, "bounced")
    assert "550 5.1.1 User unknown" in row["evidence"]
    assert out("suppression", "remove", ANNE).code == 0
    assert out("suppression", "remove", ANNE).code == 1
    assert lines(out, "suppression", "list") == []
    assert out("suppression", "add", ANNE, "--evidence", "asked by phone").code == 0
    assert lines(out, "suppression", "list")[0]["evidence"] == "asked by phone"


def test_a_pipe_gives_the_recipient_beside_the_mail(
    out: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = io.BytesIO(dsn(to="bounces@example.org"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=mail))
    words = ("feedback", "read", "-", "--recipient", verp(ids(out)[ANNE]))
    assert lines(out, *words)[0]["effect"] == "suppressed"


def test_what_nobody_reads_is_listed_and_can_be_taught(out: Shell) -> None:
    deliveries = ids(out)
    said = {"status": "5.0.0", "said": "550 The hamster of this account has retired"}
    assert read(out, deliveries[ANNE], **said)["effect"] == "scored"
    words = ("feedback", "classify", "Hamster of this account", "userunknown")
    assert out(*words).code == 0
    assert lines(out, "feedback", "classify") == [
        {"phrase": "hamster of this account", "reason": "userunknown"}
    ]
    assert read(out, deliveries["r3@example.net"], **said)["effect"] == "suppressed"
    assert out("feedback", "classify", "hamster of this account", "--forget").code == 0
    assert out("feedback", "classify", "short", "userunknown").code == 2
    assert out("feedback", "classify", "long enough words", "nonsense").code == 2


def test_an_issue_is_reported_by_destination_and_reason(out: Shell) -> None:
    deliveries = ids(out)
    full = {"status": "5.2.2", "said": "552 5.2.2 Mailbox full"}
    for address in (ANNE, "r3@example.net", "r6@example.net"):
        read(out, deliveries[address], **full)
    read(out, deliveries["r1@example.org"])
    report = lines(out, "feedback", "report", "182")
    assert [(one["destination"], one["reason"], one["readers"]) for one in report] == [
        ("example.net", "mailboxfull", 3),
        ("example.org", "userunknown", 1),
    ]
    assert "Mailbox full" in report[0]["sample"]
    listed = lines(out, "feedback", "list", "--issue", "182", "--effect", "suppressed")
    assert [one["reason"] for one in listed] == ["userunknown"]


@pytest.mark.parametrize("verb, suppressed", [("add", 20), ("remove", 0)])
def test_held_suppressions_are_believed_or_dropped(
    on_sqlite: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    suppressed: int,
) -> None:
    shell = on_sqlite
    planned(shell, 60, monkeypatch)
    assert sent(shell, tmp_path / "capture", monkeypatch).code == 0
    there = [n for address, n in ids(shell).items() if address.endswith("@example.net")]
    mails = (b"From x Thu Nov 26 09:00:00 2026\n" + dsn(to=verp(number)) for number in there)
    shell.write("box", b"\n".join(mails))
    assert len(lines(shell, "feedback", "read", "box")) == 20
    assert lines(shell, "suppression", "list") == []
    (held,) = lines(shell, "suppression", "list", "--held")
    assert (held["issue"], held["domain"], held["readers"]) == ("182", "example.net", 20)
    assert shell("suppression", verb, "--held", "182").code == 0
    assert len(lines(shell, "suppression", "list")) == suppressed
    assert shell("suppression", verb, "--held", "182").code == 1


def test_reading_nothing_is_wrong_use(on_sqlite: Shell) -> None:
    for words in ((), ("--maildir", "nowhere"), ("a", "--imap")):
        result = on_sqlite("feedback", "read", *words, "--json")
        assert (result.code, result.out) == (2, ""), words


def test_an_address_to_leave_at_stands_in_the_header(out: Shell, tmp_path: Path) -> None:
    words = ("newsletter", "set", "weekly", "--leave-by-mail")
    assert out(*words, "leave@example.org").code == 2
    assert out(*words, "leave+{token}@example.org").code == 0
    assert out("issue", "fmt", "182.md").code in (0, 1)
    out.write("183.md", Path(out.folder, "182.md").read_text().replace("182", "183"))
    assert out("issue", "add", "183.md").code == 0
    rendered = out("issue", "render", "183.md", "--out", "r", "--newsletter", "weekly")
    assert rendered.code == 0
    raw = (out.folder / "r" / "issue.eml").read_bytes().replace(b"\r\n ", b" ")
    assert b"<mailto:leave+" in raw
