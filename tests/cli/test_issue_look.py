"""What readers would get, without sending anything: check and render."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest

from tests.cli.shell import ISSUE, Shell, a_picture


def test_a_sendable_issue_passes(shell: Shell) -> None:
    shell.write("182.md", ISSUE)
    said = shell("issue", "check", "182.md", "--json")
    assert said.code == 0
    assert said.json["ok"] is True
    assert (said.json["issue"], said.json["sections"], said.json["items"]) == (182, 2, 2)


def test_what_stands_in_the_way_is_listed_with_its_place(shell: Shell) -> None:
    shell.write("182.md", ISSUE.replace("https://example.org/page", "TODO"))
    said = shell("issue", "check", "182.md")
    assert said.code == 1
    assert said.out.startswith("182.md:11:")
    finding = shell("issue", "check", "182.md", "--json").json["findings"][0]
    assert finding.keys() == {"code", "severity", "message", "line", "column", "fix"}
    assert (finding["code"], finding["severity"], finding["line"]) == ("placeholder", "error", 11)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (ISSUE.replace("preview:", "prewiev:"), 4),
        (ISSUE.replace("https://example.org/page", "javascript:alert(1)"), 11),
        (ISSUE.replace("The blurb", "<script>alert(1)</script>"), 14),
        (ISSUE.replace("What it does.", "![](missing.png)"), 18),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_line(shell: Shell, wrong: str, line: int) -> None:
    shell.write("182.md", wrong)
    for verb in (("check", "182.md"), ("render", "182.md", "--out", "out")):
        said = shell("issue", *verb)
        assert (said.code, said.out) == (2, "")
        assert said.error["where"].startswith(f"182.md:{line}")
    assert not (shell.folder / "out").exists()


def test_template_syntax_is_text(shell: Shell) -> None:
    shell.write("182.md", ISSUE.replace("The blurb", "{{ 7*7 }} {% raw %}"))
    said = shell("issue", "render", "182.md", "--out", "out")
    if said.code == 0:
        html = (shell.folder / "out" / "issue.html").read_text()
        assert "49" not in html
        assert "{{ 7*7 }}" in html
    else:  # refused because {…} is no slot: just as good, and it says where
        assert said.error["where"].startswith("182.md:14")


def test_render_writes_what_is_mailed_and_nothing_else(shell: Shell) -> None:
    shell.write("img/x.png", a_picture())
    shell.write("182.md", ISSUE.replace("*The Site", "![A picture](img/x.png)\n*The Site"))
    said = shell("issue", "render", "182.md", "--out", "out", "--json")
    assert said.code == 0
    out = shell.folder / "out"
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert found == set(said.json["files"])
    assert {"issue.html", "issue.txt", "issue.eml"} < found
    (picture,) = found - {"issue.html", "issue.txt", "issue.eml"}
    assert (out / picture).read_bytes() == a_picture()
    assert Path(picture).name in (out / "issue.html").read_text()


def test_the_files_are_the_parts_of_the_message(shell: Shell) -> None:
    shell.write("182.md", ISSUE)
    shell("issue", "render", "182.md", "--out", "out")
    data = (shell.folder / "out" / "issue.eml").read_bytes()
    assert b"\r\n" in data
    assert b"\n" not in data.replace(b"\r\n", b"")
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert message["Subject"] == "A Weekly, Issue #182"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    html = message.get_body(("html",))
    plain = message.get_body(("plain",))
    assert html is not None
    assert plain is not None
    assert (
        html.get_content().replace("\r\n", "\n")
        == (shell.folder / "out" / "issue.html").read_text()
    )
    assert (
        plain.get_content().replace("\r\n", "\n")
        == (shell.folder / "out" / "issue.txt").read_text()
    )
    assert "Hey Anne," in plain.get_content()


def test_render_can_be_done_in_a_newsletters_name(on_sqlite: Shell) -> None:
    on_sqlite.write("182.md", ISSUE)
    assert on_sqlite("issue", "render", "182.md", "--out", "o", "--newsletter", "weekly").code == 0
    data = (on_sqlite.folder / "o" / "issue.eml").read_bytes()
    assert b"From: A Weekly <hello@news.example.org>\r\n" in data
    said = on_sqlite("issue", "check", "182.md", "--newsletter", "monthly")
    assert (said.code, said.error["error"]) == (2, "not_found")
    assert "weekly" in said.error["message"]


def test_a_broken_env_file_stands_in_nobodys_way_who_needs_no_set_up(shell: Shell) -> None:
    shell.write(".env", "DIGEST_PORT=eighty\n")
    shell.write("182.md", ISSUE)
    assert shell("issue", "check", "182.md").code == 0
    assert shell("issue", "render", "182.md", "--out", "out").code == 0
    assert shell("issue", "list").code == 2
