"""A text that is being written: how it begins, what it looks like now, what was saved since.

Nothing here stores anything. The look is what an approval and a preview see: the same reader, the
same renderer, the same checks; a text that cannot be read is a look with an error and its line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from digest.collect.draft import draft_issue
from digest.collect.picking import pick
from digest.collect.upcoming import upcoming_issue
from digest.content.finding import TOP, Known
from digest.content.issue import Issue, Place
from digest.content.issue_file import decode_issue, parse_issue
from digest.content.issue_format import new_issue
from digest.content.lint import Finding, Severity, check_issue
from digest.content.media import read_media
from digest.content.render import Rendered, render_issue
from digest.content.uploads import hashes_in
from digest.delivery.identity import masthead, theme_of
from digest.delivery.known import what_is_known
from digest.errors import DigestError, InputError, NotFoundError, RefusedError
from digest.store.issues import StoredVersion, get_issue, latest_version
from digest.store.media import find_media, get_media
from digest.store.newsletters import Newsletter
from digest.store.session import Database, Session
from digest.store.turns import take_newsletters_turn

__all__ = [
    "PATH",
    "Look",
    "begin_text",
    "clean_text",
    "draft_text",
    "known_of",
    "look_at_text",
    "pictures_of",
    "saved_since",
]

PATH: Final = "issue.md"  # what errors call a text that is no file


@dataclass(frozen=True, slots=True)
class Look:
    """A text as it is now. ``issue`` and ``rendered`` are None where it cannot be read or shown;
    a finding then says why.
    """

    findings: tuple[Finding, ...]
    issue: Issue | None = None
    rendered: Rendered | None = None


def clean_text(text: str) -> str:
    """What a form sent, as a file has it: lines end with a newline only (HTML §4.10.21.8)."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


async def begin_text(session: Session, newsletter: Newsletter, *, now: datetime) -> str:
    """The next issue before a word of it is written, as ``digest issue new`` begins it."""
    begun = await upcoming_issue(session, newsletter, now=now)
    return new_issue(
        number=begun.number,
        title=begun.title,
        date=begun.date,
        sections=begun.sections,
        previous=begun.previous,
    )


async def draft_text(session: Session, newsletter: Newsletter, *, now: datetime) -> str:
    """The next issue made of the links that were kept, as ``digest issue draft`` makes it."""
    begun = await upcoming_issue(session, newsletter, now=now)
    picked = await pick(session, newsletter, begun)
    if not picked.items and not picked.sponsors:
        raise RefusedError("Nothing is kept for an issue.", fix="Keep a link or two first.")
    return draft_issue(begun, picked.items, timezone=newsletter.timezone, sponsors=picked.sponsors)


async def saved_since(
    session: Session, newsletter: Newsletter, name: str, based_on: str
) -> StoredVersion | None:
    """The latest version of the issue called ``name``, where a text that was made of ``based_on``
    would undo it. ``based_on`` is (the beginning of) a hash; empty: of no version.

    Whoever saves after this in the same transaction is the only one who does.
    """
    await take_newsletters_turn(session, newsletter.id)
    try:
        issue = await get_issue(session, newsletter.id, name)
    except NotFoundError:
        return None
    latest = await latest_version(session, issue.id)
    if latest is None or (based_on and latest.hash.startswith(based_on)):
        return None
    return latest


async def pictures_of(
    session: Session, version: StoredVersion | None, text: str = ""
) -> dict[str, bytes]:
    """The pictures that a version shows, and those brought one by one that ``text`` names; by how
    they are named.
    """
    found = {}
    for source, sha256 in (version.pictures or {} if version else {}).items():
        media = await get_media(session, sha256)
        if media is not None:
            found[source] = media.data
    for name, beginning in hashes_in(text).items():
        media = None if name in found else await find_media(session, beginning)
        if media is not None:
            found[name] = media.data
    return found


async def known_of(
    session: Session, newsletter: Newsletter, text: str, *, now: datetime
) -> Known | None:
    """What the database knows for the checks of a text; None for a text that cannot be read."""
    try:
        issue = await asyncio.to_thread(_read, text)
    except InputError:
        return None
    return await what_is_known(session, newsletter, issue, now=now)


async def look_at_text(
    db: Database,
    newsletter: Newsletter,
    text: str,
    *,
    media: Mapping[str, bytes],
    public_url: str,
    themes: Path | None = None,
    now: datetime,
) -> Look:
    """``text`` as it would be mailed, and everything the checks say; it asks no network.

    What takes long is done in threads: a page asks for this with every word that is typed.
    """
    try:
        issue = await asyncio.to_thread(_read, text)
    except InputError as error:
        return Look((_as_finding(error),))
    async with db.read() as session:
        known = await what_is_known(session, newsletter, issue, now=now)
    return await asyncio.to_thread(
        _look, newsletter, issue, media=media, public_url=public_url, themes=themes, known=known
    )


def _look(
    newsletter: Newsletter,
    issue: Issue,
    *,
    media: Mapping[str, bytes],
    public_url: str,
    themes: Path | None,
    known: Known,
) -> Look:
    try:
        rendered = render_issue(
            issue,
            masthead(newsletter, public_url=public_url, issue=str(issue.name)),
            theme_of(newsletter, themes=themes),
            media={name: read_media(data, path=name) for name, data in media.items()},
            utm=newsletter.settings.get("utm"),
        )
    except DigestError as error:
        plain = check_issue(issue, known=known)
        return Look(_by_line((_as_finding(error), *plain)), issue)
    return Look(check_issue(issue, rendered=rendered, known=known), issue, rendered)


def _read(text: str) -> Issue:
    decode_issue(text.encode(), path=PATH)  # what no file may hold, no form may bring
    return parse_issue(text, path=PATH)


def _as_finding(error: DigestError) -> Finding:
    """An error that keeps a text from being shown, with the line it names."""
    place = Place.named_in(error.where) or TOP
    return Finding("unreadable", Severity.ERROR, error.message, place, error.fix)


def _by_line(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda one: one.place))
