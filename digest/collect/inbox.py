"""The link inbox: a link somebody hands in, what its page says, and whether an issue had it.

The page is asked before any transaction, through the guarded fetcher only. One that does not answer
keeps nobody from keeping its link; one that leads into a private network is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from digest.collect.asking import Asker
from digest.collect.page import PAGE_MAX, Facts, facts_of_address, read_facts
from digest.collect.words import LONGEST_NOTE, LONGEST_TITLE, cut, page_url, text_of
from digest.content.issue import ItemKind
from digest.content.item_kind import kind_of_link
from digest.content.links import canonical_url
from digest.errors import FetchError, InputError, NotFoundError, RefusedError
from digest.mail.headers import clean_line
from digest.net.fetch import Fetcher
from digest.rules.candidate import Topic, propose_section
from digest.rules.link import Trouble
from digest.store.candidates import (
    Candidate,
    Find,
    add_candidate,
    linked_in,
    rewrite_candidate,
)
from digest.store.newsletters import Newsletter
from digest.store.session import Session

__all__ = [
    "Handed",
    "Looked",
    "Taken",
    "heading",
    "keep_link",
    "look_at",
    "look_for",
    "proposed",
    "rewrite_link",
]

_REFUSED: Final = frozenset({Trouble.PRIVATE, Trouble.PORT, Trouble.URL})
_VIDEO_SITES: Final = ("https://www.youtube.com/watch", "https://vimeo.com/", "https://peertube.")
_TOPICS: Final = {ItemKind.REPOSITORY: Topic.CODE, ItemKind.PAPER: Topic.PAPER}
_LONGEST_HEADING: Final = 120
_PURPOSE: Final = "title of a link for a newsletter"


@dataclass(frozen=True, slots=True)
class Handed:
    """What somebody hands in. ``day`` is the date a sponsor is booked for."""

    url: str
    note: str = ""
    section: str = ""
    title: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of a link's page; ``trouble`` says why it could not be read."""

    facts: Facts
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A link in the inbox, and whether it was not there before."""

    candidate: Candidate
    new: bool


async def look_for(asker: Asker | None, url: str) -> Looked:
    """Ask the page at ``url``, or with no asker only the address itself; InputError."""
    if asker is None:
        return await look_at(None, url)
    async with asker.fetcher(_PURPOSE) as fetcher:
        return await look_at(fetcher, url)


async def look_at(fetcher: Fetcher | None, url: str) -> Looked:
    """The same by a fetcher that is there."""
    url = page_url(url)
    if fetcher is None:
        return Looked(facts_of_address(url))
    try:
        answer = await fetcher.fetch(url, max_bytes=PAGE_MAX)
    except FetchError as error:
        if error.trouble in _REFUSED:
            raise InputError(f"Not asked: {error.message}.", where=url[:80]) from None
        return Looked(facts_of_address(url), f"{error.message}.".capitalize())
    if answer.status != 200:
        return Looked(facts_of_address(url), f"It answers {answer.status}.")
    kind = answer.headers.get("content-type", "")
    try:
        final = page_url(answer.url)
    except InputError:
        final = url
    return Looked(read_facts(answer.body, url=final, content_type=kind))


async def keep_link(
    session: Session, newsletter: Newsletter, handed: Handed, facts: Facts, *, now: datetime
) -> Taken:
    """Put a link into the inbox, kept.

    One that is there already gets the new note. RefusedError where an issue has it, unless it is a
    sponsor's.
    """
    find = _find(newsletter, handed, facts)
    if not find.sponsor_for:
        had = await linked_in(session, newsletter.id, [find.canonical_url])
        if had:
            name = had[find.canonical_url]
            raise RefusedError(
                f"It is linked in issue {name}.",
                where=find.url,
                fix="Link what is new about it, or write it into the next issue's file yourself.",
            )
    return Taken(*await add_candidate(session, newsletter.id, find, now=now))


async def rewrite_link(
    session: Session,
    newsletter: Newsletter,
    link: int,
    *,
    note: str | None = None,
    title: str | None = None,
) -> Candidate:
    """Say something else about a link, or call it something else; InputError, NotFoundError.

    An empty note leaves its page's description to the draft.
    """
    words = {}
    if note is not None:
        words["note"] = _note(note)
    if title is not None:
        words["title"] = cut(text_of(title), LONGEST_TITLE)
        if not words["title"]:
            raise InputError("A link has a title.", where="--title")
    found = await rewrite_candidate(session, newsletter.id, link, **words) if words else None
    if found is None:
        raise NotFoundError("There is no such link.", where=str(link), fix="See: digest link list.")
    return found


def proposed(newsletter: Newsletter, url: str, *, of_feed: str = "") -> str:
    """The section that is proposed for a link."""
    canonical = canonical_url(url)
    topic = _TOPICS.get(kind_of_link(canonical), Topic.OTHER)
    if canonical.startswith(_VIDEO_SITES):
        topic = Topic.VIDEO
    headings: Sequence[str] = newsletter.settings.get("sections", ())
    return propose_section(topic, headings, of_feed=of_feed)


def heading(text: str) -> str:
    """The heading of a section as it is kept; InputError."""
    found = clean_line(text)
    if not found or len(found) > _LONGEST_HEADING:
        words = f"A section has a heading of 1 to {_LONGEST_HEADING} characters."
        raise InputError(words, where="--section")
    return found


def _note(text: str) -> str:
    """An editor's own words as they are kept: lines of plain text."""
    if len(text) > LONGEST_NOTE:
        raise InputError(f"A note has at most {LONGEST_NOTE:,} characters.", where="--note")
    return "\n".join(filter(None, map(text_of, text.splitlines())))


def _find(newsletter: Newsletter, handed: Handed, facts: Facts) -> Find:
    section = heading(handed.section) if handed.section else proposed(newsletter, facts.url)
    find = Find(
        url=facts.url,
        canonical_url=canonical_url(facts.url),
        title=cut(text_of(handed.title), LONGEST_TITLE) or facts.title,
        description=facts.description,
        site=facts.site,
        note=_note(handed.note),
        section=section,
        published_at=facts.published_at,
    )
    if handed.day is None:
        return find
    # A sponsor's link is used as it was handed in: what stands behind its ? is how they count.
    url = page_url(handed.url)
    return replace(
        find, url=url, canonical_url=canonical_url(url), sponsor_for=handed.day.isoformat()
    )
