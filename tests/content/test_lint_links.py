"""Promises about links that were asked: a code, the place, the cure, and how to ignore it."""

from __future__ import annotations

import pytest

from digest.content.finding import Known, SpamScore
from digest.content.issue_file import parse_issue
from digest.content.links import canonical_url
from digest.content.lint import Severity, blocking, check_issue
from digest.content.lint_links import pages_to_ask
from digest.rules.link import LinkState, LinkStatus
from tests.build import NOW

TEXT = """---
number: 7
title: A Weekly, Issue #7
preview: A preview line of a sensible length for a phone
---
Hello, see [the notes](https://Pages.Dev/notes?utm_source=a#top).

## Section
### [One](https://pages.dev/one)
![A tree](https://pictures.dev/a.png)

Words, and [more of them](https://pages.dev/notes).

### [Two](https://sponsor.dev/two) {sponsor}
Words.

### [Three](https://example.org/three)
- [mail](mailto:anne@example.org)

## Later {later}
### [Kept](https://pages.dev/later)
"""
ONE = "https://pages.dev/one"


def known(url: str, state: LinkState, status: int | None = None, detail: str = "words") -> Known:
    return Known(reached={canonical_url(url): LinkStatus(state, status, detail, NOW)})


def test_every_page_is_asked_once_sponsors_and_pictures_too() -> None:
    assert pages_to_ask(parse_issue(TEXT)) == {
        ONE: ONE,
        "https://sponsor.dev/two": "https://sponsor.dev/two",
        "https://pages.dev/notes": "https://Pages.Dev/notes?utm_source=a#top",
        "https://pictures.dev/a.png": "https://pictures.dev/a.png",
    }


FOUND = [
    ("dead-link", "error", known(ONE, LinkState.DEAD, 404, "there is no such page"), 9, "404"),
    ("dead-link", "error", known(ONE, LinkState.DEAD, None, "nobody has the name"), 9, "nobody"),
    ("dead-link", "error", known("https://pictures.dev/a.png", LinkState.DEAD, 410), 10, "a.png"),
    ("dead-link", "error", known("https://sponsor.dev/two", LinkState.DEAD, 500), 14, "500"),
    ("dead-link", "error", known("https://pages.dev/notes", LinkState.DEAD, 404), 6, "notes"),
    ("moved-link", "warning", known(ONE, LinkState.MOVED, 200, "https://new.dev/"), 9, "new.dev"),
    ("slow-link", "hint", known(ONE, LinkState.SLOW, 200, "it took 9 s"), 9, "9 s"),
    ("unasked-link", "hint", known(ONE, LinkState.UNASKED, 403, "it refuses"), 9, "403"),
]


@pytest.mark.parametrize(("code", "severity", "what", "line", "words"), FOUND)
def test_what_a_page_answered_is_told_at_its_first_place(
    code: str, severity: str, what: Known, line: int, words: str
) -> None:
    (finding,) = check_issue(parse_issue(TEXT), known=what)
    assert (finding.code, str(finding.severity), finding.place.line) == (code, severity, line)
    assert words in finding.message
    assert finding.fix


@pytest.mark.parametrize("code", sorted({row[0] for row in FOUND}))
def test_each_can_be_ignored_with_a_reason(code: str) -> None:
    (what,) = [row[2] for row in FOUND if row[0] == code][:1]
    ignoring = parse_issue(TEXT.replace("preview:", f"ignore: {code}: seen by Anne\npreview:"))
    assert check_issue(ignoring, known=what) == ()


def test_a_page_that_is_there_is_no_finding_nor_is_one_that_was_never_asked() -> None:
    assert check_issue(parse_issue(TEXT), known=known(ONE, LinkState.OK, 200)) == ()
    assert check_issue(parse_issue(TEXT)) == ()


def test_another_name_of_the_same_page_is_no_move() -> None:
    text = TEXT.replace(ONE, "https://youtu.be/abc")
    what = known(
        "https://youtu.be/abc", LinkState.MOVED, 200, "https://www.youtube.com/watch?v=abc"
    )
    assert check_issue(parse_issue(text), known=what) == ()


def test_what_a_server_says_stays_text() -> None:
    what = known(ONE, LinkState.MOVED, 200, "https://new.dev/\x1b[31m\nred")
    (finding,) = check_issue(parse_issue(TEXT), known=what)
    assert "\x1b" not in finding.message
    assert "\n" not in finding.message


@pytest.mark.parametrize(
    ("points", "severity"),
    [(1.9, None), (2.0, Severity.WARNING), (4.9, Severity.WARNING), (5.0, Severity.ERROR)],
)
def test_points_of_a_spam_filter_are_told_with_their_rules(
    points: float, severity: Severity | None
) -> None:
    spam = SpamScore(points, 5.0, (("HTML_IMAGE_ONLY_08", 1.7), ("SUBJ_ALL_CAPS", 0.5)))
    findings = check_issue(parse_issue(TEXT), known=Known(spam=spam))
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    assert all("HTML_IMAGE_ONLY_08 1.7" in finding.message for finding in findings)
    assert len(blocking(findings)) == (severity is Severity.ERROR)
    ignoring = parse_issue(TEXT.replace("preview:", "ignore: spam-score: so it is\npreview:"))
    assert check_issue(ignoring, known=Known(spam=spam)) == ()
