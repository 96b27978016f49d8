"""``digest feed``: what fills the link inbox by itself."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, Many, OfNewsletter, group
from digest.collect.asking import Asker
from digest.collect.feeds import Pulled, pull_feeds, subscribe_feed
from digest.collect.inbox import heading
from digest.errors import NotFoundError
from digest.rules.feed import FeedState
from digest.store.feeds import list_feeds, remove_feed
from digest.store.newsletters import get_newsletter

app = group("feed")

PURPOSE = "feed reader of a newsletter"


@app.command
async def add(
    url: str, /, *, section: str = "", slug: OfNewsletter = None, as_json: Json = False
) -> int:
    """Have a feed's entries wait in the inbox; `digest run` asks it every hour.

    Parameters
    ----------
    url
        An RSS, Atom or JSON feed, or a page that names one.
    section
        The heading its entries are proposed for.
    """
    to = heading(section) if section else ""
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        async with Asker.of(found.settings).fetcher(PURPOSE) as fetcher:
            pulled = await subscribe_feed(
                found.db, fetcher, newsletter, url=url, section=to, now=found.clock.now()
            )
    row = {"id": pulled.feed.id, "url": pulled.feed.url, "title": pulled.feed.title}
    count = output.counted(pulled.new, "link")
    text = output.printable(f"{pulled.feed.title}: {count} waiting. Next: digest link list")
    output.result(row | {"new": pulled.new}, as_json=as_json, text=text)
    return 0


@app.command(name="list")
async def list_(*, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """List the feeds of a newsletter: when each is asked next, and what is wrong with it."""
    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, slug)
        feeds = await list_feeds(session, newsletter.id)
    rows = [
        {
            "id": feed.id,
            "title": feed.title,
            "url": feed.url,
            "section": feed.section,
            "state": feed.state,
            "pulled_at": feed.pulled_at,
            "next_pull_at": feed.next_pull_at if feed.state is FeedState.ACTIVE else None,
            "failures": feed.failures,
            "error": feed.error,
        }
        for feed in feeds
    ]
    columns = ("id", "title", "section", "state", "next_pull_at", "error")
    empty = "There is no feed. Run: digest feed add URL."
    output.rows(rows, as_json=as_json, columns=columns, empty=empty)
    return 0


@app.command
async def remove(feed: int, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Ask a feed no more, and forget what of it was not kept.

    Parameters
    ----------
    feed
        Its number, as `feed list` shows it.
    """
    async with connected() as found, found.db.begin() as session:
        newsletter = await get_newsletter(session, slug)
        if not await remove_feed(session, newsletter.id, feed):
            raise _missing(feed)
    output.result({"id": feed, "removed": True}, as_json=as_json, text=f"Feed {feed} is removed.")
    return 0


@app.command
async def pull(
    ids: Annotated[tuple[int, ...], Many, Parameter(name="FEED")] = (),
    /,
    *,
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """Ask feeds now. Exit 1 where one could not be read.

    Parameters
    ----------
    ids
        Their numbers, as `feed list` shows them; all that are not gone, when not given.
    """
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
            feeds = await list_feeds(session, newsletter.id, ids or None)
        missing = sorted(set(ids) - {feed.id for feed in feeds})
        if missing:
            raise _missing(missing[0])
        wanted = [feed for feed in feeds if ids or feed.state is FeedState.ACTIVE]
        async with Asker.of(found.settings).fetcher(PURPOSE) as fetcher:
            done = await pull_feeds(found.db, fetcher, wanted, now=found.clock.now())
    columns = ("id", "title", "new", "error")
    output.rows(map(_row, done), as_json=as_json, columns=columns, empty="There is no feed to ask.")
    return 1 if any(one.following.error for one in done) else 0


def _row(pulled: Pulled) -> dict[str, object]:
    return {
        "id": pulled.feed.id,
        "title": pulled.feed.title,
        "new": pulled.new,
        "error": pulled.following.error or None,
    }


def _missing(feed: int) -> NotFoundError:
    return NotFoundError("There is no such feed.", where=str(feed), fix="See: digest feed list.")
