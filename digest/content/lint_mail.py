"""Checks of the mail an issue becomes: size, text part, way out, spam score, earlier issues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

from digest.content.finding import TOP, Draft, Found, SpamScore
from digest.content.issue import TODO, ItemKind
from digest.content.layout import clean_text
from digest.content.links import canonical_url, is_web
from digest.content.render import Rendered
from digest.mail.message import fill_marks, slot_mark
from digest.mail.tokens import TOKEN_LENGTH

KB: Final = 1024
SPAM_WARNING: Final = 2.0  # points; our own themes get less than 1 with an ordinary issue
SIZE_WARNING: Final = 70 * KB
SIZE_LIMIT: Final = 90 * KB
_HREF: Final = re.compile(r'<a [^>]*href="([^"]*)"')


def mail_size(rendered: Rendered) -> int:
    """Bytes of the HTML as one reader gets it, decoded, with values in the place of marks."""
    values = [
        slot.fallback if slot.name == "name" else "x" * TOKEN_LENGTH for slot in rendered.slots
    ]
    return len(fill_marks(rendered.html, values).encode())


def size_limit(draft: Draft) -> Iterator[Found]:
    """A mail the largest mailbox provider would cut off, its footer first."""
    if draft.rendered and (size := mail_size(draft.rendered)) > SIZE_LIMIT:
        yield TOP, f"The mail has {size / KB:.1f} KB; {SIZE_LIMIT // KB} KB is the most."


def size(draft: Draft) -> Iterator[Found]:
    """A mail that is nearly as large: a few items more and it would be cut off."""
    if draft.rendered and SIZE_WARNING < (size := mail_size(draft.rendered)) <= SIZE_LIMIT:
        yield TOP, f"The mail has {size / KB:.1f} KB; from {SIZE_LIMIT // KB} KB on it is refused."


def no_way_out(draft: Draft) -> Iterator[Found]:
    """A theme that shows no link to leave, in one of the two forms."""
    if draft.rendered is None:
        return
    marks = [slot_mark(i) for i, slot in enumerate(draft.rendered.slots) if slot.name == "leave"]
    for name, text in (("HTML", draft.rendered.html), ("text", draft.rendered.plain)):
        if not any(mark in text for mark in marks):
            yield TOP, f"The {name} part has no link to unsubscribe."


def text_part(draft: Draft) -> Iterator[Found]:
    """Links of the HTML that the text part lacks (it counts as a trick, and readers miss them)."""
    if draft.rendered is None:
        return
    lines = set(re.sub(r"^\[\d+\] ", "", draft.rendered.plain, flags=re.MULTILINE).splitlines())
    for href in dict.fromkeys(map(unescape, _HREF.findall(draft.rendered.html))):
        if is_web(href) and href not in lines:
            yield TOP, f"The text part has no {clean_text(href)[:80]}."
    if not draft.rendered.plain.strip():
        yield TOP, "The text part is empty."


def spam(draft: Draft) -> Iterator[Found]:
    """A mail that SpamAssassin, where it is installed, takes for spam by its own rules."""
    score = draft.known.spam
    if score and score.points >= score.limit:
        yield TOP, _points(score)


def nearly_spam(draft: Draft) -> Iterator[Found]:
    """A mail that gets points for its text: what a filter adds for its way may be too much."""
    score = draft.known.spam
    if score and SPAM_WARNING <= score.points < score.limit:
        yield TOP, _points(score)


def _points(score: SpamScore) -> str:
    rules = ", ".join(f"{name} {points:.1f}" for name, points in score.rules)
    return f"SpamAssassin gives {score.points:.1f} points of {score.limit:.1f}: {rules}."


def already_sent(draft: Draft) -> Iterator[Found]:
    """A link an earlier issue had, by its canonical form; a sponsor may come again."""
    for section in draft.issue.rendered_sections:
        for item in section.items:
            if item.kind is ItemKind.SPONSOR or item.url == TODO:
                continue
            if before := draft.known.earlier.links.get(canonical_url(item.url)):
                yield item.place, f"“{clean_text(item.title)}” was linked in {before}."


def sponsor_missing(draft: Draft) -> Iterator[Found]:
    """A sponsor that is booked for the issue's date has no item marked {sponsor} in it."""
    there = {
        canonical_url(item.url)
        for section in draft.issue.rendered_sections
        for item in section.items
        if item.kind is ItemKind.SPONSOR
    }
    for url, title in draft.known.sponsors.items():
        if url not in there:
            yield TOP, f"“{clean_text(title)}” is booked for this issue and not in it: {url[:80]}"


def same_subject(draft: Draft) -> Iterator[Found]:
    """A subject an earlier issue had: readers take the new one for it."""
    if before := draft.known.earlier.subjects.get(clean_text(draft.issue.subject).casefold()):
        yield TOP, f"{before} had the same subject."
