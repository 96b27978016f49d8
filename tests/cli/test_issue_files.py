"""Issue files before anybody else sees them: new, fmt, import."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.cli.shell import ISSUE, Shell

TEXT = """\
Issue #7: Small Things

A preview line.

Hello,

an opening of two
lines.

Industry

A title of something that was written

The blurb of it.

[GitHub] owner/repository

What it does.
"""


def test_a_new_issue_is_a_valid_file_full_of_placeholders(shell: Shell) -> None:
    said = shell("issue", "new", "--number", "7", "--date", "2026-11-26", "--json")
    assert said.json == {"issue": 7, "out": "issue-7.md"}
    written = (shell.folder / "issue-7.md").read_text()
    assert "number: 7\n" in written
    assert "date: 2026-11-26\n" in written
    checked = shell("issue", "check", "issue-7.md", "--json")
    assert checked.code == 1
    assert {finding["code"] for finding in checked.json["findings"]} >= {"placeholder"}


def test_a_file_that_is_there_is_not_begun_again(shell: Shell) -> None:
    shell.write("issue-7.md", "mine")
    said = shell("issue", "new", "--number", "7")
    assert (said.code, said.out, said.error["error"]) == (2, "", "conflict")
    assert (shell.folder / "issue-7.md").read_text() == "mine"


def test_the_next_issue_follows_the_last_and_takes_what_was_kept(shell: Shell) -> None:
    kept = "\n## Next week {later}\n### [Kept](https://example.org/kept)\nFor later.\n"
    shell.write("last.md", ISSUE + kept)
    assert shell("issue", "new", "--previous", "last.md", "--json").json["issue"] == 183
    begun = (shell.folder / "issue-183.md").read_text()
    assert "title: A Weekly, Issue #183\n" in begun
    assert "## Industry\n" in begun
    assert "### [Kept](https://example.org/kept)" in begun
    assert "Title of the linked page" not in begun


def test_with_a_database_the_next_issue_has_the_next_number_and_the_date_of_the_next_slot(
    on_sqlite: Shell,
) -> None:
    on_sqlite("newsletter", "set", "weekly", "--schedule", "thu 09:00")
    assert on_sqlite("issue", "new", "--json").json["issue"] == 1
    on_sqlite.write("182.md", ISSUE)
    assert on_sqlite("issue", "add", "182.md").code == 0
    assert on_sqlite("issue", "new", "--json").json["issue"] == 183
    text = (on_sqlite.folder / "issue-183.md").read_text()
    (date,) = [line.split()[1] for line in text.splitlines() if line.startswith("date: ")]
    assert Path("issue-1.md").exists()
    assert dt.date.fromisoformat(date).weekday() == 3


def test_fmt_writes_the_normal_form_once(shell: Shell) -> None:
    shell.write("a.md", ISSUE.replace("## Industry\n", "## Industry\n\n\n"))
    shell.write("b.md", ISSUE)
    assert shell("issue", "fmt", "--check", "a.md", "b.md").code == 1
    assert [row["changed"] for row in shell("issue", "fmt", "a.md", "b.md", "--json").rows] == [
        True,
        False,
    ]
    assert shell("issue", "fmt", "--check", "a.md", "b.md", "--json").code == 0
    assert (shell.folder / "a.md").read_text() == (shell.folder / "b.md").read_text()


def test_fmt_changes_no_file_when_one_of_them_is_wrong(shell: Shell) -> None:
    untidy = ISSUE.replace("## Industry\n", "## Industry\n\n\n")
    shell.write("a.md", untidy)
    shell.write("b.md", ISSUE.replace("title:", "headline:"))
    said = shell("issue", "fmt", "a.md", "b.md")
    assert (said.code, said.out) == (2, "")
    assert said.error["where"].startswith("b.md:3")
    assert (shell.folder / "a.md").read_text() == untidy


def test_import_lists_the_missing_links_by_their_line(shell: Shell) -> None:
    shell.write("seven.txt", TEXT)
    said = shell("issue", "import", "seven.txt", "--out", "seven.md", "--json")
    assert said.code == 0
    assert said.json.keys() == {"issue", "sections", "items", "missing_links", "out"}
    lines = (shell.folder / "seven.md").read_text().splitlines()
    assert said.json["missing_links"]
    for number in said.json["missing_links"]:
        assert "(TODO)" in lines[number - 1]


def test_import_without_out_prints_the_file(shell: Shell) -> None:
    shell.write("seven.txt", TEXT)
    said = shell("issue", "import", "seven.txt")
    assert said.out.startswith("---\n")
    assert "links are missing" in said.err


def test_import_never_overwrites_what_it_reads(shell: Shell) -> None:
    shell.write("seven.txt", TEXT)
    said = shell("issue", "import", "seven.txt", "--out", "./seven.txt")
    assert (said.code, said.out) == (2, "")
    assert (shell.folder / "seven.txt").read_text() == TEXT


def test_the_sample_has_six_sections_and_seventeen_items(shell: Shell, shared: Path) -> None:
    sample = shared / "data" / "issues" / "deep-learning-weekly-182.txt"
    said = shell("issue", "import", str(sample), "--out", "182.md", "--json")
    assert (said.json["issue"], said.json["sections"], said.json["items"]) == (182, 6, 17)
    assert shell("issue", "fmt", "--check", "182.md").code == 0


@pytest.mark.parametrize(
    "verb", [("fmt",), ("check",), ("render", "--out", "x"), ("import",), ("preview",)]
)
def test_files_that_cannot_be_read_are_told_and_nothing_is_written(
    shell: Shell, verb: tuple[str, ...]
) -> None:
    shell.write("latin1.md", b"---\nnumber: 1\n\xfc\n")
    shell.write("large.md", ISSUE + "word " * 1_100_000)
    files = ["missing.md", "."] + (["latin1.md", "large.md"] if verb[0] != "preview" else [])
    for file in files:
        said = shell("issue", verb[0], file, *verb[1:])
        assert (said.code, said.out) == (2, ""), file
        assert said.error["where"].startswith(file)
        assert len(said.error["message"]) > 10
    assert sorted(path.name for path in shell.folder.iterdir()) == ["large.md", "latin1.md"]
