"""The issue file is read whole or not at all."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.content.front_matter import KEYS
from digest.content.issue_file import (
    Fragment,
    Ignore,
    Issue,
    ItemKind,
    Place,
    parse_issue,
    placeholders,
)
from digest.content.issue_format import format_issue
from digest.content.item_kind import LABELS
from digest.errors import IssueFileError

WHOLE = """\
---
number: 12
title: The Anne Letter, Issue #12
preview: A robot that counts, & more
---
Hey {name|folks},

Before the first section.

## Industry
A line about the section.

### [A linked page](https://example.org/page)
*The Site · 4 min*

The blurb. A second [link](https://example.org/more).

### [Lunch with Bart](https://sponsor.example) {sponsor}
![The table](img/table.png)

## Code
### [anne/counter](https://github.com/anne/counter)
Counts.

## Jobs
- [Counter, Berlin](https://example.org/job) {job} - part time
- [Second counter](https://example.org/job2)

## Papers
### [On counting](https://arxiv.org/abs/2101.05783)
*Anne, Bart, Cris*

> Abstract: quoted source.

## Next week {later}
### [Kept](TODO)

---
The closing.
"""


def issue_of(body: str, front: str = "number: 1\ntitle: T") -> Issue:
    return parse_issue(f"---\n{front}\n---\n{body}", path="x.md")


def refusal(body: str, front: str = "number: 1\ntitle: T") -> IssueFileError:
    with pytest.raises(IssueFileError) as caught:
        issue_of(body, front)
    assert caught.value.fix
    return caught.value


def test_an_issue_is_read_with_all_its_parts() -> None:
    issue = parse_issue(WHOLE)
    assert (issue.number, issue.slug) == (12, None)
    assert issue.title == issue.subject == "The Anne Letter, Issue #12"
    assert issue.preview == "A robot that counts, & more"
    assert issue.opening == Fragment("Hey {name|folks},\n\nBefore the first section.", 6)
    assert issue.closing == Fragment("The closing.", 39)
    assert [(s.heading, s.number) for s in issue.sections] == [
        ("Industry", 1),
        ("Code", 2),
        ("Jobs", 3),
        ("Papers", 4),
        ("Next week", 0),
    ]
    assert len(issue.rendered_sections) == 4


def test_an_item_has_title_link_byline_figure_and_text() -> None:
    industry, code, jobs, papers, _ = parse_issue(WHOLE).sections
    page, lunch = industry.items
    assert industry.text == Fragment("A line about the section.", 11)
    assert (page.title, page.url) == ("A linked page", "https://example.org/page")
    assert page.byline == Fragment("The Site · 4 min", 14)
    assert page.body.text.startswith("The blurb.")
    assert page.place == Place(13, 1)
    assert lunch.kind is ItemKind.SPONSOR
    assert lunch.figure is not None
    assert (lunch.figure.alt, lunch.figure.source) == ("The table", "img/table.png")
    assert code.items[0].kind is ItemKind.REPOSITORY
    assert papers.items[0].kind is ItemKind.PAPER
    assert papers.items[0].body.text == "> Abstract: quoted source."
    first, second = jobs.items
    assert (first.title, first.short, first.kind) == ("Counter, Berlin", True, ItemKind.JOB)
    assert (first.body.text, second.body.text) == ("- part time", "")


def test_front_matter_values_are_taken_verbatim() -> None:
    front = (
        "number: 182\ntitle: A: \"quoted\" #182 'x' <b>\nsubject: No\npreview: {{ 7*7 }} \\n %s\n"
        "date: 2026-11-23\neditor: Cris\nlisted: no\nutm: yes\n"
        "ignore: short-link: it is meant so; size: photos"
    )
    issue = issue_of("Text.", front)
    assert issue.title == "A: \"quoted\" #182 'x' <b>"
    assert issue.subject == "No"
    assert issue.preview == "{{ 7*7 }} \\n %s"
    assert issue.date == dt.date(2026, 11, 23)
    assert (issue.editor, issue.listed, issue.utm) == ("Cris", False, True)
    assert issue.ignore == (Ignore("short-link", "it is meant so"), Ignore("size", "photos"))


@pytest.mark.parametrize(
    ("front", "where", "word"),
    [
        ("number: 1\ntitel: T", "x.md:3:1", "title"),
        ("number: 1\ntitle: T\ntitle: U", "x.md:4:1", "twice"),
        ("number: 1", "x.md:1:1", "no title"),
        ("title: T", "x.md:1:1", "neither a number nor a slug"),
        ("number: 0\ntitle: T", "x.md:2:9", "positive"),
        ("number: -4\ntitle: T", "x.md:2:9", "positive"),
        ("number: 1.5\ntitle: T", "x.md:2:9", "positive"),
        ("number: ٣\ntitle: T", "x.md:2:9", "positive"),
        ("number:\ntitle: T", "x.md:2:1", "no value"),
        ("number: 1\ntitle:", "x.md:3:1", "no value"),
        ("slug: Not Good\ntitle: T", "x.md:2:7", "slug"),
        ("slug: 12\ntitle: T", "x.md:2:7", "slug"),
        ("number: 1\ntitle: T\ndate: 23.11.2026", "x.md:4:7", "date"),
        ("number: 1\ntitle: T\ndate: 2026-02-30", "x.md:4:7", "date"),
        ("number: 1\ntitle: T\nlisted: maybe", "x.md:4:9", "yes"),
        ("number: 1\ntitle: T\nignore: size", "x.md:4:9", "reason"),
        ("number: 1\ntitle: T\njust words", "x.md:4:1", "no key"),
        ("number: 1\ntitle: Hey {name|you}", "x.md:3:8", "slot"),
        (f"number: 1\ntitle: {'x' * 1001}", "x.md:3:8", "1,001"),
        ("number: 1\ntitle: a\x00b", "x.md:3:9", "U+0000"),
        ("number: 1\ntitle: a\x1b[1mb", "x.md:3:9", "U+001B"),
        ("number: 1\ntitle: a\ue000b", "x.md:3:9", "private-use"),
    ],
)
def test_front_matter_that_is_wrong_is_refused_with_its_place(
    front: str, where: str, word: str
) -> None:
    error = refusal("Text.", front)
    assert error.where == where
    assert word in f"{error.message} {error.fix}"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "x.md:1:1"),
        ("# Title", "x.md:1:1"),
        ("---\nnumber: 1\ntitle: T\n\n## A\n", "x.md:5:1"),
        ("---\nnumber: 1\ntitle: T", "x.md:1:1"),
        ("\n---\nnumber: 1\ntitle: T\n---\nx", "x.md:1:1"),
    ],
)
def test_front_matter_has_to_be_there_and_closed(text: str, where: str) -> None:
    with pytest.raises(IssueFileError) as caught:
        parse_issue(text, path="x.md")
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("body", "where", "word"),
    [
        ("", "x.md:5:1", "no text"),
        ("<!-- only a note -->", "x.md:5:1", "no text"),
        ("### [A](https://example.org)\n", "x.md:5:1", "before the first section"),
        ("# A\n", "x.md:5:1", "# heading"),
        ("## A\n#### B\n", "x.md:6:1", "below ###"),
        ("##A\n", "x.md:5:1", "no space"),
        ("## A\n### No link\n", "x.md:6:1", "one link"),
        ("## A\n### [a](https://a.org) and more\n", "x.md:6:1", "nothing but a {label}"),
        ("## A\n### [a](https://a.org) [b](https://b.org)\n", "x.md:6:1", "one link"),
        ("## A\n### [](https://a.org)\n", "x.md:6:1", "no words"),
        ("## A\n### [a]()\n", "x.md:6:5", "begins with"),
        ('## A\n### [a](https://a.org "t")\n', "x.md:6:1", "title of its own"),
        ("## A\n### [*a*](https://a.org)\n", "x.md:6:1", "plain text"),
        ("## *A*\nx\n", "x.md:5:1", "plain text"),
        ("## [A](https://a.org)\nx\n", "x.md:5:1", "no link"),
        ("## A\n## B\nText.\n", "x.md:5:1", "neither text nor items"),
        ("## A {later}\n", "x.md:5:1", "neither text nor items"),
        ("## A {soon}\nText.\n", "x.md:5:1", "not known"),
        ("## A\n### [a](https://a.org) {advert}\n", "x.md:6:1", "not known"),
        ("## A\n### [a](https://a.org) {sponsor} {video}\n", "x.md:6:24", "slot"),
        ("## A\n- [a](https://a.org) {advert}\n", "x.md:6:1", "not known"),
        ("## A\n- [a](https://a.org)\n\nMore.\n", "x.md:8:1", "below the list"),
        ("## A\n- [a](https://a.org)\n\n  More.\n", "x.md:6:1", "one paragraph"),
        ("Text.\n\n---\n## A\nText.\n", "x.md:7:1", "rule"),
        ("## A\nText.\n\n---\nOne.\n\n---\nTwo.\n", "x.md:11:1", "second rule"),
        ("> ## A\n", "x.md:5:1", "quote"),
        ("- ## A\n", "x.md:5:1", "list"),
        ("Text.\n\n```\ncode\n\n## A\n", "x.md:7:1", "not closed"),
        ("> ```\n> code\n\ntext\n", "x.md:5:1", "not closed"),
        ("A [link](https://a.org and more\n", "x.md:5:3", "not finished"),
        ("A [link](https://a.org/ b)\n", "x.md:5:3", "not finished"),
        ("One\ntwo [x](\n", "x.md:6:5", "not finished"),
        ("> One\n> two [x](\n", "x.md:6:7", "not finished"),
        ("[1]: https://a.org\n", "x.md:5:1", "[text](address)"),
        ("Text <!-- note\n\nmore\n", "x.md:5:6", "not closed"),
        ("Hey {name|you\n", "x.md:5:5", "slot"),
        ("Hey {name}\n", "x.md:5:5", "{name|fallback}"),
        ("Hey {email|you}\n", "x.md:5:5", "slot"),
        ("Sum {{ 7*7 }}\n", "x.md:5:5", "\\{"),
        ("Sum {% raw %}\n", "x.md:5:5", "slot"),
        ("Is <b>bold</b>\n", "x.md:5:4", "HTML"),
        ("<script>alert(1)</script>\n", "x.md:5:1", "HTML"),
        ("<div>\n\ntext\n", "x.md:5:1", "HTML"),
        ("a <!DOCTYPE html>\n", "x.md:5:3", "HTML"),
        ("x <?php ?>\n", "x.md:5:3", "HTML"),
        ("## A\n### [a](https://a.org)\n![x](a.png)\n\n*by*\n\nText.\n", "x.md:9:1", "byline"),
        ("## A\n### [a](https://a.org)\n*x*\n\n*y*\n", "x.md:9:1", "second byline"),
        ("## A\n### [a](https://a.org)\n![x](a.png)\n\n![y](b.png)\n", "x.md:9:1", "second figure"),
        ("## A\n### [a](https://a.org)\nText.\n\n![y](b.png)\n", "x.md:9:1", "below the text"),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_its_place(body: str, where: str, word: str) -> None:
    error = refusal(body)
    assert (error.where, word in f"{error.message} {error.fix}") == (where, True), str(error)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#115;cript:alert(1)",
        "&#106;avascript:alert(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/png;base64,AAAA",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "//example.org/x",
        "/relative",
        "relative.html",
        "https://",
        "https:///path",
        "https://[half",
        "https://example.org:99999/",
        "mailto:",
        "https://example.org/?n={name|x}",
        "#anchor",
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        "## A\n### [a](ADDRESS)\n",
        "Blurb with [a](ADDRESS).\n",
        "## A\n- [a](ADDRESS)\n",
        "[a](<ADDRESS>)\n",
    ],
)
def test_a_link_leads_to_http_https_or_mailto_only(address: str, body: str) -> None:
    refusal(body.replace("ADDRESS", address))


@pytest.mark.parametrize(
    "source",
    [
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "file:///etc/passwd.png",
        "../secret.png",
        "img/../../secret.png",
        "/etc/secret.png",
        "img//x.png",
        "img\\x.png",
        "%2e%2e%2fsecret.png",
        "img/x.svg",
        "img/x.html",
        "mailto:a@example.org",
        "x.png?y",
    ],
)
def test_a_picture_comes_from_beside_the_file_or_the_web(source: str) -> None:
    refusal(f"## A\n### [a](https://a.org)\n![x]({source})\n")
    refusal(f"Text ![x]({source})\n")


@pytest.mark.parametrize(
    "source", ["x.png", "img/a b.jpg", "https://example.org/x", "TODO", "ü.webp"]
)
def test_a_good_picture_is_the_figure(source: str) -> None:
    figure = (
        issue_of(f"## A\n### [a](https://a.org)\n![x](<{source}>)\n").sections[0].items[0].figure
    )
    assert figure is not None
    assert issue_of("x").pictures == ()


@pytest.mark.parametrize(
    "sign", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\x9b", "\ue000", "\uf8ff", "\ud800"]
)
def test_control_and_private_use_characters_stand_nowhere(sign: str) -> None:
    assert refusal(f"Text\nmo{sign}re").where == "x.md:6:3"


@pytest.mark.parametrize(
    "entity", ["&#xE000;", "&#57344;", "&#xF8FF;", "<https://a.org/%EE%80%80>"]
)
def test_an_entity_cannot_spell_a_refused_character(entity: str) -> None:
    assert refusal(f"Text {entity}").where.startswith("x.md:5:")


def test_braces_are_text_in_code_and_behind_a_backslash() -> None:
    issue = issue_of("`{{ x }}` and \\{\\{ 7*7 }} {name|folks}\n\n```\n{% raw %} <b> [x](\n```\n")
    assert issue.opening.text.startswith("`{{ x }}` and \\{\\{ 7*7 }}")


def test_comments_are_never_sent_and_keep_the_lines() -> None:
    body = (
        "One <!-- a\n\n{bad} --> two\n<!-- b -->\n## A <!-- c -->\n### [a](https://a.org)\nx <b\n"
    )
    assert "<!--" not in issue_of(body.replace("<b", "")).opening.text
    assert refusal(body).where == "x.md:11:3"
    assert refusal("a <!-- x --> b <!-- y --> <b>").where == "x.md:5:27"


def test_a_comment_inside_code_is_code() -> None:
    issue = issue_of("`<!-- a -->` and ``b ` <!-- c -->``\n\n~~~\n<!-- d\n~~~\n\n\\<!-- e -->")
    assert issue.opening.text.count("<!--") == 4


def test_later_sections_are_kept_but_not_counted() -> None:
    body = "## A\nTODO\n\n## L {later}\n### [x](TODO)\n\n![p](TODO)\n\n## B\ny ![p](b.png)\n"
    issue = issue_of(body)
    assert [(s.number, s.later) for s in issue.sections] == [(1, False), (0, True), (2, False)]
    assert placeholders(issue) == (Place(6, 1),)
    assert [source for source, _ in issue.pictures] == ["b.png"]


def test_todo_is_listed_where_it_stands() -> None:
    body = (
        "Hey, TODO: greet\n\n## TODO section 1\n### [TODO](https://a.org)\n![x](TODO)\n\n"
        "See [this](TODO) and `TODO`.\n\n## B\n- [b](TODO)\n"
    )
    places = placeholders(issue_of(body, "number: 1\ntitle: T\npreview: TODO"))
    assert [(p.line, p.column) for p in places] == [
        (4, 10),
        (6, 6),
        (8, 4),
        (9, 6),
        (10, 1),
        (12, 5),
        (15, 3),
    ]


def test_a_byline_is_one_emphasised_line_below_the_title() -> None:
    body = "## A\n### [a](https://a.org)\n*One* and *two*\n\n## B\n### [b](https://b.org)\n_one_\n"
    first, second = (section.items[0] for section in issue_of(body).sections)
    assert not first.byline
    assert not second.byline
    assert second.body.text == "_one_"


def test_a_list_of_links_in_a_blurb_or_with_other_entries_stays_text() -> None:
    body = "## A\n- [a](https://a.org)\n- b\n\n## B\n### [b](https://b.org)\n- [c](https://c.org)\n"
    first, second = issue_of(body).sections
    assert not first.items
    assert first.text.text.startswith("- [a]")
    assert second.items[0].body.text == "- [c](https://c.org)"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://github.com/anne/counter", "repository"),
        ("https://www.github.com/anne/counter/", "repository"),
        ("https://github.com/anne/counter/issues/3", "article"),
        ("https://github.com/features/actions", "article"),
        ("https://github.com.evil.example/a/b", "article"),
        ("https://arxiv.org/pdf/2101.05783v2", "paper"),
        ("https://doi.org/10.1000/182", "paper"),
        ("https://openreview.net/forum?id=x", "paper"),
        ("https://example.org/arxiv.org/abs/1", "article"),
        ("TODO", "article"),
    ],
)
def test_the_kind_comes_from_the_link(url: str, kind: str) -> None:
    assert issue_of(f"## A\n### [a]({url})\n").sections[0].items[0].kind == kind


def test_a_label_wins_over_the_link() -> None:
    body = "## A\n### [a](https://github.com/anne/counter) {sponsor}\n"
    assert issue_of(body).sections[0].items[0].kind is ItemKind.SPONSOR


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab[]()<>!{|}`*_#-\\& \n:/TODO~"), max_size=80))
@example("\\``")
def test_any_text_is_read_or_refused_with_place_and_advice(body: str) -> None:
    text = f"---\nnumber: 1\ntitle: T\n---\n{body}"
    outcome = read(text)
    if isinstance(outcome, IssueFileError):
        assert outcome.where.startswith("x.md:")
        assert outcome.fix


def read(text: str) -> Issue | IssueFileError:
    try:
        return parse_issue(text, path="x.md")
    except IssueFileError as error:
        return error


def test_the_documented_example_is_an_issue_in_normal_form() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "issue-file.md"
    example = page.read_text(encoding="utf-8").split("```markdown\n")[1].split("```")[0]
    issue = parse_issue(example)
    assert [section.heading for section in issue.rendered_sections] == [
        "Industry",
        "Code",
        "Papers",
        "Jobs",
    ]
    assert format_issue(example) == example


def test_the_documented_labels_and_keys_are_those_there_are() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "issue-file.md"
    text = page.read_text(encoding="utf-8")
    assert all(f"`{{{label}}}`" in text for label in LABELS)
    assert [key for key in KEYS if f"| `{key}` |" not in text] == []
