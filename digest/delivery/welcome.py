"""The welcome: one mail to who has just confirmed, written as an issue and kept as a version.

It is in no archive, so it has no page; everything else of it is an issue's: its look, its pictures,
the reader's own links and the headers for leaving (RFC 8058).
"""

from __future__ import annotations

from datetime import datetime

from digest.delivery.publish import Prepared, Stored, refuse_unfinished, store_issue
from digest.errors import InputError, RefusedError
from digest.store.newsletters import Newsletter, set_newsletter
from digest.store.session import Session


async def store_welcome(
    session: Session, newsletter: Newsletter, prepared: Prepared, *, now: datetime
) -> Stored:
    """Store what was prepared, and greet with it from now on.

    Raises InputError for a number of the series, RefusedError while something in it is unfinished
    or the newsletter has no postal address.
    """
    if prepared.issue.slug is None or prepared.issue.number is not None:
        raise InputError(
            "A welcome is no number of the series.",
            where=prepared.issue.path,
            fix="Write `slug: welcome` in place of the number.",
        )
    if not newsletter.postal_address:
        raise RefusedError("This newsletter has no postal address.", where="--postal-address")
    stored = await store_issue(session, newsletter, prepared, now=now)
    refuse_unfinished(stored.issue, stored.version)
    await set_newsletter(session, newsletter.id, settings={"welcome": stored.version.id})
    return stored


async def stop_welcome(session: Session, newsletter: Newsletter) -> None:
    """Greet nobody any more."""
    await set_newsletter(session, newsletter.id, settings={"welcome": None})
