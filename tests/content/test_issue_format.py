"""The normal form says the same, stays as it is, and the next issue begins from the last."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from digest.content.issue_file import Fragment, Place, parse_issue, placeholders
from digest.content.issue_format import format_issue, new_issue
from digest.errors import IssueFileError

LOOSE = """\
---
title:   The Anne Letter #12
listed: FALSE

number: 12
ignore: size: photos ;short-link: so it is
---


Hey {name|folks},\x20\x20
second line


  ##   Industry   ##
<!-- ask Bart -->
###  [A page](https://example.org) {sponsor}\t
*The Site*
![x](x.png)
Text.
* * *
- a


- b
## Later things   {later}

### [Kept](TODO)
- - -
Bye.
"""

NORMAL = """\
---
number: 12
title: The Anne Letter #12
listed: no
ignore: size: photos; short-link: so it is
---
Hey {name|folks},
second line

## Industry
<!-- ask Bart -->

### [A page](https://example.org) {sponsor}
*The Site*
![x](x.png)
Text.

* * *

- a

- b

## Later things {later}
### [Kept](TODO)

---
Bye.
"""


def test_the_normal_form_is_as_documented() -> None:
    assert format_issue(LOOSE) == NORMAL
    assert format_issue(NORMAL) == NORMAL


def test_paragraphs_are_never_wrapped_again() -> None:
    body = "One line that is short\nand one " + "that is long " * 30 + "end.\n"
    text = f"---\nnumber: 1\ntitle: T\n---\n{body}"
    assert format_issue(text) == text


def test_a_file_that_cannot_be_read_is_not_formatted() -> None:
    with pytest.raises(IssueFileError) as caught:
        format_issue("---\nnumber: 1\ntitle: T\n---\n[x](\n", path="x.md")
    assert caught.value.where == "x.md:5:1"


_LINES = st.sampled_from(
    [
        "",
        "",
        "Text of a paragraph",
        "  indented   ",
        "      - far in",
        "    text",
        "## Section",
        "##   B   ##",
        "## C {later}",
        "## D \\#",
        "### [a](https://a.org)",
        "###  [a](https://a.org)   {job} ",
        "### [b](TODO)",
        "*by line*",
        "_em_",
        "![x](x.png)",
        "> quote",
        ">> deep",
        "- [a](https://a.org) {job} - text",
        "- [b](https://b.org)",
        "- item",
        "  more of it",
        "1. one",
        "3) three",
        "* * *",
        "---",
        "```",
        "~~~ py",
        "code  ",
        "<!-- note -->",
        "<!-- note",
        "ends -->",
        "ends --> text",
        "text <!-- x --> text",
        "`<!-- code -->`",
        "\tTODO here\t",
        "a [link](https://a.org), {name|you}\\",
        "\u00a0",
        "### [c](https://c.org) <!-- y -->",
        "## E <!-- z",
    ]
)
_BODIES = st.lists(_LINES, max_size=14).map("\n".join)


def without_places(value: Any) -> Any:
    if isinstance(value, Place):
        return None
    if isinstance(value, Fragment):
        return value.text
    if isinstance(value, tuple):
        return tuple(without_places(one) for one in value)
    if dataclasses.is_dataclass(value):
        return {
            one.name: without_places(getattr(value, one.name)) for one in dataclasses.fields(value)
        }
    return value


@settings(deadline=None)
@given(_BODIES)
@example("- a\n\n\n\n  b\n- c")
@example("<!-- note\n\n\nends --> text\n## Section\nText of a paragraph <!-- note -->\n1. one")
@example("Text\n      - far in")
def test_formatting_changes_neither_the_issue_nor_its_own_result(body: str) -> None:
    text = f"---\nnumber: 1\ntitle: T\n---\n{body}"
    try:
        issue = parse_issue(text)
    except IssueFileError:
        assume(False)
        raise
    formatted = format_issue(text)
    assert format_issue(formatted) == formatted
    assert without_places(parse_issue(formatted)) == without_places(issue)
    assert all(line == line.rstrip(" \t") for line in formatted.split("\n"))


def test_comments_stay_where_they_stand() -> None:
    body = (
        "<!-- first -->\nOne <!-- in --> line.\n## A\n<!-- above -->\n### [a](https://a.org)\nx\n"
        "<!-- last -->\n"
    )
    formatted = format_issue(f"---\nnumber: 1\ntitle: T\n---\n{body}")
    notes = ["first", "in", "above", "last"]
    assert [formatted.index(f"<!-- {note} -->") for note in notes] == sorted(
        formatted.index(f"<!-- {note} -->") for note in notes
    )
    assert formatted.index("<!-- above -->") < formatted.index("### [a]")


def test_a_new_issue_can_be_read_and_is_full_of_placeholders() -> None:
    text = new_issue(
        number=3, title="The Letter #3", date=dt.date(2026, 11, 26), sections=["A & B*", "C"]
    )
    issue = parse_issue(text)
    assert (issue.number, issue.title, issue.date) == (3, "The Letter #3", dt.date(2026, 11, 26))
    assert [section.heading for section in issue.sections] == ["A & B*", "C"]
    assert len(placeholders(issue)) == 4
    assert format_issue(text) == text


def test_a_first_issue_needs_nothing() -> None:
    issue = parse_issue(new_issue(number=1, title="One"))
    assert (issue.sections, issue.opening.text) == ((), "TODO")


def test_the_next_issue_has_the_usual_sections_and_what_was_kept_for_later() -> None:
    previous = NORMAL.replace("## Later", "## Code\nx\n\n## Later") + ""
    previous = previous.replace(
        "---\nBye", "## Code {later}\n<!-- why -->\n### [k](TODO)\ny\n\n---\nBye"
    )
    text = new_issue(number=13, title="The Anne Letter #13", previous=previous)
    issue = parse_issue(text)
    assert [(s.heading, len(s.items), s.later) for s in issue.sections] == [
        ("Industry", 0, False),
        ("Code", 1, False),
        ("Later things", 1, False),
    ]
    assert "<!-- why -->" in text
    assert "Bye" not in text
    assert issue.sections[0].text.text == "TODO"


def test_given_sections_win_over_those_of_the_last_issue() -> None:
    issue = parse_issue(new_issue(number=13, title="T", sections=["New"], previous=NORMAL))
    assert [section.heading for section in issue.sections] == ["New", "Later things"]
