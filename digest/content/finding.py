"""What a check of an issue is made of: a finding, how bad it is, and what a check looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from digest.content.issue import Fragment, Issue, Place
from digest.content.markdown import issue_markdown, plain_words
from digest.content.render import Rendered
from digest.rules.link import LinkStatus

__all__ = [
    "TOP",
    "Check",
    "Draft",
    "Earlier",
    "Finding",
    "Found",
    "Known",
    "Severity",
    "SpamScore",
    "Words",
]

TOP: Final = Place(1, 1)


class Severity(StrEnum):
    """An error keeps an issue from being approved, a warning does not; a hint asks for a look."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: where it stands and what to do about it."""

    code: str
    severity: Severity
    message: str
    place: Place
    fix: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier issues of the newsletter had, as far as it is known.

    ``links`` maps a canonical URL, ``subjects`` a subject in lower case, to the issue that had it,
    as in "No. 181 of 14 January 2021".
    """

    links: Mapping[str, str] = field(default_factory=dict)
    subjects: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpamScore:
    """What a spam filter makes of the mail; ``rules`` are names and the points each gave."""

    points: float
    limit: float
    rules: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out beside the text: by asking pages, the database and a spam filter.

    ``reached`` maps a canonical URL to what its page answered, ``sponsors`` the canonical URL of a
    sponsor that is booked for the issue to its title. Nothing of it need be there.
    """

    earlier: Earlier = field(default_factory=Earlier)
    reached: Mapping[str, LinkStatus] = field(default_factory=dict)
    spam: SpamScore | None = None
    sponsors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a check looks at."""

    issue: Issue
    rendered: Rendered | None = None
    known: Known = field(default_factory=Known)


Found = tuple[Place, str]


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table: a code, how bad it is, who looks, and what to do."""

    code: str
    severity: Severity
    look: Callable[[Draft], Iterator[Found]]
    fix: str
    ignorable: bool = True


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of an issue's texts: a link or picture with its ``target``, or plain text."""

    kind: str
    place: Place
    text: str
    target: str = ""


def words_of(issue: Issue) -> Iterator[Words]:
    """Every text, link and image of an issue's Markdown, with the line of its block."""
    for fragment in fragments(issue):
        if not fragment.text:
            continue
        for token in issue_markdown().parse(fragment.text):
            place = Place(fragment.line + (token.map[0] if token.map else 0))
            children = token.children or []
            for at, child in enumerate(children):
                target = str(child.attrs.get("href") or child.attrs.get("src") or "")
                if child.type == "text":
                    yield Words("text", place, child.content)
                elif child.type == "link_open":
                    end = next(
                        i for i in range(at, len(children)) if children[i].type == "link_close"
                    )
                    yield Words("link", place, plain_words(children[at + 1 : end]), target)
                elif child.type == "image":
                    yield Words("image", place, child.content, target)


def fragments(issue: Issue) -> Iterator[Fragment]:
    yield issue.opening
    for section in issue.rendered_sections:
        yield section.text
        for item in section.items:
            yield item.byline
            yield item.body
    yield issue.closing
