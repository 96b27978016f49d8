"""The linter on the command line: codes for scripts, words for people, no set-up."""

from __future__ import annotations

import pytest

from tests.cli.shell import ISSUE, Shell

BAD = (
    b"From: a@example.org\r\nTo: anne@example.org\r\nSubject: x\r\n"
    b"Date: Mon, 26 Nov 2026 08:00:00 +0000\r\nMessage-ID: <x@example.org>\r\n\r\nText.\r\n"
)


def test_an_issue_as_it_is_rendered_passes(shell: Shell) -> None:
    shell.write("issue.md", ISSUE)
    assert shell("issue", "render", "issue.md", "--out", "out").code == 0
    said = shell("message", "check", "out/issue.eml", "--json")
    assert (said.code, said.out) == (0, "")


def test_each_finding_is_one_line_for_scripts(shell: Shell) -> None:
    shell.write("bad.eml", BAD)
    said = shell("message", "check", "bad.eml", "--json")
    assert said.code == 1
    first, second = said.rows
    assert (first["code"], first["severity"], first["line"]) == (
        "no-list-unsubscribe",
        "warning",
        1,
    )
    assert second == {
        "file": "bad.eml",
        "line": 4,
        "code": "date-syntax",
        "severity": "error",
        "message": "That day is no Mon.",
        "why": "RFC 5322 §3.3",
        "fix": "Like Thu, 26 Nov 2026 08:00:00 +0000.",
    }


def test_people_are_told_where_why_and_what_to_do(shell: Shell) -> None:
    shell.write("bad.eml", BAD)
    said = shell("message", "check", "bad.eml")
    assert said.code == 1
    assert "bad.eml:4: error date-syntax: That day is no Mon.\n    RFC 5322 §3.3. Like" in said.out
    assert said.err == "1 error, 1 warning.\n"


def test_warnings_alone_are_no_refusal(shell: Shell) -> None:
    shell.write("good.eml", BAD.replace(b"Mon, 26", b"Thu, 26"))
    assert shell("message", "check", "good.eml", "--json").code == 0


@pytest.mark.parametrize("name", ["missing.eml", "."])
def test_a_file_that_cannot_be_read_is_wrong_use(shell: Shell, name: str) -> None:
    said = shell("message", "check", name, "--json")
    assert (said.code, said.out, said.error["where"]) == (2, "", name)


def test_an_empty_file_is_no_message(shell: Shell) -> None:
    shell.write("empty.eml", b"")
    said = shell("message", "check", "empty.eml", "--json")
    assert (said.code, said.json["code"]) == (1, "not-a-message")
