"""Checks of an issue's words: subject and preview line, what links say, what was left over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from digest.content.finding import TOP, Draft, Found, words_of
from digest.content.issue import TODO
from digest.content.layout import clean_text
from digest.content.links import canonical_url, is_web

SUBJECT_LONGEST: Final = 78  # phones show about 40 characters, desktops about 70
PREVIEW_SHORTEST, PREVIEW_LONGEST = 30, 140
_CAPITALS: Final = 12  # letters from which a subject in capitals is a shout and no abbreviation

# How other programs write a reader's name; here it would be read out as it stands. (Markdown takes
# the stars of *|NAME|* for emphasis. A brace is refused by its reader, unless it is meant: \\{.)
FOREIGN_SLOT: Final = re.compile(
    r"\*?\|[A-Z]\w*\|\*?|%%?[A-Z_]+%%?(?!\w)|<<\s?\w+\s?>>|\[(?:FIRST|LAST)_?NAME\]",
    re.IGNORECASE,
)
_LEFTOVER: Final = re.compile(
    r"\b(?:TBD|TBA|FIXME|XXX+|lorem ipsum|insert (?:link|text|title) here)\b|\?\?\?+", re.IGNORECASE
)
_EMPTY_WORDS: Final = frozenset(
    "here|click here|click|link|this link|this|read more|more|read on|learn more|continue".split(
        "|"
    )
)
_SHORTENERS: Final = frozenset(
    "bit.ly buff.ly cutt.ly goo.gl is.gd lnkd.in ow.ly rb.gy rebrand.ly short.io t.co t.ly "
    "tiny.cc tinyurl.com trib.al".split()
)


def subject_length(draft: Draft) -> Iterator[Found]:
    """Longer than what inboxes show."""
    length = len(draft.issue.subject)
    if length > SUBJECT_LONGEST:
        yield TOP, f"The subject has {length} characters; {SUBJECT_LONGEST} can be seen."


def subject_shouts(draft: Draft) -> Iterator[Found]:
    """All in capitals, or with several exclamation marks: readers and filters take it for spam."""
    letters = [character for character in draft.issue.subject if character.isalpha()]
    if len(letters) >= _CAPITALS and all(letter.isupper() for letter in letters):
        yield TOP, "The subject is all in capitals."
    elif re.search(r"!\s*!", draft.issue.subject):
        yield TOP, "The subject has several exclamation marks."


def preview_missing(draft: Draft) -> Iterator[Found]:
    """No preview line: inboxes would show whatever comes first."""
    if not draft.issue.preview.strip():
        yield TOP, "There is no preview line."


def preview_length(draft: Draft) -> Iterator[Found]:
    """A preview line that is cut, or that leaves room for something else."""
    length = len(draft.issue.preview.strip())
    if length and not PREVIEW_SHORTEST <= length <= PREVIEW_LONGEST:
        bounds = f"{PREVIEW_SHORTEST} to {PREVIEW_LONGEST}"
        yield TOP, f"The preview line has {length} characters; {bounds} look best."


def preview_repeats(draft: Draft) -> Iterator[Found]:
    """A preview line that begins like the subject, which stands right before it."""
    subject, preview = (
        clean_text(text).casefold() for text in (draft.issue.subject, draft.issue.preview)
    )
    if preview and (preview.startswith(subject) or subject == preview):
        yield TOP, "The preview line begins like the subject, which stands before it."


def slot_spelling(draft: Draft) -> Iterator[Found]:
    """A reader's name written as other programs do, or where none can stand."""
    issue = draft.issue
    lines = (("title", issue.title), ("subject", issue.subject), ("preview line", issue.preview))
    told = set()
    for name, text in lines:
        found = FOREIGN_SLOT.search(text)
        if found and text not in told:
            told.add(text)
            yield TOP, f"{found[0]!r} would stand in the {name} as it is: no names go there."
    for words in words_of(issue):
        found = FOREIGN_SLOT.search(words.text)
        if found and words.kind == "text":
            yield words.place, f"{found[0]!r} is no slot of this program."


def leftover(draft: Draft) -> Iterator[Found]:
    """What an editor writes to come back to."""
    for text in dict.fromkeys((draft.issue.title, draft.issue.subject, draft.issue.preview)):
        if found := _LEFTOVER.search(text):
            yield TOP, f"{found[0]!r} looks like something left over."
    for section in draft.issue.rendered_sections:
        for item in section.items:
            if found := _LEFTOVER.search(item.title):
                yield item.place, f"{found[0]!r} looks like something left over."
    for words in words_of(draft.issue):
        if words.kind == "text" and (found := _LEFTOVER.search(words.text)):
            yield words.place, f"{found[0]!r} looks like something left over."


def link_words(draft: Draft) -> Iterator[Found]:
    """Links that say nothing to who hears them one after the other (WCAG 2.2, 2.4.4)."""
    for words in words_of(draft.issue):
        said = words.text.strip(" .…→»>").casefold()
        if words.kind == "link" and said in _EMPTY_WORDS:
            yield words.place, f"The link “{clean_text(words.text)}” does not say where it leads."


def link_twice(draft: Draft) -> Iterator[Found]:
    """The same words on links to different pages."""
    seen: dict[str, str] = {}
    for section in draft.issue.rendered_sections:
        for item in section.items:
            title = clean_text(item.title)
            if item.url == TODO:
                continue
            before = seen.setdefault(title.casefold(), canonical_url(item.url))
            if before != canonical_url(item.url):
                yield item.place, f"“{title}” is the title of two items with different links."


def short_link(draft: Draft) -> Iterator[Found]:
    """Addresses of shorteners, which spam filters distrust and which die with their service."""
    links = [
        (item.place, item.url)
        for section in draft.issue.rendered_sections
        for item in section.items
    ]
    links += [(words.place, words.target) for words in words_of(draft.issue)]
    for place, url in links:
        host = (urlsplit(url).hostname or "").removeprefix("www.") if is_web(url) else ""
        if host in _SHORTENERS:
            yield place, f"{host} hides where the link leads."
