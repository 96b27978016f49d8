"""Who gets an issue: a row for each of its readers, those of its canary first.

The canary is a few readers spread over the whole audience. Their rows are written in the
transaction that starts the issue, so that it is on its way at once; the rest of a large issue
follows in one of its own (``plan_rest``), while the first mails leave. Both are one ``INSERT …
SELECT`` for whoever has no row yet: who comes back after a crash does the rest again, and the
unique (issue, subscriber, ordinal) sees to it that nobody gets two.

A suppressed address is known by a keyed hash only, which SQL cannot compute: whoever suppresses
sets ``suppressed_at`` of the subscriber in the same transaction, and that decides here.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)

from digest.rules.brakes import canary_size
from digest.rules.delivery import CANARY_WAVE, REST_WAVE, DeliveryState, IssueState
from digest.rules.slots import is_last_of_month
from digest.rules.subscription import SubscriptionState
from digest.store.control import amend_rows, hold_braked, settle_stopped
from digest.store.counts import pass_canary
from digest.store.issues import issue_by_id
from digest.store.newsletters import newsletter_by_id
from digest.store.rows import among, each_of, lock_issue, not_among
from digest.store.schema import deliveries, issues, subscribers, subscriptions
from digest.store.session import Session
from digest.store.turns import take_turn

_TURN = 0x64696765_706C6E00  # "digepln": one plans the rest of an issue at a time
_DRAWS = 5  # of a canary's readers, at most; who is missing then is whoever is in line

_s = subscriptions
_confirmed_at = func.coalesce(_s.c.confirmed_at, _s.c.created_at)


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom an issue is for: every active reader of its newsletter who is not suppressed.

    ``at``: the moment it started, from which its rows are due. ``without_monthly``: rows of readers
    who want the last one of a month say that it was not for them. ``newest_first`` numbers rows,
    and so sends them, by when readers were confirmed, the latest first, as a relay's warm-up wants
    it. ``readers_of``: only who got, or may have got, that issue.
    """

    issue_id: int
    version_id: int
    at: datetime
    without_monthly: bool = False
    newest_first: bool = False
    readers_of: int | None = None


async def audience_of(
    session: Session,
    issue_id: int,
    at: datetime,
    *,
    newest_first: bool = False,
    readers_of: int | None = None,
) -> Audience:
    """Whom an issue that started at ``at`` is for. A correction goes also to who waits for the
    last issue of a month.
    """
    issue = await issue_by_id(session, issue_id)
    newsletter = await newsletter_by_id(session, issue.newsletter_id)
    last = is_last_of_month(newsletter.schedule, newsletter.timezone, at)
    return Audience(
        issue_id,
        issue.approved_version_id or 0,
        at,
        without_monthly=readers_of is None and not last,
        newest_first=newest_first,
        readers_of=readers_of,
    )


async def audience_size(session: Session, audience: Audience) -> int:
    """How many rows the issue will have; a million are counted in a fraction of a second."""
    if audience.readers_of is not None:
        mine = _rows(audience, REST_WAVE).order_by(None).subquery()
        return int((await session.execute(select(func.count()).select_from(mine))).scalar_one())
    active = select(func.count()).where(*_active(audience))
    suppressed = select(func.count()).where(
        *_active(audience),
        _s.c.subscriber_id.in_(
            select(subscribers.c.id).where(subscribers.c.suppressed_at.is_not(None))
        ),
    )
    counted = select(active.scalar_subquery() - suppressed.scalar_subquery())
    return int((await session.execute(counted)).scalar_one())


async def plan_issue(session: Session, audience: Audience, size: int) -> int:
    """Write the first rows of an issue for ``size`` readers; how many these are.

    A small issue has no canary: all its rows are of the first wave, and its canary counts as
    passed. A large one has its canary's from here, and the rest by ``plan_rest``; a warm-up and a
    correction have all of theirs at once.
    """
    few = canary_size(size)
    if few == 0:
        planned = await write_rows(session, audience, wave=CANARY_WAVE)
        await pass_canary(session, audience.issue_id, audience.at)
        return planned
    planned = await _write_canary(session, audience, few)
    if audience.newest_first or audience.readers_of is not None:
        return planned + await write_rows(session, audience)
    started = update(issues).where(issues.c.id == audience.issue_id)
    await session.execute(started.values(planning=True))
    return planned


async def unplanned_issues(session: Session, newsletter_id: int | None = None) -> Sequence[int]:
    """Issues (of a newsletter) whose rest is to be planned."""
    query = select(issues.c.id).where(issues.c.planning)
    if newsletter_id is not None:
        query = query.where(issues.c.newsletter_id == newsletter_id)
    return (await session.scalars(query.order_by(issues.c.id))).all()


async def plan_rest(session: Session, issue_id: int, now: datetime) -> int:
    """Write the rows of everybody who is not in the issue's canary; how many these are.

    Nothing where that is done. Nobody waits for it but who would do the same: what became of the
    issue meanwhile is asked at the end, under its lock, and holds for these rows as if they had
    been there. Who has left since the issue started gets no row; who came since is not its reader.
    """
    await take_turn(session, _TURN)
    issue = await issue_by_id(session, issue_id)
    if not issue.planning or issue.planned_at is None:
        return 0
    audience = await audience_of(session, issue_id, issue.planned_at)
    since = (_s.c.created_at <= audience.at, _confirmed_at <= audience.at)
    planned = await write_rows(session, audience, since)
    await _catch_up(session, audience, now)
    return planned


