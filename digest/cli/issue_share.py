"""``digest issue share|pull``: a version for somebody to look at, and its text for an editor."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from digest.cli import issue_remote, output
from digest.cli.connection import connected, read_settings
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, OfNewsletter
from digest.cli.pictures import write_with_pictures
from digest.cli.remote import server
from digest.delivery.writing import pictures_of
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
    """Get the latest version of an issue back: its text, and its pictures.

    Parameters
    ----------
    issue
        Its number or slug.
    out
        The file to write, which must not be there yet, with its pictures beside it; the text is
        printed, when not given.
    """
    wanted = out is not None
    if place := server():
        data, pictures = await issue_remote.pull(place, issue, pictures=wanted, slug=slug)
    else:
        data, pictures = await _pull(issue, pictures=wanted, slug=slug)
    text = data.pop("source")
    if out is not None:
        write_with_pictures(out, text, pictures)
        data |= {"file": str(out), "pictures": sorted(pictures)}
        beside = {0: "", 1: ", its picture beside it"}
        shown = beside.get(len(pictures), f", its {len(pictures)} pictures beside it")
        output.result(data, as_json=as_json, text=f"Version {data['version']} is in {out}{shown}.")
    elif as_json:
        output.result(data | {"file": None, "source": text}, as_json=True)
    else:
        output.document(text)
    return 0


async def _pull(
    issue: str, *, pictures: bool, slug: str | None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    async with connected() as found, found.db.read() as session:
        stored = await find_issue(session, slug, issue)
        shown = await _version(session, stored, None)
        media = await pictures_of(session, shown) if pictures else {}
    data = {"issue": stored.name, "version": shown.ordinal, "hash": shown.hash}
    return data | {"source": shown.source}, media


async def _version(session: Session, issue: StoredIssue, hash_: str | None) -> StoredVersion:
    if hash_ is not None:
        return await find_version(session, issue.id, hash_)
    latest = await latest_version(session, issue.id)
    if latest is None:
        raise NotFoundError(f"Issue {issue.name} has no text yet.", fix="Add it: digest issue add.")
    return latest
