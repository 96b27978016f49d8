"""What goes in and out of the API about the link inbox; see ``models`` for how it is made."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field

from digest.collect.words import LONGEST_NOTE, LONGEST_TITLE, LONGEST_URL
from digest.store.candidates import Candidate
from digest.web.api.issue_models import IssueName
from digest.web.api.models import Answer, Asked, Id

LINKS_MAX = 500  # that are changed at once
HEADING_MAX = 120

LinkState: TypeAlias = Literal["waiting", "kept", "dropped"]
Heading: TypeAlias = Annotated[str, Field(max_length=HEADING_MAX)]


class Link(Answer):
    """A link in the inbox."""

    id: Id
    feed_id: Id | None
    """The feed that brought it."""
    url: str
    title: str
    description: str
    site: str
    note: str
    section: str
    state: LinkState
    sponsor_for: date | None
    published_at: datetime | None
    added_at: datetime

    @classmethod
    def of(cls, found: Candidate, **more: object) -> Self:
        """What is shown of a link."""
        shown = {
            **asdict(found),
            "state": found.state.value,
            "sponsor_for": found.sponsor_for or None,
        }
        del shown["canonical_url"]
        return cls.model_validate(shown | more)


class ListedLink(Link):
    """A link in the inbox, and the issue that has it by now."""

    issue: IssueName | None


class LinkList(Answer):
    """The links of an inbox, in the order they came."""

    items: list[ListedLink]


class LinksAsked(Asked):
    """Which links."""

    state: LinkState | None = None
    """Only those; the ones that are waiting or kept, when not given."""


class NewLink(Asked):
    """A page for the next issue."""

    url: Annotated[str, Field(min_length=1, max_length=LONGEST_URL)]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""
    """What is to be said about it; stands in the draft instead of its description."""
    section: Heading = ""
    """Proposed by what it is, when empty."""
    title: Annotated[str, Field(max_length=LONGEST_TITLE)] = ""
    """When not that of the page."""
    sponsor_for: date | None = None
    """The date of the issue a sponsor is booked for; the address stays as given."""
    offline: bool = False
    """Do not ask the page."""


class LinkTaken(Link):
    """A link that is in the inbox now."""

    new: bool
    """Whether it was not there before; else it has the new note below the one it had."""
    trouble: str | None
    """Why its page could not be read."""


class LinkChange(Asked):
    """What becomes of some links. Nothing is changed where one number is wrong."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=LINKS_MAX)]
    state: LinkState | None = None
    section: Annotated[str, Field(min_length=1, max_length=HEADING_MAX)] | None = None


class LinksChanged(Answer):
    """The links that were changed."""

    ids: list[Id]
