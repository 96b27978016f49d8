"""What readers got long ago, as counts: rows of an issue that were accepted become numbers.

Only rows that tell nothing but "accepted" go. A row of whatever else became of a delivery stays, as
does one that something came back of (a bounce, a complaint, an answer), one that was sent again,
and everybody's consent, leave and suppression, which stand in tables of their own. Row and count
change hands in one transaction, so a receipt adds up at every moment.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, delete, exists, func, select, update

from digest.rules.delivery import DeliveryState, IssueState
from digest.store.rows import among, in_state
from digest.store.schema import attempts, deliveries, feedback, issues, rolled_up
from digest.store.session import Session
from digest.store.types import insert

_t = rolled_up


@dataclass(frozen=True, slots=True)
class RolledUp:
    """How many rows of an issue were accepted and are counts now, by what a receipt tells."""

    version_id: int
    destination_id: int
    relay_id: int | None
    maybe_sent: bool
    rows: int
    first_at: datetime | None
    last_at: datetime | None


async def rolled_up_of(session: Session, issue_id: int) -> list[RolledUp]:
    """The counts of an issue; none for one whose rows are all there."""
    query = select(
        *(_t.c.version_id, _t.c.destination_id, _t.c.relay_id, _t.c.maybe_sent, _t.c.deliveries),
        *(_t.c.first_at, _t.c.last_at),
    ).where(_t.c.issue_id == issue_id)
    return [
        RolledUp(row[0], row[1], row[2] or None, *row[3:]) for row in await session.execute(query)
    ]


async def rolled_up_count(session: Session, issue_id: int) -> int:
    """How many rows of an issue are counts by now."""
    query = select(func.coalesce(func.sum(_t.c.deliveries), 0)).where(_t.c.issue_id == issue_id)
    return int((await session.execute(query)).scalar_one())


async def next_to_roll_up(session: Session, before: datetime) -> int | None:
    """An issue that was finished before then, and is not its newsletter's last; oldest first."""
    later = issues.alias("later")
    followed = exists().where(
        later.c.newsletter_id == issues.c.newsletter_id,
        later.c.state == IssueState.FINISHED,
        later.c.finished_at > issues.c.finished_at,
    )
    query = (
        select(issues.c.id)
        .where(
            issues.c.state == IssueState.FINISHED,
            issues.c.finished_at < before,
            issues.c.rolled_up_at.is_(None),
            followed,
        )
        .order_by(issues.c.finished_at, issues.c.id)
        .limit(1)
    )
    found: int | None = (await session.execute(query)).scalar()
    return found


async def roll_up(session: Session, issue_id: int, *, after: int, limit: int) -> int | None:
    """Turn the next ``limit`` rows of an issue, by reader, into counts where they may be.

    ``after`` is the last reader of the page before, 0 at first; gives that of this one, or None
    behind the last.
    """
    page = (
        select(deliveries.c.subscriber_id)
        .where(deliveries.c.issue_id == issue_id, deliveries.c.subscriber_id > after)
        .order_by(deliveries.c.subscriber_id)
        .limit(limit)
        .subquery()
    )
    last: int | None = (await session.execute(select(func.max(page.c.subscriber_id)))).scalar()
    if last is None:
        return None
    ids = await _plain(session, issue_id, after=after, last=last)
    if ids:
        await _count(session, issue_id, ids)
        for column in (attempts.c.delivery_id, deliveries.c.id):
            await session.execute(delete(column.table).where(among(session, column, ids)))
    return last


async def note_rolled_up(session: Session, issue_id: int, now: datetime) -> None:
    """Nothing of this issue is left to roll up."""
    change = update(issues).where(issues.c.id == issue_id)
    await session.execute(change.values(rolled_up_at=now))


async def _plain(session: Session, issue_id: int, *, after: int, last: int) -> list[int]:
    """Rows that say nothing but "accepted"; nobody changes them before this transaction ends."""
    other = deliveries.alias("other")
    again = exists().where(
        other.c.issue_id == issue_id,
        other.c.subscriber_id == deliveries.c.subscriber_id,
        other.c.ordinal != deliveries.c.ordinal,
    )
    came_back = exists().where(feedback.c.delivery_id == deliveries.c.id)
    query = select(deliveries.c.id).where(
        deliveries.c.issue_id == issue_id,
        deliveries.c.subscriber_id > after,
        deliveries.c.subscriber_id <= last,
        in_state(DeliveryState.ACCEPTED),
        deliveries.c.reason.is_(None),
        ~again,
        ~came_back,
    )
    return list(await session.scalars(query.with_for_update(of=deliveries)))


async def _count(session: Session, issue_id: int, ids: Collection[int]) -> None:
    relay_id = func.coalesce(deliveries.c.relay_id, 0)
    key = (deliveries.c.version_id, deliveries.c.destination_id, relay_id, deliveries.c.maybe_sent)
    counted = (
        select(
            deliveries.c.issue_id,
            *key,
            func.count(),
            func.min(deliveries.c.settled_at),
            func.max(deliveries.c.settled_at),
        )
        .where(deliveries.c.issue_id == issue_id, among(session, deliveries.c.id, ids))
        .group_by(deliveries.c.issue_id, *key)
    )
    added = insert(_t).from_select([column.name for column in _t.columns], counted)
    new = added.excluded
    statement = added.on_conflict_do_update(
        index_elements=list(_t.primary_key.columns),
        set_={
            "deliveries": _t.c.deliveries + new.deliveries,
            "first_at": case((_t.c.first_at < new.first_at, _t.c.first_at), else_=new.first_at),
            "last_at": case((_t.c.last_at > new.last_at, _t.c.last_at), else_=new.last_at),
        },
    )
    await session.execute(statement)
