"""Bytes, line ends, limits and hostile text: what an issue file is before it means anything."""

from __future__ import annotations

import contextlib

import pytest

from digest.content.issue_file import decode_issue, parse_issue
from digest.errors import IssueFileError
from tests.content.test_issue_file import WHOLE, issue_of, refusal


def test_line_ends_and_a_byte_order_mark_make_no_difference() -> None:
    data = b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode()
    assert parse_issue(decode_issue(data, path="issue.md")) == parse_issue(WHOLE)
    assert parse_issue(WHOLE.replace("\n", "\r")) == parse_issue(WHOLE)


def test_bytes_that_are_not_utf_8_are_refused_with_their_place() -> None:
    with pytest.raises(IssueFileError) as caught:
        decode_issue("---\nnumber: 1\ntitle: Zoë\n".encode("windows-1252"), path="x.md")
    assert caught.value.where == "x.md:3:10"
    assert "offset 23" in caught.value.message


def test_a_file_of_five_megabytes_is_refused() -> None:
    with pytest.raises(IssueFileError, match="1,048,576"):
        decode_issue(b"x" * 5_000_000, path="x.md")
    with pytest.raises(IssueFileError, match="1,048,576"):
        parse_issue("x\n" * 2_500_000)


def test_more_than_a_thousand_items_are_refused() -> None:
    item = "### [a](https://a.org)\n"
    assert len(issue_of("## A\n" + item * 1000).sections[0].items) == 1000
    assert "1,000" in refusal("## A\n" + item * 10_000).message
    assert "1,000" in refusal("## A\n" + "- [a](https://a.org)\n" * 10_000).message


def test_too_long_lines_and_too_many_sections_are_refused() -> None:
    assert refusal("Text.\n" + "x" * 20_001).where == "x.md:6:1"
    assert "200" in refusal("## A\nx\n\n" * 201).message


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 10_000,
        "![" * 9_000,
        "[" * 5_000 + "]" * 5_000,
        "[`]`" * 4_000,
        "[<http:]>" * 2_000,
        "[a](" * 4_000,
        "[a][" * 4_000,
        "> " * 5_000 + "x",
        ">" * 10_000,
        "- " * 5_000 + "x",
        "*a **b " * 2_500,
        "_" * 19_000,
        "`" * 19_000,
        "".join("`" * n + " " for n in range(190)),
        "<" * 19_000,
        "< " * 9_000,
        "&a" * 9_000,
        "{name|x}" * 2_000,
        "<!-- x -->" * 1_900,
        "\\" * 19_999,
        "(" * 19_000,
        "# " * 9_000,
        "\n".join(["<!-- `` -->` x"] * 3_000),
        "\n".join("> " * (n % 60) + "x" for n in range(3_000)),
        "\n".join("  " * n + "- x" for n in range(400)),
        "\n".join(["```"] * 9_999),
        "\n".join(["***"] * 9_999),
    ],
)
def test_hostile_text_is_read_or_refused_without_hanging(hostile: str) -> None:
    # No timing is asserted: what takes the square of its length never ends here.
    with contextlib.suppress(IssueFileError):
        issue_of(hostile)


def test_nesting_that_markdown_would_drop_is_refused() -> None:
    assert "nested" in refusal("> " * 15 + "deep").message
    assert issue_of("> > > deep").opening.text == "> > > deep"
