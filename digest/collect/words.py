"""Words of others, made fit to be kept: no markup, no controls, one line, and not too long.

Whatever a page or a feed says of itself was written by strangers. Markup is taken off by nh3 (an
HTML5 parser, so what a browser would run is seen for what it is), and what is left is only ever
shown escaped: as Markdown in a draft, as text on a page, without control characters in a terminal.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from typing import Final

import nh3

from digest.content.issue import TODO_WORD
from digest.content.links import is_web, link_target
from digest.content.lint_words import FOREIGN_SLOT
from digest.content.markdown import link_flaw
from digest.content.markdown_words import safe_url
from digest.errors import InputError
from digest.mail.headers import clean_line

__all__ = ["LONGEST_NOTE", "LONGEST_TITLE", "LONGEST_URL", "cut", "moment", "page_url", "words"]

LONGEST_URL: Final = 2_000
LONGEST_TITLE: Final = 200
LONGEST_DESCRIPTION: Final = 600
LONGEST_NOTE: Final = 2_000
LONGEST_SITE: Final = 80
_MOST: Final = 100_000  # characters of markup that are looked at
_WORD: Final = re.compile(r"[^\W_]+")
_INVISIBLE: Final = {"script", "style", "template", "noscript", "iframe", "svg", "math", "object"}
_BREAKS: Final = ("<br", "<p", "</p", "<li", "<div", "</div", "<h")


def words(markup: str, *, most: int = LONGEST_DESCRIPTION) -> str:
    """The words of a piece of HTML (or of plain text) on one line, cut at a word."""
    text = markup[:_MOST]
    if "<" in text:
        for tag in _BREAKS:  # two paragraphs are not one word
            text = text.replace(tag, f" {tag}")
        text = nh3.clean(text, tags=set(), clean_content_tags=_INVISIBLE)
    return cut(text_of(unescape(text)), most)


def text_of(text: str) -> str:
    """Plain text on one line. Nobody else puts TODO, which is a word of editors, or the slots of
    other programs into a draft: the check takes both for something forgotten.
    """
    line = FOREIGN_SLOT.sub(lambda slot: " ".join(_WORD.findall(slot[0])), clean_line(text))
    return TODO_WORD.sub("ToDo", line)


def cut(text: str, most: int) -> str:
    """At most ``most`` characters, ended at a word and marked where something is missing."""
    if len(text) <= most:
        return text
    short = text[: most - 1]
    return (short.rpartition(" ")[0] or short).rstrip(" ,;:.–-") + "…"


def page_url(url: str) -> str:
    """The address of a page as it may stand in an issue; InputError.

    http and https only, without a user name, and not longer than any browser takes.
    """
    target = link_target(url.strip()) if len(url) <= LONGEST_URL else None
    if target is None or not is_web(target) or "@" in target.partition("//")[2].partition("/")[0]:
        raise InputError(
            "This is no address of a page.", where=url[:80], fix="Give one with https://."
        )
    if link_flaw(safe_url(target)):
        raise InputError("This cannot be linked to.", where=url[:80], fix="Give another address.")
    return target


def moment(text: str) -> datetime | None:
    """A date or time as pages write it (ISO 8601); None for anything else."""
    try:
        when = datetime.fromisoformat(text.strip()[:40])
    except ValueError:
        return None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
