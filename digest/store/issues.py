"""Issues and their versions: what is sent, what was approved, what the archive shows.

A version never changes. An approval is given to one version by its hash and stays with it, however
many come after.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select, update

from digest.errors import ConflictError, NotFoundError
from digest.rules.delivery import ISSUE_MOVES, UNPLANNED, IssueState
from digest.store import schema
from digest.store.session import Session
from digest.store.types import insert as upsert
from digest.store.versions import (
    StoredVersion,
    VersionDraft,
    VersionLink,
    as_version,
    find_version,
    get_version,
    latest_version,
    store_version,
)

__all__ = [
    "Published",
    "StoredIssue",
    "StoredVersion",
    "VersionDraft",
    "VersionLink",
    "add_version",
    "approve_version",
    "find_version",
    "get_issue",
    "get_version",
    "issue_by_id",
    "latest_version",
    "list_issues",
    "mark_past",
    "move_issue",
    "published_issue",
    "published_issues",
]

_DIGITS = 9  # of a number that fits its column
_SEEN = (IssueState.SENDING, IssueState.PAUSED, IssueState.FINISHED)

_i = schema.issues
_v = schema.versions
_d = schema.deliveries
_s = schema.subscriptions


@dataclass(frozen=True, slots=True)
class StoredIssue:
    """One issue, as its row says; ``title`` is that of its latest version."""

    id: int
    newsletter_id: int
    number: int | None
    slug: str | None
    title: str
    state: IssueState
    listed: bool
    approved_version_id: int | None
    scheduled_at: datetime | None
    planned_at: datetime | None
    planned: int | None
    finished_at: datetime | None
    paused_reason: str | None
    created_at: datetime
    resumed_at: datetime | None
    canary_passed_at: datetime | None
    rolled_up_at: datetime | None
    planning: bool  # only its canary has rows; those of the rest are being written
    overtaken: bool  # by the next one: what waits of it is being given up

    @property
    def name(self) -> int | str:
        """What people and scripts call it: its number, or the slug where there is none."""
        return self.number if self.number is not None else (self.slug or "")


@dataclass(frozen=True, slots=True)
class Published:
    """An issue as the archive shows it."""

    name: str
    title: str
    preview: str
    date: datetime | None
    hash: str
    web_html: str
    listed: bool


async def add_version(
    session: Session, newsletter_id: int, draft: VersionDraft, *, now: datetime
) -> tuple[StoredIssue, StoredVersion]:
    """Store a version: of a new issue, or the next one of the issue with this number or slug.

    The same text as the latest is that version. One that would be mailed alike and says something
    else to editors (what is ignored, what is kept for later) is a version of its own, with the same
    hash. Raises ConflictError once the issue is planned, or when its slug belongs to another issue.
    """
    await _create_issue(session, newsletter_id, draft, now=now)
    issue = await _locked(session, newsletter_id, draft)
    if issue.state not in UNPLANNED:
        raise ConflictError(
            f"Issue {issue.name} is {issue.state} and cannot be replaced.",
            fix="Give the text another number or slug: what is planned stays as it was approved.",
        )
    latest = await latest_version(session, issue.id)
    if latest is not None and _is_same(latest, draft):
        return issue, latest
    ordinal = 1 if latest is None else latest.ordinal + 1
    names = {"title": draft.title, "listed": draft.listed, "slug": draft.slug or issue.slug}
    await session.execute(update(_i).where(_i.c.id == issue.id).values(**names))
    version = await store_version(session, issue.id, ordinal, draft, now=now)
    return await issue_by_id(session, issue.id), version


def _is_same(latest: StoredVersion, draft: VersionDraft) -> bool:
    return latest.hash == draft.hash and latest.source == draft.source and not latest.web_only


async def _create_issue(
    session: Session, newsletter_id: int, draft: VersionDraft, *, now: datetime
) -> None:
    row = {
        "newsletter_id": newsletter_id,
        "number": draft.number,
        "slug": draft.slug,
        "title": draft.title,
        "state": IssueState.DRAFT,
        "listed": draft.listed,
        "created_at": now,
    }
    await session.execute(upsert(_i).values(row).on_conflict_do_nothing())


async def _locked(session: Session, newsletter_id: int, draft: VersionDraft) -> StoredIssue:
    """The draft's issue, locked against a second version at the same time."""
    query = select(_i).where(_i.c.newsletter_id == newsletter_id).with_for_update()
    if draft.number is not None:
        query = query.where(_i.c.number == draft.number)
    else:
        query = query.where(_i.c.slug == draft.slug)
    row = (await session.execute(query)).one_or_none()
    if draft.slug is not None:
        mine = row.id if row is not None else 0
        other = select(_i).where(
            _i.c.newsletter_id == newsletter_id, _i.c.slug == draft.slug, _i.c.id != mine
        )
        taken = (await session.execute(other)).first()
        if taken is not None:
            raise ConflictError(
                f"The slug {draft.slug!r} belongs to another issue, {taken.title!r}.",
                where="slug",
                fix="Take another slug.",
            )
    assert row is not None  # it was inserted, or stood in the way
    return _issue(row)


