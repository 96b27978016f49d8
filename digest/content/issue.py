"""What an issue is once its file has been read: values only.

The words are those of the issue file (``docs/reference/issue-file.md``). Markdown stays Markdown
here, with ``{name|fallback}`` as written; :mod:`digest.content.markdown` reads it.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from markdown_it.token import Token

TODO = "TODO"
"""The placeholder: valid as a link, a heading or text, and never sent."""
TODO_WORD = re.compile(rf"\b{TODO}\b")
_AT_END: Final = re.compile(r":(\d+)(?::(\d+))?$")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in the file: line and column, both from 1."""

    line: int
    column: int = 1

    def within(self, path: object) -> str:
        """``path:line:column``, as errors and findings say it."""
        return f"{path}:{self.line}:{self.column}"

    @classmethod
    def named_in(cls, where: str) -> Self | None:
        """The place that the ``where`` of an error ends with; None where it names none."""
        found = _AT_END.search(where)
        return cls(int(found[1]), int(found[2] or 1)) if found else None


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of Markdown and the line of the file it starts at (0 when there is none).

    ``tokens`` are what the reader made of it, so that nobody need read it again: block tokens,
    or one inline token of a byline. They may be absent, and nobody changes them.
    """

    text: str = ""
    line: int = 0
    tokens: tuple[Token, ...] = field(default=(), compare=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True, slots=True)
class Figure:
    """The picture of an item: a path beside the file, an http(s) URL or ``TODO``."""

    alt: str
    source: str
    place: Place


class ItemKind(StrEnum):
    """What an item is, from its label or else from its link."""

    ARTICLE = "article"
    REPOSITORY = "repository"
    PAPER = "paper"
    SPONSOR = "sponsor"
    DATASET = "dataset"
    JOB = "job"
    EVENT = "event"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Item:
    """One linked thing. ``title`` is plain text; ``byline`` is inline Markdown.

    ``body`` is Markdown of blocks, or of one line (inline) where ``short`` is set: an entry of a
    list of links.
    """

    title: str
    url: str
    kind: ItemKind
    byline: Fragment
    figure: Figure | None
    body: Fragment
    short: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Section:
    """A ``##`` with its text and items. ``number`` counts from 1; 0 for a ``{later}`` section."""

    heading: str
    number: int
    later: bool
    text: Fragment
    items: tuple[Item, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Ignore:
    """A finding of the check that the editor has decided to live with, and why."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Issue:
    """A whole issue file. ``number``, ``slug`` or both are set.

    ``todo`` is where ``TODO`` still stands, ``pictures`` what the texts and figures show (paths
    beside the file, http(s) URLs or ``TODO``); neither counts ``{later}`` sections.
    """

    number: int | None
    slug: str | None
    title: str
    subject: str
    preview: str
    date: dt.date | None
    editor: str | None
    listed: bool
    utm: bool | None
    ignore: tuple[Ignore, ...]
    opening: Fragment
    sections: tuple[Section, ...]
    closing: Fragment
    path: str
    todo: tuple[Place, ...] = field(default=(), repr=False)
    pictures: tuple[tuple[str, Place], ...] = field(default=(), repr=False)

    @property
    def name(self) -> int | str:
        """What people and scripts call it: its number, or the slug where there is none."""
        return self.number if self.number is not None else (self.slug or "")

    @property
    def rendered_sections(self) -> tuple[Section, ...]:
        """The sections that readers get: all but those kept for later."""
        return tuple(section for section in self.sections if not section.later)
