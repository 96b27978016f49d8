"""The issues anyone may see: listed page by page, searched, one after the other.

An issue can be read from the moment it is planned, since the mail that links to it may arrive
before anything else happens; it is listed once its canary has passed, or at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update

from digest.rules.delivery import IssueState
from digest.store.schema import issues, versions
from digest.store.session import Session
from digest.store.versions import StoredVersion

_SEEN = (IssueState.SENDING, IssueState.PAUSED, IssueState.FINISHED)
_DIGITS = 9  # of a number that fits its column
_ESCAPE = "\\"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the archive. ``date`` is when it was planned; ``changed_at`` when its text was;
    ``note`` says what was corrected since it went out.
    """

    issue_id: int
    name: str
    title: str
    preview: str
    date: datetime
    changed_at: datetime
    hash: str
    note: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An issue as a page: its line, its HTML, its neighbours."""

    entry: Entry
    web_html: str
    listed: bool
    earlier: Entry | None
    later: Entry | None


async def list_entries(
    session: Session, newsletter_id: int, *, words: str = "", skip: int = 0, limit: int = 20
) -> list[Entry]:
    """What is listed, newest first; with ``words``, those whose text has every one of them."""
    query = _listed(newsletter_id, words).order_by(_date.desc(), issues.c.id.desc())
    rows = await session.execute(query.offset(skip).limit(limit))
    return [_entry(row) for row in rows]


async def count_entries(session: Session, newsletter_id: int, *, words: str = "") -> int:
    """How many issues ``list_entries`` has in all."""
    query = select(func.count()).select_from(_listed(newsletter_id, words).subquery())
    count: int = (await session.execute(query)).scalar_one()
    return count


async def show_issue(session: Session, newsletter_id: int, name: str) -> Shown | None:
    """The issue called ``name``, listed or not; None unless it is going or went out."""
    query = _select(versions.c.web_html, issues.c.listed)
    query = query.where(
        issues.c.newsletter_id == newsletter_id, issues.c.state.in_(_SEEN), _named(name)
    )
    # A number is meant before a slug that looks like one.
    row = (
        await session.execute(query.order_by(case((issues.c.slug == name, 1), else_=0)).limit(1))
    ).one_or_none()
    if row is None:
        return None
    entry = _entry(row)
    before = _or_same(_date < entry.date, entry, issues.c.id < entry.issue_id)
    after = _or_same(_date > entry.date, entry, issues.c.id > entry.issue_id)
    earlier = _listed(newsletter_id).where(before).order_by(_date.desc(), issues.c.id.desc())
    later = _listed(newsletter_id).where(after).order_by(_date, issues.c.id)
    return Shown(
        entry,
        row.web_html,
        row.listed,
        await _first(session, earlier),
        await _first(session, later),
    )


async def add_correction(
    session: Session, version: StoredVersion, *, note: str, by: str, now: datetime
) -> None:
    """Let a stored version be what the web shows of its issue; it is never mailed."""
    await session.execute(
        update(versions)
        .where(versions.c.id == version.id)
        .values(web_only=True, note=note, approved_at=now, approved_by=by)
    )
    title = update(issues).where(issues.c.id == version.issue_id).values(title=version.subject)
    await session.execute(title)


async def list_in_archive(session: Session, issue_id: int, *, listed: bool) -> None:
    """Whether an issue stands in lists, feeds and search engines; its page is there either way."""
    await session.execute(update(issues).where(issues.c.id == issue_id).values(listed=listed))


def _or_same(
    other: ColumnElement[bool], entry: Entry, place: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Another day, or the same one and another ``place`` in it."""
    return or_(other, and_(_date == entry.date, place))


async def _first(session: Session, query: Any) -> Entry | None:
    row = (await session.execute(query.limit(1))).one_or_none()
    return None if row is None else _entry(row)


_date: ColumnElement[datetime] = func.coalesce(issues.c.planned_at, issues.c.finished_at)
# What is shown may be newer than what was sent: a correction is a version for the web only.
_CURRENT = (
    select(func.max(versions.c.id))
    .where(
        versions.c.issue_id == issues.c.id,
        or_(
            versions.c.id == issues.c.approved_version_id,
            and_(versions.c.web_only, versions.c.approved_at.is_not(None)),
        ),
    )
    .correlate(issues)
    .scalar_subquery()
)


def _select(*more: ColumnElement[Any]) -> Any:
    return select(
        *(issues.c.id, issues.c.number, issues.c.slug, issues.c.title),
        *(versions.c.preview, versions.c.hash, versions.c.created_at, versions.c.note),
        _date.label("date"),
        *more,
    ).join_from(issues, versions, versions.c.id == _CURRENT)


def _listed(newsletter_id: int, words: str = "") -> Any:
    passed = or_(issues.c.canary_passed_at.is_not(None), issues.c.state == IssueState.FINISHED)
    query = _select().where(
        issues.c.newsletter_id == newsletter_id,
        issues.c.state.in_(_SEEN),
        issues.c.listed.is_(True),
        passed,
    )
    for word in words.split():
        pattern = f"%{_literal(word.lower())}%"
        query = query.where(
            or_(
                func.lower(issues.c.title).like(pattern, escape=_ESCAPE),
                func.lower(versions.c.source).like(pattern, escape=_ESCAPE),
            )
        )
    return query


def _literal(word: str) -> str:
    """``word`` without what LIKE would read as more than itself."""
    for sign in (_ESCAPE, "%", "_"):
        word = word.replace(sign, _ESCAPE + sign)
    return word


def _named(name: str) -> ColumnElement[bool]:
    if not (name.isascii() and name.isdigit() and len(name) <= _DIGITS):
        return issues.c.slug == name
    return or_(issues.c.number == int(name), issues.c.slug == name)


def _entry(row: Any) -> Entry:
    return Entry(
        issue_id=row.id,
        name=row.slug if row.number is None else str(row.number),
        title=row.title,
        preview=row.preview,
        date=row.date,
        changed_at=max(row.created_at, row.date),
        hash=row.hash,
        note=row.note or "",
    )
