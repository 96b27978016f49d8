"""The link inbox: what may go into the next issue, each page once per newsletter.

Pages are told apart by their canonical URL. A sponsor is booked for a date and may come again for
another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update

from digest.rules.candidate import CandidateState
from digest.rules.delivery import IssueState
from digest.store.links import link_hash
from digest.store.schema import (
    candidates,
    issues,
    links,
    version_links,
    versions,
)
from digest.store.session import Session
from digest.store.turns import take_newsletters_turn
from digest.store.types import insert

__all__ = [
    "Candidate",
    "Find",
    "add_candidate",
    "add_found",
    "booked_sponsors",
    "forget_candidates",
    "linked_in",
    "list_candidates",
    "move_candidates",
    "order_candidates",
    "rewrite_candidate",
    "set_candidates",
]

_c = candidates
_AT_ONCE = 500  # values of one query


@dataclass(frozen=True, slots=True)
class Find:
    """A link as it was found. ``sponsor_for`` is an ISO date, empty where nobody pays for it."""

    url: str
    canonical_url: str
    title: str
    description: str = ""
    site: str = ""
    note: str = ""
    section: str = ""
    published_at: datetime | None = None
    sponsor_for: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A link in the inbox."""

    id: int
    feed_id: int | None
    url: str
    canonical_url: str
    title: str
    description: str
    site: str
    note: str
    section: str
    state: CandidateState
    sponsor_for: str
    published_at: datetime | None
    added_at: datetime


_COLUMNS = tuple(_c.c[name] for name in Candidate.__annotations__)


async def add_candidate(
    session: Session, newsletter_id: int, find: Find, *, now: datetime
) -> tuple[Candidate, bool]:
    """Keep a link that an editor adds; whether it is new.

    One that is there already is kept from now on, with a new note below the one it had.
    """
    row = _row(newsletter_id, find, CandidateState.KEPT, now=now)
    statement = insert(_c).values(row).on_conflict_do_nothing().returning(*_COLUMNS)
    added = (await session.execute(statement)).one_or_none()
    if added is not None:
        return Candidate(*added), True
    mine = (
        (_c.c.newsletter_id == newsletter_id)
        & (_c.c.url_sha256 == row["url_sha256"])
        & (_c.c.sponsor_for == find.sponsor_for)
    )
    there = Candidate(*(await session.execute(select(*_COLUMNS).where(mine))).one())
    notes = [there.note] + ([find.note] if find.note not in there.note else [])
    changed = {
        "state": CandidateState.KEPT,
        "note": "\n".join(filter(None, notes)),
        "section": find.section or there.section,
    }
    result = await session.execute(update(_c).where(mine).values(changed).returning(*_COLUMNS))
    return Candidate(*result.one()), False


async def add_found(
    session: Session, newsletter_id: int, feed_id: int, finds: Sequence[Find], *, now: datetime
) -> int:
    """Have what a feed shows wait in the inbox; how much of it was not there yet."""
    if not finds:
        return 0
    await take_newsletters_turn(session, newsletter_id)
    rows = [
        _row(newsletter_id, find, CandidateState.WAITING, now=now) | {"feed_id": feed_id}
        for find in finds
    ]
    statement = insert(_c).values(rows).on_conflict_do_nothing().returning(_c.c.id)
    added = (await session.execute(statement)).all()
    shown = _c.c.url_sha256.in_([row["url_sha256"] for row in rows])
    of_newsletter = _c.c.newsletter_id == newsletter_id
    await session.execute(update(_c).where(of_newsletter, shown).values(seen_at=now))
    return len(added)


async def list_candidates(
    session: Session,
    newsletter_id: int,
    *,
    states: Collection[CandidateState],
    since: datetime | None = None,
) -> list[Candidate]:
    """Links in these states, in the order editors gave them, and then in that they came;
    ``since``: kept, or come after it.
    """
    query = select(*_COLUMNS).where(_c.c.newsletter_id == newsletter_id, _c.c.state.in_(states))
    if since is not None:
        kept = _c.c.state == CandidateState.KEPT
        query = query.where(or_(kept, _c.c.added_at > since))
    ordered = query.order_by(_c.c.position.is_(None), _c.c.position, _c.c.id)
    return [Candidate(*row) for row in await session.execute(ordered)]


async def booked_sponsors(session: Session, newsletter_id: int, day: str) -> list[Candidate]:
    """Sponsors that are booked for a day (an ISO date)."""
    query = select(*_COLUMNS).where(
        _c.c.newsletter_id == newsletter_id,
        _c.c.sponsor_for == day,
        _c.c.state == CandidateState.KEPT,
    )
    return [Candidate(*row) for row in await session.execute(query.order_by(_c.c.id))]