async def issue_by_id(session: Session, issue_id: int) -> StoredIssue:
    """The issue with this id; NotFoundError."""
    row = (await session.execute(select(_i).where(_i.c.id == issue_id))).one_or_none()
    if row is None:
        raise NotFoundError("There is no such issue.")
    return _issue(row)


async def get_issue(session: Session, newsletter_id: int, name: str) -> StoredIssue:
    """The issue called ``name``: its number (``182`` or ``#182``) or its slug; NotFoundError."""
    row = (await session.execute(_named(newsletter_id, name))).first()
    if row is None:
        raise NotFoundError(
            f"There is no issue {name!r}.", where="issue", fix="See: digest issue list."
        )
    return _issue(row)


def _named(newsletter_id: int, name: str) -> Any:
    query = select(_i).where(_i.c.newsletter_id == newsletter_id)
    digits = name.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        return query.where(_i.c.slug == name)
    by_number = _i.c.number == int(digits)
    # A number is meant before a slug that looks like one.
    return query.where(or_(by_number, _i.c.slug == name)).order_by(case((by_number, 0), else_=1))


async def list_issues(
    session: Session, newsletter_id: int, *, state: IssueState | None = None
) -> list[StoredIssue]:
    """All issues of a newsletter, or those in one state; what was added last comes first."""
    query = select(_i).where(_i.c.newsletter_id == newsletter_id).order_by(_i.c.id.desc())
    if state is not None:
        query = query.where(_i.c.state == state)
    return [_issue(row) for row in await session.execute(query)]


async def approve_version(
    session: Session, issue_id: int, hash_: str, *, by: str, now: datetime
) -> StoredVersion:
    """Say that this version may go out; ``hash_`` is its hash or at least 8 digits of it.

    Raises RefusedError when no version has that hash, ConflictError once the issue is planned.
    """
    version = await find_version(session, issue_id, hash_)
    moved = await session.execute(
        update(_i)
        .where(_i.c.id == issue_id, _i.c.state.in_(UNPLANNED))
        .values(state=IssueState.APPROVED, approved_version_id=version.id)
    )
    if moved.rowcount == 0:
        issue = await issue_by_id(session, issue_id)
        raise ConflictError(f"Issue {issue.name} is {issue.state}; it needs no approval any more.")
    signed = update(_v).where(_v.c.id == version.id).values(approved_at=now, approved_by=by)
    return as_version((await session.execute(signed.returning(_v))).one())


async def move_issue(
    session: Session, issue_id: int, to: IssueState, *, now: datetime, reason: str | None = None
) -> bool:
    """Move an issue where ISSUE_MOVES allows it; False when it is somewhere else by now.

    ``reason`` says why it is paused. Back in draft, it has no approved version.
    """
    allowed = [state for state, moves in ISSUE_MOVES.items() if to in moves]
    values: dict[str, Any] = {"state": to, "paused_reason": reason}
    if to is IssueState.DRAFT:
        values["approved_version_id"] = None
    if to in (IssueState.FINISHED, IssueState.CANCELLED):
        values["finished_at"] = now
    moved = await session.execute(
        update(_i).where(_i.c.id == issue_id, _i.c.state.in_(allowed)).values(**values)
    )
    return moved.rowcount == 1


