"""``digest feedback explain``: one line per mail, whatever the file holds."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.shell import Shell
from tests.mail.returned import complaint, report

FAILED = "Final-Recipient: rfc822; anne@example.org\nAction: failed\nStatus: 5.1.1\n"


def _write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return name


def test_a_line_per_mail_tells_kind_recipients_and_reasons(shell: Shell) -> None:
    bounce = _write(shell.folder, "bounce.eml", report(FAILED))
    spam = _write(shell.folder, "spam.eml", complaint("Feedback-Type: abuse\n"))
    result = shell("feedback", "explain", bounce, spam, "--json")
    assert result.code == 0
    first, second = (json.loads(line) for line in result.out.splitlines())
    assert first == {
        "file": "bounce.eml",
        "kind": "bounce",
        "recipients": [
            {
                "address": "anne@example.org",
                "status": "5.1.1",
                "reply": "",
                "reason": "userunknown",
                "final": True,
                "hard": True,
            }
        ],
    }
    assert (second["kind"], second["recipients"][0]["reason"]) == ("complaint", "feedback")


def test_what_is_no_mail_is_no_bounce(shell: Shell) -> None:
    names = [
        _write(shell.folder, f"{number}.bin", data)
        for number, data in enumerate((b"", b"\0" * 300_000, b"%PDF", bytes(range(256))))
    ]
    result = shell("feedback", "explain", *names, "--json")
    assert result.code == 0
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [(line["kind"], line["recipients"]) for line in lines] == [("not-bounce", [])] * 4


def test_a_missing_file_is_an_error_and_nothing_is_printed(shell: Shell) -> None:
    bounce = _write(shell.folder, "bounce.eml", report(FAILED))
    result = shell("feedback", "explain", bounce, "nowhere.eml", "--json")
    assert (result.code, result.out) == (2, "")
    assert json.loads(result.err.splitlines()[-1])["where"] == "nowhere.eml"


def test_people_are_told_in_words_that_cannot_drive_a_terminal(shell: Shell) -> None:
    bounce = _write(shell.folder, "bounce.eml", report(f"{FAILED}Diagnostic-Code: x; \x1b[2J550\n"))
    result = shell("feedback", "explain", bounce)
    assert "anne@example.org: userunknown, dead address" in result.out
    assert "\x1b" not in result.out
