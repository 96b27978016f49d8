"""Feeds: which ones a newsletter has, which are due, and what came of asking them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from digest.rules.candidate import CandidateState
from digest.rules.feed import FeedState, Next
from digest.store.links import link_hash
from digest.store.schema import candidates, feeds
from digest.store.session import Session
from digest.store.types import insert, storable

__all__ = ["Feed", "add_feed", "claim_due", "list_feeds", "record_pull", "remove_feed"]

_f = feeds
_AT_ONCE = 100  # feeds that are claimed together


@dataclass(frozen=True, slots=True)
class Feed:
    """One feed of a newsletter. ``etag`` and ``last_modified`` are as its server wrote them."""

    id: int
    newsletter_id: int
    url: str
    title: str
    section: str
    state: FeedState
    etag: str | None
    last_modified: str | None
    failures: int
    error: str | None
    pulled_at: datetime | None
    next_pull_at: datetime


_COLUMNS = tuple(_f.c[name] for name in Feed.__annotations__)


async def add_feed(
    session: Session,
    newsletter_id: int,
    *,
    url: str,
    title: str,
    section: str,
    now: datetime,
) -> Feed | None:
    """A new feed, due at once; None where the newsletter has it already."""
    row = {
        "newsletter_id": newsletter_id,
        "url": url,
        "url_sha256": link_hash(url),
        "title": title,
        "section": section,
        "state": FeedState.ACTIVE,
        "next_pull_at": now,
        "created_at": now,
    }
    statement = insert(_f).values(row).on_conflict_do_nothing().returning(*_COLUMNS)
    added = (await session.execute(statement)).one_or_none()
    return None if added is None else Feed(*added)


async def list_feeds(
    session: Session, newsletter_id: int, ids: Collection[int] | None = None
) -> list[Feed]:
    """The feeds of a newsletter, or those of them with these ids."""
    query = select(*_COLUMNS).where(_f.c.newsletter_id == newsletter_id).order_by(_f.c.id)
    if ids is not None:
        query = query.where(_f.c.id.in_(sorted(ids)))
    return [Feed(*row) for row in await session.execute(query)]


async def claim_due(session: Session, now: datetime, *, lease: timedelta) -> list[Feed]:
    """Feeds whose time has come; for ``lease`` no other process gets them."""
    due = (
        select(_f.c.id)
        .where(_f.c.state == FeedState.ACTIVE, _f.c.next_pull_at <= now)
        .order_by(_f.c.next_pull_at)
        .limit(_AT_ONCE)
    )
    claimed = await session.execute(
        update(_f)
        .where(_f.c.id.in_(due), _f.c.next_pull_at <= now)
        .values(next_pull_at=now + lease)
        .returning(*_COLUMNS)
    )
    return [Feed(*row) for row in claimed]


async def record_pull(
    session: Session,
    feed: Feed,
    following: Next,
    *,
    now: datetime,
    title: str = "",
    validators: tuple[str | None, str | None] | None = None,
) -> bool:
    """Write down what came of asking a feed; False where it was removed meanwhile.

    ``validators`` are ETag and Last-Modified of an answer that was read; None leaves what there is.
    """
    values: dict[str, object] = {
        "state": following.state,
        "next_pull_at": following.pull_at,
        "failures": following.failures,
        "error": storable(following.error) or None,
        "pulled_at": now,
    }
    if validators is not None:
        values["etag"], values["last_modified"] = map(storable, validators)
    if title:
        values["title"] = title
    result = await session.execute(update(_f).where(_f.c.id == feed.id).values(values))
    return result.rowcount == 1


async def remove_feed(session: Session, newsletter_id: int, feed_id: int) -> bool:
    """Forget a feed and what nobody kept of it; links that were kept stay. False: there is none."""
    mine = (_f.c.newsletter_id == newsletter_id) & (_f.c.id == feed_id)
    if (await session.execute(select(_f.c.id).where(mine))).one_or_none() is None:
        return False
    of_it = candidates.c.feed_id == feed_id
    kept = candidates.c.state == CandidateState.KEPT
    await session.execute(update(candidates).where(of_it, kept).values(feed_id=None))
    await session.execute(delete(candidates).where(of_it))
    await session.execute(delete(_f).where(mine))
    return True