async def mark_past(
    session: Session, issue_id: int, version_id: int, *, sent_at: datetime, by: str
) -> StoredIssue:
    """Take a new issue as sent long ago by other means: finished, nobody planned."""
    values = {
        "state": IssueState.FINISHED,
        "approved_version_id": version_id,
        "planned": 0,
        "planned_at": sent_at,
        "finished_at": sent_at,
    }
    draft = update(_i).where(_i.c.id == issue_id, _i.c.state == IssueState.DRAFT)
    if (await session.execute(draft.values(**values))).rowcount == 0:
        raise ConflictError("This issue is on its way already.")
    signed = update(_v).where(_v.c.id == version_id)
    await session.execute(signed.values(approved_at=sent_at, approved_by=by))
    return await issue_by_id(session, issue_id)


async def published_issues(
    session: Session, newsletter_id: int, *, limit: int = 1_000
) -> list[Published]:
    """What the archive lists: issues that are going or went out, newest first."""
    query = _published(newsletter_id).where(_i.c.listed.is_(True))
    query = query.order_by(_i.c.planned_at.desc(), _i.c.id.desc()).limit(limit)
    return [_as_published(row) for row in await session.execute(query)]


async def latest_for(
    session: Session, newsletter_id: int, subscriber_id: int, *, since: datetime
) -> int | None:
    """The version of the latest issue with a number, where it went out at ``since`` or later and
    the reader is not among those who get it.
    """
    row = exists().where(_d.c.issue_id == _i.c.id, _d.c.subscriber_id == subscriber_id)
    confirmed_at = func.coalesce(_s.c.confirmed_at, _s.c.created_at)
    in_time = exists().where(
        _s.c.newsletter_id == newsletter_id,
        _s.c.subscriber_id == subscriber_id,
        confirmed_at <= _i.c.planned_at,
    )
    mine = or_(row, and_(_i.c.planning, in_time))  # or the row comes with the rest
    query = (
        select(_i.c.approved_version_id, _i.c.planned_at, mine.label("mine"))
        .where(_i.c.newsletter_id == newsletter_id, _i.c.number.is_not(None), _i.c.planned > 0)
        .where(_i.c.listed.is_(True), _i.c.state.in_((IssueState.SENDING, IssueState.FINISHED)))
        .order_by(_i.c.planned_at.desc())
        .limit(1)
    )
    latest = (await session.execute(query)).first()
    if latest is None or latest.mine or latest.planned_at < since:
        return None
    version_id: int | None = latest.approved_version_id
    return version_id


async def published_issue(session: Session, newsletter_id: int, name: str) -> Published | None:
    """The page of one issue that is going or went out, listed or not."""
    found = (await session.execute(_named(newsletter_id, name))).first()
    if found is None:
        return None
    query = _published(newsletter_id).where(_i.c.id == found.id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _as_published(row)


def _published(newsletter_id: int) -> Any:
    columns = (_i.c.number, _i.c.slug, _i.c.title, _v.c.preview, _i.c.planned_at, _i.c.finished_at)
    return (
        select(*columns, _v.c.hash, _v.c.web_html, _i.c.listed)
        .join_from(_i, _v, _v.c.id == _i.c.approved_version_id)
        .where(_i.c.newsletter_id == newsletter_id, _i.c.state.in_(_SEEN))
    )


def _as_published(row: Any) -> Published:
    return Published(
        name=row.slug if row.number is None else str(row.number),
        title=row.title,
        preview=row.preview,
        date=row.planned_at or row.finished_at,
        hash=row.hash,
        web_html=row.web_html,
        listed=row.listed,
    )


def _issue(row: Any) -> StoredIssue:
    return StoredIssue(*row)  # the fields stand in the order of the columns