async def _catch_up(session: Session, audience: Audience, now: datetime) -> None:
    """Have the rest as it would be had it been there while the issue was amended, stopped or slowed
    down by a brake.
    """
    issue_id = audience.issue_id
    values: dict[str, Any] = {"planning": False}
    if await lock_issue(session, issue_id) is IssueState.FINISHED:  # by a version before this one
        values |= {"state": IssueState.SENDING, "finished_at": None}
    await session.execute(update(issues).where(issues.c.id == issue_id).values(values))
    approved = (await issue_by_id(session, issue_id)).approved_version_id
    if approved is not None and approved != audience.version_id:
        await amend_rows(session, issue_id, approved)
    await hold_braked(session, issue_id, now)
    await settle_stopped(session, issue_id, now)


async def write_rows(
    session: Session,
    audience: Audience,
    only: Sequence[ColumnElement[bool]] = (),
    *,
    wave: int = REST_WAVE,
    limit: int | None = None,
) -> int:
    """Write one row for everybody of an audience who has none; how many are new.

    ``only`` and ``limit`` narrow it down. Counts them in ``planned`` of the issue.
    """
    columns = (
        *("issue_id", "subscriber_id", "ordinal", "version_id", "subscription_id"),
        *("destination_id", "wave", "not_before", "state", "settled_at"),
    )
    # Those with a row, a hundredth at most, are told by their ids. NOT EXISTS: PostgreSQL makes a
    # join of every reader with every row of it; ON CONFLICT: it asks the index about every reader,
    # and notes for each that there was none, which takes a quarter more.
    named = select(deliveries.c.subscriber_id).where(
        deliveries.c.issue_id == audience.issue_id, deliveries.c.ordinal == 0
    )
    there = (await session.scalars(named)).all()
    new = not_among(session, _s.c.subscriber_id, there)
    rows = _rows(audience, wave).where(*only, new).limit(limit)
    added = await session.execute(insert(deliveries).from_select(columns, rows))
    at = literal(audience.at, issues.c.planned_at.type)
    await session.execute(
        update(issues)
        .where(issues.c.id == audience.issue_id)
        .values(
            planned=func.coalesce(issues.c.planned, 0) + added.rowcount,
            planned_at=func.coalesce(issues.c.planned_at, at),
        )
    )
    return added.rowcount


def _rows(audience: Audience, wave: int) -> Select[Any]:
    """The rows to be."""
    skipped = _s.c.cadence == "monthly" if audience.without_monthly else literal(value=False)
    at = literal(audience.at, deliveries.c.not_before.type)
    query = (
        select(
            literal(audience.issue_id, issues.c.id.type),
            _s.c.subscriber_id,
            literal(0),
            literal(audience.version_id, issues.c.id.type),
            _s.c.id,
            subscribers.c.destination_id,
            literal(wave),
            at,
            case(
                (skipped, literal(DeliveryState.SKIPPED.value)),
                else_=literal(DeliveryState.QUEUED.value),
            ),
            case((skipped, at), else_=null()),
        )
        .join_from(_s, subscribers, subscribers.c.id == _s.c.subscriber_id)
        .where(*_active(audience), subscribers.c.suppressed_at.is_(None))
    )
    if audience.readers_of is not None:
        query = query.where(_got(audience.readers_of))
    if audience.newest_first:
        query = query.order_by(_confirmed_at.desc(), _s.c.id.desc())
    return query


def _active(audience: Audience) -> tuple[ColumnElement[bool], ...]:
    newsletter = select(issues.c.newsletter_id).where(issues.c.id == audience.issue_id)
    return (
        _s.c.newsletter_id == newsletter.scalar_subquery(),
        _s.c.state == SubscriptionState.ACTIVE,
    )


def _got(issue_id: int) -> ColumnElement[bool]:
    """Whether the relay took that issue for a subscriber, or may have."""
    mails = deliveries.alias("mails")
    return exists().where(
        mails.c.issue_id == issue_id,
        mails.c.subscriber_id == subscribers.c.id,
        or_(mails.c.state == DeliveryState.ACCEPTED, mails.c.maybe_sent),
    )


async def _write_canary(session: Session, audience: Audience, size: int) -> int:
    chosen = 0
    if not audience.newest_first:
        ids = await _spread_readers(session, audience, size)
        mine = (among(session, _s.c.subscriber_id, ids),)
        chosen = await write_rows(session, audience, mine, wave=CANARY_WAVE)
    if chosen < size:  # some of these get nothing, or the latest are wanted: whoever is in line
        chosen += await write_rows(session, audience, wave=CANARY_WAVE, limit=size - chosen)
    return chosen


async def _spread_readers(session: Session, audience: Audience, size: int) -> Collection[int]:
    """``size`` active readers, if there are as many: one at random of each stretch of their ids.

    Each is looked up by the index: a million are not gone through for ten thousand. Where ids are
    missing several draws meet the same reader, and the rest is drawn once more.
    """
    reader, active = _s.c.subscriber_id, _active(audience)
    ends = select(
        select(func.min(reader)).where(*active).scalar_subquery(),
        select(func.max(reader)).where(*active).scalar_subquery(),
    )
    first, last = (await session.execute(ends)).one()
    found = set[int]()
    chance = random.Random(audience.issue_id)  # a second try after a crash chooses the same
    for _ in range(_DRAWS if first is not None else 0):
        drawn = each_of(session, _spread(range(first, last + 1), size - len(found), chance))
        following = select(reader).where(*active, reader >= drawn.c.value).correlate(drawn)
        one = following.order_by(reader).limit(1).scalar_subquery()
        found.update((await session.scalars(select(one).select_from(drawn))).all())
        if len(found) >= size:
            break
    return found


def _spread(numbers: range, size: int, chance: random.Random) -> list[int]:
    """``size`` of ``numbers``, one at random of each stretch of the same length.

    Not every n-th: a list that goes round its domains would give readers of one domain only.
    """
    step = len(numbers) / size
    return [numbers[int((stretch + chance.random()) * step)] for stretch in range(size)]
