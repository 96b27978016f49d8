"""From an issue's text to a stored version with a hash, and back to the message that goes out.

What was approved is what goes out: a version row holds the rendered parts and the sender's identity
as of then, and the message is compiled from that row alone. The hash is SHA-256 over identity,
subject, preview, every segment with its slots, and the pictures; neither date nor ids are in it.
Headers it decides on: List-Id (RFC 2919), List-Help (RFC 2369), one-click leaving (RFC 8058) and
Feedback-ID as Gmail's feedback loop reads it: four fields, the last one naming the sender.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from digest.content.issue_file import Issue, parse_issue
from digest.content.links import canonical_url
from digest.content.lint import Finding, check_issue
from digest.content.media import Media, read_media
from digest.content.render import Rendered, render_issue
from digest.content.theme import Masthead, load_theme
from digest.errors import ConflictError, IssueFileError, RefusedError
from digest.mail.message import CompiledMessage, Letterhead, Slot, compile_message
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
)
from digest.store.media import StoredMedia, put_media
from digest.store.newsletters import Newsletter
from digest.store.session import Session

_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "iw", "ku", "ps", "sd", "ug", "ur", "yi"})
_PLACEHOLDER = "placeholder"
_LISTED = 20  # places named in one message


@dataclass(frozen=True, slots=True)
class Prepared:
    """An issue that was read, checked, rendered and compiled; nothing of it is stored yet."""

    issue: Issue
    draft: VersionDraft
    media: tuple[Media, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Published:
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


async def add_issue(
    session: Session,
    newsletter: Newsletter,
    text: str,
    *,
    path: str,
    media: Mapping[str, bytes],
    public_url: str,
    now: datetime,
    sent_at: datetime | None = None,
) -> Published:
    """Store an issue's text as the next version of its number or slug.

    ``media`` maps the paths of its pictures, as written, to their bytes. With ``sent_at`` it counts
    as sent then by other means. Raises IssueFileError for a text that cannot be used (nothing is
    stored), ConflictError once the issue is planned. A placeholder is no error before the approval.
    """
    prepared = prepare_issue(newsletter, text, path=path, media=media, public_url=public_url)
    return await store_issue(session, newsletter, prepared, now=now, sent_at=sent_at)


def prepare_issue(
    newsletter: Newsletter, text: str, *, path: str, media: Mapping[str, bytes], public_url: str
) -> Prepared:
    """Everything that needs no database; the errors of the text are raised here."""
    issue = parse_issue(text, path=path)
    pictures = {name: read_media(data, path=name) for name, data in media.items()}
    name = str(issue.number) if issue.number is not None else (issue.slug or "")
    rendered = render_issue(
        issue,
        masthead(newsletter, public_url=public_url, issue=name),
        load_theme(newsletter.theme, overrides=newsletter.settings.get("theme")),
        media=pictures,
        utm=newsletter.settings.get("utm"),
    )
    findings = tuple(check_issue(issue, rendered=rendered))
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
        media=tuple(picture.sha256 for picture in pictures.values()),
        links=tuple(
            VersionLink(canonical_url(link.url), link.url, link.title, link.sponsor)
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
) -> Published:
    """Store what was prepared; ConflictError once the issue is planned."""
    pictures = [
        StoredMedia(one.sha256, one.extension, one.width, one.height, one.data)
        for one in prepared.media
    ]
    await put_media(session, pictures, now=now)
    issue, version = await add_version(session, newsletter.id, prepared.draft, now=now)
    if sent_at is not None:
        if version.ordinal > 1 or issue.state != "draft":
            raise ConflictError(
                f"Issue {issue.name} is here already and cannot become one of the past.",
                fix="Leave out --sent-at to add a version of it.",
            )
        issue = await mark_past(session, issue.id, version.id, sent_at=sent_at, by="import")
    return Published(issue, version, prepared.findings)


async def approve_issue(
    session: Session, issue: StoredIssue, hash_: str, *, by: str, now: datetime
) -> StoredVersion:
    """Approve the version with this hash (at least 8 digits of it).

    Raises RefusedError when no version has it, or while its text holds placeholders or anything
    else that the checks call an error; ConflictError once the issue is planned.
    """
    version = await find_version(session, issue.id, hash_)
    path = f"issue {issue.name}"
    findings = check_issue(parse_issue(version.source, path=path))
    blocking = [one for one in findings if one.code == _PLACEHOLDER or _is_error(one)]
    if blocking:
        places = "; ".join(f"{_place(one, path)}: {one.message}" for one in blocking[:_LISTED])
        more = f" and {len(blocking) - _LISTED} more" if len(blocking) > _LISTED else ""
        raise RefusedError(
            f"This version is not ready: {places}{more}",
            where=path,
            fix="Complete the text and add it again.",
        )
    return await approve_version(session, issue.id, version.hash, by=by, now=now)


async def load_compiled(session: Session, version_id: int) -> CompiledMessage:
    """The message of a version, from its row alone; NotFoundError."""
    return (await load_outgoing(session, version_id)).message


async def load_outgoing(session: Session, version_id: int) -> Outgoing:
    """A version as it goes out, from its row alone; NotFoundError."""
    version = await get_version(session, version_id)
    slots = [Slot(**slot) for slot in version.slots]
    message = compile_message(
        letterhead(version.identity, version.subject),
        html=version.html,
        plain=version.plain,
        slots=slots,
    )
    return Outgoing(message, version.identity["return_path"], tuple(version.sections))


def masthead(newsletter: Newsletter, *, public_url: str, issue: str) -> Masthead:
    """What a newsletter lends to the look of its issue called ``issue``."""
    settings = newsletter.settings
    size = settings.get("logo_size")
    return Masthead(
        name=newsletter.name,
        from_name=newsletter.from_name,
        postal_address=newsletter.postal_address,
        language=newsletter.language,
        direction=direction_of(newsletter.language),
        logo_url=settings.get("logo_url"),
        logo_size=(int(size[0]), int(size[1])) if size else None,
        home_url=settings.get("home_url") or "",
        public_url=public_url,
        issue_url=f"{public_url}/i/{newsletter.slug}/{issue}",
        why=settings.get("why") or "",
    )


def direction_of(language: str) -> str:
    """``rtl`` for languages written from right to left, else ``ltr``."""
    return "rtl" if language.lower().split("-")[0] in _RIGHT_TO_LEFT else "ltr"


def identity_of(newsletter: Newsletter, *, public_url: str, issue: str) -> dict[str, Any]:
    """Who sends, as it is frozen with a version: all of the headers that no reader changes.

    A mailto for leaving only where mail is received (``leave_mailto`` in the settings).
    """
    return {
        "from_name": newsletter.from_name,
        "from_address": newsletter.from_address,
        "reply_to": newsletter.reply_to,
        "return_path": newsletter.return_path,
        "list_id": newsletter.list_id,
        "list_name": newsletter.name,
        "message_id_domain": newsletter.from_domain,
        "leave_url": f"{public_url}/u/",
        "leave_mailto": newsletter.settings.get("leave_mailto"),
        "help_url": newsletter.settings.get("help_url") or f"{public_url}/",
        "feedback_id": feedback_id(newsletter, issue=issue),
    }


def feedback_id(newsletter: Newsletter, *, issue: str) -> str:
    """``issue:newsletter:kind:sender``; of nobody it is sent to.

    The sender is the same for all mail of a domain and has 5 to 15 characters, as Gmail asks.
    """
    sender = hashlib.sha256(newsletter.from_domain.encode()).hexdigest()[:8]
    return f"{issue}:{newsletter.slug}:issue:digest{sender}"


def letterhead(identity: Mapping[str, Any], subject: str) -> Letterhead:
    """The headers of a version from what was frozen with it."""
    own = {name: value for name, value in identity.items() if name != "return_path"}
    return Letterhead(subject=subject, **own)


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


def _refuse_errors(findings: Iterable[Finding], path: str) -> None:
    errors = [one for one in findings if _is_error(one)]
    if errors:
        first, more = errors[0], len(errors) - 1
        also = f" ({more} more)" if more else ""
        raise IssueFileError(f"{first.message}{also}", where=_place(first, path), fix=first.fix)


def _is_error(finding: Finding) -> bool:
    return finding.severity == "error" and finding.code != _PLACEHOLDER


def _place(finding: Finding, path: str) -> str:
    return f"{path}:{finding.place.line}:{finding.place.column}"
