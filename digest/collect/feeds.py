"""Asking feeds: which are due, politely, and what they show goes into the inbox.

A feed is asked with what its last answer said of itself (ETag, Last-Modified; RFC 9110 §13), so
that one without news costs a line; when it is asked again says ``rules.feed``. One feed never keeps
another from its turn, and nothing is asked inside a transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from digest.collect.feed_reader import FEED_MAX, Feed, read_feed
from digest.collect.inbox import proposed
from digest.collect.page import read_facts
from digest.collect.words import page_url
from digest.content.links import canonical_url
from digest.errors import ConflictError, FetchError, InputError
from digest.net.fetch import Fetched, Fetcher
from digest.rules.candidate import FORGET_AFTER
from digest.rules.feed import LEASE, OLDEST, Next, after_answer, after_trouble
from digest.store import feeds as store
from digest.store.candidates import Find, add_found, forget_candidates, linked_in
from digest.store.newsletters import Newsletter, newsletter_by_id
from digest.store.session import Database, Session

__all__ = ["Pulled", "collect_due", "pull_feeds", "subscribe_feed"]

log = structlog.get_logger(__name__)

_ACCEPT: Final = {
    "Accept": "application/atom+xml, application/rss+xml, application/feed+json, "
    "application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
}


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came of asking a feed: how many links are new, or what is wrong."""

    feed: store.Feed
    new: int
    following: Next


async def collect_due(db: Database, fetcher: Fetcher, now: datetime) -> list[Pulled]:
    """Ask every feed whose time has come, and forget links nobody kept for a long time."""
    async with db.begin() as session:
        due = await store.claim_due(session, now, lease=LEASE)
        await forget_candidates(session, now - FORGET_AFTER)
    return await pull_feeds(db, fetcher, due, now=now)


async def pull_feeds(
    db: Database, fetcher: Fetcher, feeds: Sequence[store.Feed], *, now: datetime
) -> list[Pulled]:
    """Ask these feeds, due or not."""
    done = await asyncio.gather(*(_pull(db, fetcher, feed, now) for feed in feeds))
    for one in done:
        log.info("feed", feed=one.feed.id, new=one.new, error=one.following.error or None)
    return done


async def subscribe_feed(
    db: Database, fetcher: Fetcher, newsletter: Newsletter, *, url: str, section: str, now: datetime
) -> Pulled:
    """Add the feed at ``url``, or the first one the page there names, with what it shows.

    InputError where there is none, ConflictError where the newsletter has it already.
    """
    url, answer, feed = await _first_look(fetcher, page_url(url), now)
    async with db.begin() as session:
        added = await store.add_feed(
            session, newsletter.id, url=url, title=feed.title, section=section, now=now
        )
        if added is None:
            raise ConflictError("The newsletter has this feed already.", where=url)
        return await _take(session, added, answer, feed=feed, now=now)


async def _first_look(fetcher: Fetcher, url: str, now: datetime) -> tuple[str, Fetched, Feed]:
    answer = await _answer(fetcher, url)
    kind = answer.headers.get("content-type", "")
    try:
        return url, answer, await _read(answer, now)
    except InputError:
        named = read_facts(answer.body, url=answer.url, content_type=kind).feeds
        if not named:
            raise
    answer = await _answer(fetcher, named[0])
    return named[0], answer, await _read(answer, now)


async def _answer(fetcher: Fetcher, url: str) -> Fetched:
    try:
        answer = await fetcher.fetch(url, max_bytes=FEED_MAX, headers=_ACCEPT)
    except FetchError as error:
        raise InputError(f"The feed cannot be read: {error.message}.", where=url[:80]) from None
    if answer.status != 200:
        raise InputError(f"The feed cannot be read: it answers {answer.status}.", where=url[:80])
    return answer


async def _read(answer: Fetched, now: datetime) -> Feed:
    """In a thread: a large feed takes a second, and senders share this process."""
    kind = answer.headers.get("content-type", "")
    return await asyncio.to_thread(
        read_feed, answer.body, url=answer.url, content_type=kind, now=now
    )


async def _pull(db: Database, fetcher: Fetcher, feed: store.Feed, now: datetime) -> Pulled:
    known = {"If-None-Match": feed.etag, "If-Modified-Since": feed.last_modified}
    headers = _ACCEPT | {name: value for name, value in known.items() if value}
    try:
        answer = await fetcher.fetch(feed.url, max_bytes=FEED_MAX, headers=headers)
        following = after_answer(answer.status, answer.headers, failures=feed.failures, now=now)
        found = await _read(answer, now) if answer.status == 200 else None
    except (FetchError, InputError) as error:
        following = after_trouble(error.message, failures=feed.failures, now=now)
        found = None
    async with db.begin() as session:
        if found is not None:
            return await _take(session, feed, answer, feed=found, now=now)
        await store.record_pull(session, feed, following, now=now)
    return Pulled(feed, 0, following)


async def _take(
    session: Session, of: store.Feed, answer: Fetched, *, feed: Feed, now: datetime
) -> Pulled:
    """Put what a feed shows into the inbox: what is recent, and stands in no issue yet."""
    following = after_answer(200, answer.headers, failures=0, now=now)
    validators = (answer.headers.get("etag"), answer.headers.get("last-modified"))
    there = await store.record_pull(
        session, of, following, now=now, title=feed.title, validators=validators
    )
    if not there:
        return Pulled(of, 0, following)
    newsletter = await newsletter_by_id(session, of.newsletter_id)
    recent = [
        Find(
            url=entry.url,
            canonical_url=canonical_url(entry.url),
            title=entry.title,
            description=entry.description,
            site=feed.title,
            section=proposed(newsletter, entry.url, of_feed=of.section),
            published_at=entry.published_at,
        )
        for entry in feed.entries
        if entry.published_at is None or entry.published_at > now - OLDEST
    ]
    had = await linked_in(session, newsletter.id, [find.canonical_url for find in recent])
    finds = [find for find in recent if find.canonical_url not in had]
    return Pulled(of, await add_found(session, newsletter.id, of.id, finds, now=now), following)
