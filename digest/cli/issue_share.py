"""``digest issue share|pull``: a version for somebody to look at, and its text for an editor."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from digest.cli import issue_remote, output
from digest.cli.connection import connected, read_settings
from digest.cli.files import write_new
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, OfNewsletter
from digest.cli.remote import server
from digest.errors import InputError, NotFoundError
from digest.mail.tokens import share_token
from digest.settings import keyring
from digest.store.issues import StoredIssue, StoredVersion, find_version, latest_version
from digest.store.session import Session
from digest.web.review import SHARED_DAYS, SHARED_DAYS_MAX


async def share(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    version: str | None = None,
    days: int = SHARED_DAYS,
    as_json: Json = False,
) -> int:
    """Make a link that shows an issue before it goes out, to a sponsor or an author.

    Whoever has the link can look, and do nothing else. It shows this version, also when there is a
    newer one.

    Parameters
    ----------
    issue
        Its number or slug.
    version
        The hash of the version, or at least 8 digits of it; the latest, when not given.
    days
        How long the link works.
    """
    if not 1 <= days <= SHARED_DAYS_MAX:
        raise InputError(f"1 to {SHARED_DAYS_MAX} days are possible.", where="--days")
    if place := server():
        data = await issue_remote.share(place, issue, version, days=days, slug=slug)
    else:
        data = await _share(issue, version, days=days, slug=slug)
    text = "{url}\nIssue {issue}, version {version}, until {until}.".format_map(data)
    output.result(data, as_json=as_json, text=text)
    return 0


async def _share(
    issue: str, version: str | None, *, days: int, slug: str | None
) -> dict[str, object]:
    settings = read_settings()
    keys = keyring(settings)
    async with connected() as found, found.db.read() as session:
        stored = await find_issue(session, slug, issue)
        shown = await _version(session, stored, version)
        until = found.clock.now().date() + timedelta(days=days)
    url = f"{settings.public_url}/share/{share_token(keys, shown.id, until)}"
    data = {"issue": stored.name, "version": shown.ordinal, "hash": shown.hash, "url": url}
    return {**data, "until": f"{until}"}


async def pull(
    issue: str,
    /,
    *,
    out: Path | None = None,
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """Get the text of an issue back from the database, its latest version.

    Parameters
    ----------
    issue
        Its number or slug.
    out
        The file to write, which must not be there yet; the text is printed, when not given.
    """
    if place := server():
        return await issue_remote.pull(place, issue, out=out, slug=slug, as_json=as_json)
    async with connected() as found, found.db.read() as session:
        stored = await find_issue(session, slug, issue)
        shown = await _version(session, stored, None)
    if out is not None:
        write_new(out, shown.source)
    data = {
        "issue": stored.name,
        "version": shown.ordinal,
        "hash": shown.hash,
        "file": str(out) if out is not None else None,
        **({} if out is not None else {"source": shown.source}),
    }
    if out is None and not as_json:
        output.document(shown.source)
        return 0
    output.result(data, as_json=as_json, text=f"Version {shown.ordinal} is in {out}.")
    return 0


async def _version(session: Session, issue: StoredIssue, hash_: str | None) -> StoredVersion:
    if hash_ is not None:
        return await find_version(session, issue.id, hash_)
    latest = await latest_version(session, issue.id)
    if latest is None:
        raise NotFoundError(f"Issue {issue.name} has no text yet.", fix="Add it: digest issue add.")
    return latest
