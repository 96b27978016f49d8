"""``digest reader export``: the readers of a newsletter as a table."""

from __future__ import annotations

from digest.audience.reader_table import reader_table
from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import OfNewsletter
from digest.rules.subscription import SubscriptionState
from digest.store.newsletters import get_newsletter


async def export(
    *,
    slug: OfNewsletter = None,
    state: SubscriptionState | None = None,
    tag: str | None = None,
    raw: bool = False,
) -> int:
    """Write the readers of a newsletter as CSV, with their state, dates, tags and attributes.

    A cell that a spreadsheet would run as a formula begins with an apostrophe; `reader import`
    takes it off again.

    Parameters
    ----------
    state
        Only readers in this state.
    tag
        Only readers with this tag.
    raw
        Write every cell as it is, for a program that reads it.
    """
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        async for lines in reader_table(found.db, newsletter.id, state=state, tag=tag, raw=raw):
            output.document(lines)
    return 0
