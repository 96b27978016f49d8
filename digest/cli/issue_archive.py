"""``digest issue correct|unlist``: what the archive shows of an issue that is out."""

from __future__ import annotations

from pathlib import Path

from digest.cli import output
from digest.cli.asked import who_calls
from digest.cli.connection import connected
from digest.cli.issue_publish import find_issue, read_issue
from digest.cli.options import Json, OfNewsletter
from digest.delivery.corrections import correct_issue
from digest.store.archive import list_in_archive
from digest.store.newsletters import get_newsletter


async def correct(
    issue: str,
    file: Path,
    /,
    *,
    note: str,
    slug: OfNewsletter = None,
    by: str | None = None,
    as_json: Json = False,
) -> int:
    """Correct an issue in the archive and the feeds; nothing is mailed.

    Readers have what they got; to write to them, send another issue.

    Parameters
    ----------
    issue
        Its number or slug.
    file
        The corrected issue file.
    note
        What was corrected; it stands above the text.
    by
        Who corrects it; you, when not given.
    """
    written = read_issue(file)
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
            stored = await find_issue(session, slug, issue)
        prepared = written.prepared(newsletter, found.settings)
        async with found.db.begin() as session:
            version = await correct_issue(
                session, stored, prepared, note=note, by=by or who_calls(), now=found.clock.now()
            )
    data = {"issue": stored.name, "version": version.ordinal, "hash": version.hash, "note": note}
    url = f"{found.settings.public_url}/i/{newsletter.slug}/{stored.name}"
    output.result({**data, "url": url}, as_json=as_json, text=f"Corrected: {url}")
    return 0


async def unlist(
    issue: str, /, *, slug: OfNewsletter = None, undo: bool = False, as_json: Json = False
) -> int:
    """Take an issue out of the archive's list, the feeds and search engines.

    Its page stays for whoever has the link; nothing changes about its mail.

    Parameters
    ----------
    issue
        Its number or slug.
    undo
        Put it back.
    """
    async with connected() as found, found.db.begin() as session:
        stored = await find_issue(session, slug, issue)
        await list_in_archive(session, stored.id, listed=undo)
    text = f"Issue {stored.name} is {'listed' if undo else 'not listed any more'}."
    output.result({"issue": stored.name, "listed": undo}, as_json=as_json, text=text)
    return 0
