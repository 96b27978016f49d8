"""A newsletter's plain text becomes an issue file without losing or moving a word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.content.issue_file import ItemKind, decode_issue, parse_issue
from digest.content.issue_format import format_issue
from digest.content.markdown_words import URL, escape_line, linked
from digest.content.plain_text_import import import_plain_text, name_of
from digest.errors import IssueFileError
from tests.content.more_newsletters import MORE_LETTERS
from tests.content.newsletters import LETTERS, Letter
from tests.content.newsletters_with_gaps import LETTERS_WITH_GAPS
from tests.content.newsletters_with_habits import LETTERS_WITH_HABITS
from tests.content.words import words_of_issue

_LAYOUT = re.compile(r"[-=*_~#•·–—+]+")
_BULLET = re.compile(r"^[ \t]*[-*•‣▪●◦·–—+][ \t]+(?=\S)", re.MULTILINE)
_ADDED = re.compile(r"TODO section \d+")
ALL_LETTERS = [*LETTERS, *MORE_LETTERS, *LETTERS_WITH_GAPS, *LETTERS_WITH_HABITS]
_SIGNS = " \t()<>[]-–—|:"


def words_of_text(text: str) -> list[str]:
    """The words of a plain text; addresses become links and signs alone are layout."""
    text = _BULLET.sub("", text.replace("\ufeff", ""))
    words = [word.strip(_SIGNS) for word in URL.sub(" ", text).split()]
    return [word for word in words if word and not _LAYOUT.fullmatch(word)]


def words_of_markdown(markdown: str) -> list[str]:
    words = _ADDED.sub(" ", " ".join(words_of_issue(parse_issue(markdown))))
    return [word for word in words_of_text(words) if word != "TODO"]


def addresses(text: str) -> set[str]:
    return {match[0] for match in URL.finditer(text)}


def test_the_real_issue_has_six_sections_and_seventeen_items(shared: Path) -> None:
    text = (shared / "data/issues/deep-learning-weekly-182.txt").read_text(encoding="utf-8")
    imported = import_plain_text(text, path="deep-learning-weekly-182.txt")
    issue = parse_issue(imported.markdown)
    assert (imported.sections, imported.items) == (6, 17)
    assert issue.number == 182
    assert [len(section.items) for section in issue.sections] == [5, 3, 4, 2, 1, 2]
    assert [section.heading.startswith("TODO") for section in issue.sections] == [
        True,
        False,
        True,
        True,
        True,
        False,
    ]
    with_link = [item for section in issue.sections for item in section.items if item.url != "TODO"]
    assert [(item.kind, item.title[:8]) for item in with_link] == [
        (ItemKind.REPOSITORY, "[GitHub]")
    ]
    assert all(item.body.text.startswith("> Abstract:") for item in issue.sections[5].items)
    lines = imported.markdown.split("\n")
    assert len(imported.missing_links) == 16
    assert all(lines[line - 1].endswith("](TODO)") for line in imported.missing_links)
    assert issue.preview
    assert len(issue.opening.text.split("\n\n")) == 5


def test_no_word_of_the_real_issue_is_lost_or_moved(shared: Path) -> None:
    text = (shared / "data/issues/deep-learning-weekly-182.txt").read_text(encoding="utf-8")
    written = " ".join(words_of_issue(parse_issue(import_plain_text(text).markdown)))
    assert _ADDED.sub("", written).split() == text.split()


@pytest.mark.parametrize("letter", ALL_LETTERS, ids=lambda letter: letter.about)
def test_a_newsletter_is_recognised(letter: Letter) -> None:
    imported = import_plain_text(letter.text)
    issue = parse_issue(imported.markdown)
    shape = [(s.heading, [item.title for item in s.items]) for s in issue.sections]
    assert shape == letter.sections
    assert (issue.number or issue.slug, issue.title) == (letter.name, letter.title)
    assert issue.preview == letter.preview
    assert bool(issue.opening) is letter.opening
    assert bool(issue.closing) is letter.closing
    assert [item.url for s in issue.sections for item in s.items] == letter.links


@pytest.mark.parametrize("letter", ALL_LETTERS, ids=lambda letter: letter.about)
def test_no_word_of_a_newsletter_is_lost_or_moved(letter: Letter) -> None:
    imported = import_plain_text(letter.text)
    assert words_of_markdown(imported.markdown) == words_of_text(letter.text)
    assert addresses(letter.text) <= addresses(imported.markdown)
    assert format_issue(imported.markdown) == imported.markdown


@pytest.mark.parametrize("letter", ALL_LETTERS, ids=lambda letter: letter.about)
def test_line_ends_tabs_and_a_byte_order_mark_make_no_difference(letter: Letter) -> None:
    other = "\ufeff" + letter.text.replace("\n", "\t\r\n")
    assert import_plain_text(other).markdown == import_plain_text(letter.text).markdown


def test_an_abstract_of_several_paragraphs_is_one_quotation() -> None:
    text = "Letter 1\n\nHi,\n\nPapers\n\nA Study\n\nAbstract:\n\nWe study.\n\nWe find."
    item = parse_issue(import_plain_text(text).markdown).sections[0].items[0]
    assert item.body.text == "> Abstract:\n>\n> We study.\n>\n> We find."


def test_what_follows_a_repository_name_is_no_part_of_its_address() -> None:
    text = "Letter 1\n\nHi,\n\nCode\n\n[GitHub] anne/kettle: boils\n\nIt boils water."
    item = parse_issue(import_plain_text(text).markdown).sections[0].items[0]
    assert (item.title, item.url) == (
        "[GitHub] anne/kettle: boils",
        "https://github.com/anne/kettle",
    )


@pytest.mark.parametrize("words", ["#524 is out", "R&D at AT&T", "C# <3", "snake_case", "[PDF]"])
def test_signs_that_markdown_does_not_read_are_left_alone(words: str) -> None:
    assert escape_line(words) == words


def test_markdown_in_the_text_comes_out_as_the_same_signs() -> None:
    text = (
        "Signs #1\n\nHello,\n\n#not a heading\n\n- a list {name|you} <b>bold</b> *x* _y_ `z`\n\n"
        "1. one [x](javascript:alert(1)) [y]: z ![i](j) {{ 7*7 }} &amp; \\ ~~~\n\n> quote\n\n"
        "+ plus\n\n***\n\n    code\n\n<!-- kept -->\n\nTitle {sponsor} `a` #\nSays **so** [GitHub]."
    )
    imported = import_plain_text(text)
    for words in (
        "#not a heading",
        "<b>bold</b> *x* _y_ `z`",
        "{{ 7*7 }} &amp; \\ ~~~",
        "<!-- kept -->",
    ):
        assert words in " ".join(words_of_issue(parse_issue(imported.markdown)))
    assert words_of_markdown(imported.markdown) == words_of_text(text)


@pytest.mark.parametrize(
    ("title", "number", "slug"),
    [
        ("Deep Things Weekly Issue #182", 182, "deep-things-weekly-issue-182"),
        ("Issue 12: The long one", 12, "issue-12-the-long-one"),
        ("#12", 12, "issue-12"),
        ("The Letter — No. 7", 7, "the-letter-no-7"),
        ("Import Things 245: A title", 245, "import-things-245-a-title"),
        ("The Year in Links 2021", None, "the-year-in-links-2021"),
        ("Summer Special", None, "summer-special"),
        ("Привет", None, "issue"),
        ("Release 1.5 is out", None, "release-1-5-is-out"),
    ],
)
def test_the_number_is_read_from_the_title(title: str, number: int | None, slug: str) -> None:
    assert name_of(title) == (number, slug)


def test_a_text_that_is_not_utf_8_is_refused_before() -> None:
    with pytest.raises(IssueFileError):
        decode_issue("Zoë’s Weekly".encode("windows-1252"), path="x.txt")


@pytest.mark.parametrize("text", ["", "\n\n \t\n", "----\n\n====\n"])
def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(IssueFileError, match="no text"):
        import_plain_text(text)


@pytest.mark.parametrize(
    "text",
    ["A\x00b", "A\n\nb\x1bc", "A \ue000", "A\n" + "x" * 30_000, "A\n\n" * 6_000, "A\n" * 1_000_000],
)
def test_a_text_that_cannot_be_an_issue_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(IssueFileError) as caught:
        import_plain_text(text, path="x.txt")
    assert caught.value.where.startswith("x.txt:")
    assert caught.value.fix


def test_more_than_a_thousand_items_are_refused() -> None:
    with pytest.raises(IssueFileError, match="1,000 items"):
        import_plain_text("Letter 1\n\n" + "A title here\n\nA sentence about it.\n\n" * 2_000)


_WORDS = st.sampled_from(
    [
        "word",
        "Title",
        "[GitHub] a/b",
        "[a](b)",
        "{name|x}",
        "<b>",
        "*x*",
        "_y_",
        "`",
        "#",
        "-",
        "1.",
        "\\",
        "https://example.org/a_(b)",
        "(https://x.org)",
        "> q",
        "TODO",
        "Abstract:",
        "By Anne",
        "---",
        "&amp;",
        "•",
        "##",
        "NEWS",
        "Hello,",
        "Bye!",
        "end.",
        "a:",
        "![i](j)",
        "~~~",
        "<!--",
        "-->",
        "\xa0",
        "😀",
        "](",
    ]
)
_LINES = st.lists(_WORDS, max_size=8).map(" ".join)


@settings(deadline=None)
@given(st.lists(_LINES, min_size=1, max_size=14).map("\n".join))
@example("x\n\n#\n\n# #")
@example("word\nTODO\nword\n\nword\nNEWS\nNEWS\nword")
@example("x\n\nA (https://x.org/a)b c](d\n\nhttps://[::1]/")
def test_signs_in_any_order_stay_words(text: str) -> None:
    if not words_of_text(text):
        return
    imported = import_plain_text(text)
    assert format_issue(imported.markdown) == imported.markdown
    assert [w for w in words_of_text(text) if w != "TODO"] == words_of_markdown(imported.markdown)


@settings(deadline=None)
@given(st.text(max_size=120))
@example("\u200b\n\n\u2028x\n\n\u3000y")
def test_any_text_gives_a_file_that_can_be_read_or_is_refused(text: str) -> None:
    try:
        imported = import_plain_text(text)
    except IssueFileError as error:
        reason = error.message
        assert "no text" in reason or "cannot stand" in reason
    else:
        assert format_issue(imported.markdown) == imported.markdown


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Co"]), max_size=40))
def test_words_written_as_markdown_are_the_same_words(text: str) -> None:
    front = "---\nnumber: 1\ntitle: T\n---\n"
    body = f"## A\n### {linked('x' + text, None)}\ny{escape_line(text)}\n"
    item = parse_issue(front + body).sections[0].items[0]
    assert item.title.split() == ("x" + text).split()
