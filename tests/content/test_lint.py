"""Promises of the offline checks: one code per fault, its place, and what an editor may ignore."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from digest import resources
from digest.content.issue import Ignore
from digest.content.issue_file import parse_issue
from digest.content.lint import CHECKS, KB, Severity, blocking, check_issue, mail_size
from digest.content.render import Rendered, render_issue
from digest.content.theme import load_theme
from digest.mail.message import Slot, slot_mark
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
    ("ignored-code", "warning", GOOD.replace("preview:", "ignore: no-such: because\npreview:"), 1),
]


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
    frame = "<!doctype html>"
    html = frame + "x" * (size - len(frame))
    return Rendered("s", "p", html, "t", html, (), (), ())


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
