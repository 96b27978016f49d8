"""Promises of the offline checks: one code per fault, its place, and what an editor may ignore."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from digest import resources
from digest.content.finding import Earlier
from digest.content.issue import Fragment, Ignore
from digest.content.issue_file import parse_issue
from digest.content.links import canonical_url
from digest.content.lint import (
    CHECKS,
    KB,
    Known,
    Severity,
    blocking,
    check_issue,
    mail_size,
)
from digest.content.media import Media
from digest.content.render import Rendered, render_issue
from digest.content.theme import load_theme
from digest.mail.message import Slot, slot_mark
from digest.mail.tokens import TOKEN_LENGTH
from tests.content.test_render import MASTHEAD, pictures

GOOD = """---
number: 7
title: A Weekly, Issue #7
preview: A preview line of a sensible length for a phone
---
Hello.

## Section
### [One](https://example.org/one)
*Site*

![A tree](img/a.png)

Words.

### [Two](https://example.org/two)
Words.
"""

TITLE = "A Weekly, Issue #7"
FAULTS = [
    ("placeholder", "error", GOOD.replace("https://example.org/one", "TODO"), 9),
    ("placeholder", "error", GOOD.replace("Hello.", "TODO"), 6),
    ("duplicate-item", "warning", GOOD.replace("/two", "/one?utm_source=x#part"), 16),
    ("missing-alt", "warning", GOOD.replace("![A tree]", "![]"), 12),
    ("missing-alt", "warning", GOOD.replace("Hello.", "Hello ![](img/b.png) you."), 6),
    ("subject-length", "warning", GOOD.replace("Issue #7", "Issue #7 " + "long " * 20), 1),
    ("preview-missing", "warning", re.sub("preview.*\n", "", GOOD), 1),
    ("preview-length", "warning", re.sub("preview.*", "preview: Short", GOOD), 1),
    ("preview-length", "warning", GOOD.replace("for a phone", "for a phone " * 20), 1),
    (
        "preview-repeats",
        "warning",
        re.sub("preview.*", f"preview: {TITLE}, and yet more", GOOD),
        1,
    ),
    (
        "subject-shouts",
        "warning",
        GOOD.replace("title: A", "subject: NEWS FOR YOU ALL\ntitle: A"),
        1,
    ),
    ("subject-shouts", "warning", GOOD.replace("Issue #7", "Issue #7! Wow!!"), 1),
    ("slot-spelling", "error", GOOD.replace("Hello.", "Hello *|FNAME|*,"), 6),
    ("slot-spelling", "error", GOOD.replace("Hello.", "Hello %FIRSTNAME%,"), 6),
    ("slot-spelling", "error", GOOD.replace("Hello.", "Hello << name >>,"), 6),
    ("slot-spelling", "error", GOOD.replace("Hello.", "Hello \\[First_Name],"), 6),
    ("slot-spelling", "error", GOOD.replace("preview: A", "preview: *|FNAME|*, a"), 1),
    ("slot-spelling", "error", GOOD.replace("title: A", "subject: Hi %NAME%\ntitle: A"), 1),
    ("leftover", "warning", GOOD.replace("Hello.", "Hello, and lorem ipsum."), 6),
    ("leftover", "warning", GOOD.replace("[One]", "[One (TBD)]"), 9),
    ("leftover", "warning", GOOD.replace("A preview", "FIXME a preview"), 1),
    ("link-words", "warning", GOOD.replace("Hello.", "See [here](https://example.org/x)."), 6),
    ("link-words", "warning", GOOD.replace("Hello.", "[Read more…](https://example.org/x)"), 6),
    ("short-link", "warning", GOOD.replace("https://example.org/two", "https://bit.ly/3x"), 16),
    ("short-link", "warning", GOOD.replace("Hello.", "See [it](https://www.tinyurl.com/x)."), 6),
    ("same-title", "warning", GOOD.replace("[Two]", "[One]"), 16),
    ("ignored-code", "warning", GOOD.replace("preview:", "ignore: no-such: because\npreview:"), 1),
]


ANY_PICTURE = {"img/a.png": Media("0" * 64, "png", 400, 300, b"")}


def test_a_good_issue_has_no_findings() -> None:
    assert check_issue(parse_issue(GOOD)) == ()


@pytest.mark.parametrize(("code", "severity", "text", "line"), FAULTS)
def test_each_fault_has_its_code_and_place(code: str, severity: str, text: str, line: int) -> None:
    (finding,) = check_issue(parse_issue(text))
    assert (finding.code, str(finding.severity), finding.place.line) == (code, severity, line)
    assert finding.message
    assert finding.fix


@pytest.mark.parametrize("link", ["javascript:alert(1)", "ftp://example.org/a", "/relative"])
def test_a_link_that_shows_no_page_is_an_error(link: str) -> None:
    issue = parse_issue(GOOD)
    item = dataclasses.replace(issue.sections[0].items[0], url=link)
    section = dataclasses.replace(issue.sections[0], items=(item,))
    (finding,) = check_issue(dataclasses.replace(issue, sections=(section,)))
    assert (finding.code, finding.severity) == ("bad-link", Severity.ERROR)


def test_the_same_paper_under_two_addresses_is_a_duplicate() -> None:
    text = GOOD.replace("https://example.org/one", "https://arxiv.org/abs/2101.05783")
    text = text.replace("https://example.org/two", "https://arxiv.org/pdf/2101.05783v2.pdf")
    assert [finding.code for finding in check_issue(parse_issue(text))] == ["duplicate-item"]


def test_a_later_section_is_not_judged() -> None:
    text = GOOD + "\n## Later {later}\n### [Kept](TODO)\n### [One](https://example.org/one)\n"
    assert check_issue(parse_issue(text)) == ()


def test_an_ignored_finding_needs_a_reason() -> None:
    text = GOOD.replace("/two", "/one")
    issue = parse_issue(text.replace("preview:", "ignore: duplicate-item: meant so\npreview:"))
    assert check_issue(issue) == ()
    without_reason = dataclasses.replace(issue, ignore=(Ignore("duplicate-item", " "),))
    codes = [finding.code for finding in check_issue(without_reason)]
    assert sorted(codes) == ["duplicate-item", "ignored-code"]


def test_a_placeholder_cannot_be_ignored() -> None:
    issue = parse_issue(GOOD.replace("https://example.org/one", "TODO"))
    issue = dataclasses.replace(issue, ignore=(Ignore("placeholder", "no time"),))
    findings = check_issue(issue)
    assert "placeholder" in {finding.code for finding in blocking(findings)}


def of_size(size: int) -> Rendered:
    way_out = slot_mark(0)
    html = way_out + "x" * (size - TOKEN_LENGTH)
    return Rendered("s", "p", html, f"t {way_out}", html, (Slot("leave"),), (), ())


@pytest.mark.parametrize(
    ("kilobytes", "severity"),
    [(69, None), (71, Severity.WARNING), (89, Severity.WARNING), (91, Severity.ERROR)],
)
def test_a_mail_that_would_be_cut_off_is_refused(kilobytes: int, severity: Severity | None) -> None:
    findings = check_issue(parse_issue(GOOD), rendered=of_size(kilobytes * KB))
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    assert all(f"{kilobytes}.0 KB" in finding.message for finding in findings)
    ignoring = dataclasses.replace(parse_issue(GOOD), ignore=(Ignore("size", "a long one"),))
    left = check_issue(ignoring, rendered=of_size(kilobytes * KB))
    assert bool(left) is (severity is Severity.ERROR)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("Hello.", "Hello {name|there}, 100% of 50%\\{x}; \\{name} is a slot."),
        GOOD.replace("Hello.", "`*|FNAME|*` is how others write it, `%NAME%` too."),
        GOOD.replace("Words.", "We link [the page on here documents](https://example.org/x)."),
        GOOD.replace("title: A Weekly, Issue #7", "title: NASA, ESA & JAXA"),
        GOOD.replace("https://example.org/two", "https://example.org/bit.ly/3x"),
    ],
)
def test_what_only_looks_like_a_fault_is_none(text: str) -> None:
    assert check_issue(parse_issue(text)) == ()


def test_an_issue_with_nothing_in_it_is_an_error() -> None:
    issue = dataclasses.replace(parse_issue(GOOD), opening=Fragment(), sections=())
    (finding,) = check_issue(issue)
    assert (finding.code, finding.severity) == ("empty", Severity.ERROR)


def test_a_mail_without_a_way_out_is_refused_for_each_of_its_parts() -> None:
    whole = of_size(1000)
    for without in (
        dataclasses.replace(whole, html="no"),
        dataclasses.replace(whole, plain="no"),
    ):
        ignoring = dataclasses.replace(parse_issue(GOOD), ignore=(Ignore("no-way-out", "so"),))
        findings = check_issue(ignoring, rendered=without)
        assert "no-way-out" in {finding.code for finding in blocking(findings)}


def test_the_text_part_has_every_link_of_the_page() -> None:
    issue = parse_issue(GOOD)
    rendered = render_issue(issue, MASTHEAD, load_theme(), media=ANY_PICTURE)
    assert check_issue(issue, rendered=rendered) == ()
    cut = dataclasses.replace(rendered, plain=rendered.plain.replace("https://example.org/two", ""))
    (finding,) = check_issue(issue, rendered=cut)
    assert finding.code == "text-part"
    assert "https://example.org/two" in finding.message


def test_a_link_of_an_earlier_issue_is_named_with_it_but_not_a_sponsors() -> None:
    earlier = Earlier(links={canonical_url("https://example.org/one"): "No. 3 of 1 May 2026"})
    other = GOOD.replace("/one)", "/one?utm_source=weekly)")
    (finding,) = check_issue(parse_issue(other), known=Known(earlier))
    assert (finding.code, finding.place.line) == ("already-sent", 9)
    assert "No. 3 of 1 May 2026" in finding.message
    assert (
        check_issue(parse_issue(GOOD.replace("/one)", "/one) {sponsor}")), known=Known(earlier))
        == ()
    )


def test_the_subject_of_an_earlier_issue_is_noticed() -> None:
    earlier = Earlier(subjects={"a weekly, issue #7": "No. 6"})
    (finding,) = check_issue(parse_issue(GOOD), known=Known(earlier))
    assert finding.code == "same-subject"
    assert "No. 6" in finding.message


def test_the_size_is_that_of_a_readers_copy() -> None:
    html = f"ä{slot_mark(0)}{slot_mark(1)}\ue0021\ue003"
    rendered = Rendered("s", "p", html, "t", "", (Slot("name", "you"), Slot("leave")), (), ())
    assert mail_size(rendered) == 2 + 3 + 40


def test_a_code_and_a_severity_stand_once_in_the_table() -> None:
    rows = [(check.code, check.severity) for check in CHECKS]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("path", sorted(resources.examples().glob("*.md")), ids=lambda p: p.name)
def test_every_example_can_be_sent_as_it_is(path: Path) -> None:
    issue = parse_issue(path.read_text("utf-8"), path=path.name)
    media = pictures(issue, path.parent)
    rendered = render_issue(issue, MASTHEAD, load_theme(), media=media)
    assert check_issue(issue, rendered=rendered) == ()
