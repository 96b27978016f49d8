"""From an issue's text to a stored version with a hash, and back to the message that goes out.

What was approved is what goes out: a version row holds the rendered parts and the sender's identity
as of then, and the message is compiled from that row alone. The hash is SHA-256 over identity,
subject, preview, every segment with its slots, and the pictures; neither date nor ids are in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from digest.content.issue_file import Issue, parse_issue
from digest.content.lint import Finding, Known, blocking, check_issue
from digest.content.media import Media, read_media
from digest.content.render import Rendered, render_issue
from digest.delivery.compiled import compile_version
from digest.delivery.identity import identity_of, letterhead, masthead, theme_of
from digest.delivery.known import what_is_known
from digest.errors import ConflictError, InputError, IssueFileError, RefusedError
from digest.mail.message import CompiledMessage, compile_message
from digest.rules.delivery import IssueState
from digest.rules.slots import moment_of
from digest.store.issues import (
    StoredIssue,
    StoredVersion,
    VersionDraft,
    VersionLink,
    add_version,
    approve_version,
    find_version,
    get_version,
    mark_past,
    move_issue,
)
from digest.store.media import StoredMedia, put_media
from digest.store.newsletters import Newsletter, newsletter_by_id
from digest.store.session import Session
from digest.store.slots import schedule_issue

_MAY_WAIT = frozenset(
    {"placeholder", "dead-link", "sponsor-missing"}
)  # errors, but not before the approval
_LISTED = 20  # places named in one message


@dataclass(frozen=True, slots=True)
class Prepared:
    """An issue that was read, checked, rendered and compiled; nothing of it is stored yet."""

    issue: Issue
    draft: VersionDraft
    media: tuple[Media, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored; ``findings`` are what the checks have to say about it."""

    issue: StoredIssue
    version: StoredVersion
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A version as it goes out; ``return_path`` holds ``{token}``."""

    message: CompiledMessage
    return_path: str
    sections: tuple[str, ...]


def prepare_issue(
    newsletter: Newsletter,
    text: str,
    *,
    path: str,
    media: Mapping[str, bytes],
    public_url: str,
    themes: Path | None = None,
    known: Known | None = None,
    page: bool = True,
) -> Prepared:
    """Everything of a version that needs no database.

    ``media`` maps the paths of its pictures, as written, to their bytes; ``themes`` is the folder
    of themes of one's own; ``known`` is for the findings; what will have no ``page`` links to none.
    Raises IssueFileError for a text that
    cannot be used; a placeholder, a dead link or a sponsor that is missing is no error before the
    approval.
    """
    issue = parse_issue(text, path=path)
    pictures = {name: read_media(data, path=name) for name, data in media.items()}
    name = str(issue.name)
    top = masthead(newsletter, public_url=public_url, issue=name)
    rendered = render_issue(
        issue,
        top if page else replace(top, issue_url=""),
        theme_of(newsletter, themes=themes),
        media=pictures,
        utm=newsletter.settings.get("utm"),
    )
    findings = check_issue(issue, rendered=rendered, known=known)
    _refuse_errors(findings, path)
    identity = identity_of(newsletter, public_url=public_url, issue=name)
    message = _compiled(identity, rendered, path)
    draft = VersionDraft(
        number=issue.number,
        slug=issue.slug,
        title=issue.title,
        listed=issue.listed,
        hash=content_hash(identity, rendered, message, pictures.values()),
        source=text,
        subject=rendered.subject,
        preview=rendered.preview,
        html=rendered.html,
        plain=rendered.plain,
        web_html=rendered.web_html,
        slots=[{"name": slot.name, "fallback": slot.fallback} for slot in rendered.slots],
        sections=list(rendered.sections),
        identity=identity,
        pictures={name: picture.sha256 for name, picture in pictures.items()},
        links=tuple(
            VersionLink(link.canonical, link.url, link.title, link.sponsor, link.href)
            for link in rendered.links
        ),
    )
    return Prepared(issue, draft, tuple(pictures.values()), findings)


async def store_issue(
    session: Session,
    newsletter: Newsletter,
    prepared: Prepared,
    *,
    now: datetime,
    sent_at: datetime | None = None,
) -> Stored:
    """Store what was prepared as the next version of its number or slug.

    With ``sent_at`` it counts as sent then by other means. Raises ConflictError once the issue is
    planned.
    """
    await store_pictures(session, prepared, now=now)
    issue, version = await add_version(session, newsletter.id, prepared.draft, now=now)
    if sent_at is not None:
        if version.ordinal > 1 or issue.state is not IssueState.DRAFT:
            raise ConflictError(
                f"Issue {issue.name} is here already and cannot become one of the past.",
                fix="Leave out --sent-at to add a version of it.",
            )
        issue = await mark_past(session, issue.id, version.id, sent_at=sent_at, by="import")
    return Stored(issue, version, prepared.findings)


async def store_pictures(session: Session, prepared: Prepared, *, now: datetime) -> None:
    """Store the pictures of what was prepared, so that a version may name them."""
    pictures = [
        StoredMedia(one.sha256, one.extension, one.width, one.height, one.data)
        for one in prepared.media
    ]
    await put_media(session, pictures, now=now)


async def approve_issue(
    session: Session, issue: StoredIssue, hash_: str, *, by: str, now: datetime
) -> StoredVersion:
    """Approve the version with this hash (at least 8 digits of it).

    Raises RefusedError when no version has it, or while its text holds placeholders, links that
    were dead when they were asked last, or anything else that the checks call an error;
    ConflictError once the issue is planned.
    """
    version = await find_version(session, issue.id, hash_)
    newsletter = await newsletter_by_id(session, issue.newsletter_id)
    text = parse_issue(version.source, path=f"issue {issue.name}")
    refuse_unfinished(issue, version, await what_is_known(session, newsletter, text, now=now))
    return await approve_version(session, issue.id, version.hash, by=by, now=now)


async def withdraw_issue(session: Session, issue: StoredIssue, *, now: datetime) -> None:
    """Take an approval back; RefusedError once the issue is on its way."""
    moved = await move_issue(session, issue.id, IssueState.DRAFT, now=now)
    if not moved and issue.state is not IssueState.DRAFT:
        raise RefusedError(
            f"Issue {issue.name} is {issue.state}; its approval cannot be taken back.",
            where=f"issue {issue.name}",
        )


async def schedule_at(
    session: Session,
    newsletter: Newsletter,
    issue: StoredIssue,
    at: datetime | None,
    *,
    now: datetime,
) -> datetime | None:
    """Give an issue a time of its own (local to the newsletter, where it has no zone), or with None
    the newsletter's next one; when that is.

    Raises InputError for a time that has passed, RefusedError once the issue is on its way.
    """
    moment = None if at is None else moment_of(at, newsletter.timezone)
    if moment is not None and moment <= now:
        raise InputError(
            "This has passed.", where="--at", fix="To send it now: digest issue send ISSUE."
        )
    if not await schedule_issue(session, issue.id, moment):
        raise RefusedError(
            f"Issue {issue.name} is {issue.state}; it goes out no more than once.",
            where=f"issue {issue.name}",
        )
    return moment


def refuse_unfinished(
    issue: StoredIssue, version: StoredVersion, known: Known | None = None
) -> None:
    """Raise RefusedError, with every place, for a version that may not be approved."""
    path = f"issue {issue.name}"
    findings = check_issue(parse_issue(version.source, path=path), known=known)
    open_ones = blocking(findings)
    if open_ones:
        places = "; ".join(
            f"{one.place.within(path)}: {one.message}" for one in open_ones[:_LISTED]
        )
        more = f" and {len(open_ones) - _LISTED} more" if len(open_ones) > _LISTED else ""
        raise RefusedError(
            f"This version is not ready: {places}{more}",
            where=path,
            fix="Complete the text and add it again.",
        )


async def load_outgoing(session: Session, version_id: int) -> Outgoing:
    """A version as it goes out, from its row alone; NotFoundError."""
    version = await get_version(session, version_id)
    return Outgoing(
        compile_version(version), version.identity["return_path"], tuple(version.sections)
    )


def content_hash(
    identity: Mapping[str, Any],
    rendered: Rendered,
    message: CompiledMessage,
    media: Iterable[Media],
) -> str:
    """The version hash, 64 hexadecimal digits. Every part goes in with its length before it."""
    head = json.dumps(
        {"identity": identity, "subject": rendered.subject, "preview": rendered.preview},
        ensure_ascii=True,
        sort_keys=True,
        separators=(",", ":"),
    )
    pictures = sorted(picture.sha256.encode() for picture in media)
    digest = hashlib.sha256(b"digest version 1\n")
    for part in (head.encode(), *message.content, *pictures):
        digest.update(b"%d\n" % len(part))
        digest.update(part)
    return digest.hexdigest()


def _compiled(identity: Mapping[str, Any], rendered: Rendered, path: str) -> CompiledMessage:
    try:
        return compile_message(
            letterhead(identity, rendered.subject),
            html=rendered.html,
            plain=rendered.plain,
            slots=rendered.slots,
        )
    except ValueError as error:
        raise IssueFileError(f"This makes no message: {error}.", where=path) from error


def _refuse_errors(findings: tuple[Finding, ...], path: str) -> None:
    errors = [one for one in blocking(findings) if one.code not in _MAY_WAIT]
    if errors:
        first, more = errors[0], len(errors) - 1
        also = f" ({more} more)" if more else ""
        raise IssueFileError(
            f"{first.message}{also}", where=first.place.within(path), fix=first.fix
        )
