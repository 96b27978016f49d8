"""Links: what their pages answered, and which issue had them before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, select

from digest.rules.delivery import IssueState
from digest.rules.link import LinkStatus
from digest.store.schema import issues, links, version_links, versions
from digest.store.session import Session
from digest.store.types import insert as upsert
from digest.store.types import storable

__all__ = ["SentBefore", "link_hash", "link_statuses", "put_link_statuses", "sent_before"]

_SENT = (IssueState.SENDING, IssueState.PAUSED, IssueState.FINISHED)
_AT_ONCE = 500  # hashes of one query


def link_hash(canonical_url: str) -> str:
    """What a link is found by: an address may be longer than an index takes."""
    return hashlib.sha256(canonical_url.encode()).hexdigest()


async def link_statuses(session: Session, canonical: Iterable[str]) -> dict[str, LinkStatus]:
    """What is stored of these links, by canonical URL; none that was never asked."""
    found = {}
    columns = (links.c.canonical_url, links.c.state, links.c.status)
    query = select(*columns, links.c.detail, links.c.checked_at).where(links.c.state.is_not(None))
    for hashes in _groups(canonical):
        for row in await session.execute(query.where(links.c.url_sha256.in_(hashes))):
            status = LinkStatus(row.state, row.status, row.detail or "", row.checked_at)
            found[row.canonical_url] = status
    return found


async def put_link_statuses(session: Session, statuses: Mapping[str, LinkStatus]) -> None:
    """Write down what pages answered, by canonical URL; a later answer stays."""
    rows = [
        {
            "canonical_url": url,
            "url_sha256": link_hash(url),
            "state": status.state,
            "status": status.status,
            "detail": storable(status.detail),
            "checked_at": status.checked_at,
        }
        for url, status in sorted(statuses.items())
    ]
    if not rows:
        return
    insert = upsert(links)
    changed = {name: insert.excluded[name] for name in ("state", "status", "detail", "checked_at")}
    older = links.c.checked_at.is_(None) | (links.c.checked_at <= insert.excluded.checked_at)
    await session.execute(
        insert.on_conflict_do_update(
            index_elements=[links.c.url_sha256], set_=changed, where=older
        ),
        rows,
    )


@dataclass(frozen=True, slots=True)
class SentBefore:
    """What issues that are going or went out had: a link or a subject, and when."""

    issue: int | str
    sent_at: datetime


async def sent_before(
    session: Session,
    newsletter_id: int,
    *,
    number: int | None,
    slug: str | None,
    canonical: Iterable[str],
) -> tuple[dict[str, SentBefore], dict[str, SentBefore]]:
    """Of other issues of the newsletter: those of these links, and subjects in lower case.

    ``number`` and ``slug`` name the issue that is asked for; the latest of the others counts.
    """
    others = and_(
        issues.c.newsletter_id == newsletter_id,
        issues.c.state.in_(_SENT),
        issues.c.planned_at.is_not(None),
        *_not_named(number, slug),
    )
    of_issue = (issues.c.number, issues.c.slug, issues.c.planned_at)
    linked: dict[str, SentBefore] = {}
    had_link = (
        select(links.c.canonical_url, *of_issue)
        .join_from(version_links, links, links.c.id == version_links.c.link_id)
        .join(issues, issues.c.approved_version_id == version_links.c.version_id)
        .where(others)
        .order_by(issues.c.planned_at)
    )
    for hashes in _groups(canonical):
        for row in await session.execute(had_link.where(links.c.url_sha256.in_(hashes))):
            linked[row.canonical_url] = _before(row)
    had_subject = (
        select(versions.c.subject, *of_issue)
        .join_from(issues, versions, versions.c.id == issues.c.approved_version_id)
        .where(others)
        .order_by(issues.c.planned_at)
    )
    subjects = {row.subject.casefold(): _before(row) for row in await session.execute(had_subject)}
    return linked, subjects


def _not_named(number: int | None, slug: str | None) -> list[ColumnElement[bool]]:
    """Every issue but the one with this number, or without one, with this slug."""
    if number is not None:
        return [issues.c.number.is_distinct_from(number)]
    return [not_(and_(issues.c.number.is_(None), issues.c.slug == slug))]


def _before(row: Any) -> SentBefore:
    return SentBefore(row.slug if row.number is None else row.number, row.planned_at)


def _groups(canonical: Iterable[str]) -> Iterable[Sequence[str]]:
    hashes = sorted({link_hash(url) for url in canonical})
    return (hashes[at : at + _AT_ONCE] for at in range(0, len(hashes), _AT_ONCE))
