"""``digest issue clicks``: which links of an issue were clicked, and pages for its sponsors."""

from __future__ import annotations

from datetime import date, timedelta

from digest.cli import output
from digest.cli.connection import connected, read_settings
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, OfNewsletter
from digest.errors import InputError
from digest.mail.tokens import KeyRing, clicks_token
from digest.settings import keyring
from digest.store.clicks import LinkClicks, clicks_of_issue
from digest.web.clicks import SPONSOR_DAYS
from digest.web.review import SHARED_DAYS_MAX


async def clicks(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    sponsor: bool = False,
    days: int = SPONSOR_DAYS,
    as_json: Json = False,
) -> int:
    """List the links of an issue by how many people clicked them.

    Clicks of programs that look through mail are counted apart. Who clicked is known to nobody.

    Parameters
    ----------
    issue
        Its number or slug.
    sponsor
        Only links of sponsors, each with the address of a page that shows its clicks, to forward.
    days
        How long such a page can be seen.
    """
    if not 1 <= days <= SHARED_DAYS_MAX:
        raise InputError(f"1 to {SHARED_DAYS_MAX} days are possible.", where="--days")
    settings = read_settings()
    keys = keyring(settings)
    async with connected() as found, found.db.read() as session:
        stored = await find_issue(session, slug, issue)
        ranked = await clicks_of_issue(session, stored.id, sponsor=sponsor)
        until = found.clock.now().date() + timedelta(days=days)
    rows = [_row(one, keys, f"{settings.public_url}/clicks/", until) for one in ranked]
    columns = ("human", "scanner", "title", "page" if sponsor else "url")
    empty = "No link of a sponsor is in this issue." if sponsor else "There is no link in it."
    output.rows(rows, as_json=as_json, columns=columns, empty=empty)
    return 0


def _row(link: LinkClicks, keys: KeyRing, base: str, until: date) -> dict[str, object]:
    page = clicks_token(keys, link.version_id, link.position, until) if link.sponsor else None
    return {
        "url": link.url,
        "title": link.title,
        "sponsor": link.sponsor,
        "human": link.human,
        "scanner": link.scanner,
        "page": f"{base}{page}" if page else None,
        "until": f"{until}" if page else None,
    }
