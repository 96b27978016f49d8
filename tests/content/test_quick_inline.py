"""Promise of the short way: where it has an answer, it is markdown-it's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it.token import Token

from digest.content.markdown import FlawError, issue_markdown
from digest.content.quick_inline import quick_inline

PIECES = st.sampled_from(
    ["word", "two words", "*em*", "**strong**", "[text](https://example.org/a?b=1&c=2)", "é", "漢"]
    + [" ", "  ", "\n", ".", ",", "(", ")", "!", "?", "-", "—", "*", "**", "***", "_", "a_b", "_a_"]
    + ["[", "]", "![", "](", "(https://e.org)", "<", ">", "<b>", "<https://e.org>", "&", "&amp;"]
    + ["&a", "&#38;", "{", "}", "{name|x}", "`", "`code`", "\\", "\\*", "\t", "\u00a0", "1", "*a b*"]
    + ["[a*b](https://e.org)", "[a](https://E.org)", "[a](http://e.org/%41)", "[a](javascript:x)"]
    + ["[a](https://e.org/a_b_c)", "[a](https://e.org/ 'x')", "**a*", "*a**", "\"", "'", "https://e.org"]
)


def slow(content: str) -> list[Token] | None:
    tokens: list[Token] = []
    try:
        issue_markdown().inline.parse(content, issue_markdown(), {}, tokens)
    except FlawError:
        return None
    return tokens


def facts(tokens: list[Token]) -> list[tuple[Any, ...]]:
    """What anybody reads of a token; neighbouring words are one, none are none."""
    found: list[tuple[Any, ...]] = []
    for t in tokens:
        if t.type == "text" and found and found[-1][0] == "text":
            found[-1] = (*found[-1][:-1], found[-1][-1] + t.content)
        elif t.type != "text" or t.content:
            meta = {key: value for key, value in t.meta.items() if key == "offset"}
            found.append((t.type, t.tag, t.nesting, t.level, dict(t.attrs), meta, t.markup, t.content))
    return found


@settings(deadline=None, max_examples=600)
@given(st.lists(PIECES, max_size=9).map("".join).map(str.strip))
def test_the_short_way_reads_what_markdown_it_reads(content: str) -> None:
    quick = quick_inline(content)
    if quick is not None:
        expected = slow(content)
        assert expected is not None
        assert facts(quick) == facts(expected)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40).map(str.strip))
def test_the_short_way_reads_any_text_as_markdown_it_does(content: str) -> None:
    quick = quick_inline(content)
    if quick is not None and "\x00" not in content and "\r" not in content:
        expected = slow(content)
        assert expected is not None
        assert facts(quick) == facts(expected)


@pytest.mark.parametrize(
    "content",
    [
        "Plain words, nothing else.",
        "Some *emphasis*, some **more of it** and a [link](https://example.org/a?b=c#d).",
        "Two lines\nof words (and *that* too).",
        "[Title of a page](https://example.org/page)",
        "snake_case and R&D",
    ],
)
def test_what_editors_mostly_write_goes_the_short_way(content: str) -> None:
    assert quick_inline(content) is not None


@pytest.mark.parametrize(
    "content",
    ["`code`", "{name|you}", "<b>", "\\*", "![x](y.png)", "a&amp;b", "[x](TODO)", "*a*b", "_a_", "a*b"],
)
def test_everything_else_is_left_to_markdown_it(content: str) -> None:
    assert quick_inline(content) is None