async def set_candidates(
    session: Session, newsletter_id: int, ids: Collection[int], state: CandidateState
) -> list[int]:
    """Keep or drop links; the ids that there are."""
    return await _change(session, newsletter_id, ids, {"state": state})


async def move_candidates(
    session: Session, newsletter_id: int, ids: Collection[int], section: str
) -> list[int]:
    """Put links into a section; the ids that there are."""
    return await _change(session, newsletter_id, ids, {"section": section})


async def order_candidates(session: Session, newsletter_id: int, ids: Sequence[int]) -> list[int]:
    """Have links come in this order, before all that are not named; the ids that there are."""
    mine = (_c.c.newsletter_id == newsletter_id) & _c.c.id.in_(ids)
    there = set((await session.execute(select(_c.c.id).where(mine))).scalars())
    named = [one for one in dict.fromkeys(ids) if one in there]
    before = (_c.c.newsletter_id == newsletter_id) & _c.c.position.is_not(None)
    await session.execute(update(_c).where(before).values(position=None))
    for position, one in enumerate(named, start=1):
        await session.execute(update(_c).where(_c.c.id == one).values(position=position))
    return sorted(there)


async def rewrite_candidate(
    session: Session, newsletter_id: int, candidate_id: int, **words: str
) -> Candidate | None:
    """Give a link another ``title`` or ``note``; None where it is not there."""
    mine = (_c.c.newsletter_id == newsletter_id) & (_c.c.id == candidate_id)
    changed = await session.execute(update(_c).where(mine).values(words).returning(*_COLUMNS))
    row = changed.one_or_none()
    return None if row is None else Candidate(*row)


async def linked_in(
    session: Session, newsletter_id: int, canonical: Iterable[str], *, but: int | None = None
) -> dict[str, int | str]:
    """Which of these links stand in an issue, sent or in the making, and in which.

    An issue's approved and latest versions count, and no sponsors; ``but`` is the number of an
    issue that does not.
    """
    latest = (
        select(func.max(versions.c.ordinal))
        .where(versions.c.issue_id == issues.c.id)
        .correlate(issues)
        .scalar_subquery()
    )
    standing = or_(versions.c.id == issues.c.approved_version_id, versions.c.ordinal == latest)
    query = (
        select(links.c.canonical_url, issues.c.number, issues.c.slug)
        .join_from(version_links, links, links.c.id == version_links.c.link_id)
        .join(versions, versions.c.id == version_links.c.version_id)
        .join(issues, issues.c.id == versions.c.issue_id)
        .where(issues.c.newsletter_id == newsletter_id, standing)
        .where(issues.c.state != IssueState.CANCELLED, version_links.c.sponsor.is_(False))
        .order_by(issues.c.id)
    )
    if but is not None:
        query = query.where(issues.c.number.is_distinct_from(but))
    hashes = sorted({link_hash(url) for url in canonical})
    found: dict[str, int | str] = {}
    for at in range(0, len(hashes), _AT_ONCE):
        some = query.where(links.c.url_sha256.in_(hashes[at : at + _AT_ONCE]))
        for row in await session.execute(some):
            found[row.canonical_url] = row.slug if row.number is None else row.number
    return found


async def forget_candidates(session: Session, before: datetime) -> int:
    """Forget links nobody kept, which no feed has shown since ``before``."""
    old = (_c.c.seen_at < before) & (_c.c.state != CandidateState.KEPT)
    return (await session.execute(delete(_c).where(old))).rowcount


async def _change(
    session: Session, newsletter_id: int, ids: Collection[int], values: dict[str, Any]
) -> list[int]:
    mine: ColumnElement[bool] = (_c.c.newsletter_id == newsletter_id) & _c.c.id.in_(sorted(ids))
    changed = await session.execute(update(_c).where(mine).values(values).returning(_c.c.id))
    return sorted(changed.scalars())


def _row(newsletter_id: int, find: Find, state: CandidateState, *, now: datetime) -> dict[str, Any]:
    return {
        "newsletter_id": newsletter_id,
        "url": find.url,
        "canonical_url": find.canonical_url,
        "url_sha256": link_hash(find.canonical_url),
        "sponsor_for": find.sponsor_for,
        "title": find.title,
        "description": find.description,
        "site": find.site,
        "note": find.note,
        "section": find.section,
        "state": state,
        "published_at": find.published_at,
        "added_at": now,
        "seen_at": now,
    }
