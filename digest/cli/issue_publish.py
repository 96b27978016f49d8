"""``digest issue add|list|show|approve|withdraw``: from a file to the version that may go out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from digest.cli import issue_remote, output
from digest.cli.asked import who_calls
from digest.cli.connection import connected
from digest.cli.files import read_bytes
from digest.cli.options import Json, OfNewsletter
from digest.cli.pictures import read_pictures
from digest.cli.remote import server
from digest.content.finding import Known
from digest.content.issue_file import decode_issue, parse_issue
from digest.content.media import Media
from digest.delivery.known import what_is_known
from digest.delivery.publish import (
    Prepared,
    approve_issue,
    prepare_issue,
    store_issue,
    withdraw_issue,
)
from digest.delivery.readiness import when_it_goes
from digest.errors import InputError, RefusedError
from digest.rules.delivery import IssueState
from digest.rules.slots import moment_of
from digest.settings import Settings
from digest.store.issue_tests import last_test
from digest.store.issues import (
    StoredIssue,
    StoredVersion,
    get_issue,
    get_version,
    issue_by_id,
    list_issues,
)
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.session import Session
from digest.store.versions import list_versions

_FIRST_MAIL = datetime(1971, 1, 1, tzinfo=UTC)  # from one computer to another


@dataclass(frozen=True, slots=True)
class Written:
    """An issue file that was read, with the pictures it shows by the path it names them with."""

    path: str
    text: str
    pictures: dict[str, Media]

    def prepared(
        self,
        newsletter: Newsletter,
        settings: Settings,
        *,
        known: Known | None = None,
        page: bool = True,
    ) -> Prepared:
        """The next version of its issue, not stored yet; IssueFileError."""
        return prepare_issue(
            newsletter,
            self.text,
            path=self.path,
            media={name: picture.data for name, picture in self.pictures.items()},
            public_url=settings.public_url,
            themes=settings.themes,
            known=known,
            page=page,
        )


def read_issue(file: Path) -> Written:
    """The issue file and its pictures; InputError, IssueFileError."""
    path = str(file)
    text = decode_issue(read_bytes(file), path=path)
    return Written(path, text, read_pictures(parse_issue(text, path=path), file))


async def add(
    file: Path,
    /,
    *,
    slug: OfNewsletter = None,
    sent_at: datetime | None = None,
    as_json: Json = False,
) -> int:
    """Store a file as the next version of its issue.

    An approval stays with the version it was given to. Refused once the issue is planned.

    Parameters
    ----------
    file
        An issue file.
    sent_at
        It went out then, by other means: it is finished at once and stands in the archive. A date,
        or a date and time in the newsletter's time zone.
    """
    if place := server():
        if sent_at is not None:
            raise InputError("Issues of the past are added on the server.", where="--sent-at")
        return await issue_remote.add(place, file, slug=slug, as_json=as_json)
    written = read_issue(file)
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
            now = found.clock.now()
            text = parse_issue(written.text, path=written.path)
            known = await what_is_known(session, newsletter, text, now=now)
        prepared = written.prepared(newsletter, found.settings, known=known)
        async with found.db.begin() as session:
            stored = await store_issue(
                session,
                newsletter,
                prepared,
                now=now,
                sent_at=None if sent_at is None else _instant(sent_at, newsletter, now=now),
            )
    data = {"issue": stored.issue.name, "hash": stored.version.hash}
    output.result(data, as_json=as_json, text=_next_step(stored.issue, stored.version))
    if stored.findings and not as_json:
        count = output.counted(len(stored.findings), "finding")
        output.note(
            f"{count}; see digest issue check {output.printable(file)}"
            f" --newsletter {newsletter.slug}"
        )
    return 0


def _instant(given: datetime, newsletter: Newsletter, *, now: datetime) -> datetime:
    moment = moment_of(given, newsletter.timezone)
    if not _FIRST_MAIL <= moment <= now:
        raise InputError(
            "An issue that went out did so in the past.",
            where="--sent-at",
            fix="Write the date, like 2026-01-31.",
        )
    return moment


def _next_step(issue: StoredIssue, version: StoredVersion) -> str:
    if issue.state is IssueState.FINISHED:
        return f"Issue {issue.name} stands in the archive."
    return (
        f"Issue {issue.name}, version {version.ordinal}, {version.hash}\n"
        f"Next: digest issue approve {issue.name} {version.hash[:12]}"
    )


async def list_all(*, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """List the issues of a newsletter, the newest first."""
    if place := server():
        return await issue_remote.list_all(place, slug=slug, as_json=as_json)
    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, slug)
        rows = [_row(issue) for issue in await list_issues(session, newsletter.id)]
    columns = ("issue", "state", "planned", "planned_at", "title")
    output.rows(rows, as_json=as_json, columns=columns, empty="There is no issue yet.")
    return 0


def _row(issue: StoredIssue) -> dict[str, object]:
    return {
        "issue": issue.name,
        "title": issue.title,
        "state": issue.state,
        "listed": issue.listed,
        "scheduled_at": issue.scheduled_at,
        "planned": issue.planned,
        "planned_at": issue.planned_at,
        "finished_at": issue.finished_at,
        "created_at": issue.created_at,
    }


async def show(
    issue: str, /, *, slug: OfNewsletter = None, source: bool = False, as_json: Json = False
) -> int:
    """Show an issue and its versions.

    Parameters
    ----------
    issue
        Its number or slug.
    source
        Print the text of its latest version instead.
    """
    async with connected() as found, found.db.read() as session:
        stored = await find_issue(session, slug, issue)
        versions = await list_versions(session, stored.id)
    if source and not as_json:
        output.document(versions[-1].source)
        return 0
    data: dict[str, Any] = {
        **_row(stored),
        "paused_reason": stored.paused_reason,
        "versions": [_version(version, stored) for version in versions],
    }
    if source:
        data["source"] = versions[-1].source
    if as_json:
        output.result(data, as_json=True)
    else:
        output.result(
            {key: value for key, value in data.items() if key != "versions"}, as_json=False
        )
        columns = ("version", "hash", "approved", "correction", "created_at", "subject")
        output.rows(data["versions"], as_json=False, columns=columns)
    return 0


def _version(version: StoredVersion, issue: StoredIssue) -> dict[str, object]:
    return {
        "version": version.ordinal,
        "hash": version.hash,
        "subject": version.subject,
        "preview": version.preview,
        "approved": version.id == issue.approved_version_id,
        "correction": version.note if version.web_only else None,
        "approved_at": version.approved_at,
        "approved_by": version.approved_by,
        "created_at": version.created_at,
    }


async def approve(
    issue: str,
    hash_: Annotated[str | None, Parameter(name="HASH")] = None,
    /,
    *,
    tested: bool = False,
    slug: OfNewsletter = None,
    by: str | None = None,
    as_json: Json = False,
) -> int:
    """Approve one version, by its hash: this and nothing else goes out.

    Parameters
    ----------
    issue
        Its number or slug.
    hash_
        The hash `issue add` printed, or at least 8 digits of it.
    tested
        The version that the last `issue test` sent, instead of a hash.
    by
        Who approves; you, when not given.
    """
    if (hash_ is None) != tested:
        raise InputError(
            "Say which version.", where="HASH", fix="Give its hash, or --tested for the last test."
        )
    if place := server():
        return await issue_remote.approve(place, issue, hash_, slug=slug, as_json=as_json)
    async with connected() as found, found.db.begin() as session:
        now = found.clock.now()
        stored = await find_issue(session, slug, issue)
        hash_ = await _tested(session, stored) if hash_ is None else hash_
        version = await approve_issue(session, stored, hash_, by=by or who_calls(), now=now)
        newsletter = await get_newsletter(session, slug)
        stored = await issue_by_id(session, stored.id)  # as it is by now
        coming = await when_it_goes(session, newsletter, stored, now)
    data = {"issue": stored.name, "hash": version.hash, "state": "approved"}
    text = f"Approved. To send it now: digest issue send {stored.name} --wait"
    if stored.scheduled_at or (newsletter.schedule and stored.number is not None):
        text += f"\n{coming}"
    output.result(data, as_json=as_json, text=text)
    return 0


async def _tested(session: Session, issue: StoredIssue) -> str:
    """The hash of the version that was tested last; RefusedError where none was."""
    test = await last_test(session, issue.id)
    if test is None:
        raise RefusedError(
            f"Issue {issue.name} was never sent as a test.",
            where="--tested",
            fix=f"Send one: digest issue test {issue.name} --to you@example.org",
        )
    return (await get_version(session, test.version_id)).hash


async def withdraw(issue: str, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Take an approval back; the issue is a draft again.

    Parameters
    ----------
    issue
        Its number or slug.
    """
    async with connected() as found, found.db.begin() as session:
        stored = await find_issue(session, slug, issue)
        await withdraw_issue(session, stored, now=found.clock.now())
    data = {"issue": stored.name, "state": IssueState.DRAFT}
    output.result(data, as_json=as_json, text=f"Issue {stored.name} is a draft.")
    return 0


async def find_issue(session: Session, slug: str | None, name: str) -> StoredIssue:
    """The issue called ``name`` of the newsletter given, or of the only one; NotFoundError."""
    newsletter = await get_newsletter(session, slug)
    return await get_issue(session, newsletter.id, name)
