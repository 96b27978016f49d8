"""Promises of the text part: 72 columns, numbered links by section, quotes behind a sign."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest import resources
from digest.content.issue_file import parse_issue
from digest.content.plaintext import WIDTH, columns, wrap
from digest.content.render import render_issue
from digest.content.theme import Masthead, load_theme
from tests.content.test_render import EXAMPLE, MASTHEAD, pictures

MARK = re.compile("[\ue000\ue002][0-9]+[\ue001\ue003]")


MASTHEAD_OF_N = Masthead(name="N", public_url="https://news.example.org")


def plain(body: str) -> str:
    text = f"---\nnumber: 1\ntitle: T\npreview: P\n---\n{body}"
    result = render_issue(parse_issue(text), MASTHEAD_OF_N, load_theme())
    return MARK.sub("", result.plain)


def test_the_text_part_looks_like_this() -> None:
    body = (
        "Hello {name|you}, a [first](https://example.org/1) word.\n\n"
        "## Section\nWith *text*.\n\n"
        "### [Item](https://example.org/2)\n*Site · 4 min*\n\n"
        "A [first](https://example.org/1), **another** [link](https://example.org/3) "
        "and `code`.\n\n"
        "> Abstract: quoted\n> source.\n>\n> Second.\n\n"
        "1. one\n2. two\n   - inner\n\n"
        "```\nx = 1\n    y = 2\n```\n\n"
        "---\nBye.\n"
    )
    assert plain(body) == (
        "T\n=\n\nNo. 1\n\n"
        "Hello , a first [1] word.\n\n"
        "[1] https://example.org/1\n\n\n"
        "Section\n-------\n\n"
        "With _text_.\n\n"
        "Item [1]\nSite · 4 min\n\n"
        "A first [2], *another* link [3] and `code`.\n\n"
        "> Abstract: quoted source.\n>\n> Second.\n\n"
        "1. one\n2. two\n   - inner\n\n"
        "    x = 1\n        y = 2\n\n"
        "[1] https://example.org/2\n[2] https://example.org/1\n[3] https://example.org/3\n\n"
        "* * *\n\nBye.\n\n* * *\n\n"
        "Forwarded to you? Subscribe:\nhttps://news.example.org\n\n"
        "You get this because you subscribed to N.\n\n"
        "Preferences:\nhttps://news.example.org/p/\nUnsubscribe:\nhttps://news.example.org/u/\n"
    )


def test_short_items_are_a_list() -> None:
    text = plain("## S\n- [One](https://e.org/1): a word\n- [Two](https://e.org/2)\n")
    assert "- One [1]: a word\n- Two [2]\n\n[1] https://e.org/1\n[2] https://e.org/2\n" in text


def test_a_picture_is_told_in_words() -> None:
    text = plain("## S\n### [One](https://e.org/1)\n![A tall tree](https://e.org/a.png)\n\nText.\n")
    assert "[Picture: A tall tree] [2]\n\nText." in text
    assert "[2] https://e.org/a.png\n" in text


def test_a_picture_that_is_a_link_is_listed_once() -> None:
    text = plain("A [![tree](https://e.org/a.png)](https://e.org/1) here.\n")
    assert "A [tree] [1] here." in text
    assert "a.png" not in text


def test_no_line_of_the_example_is_wider_than_72_columns() -> None:
    issue = parse_issue(EXAMPLE.read_text("utf-8"))
    result = render_issue(issue, MASTHEAD, load_theme(), media=pictures(issue, EXAMPLE.parent))
    for line in MARK.sub("", result.plain).split("\n"):
        assert columns(line) <= WIDTH or "https://" in line
        assert line == line.rstrip()
    assert "\n\n\n\n" not in result.plain


def test_a_quotation_of_several_lines_is_quoted_in_each() -> None:
    text = plain("## S\n> " + "word " * 60 + "\n")
    quoted = [line for line in text.split("\n") if "word" in line]
    assert len(quoted) > 4
    assert all(line.startswith("> ") for line in quoted)


def test_wide_characters_count_as_two_columns() -> None:
    assert columns("漢字") == 4
    assert columns("e\u0301") == 1
    lines = wrap("漢" * 100)
    assert [columns(line) for line in lines] == [72, 72, 56]


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=300),
    st.sampled_from([("", ""), ("> ", "> "), ("10. ", "    ")]),
)
def test_wrapping_loses_nothing_and_keeps_the_width(text: str, prefix: tuple[str, str]) -> None:
    first, rest = prefix
    lines = wrap(text, first=first, rest=rest)
    words = "".join(line[len(first if at == 0 else rest) :] for at, line in enumerate(lines))
    assert words.replace(" ", "") == text.replace(" ", "")
    for at, line in enumerate(lines):
        start = len(first if at == 0 else rest)
        assert columns(line) <= WIDTH or " " not in line[start:]


@pytest.mark.parametrize("path", sorted(resources.examples().glob("*.md")), ids=lambda p: p.name)
def test_every_example_has_a_text_part(path: Path) -> None:
    issue = parse_issue(path.read_text("utf-8"), path=path.name)
    media = pictures(issue, path.parent)
    result = render_issue(issue, MASTHEAD, load_theme(), media=media)
    assert len(result.plain) > 1_000
