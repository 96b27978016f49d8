"""The next issue of a newsletter overtakes the one before: what still waits of it is given up.

Whoever starts the next issue marks those before it (``issues.overtaken``), and from that moment no
row of them is claimed. The rows are settled afterwards, a page of readers at a time, each page in a
transaction of its own: a million at once would keep the first mail of the next issue waiting, and
their locks as long. Who comes back after a crash begins with the first page again, and finds of it
what is left. What some sender held when the issue was overtaken is sent: it was first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, exists, select, update

from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.store.rows import WAITING, among, in_state, lock_issue, move_rows
from digest.store.schema import deliveries, issues
from digest.store.session import Session
from digest.store.turns import take_turn

_TURN = 0x64696765_6F767400  # "digeovt": one gives up rows at a time
_TO_GIVE_UP = and_(issues.c.overtaken, ~issues.c.planning)  # else more rows are still to come


async def overtake(session: Session, issue_id: int) -> None:
    """Mark the newsletter's earlier issues of which anything waits.

    For the transaction that starts ``issue_id``.
    """
    newsletter = select(issues.c.newsletter_id).where(issues.c.id == issue_id).scalar_subquery()
    waiting = exists().where(in_state(*WAITING), deliveries.c.issue_id == issues.c.id)
    earlier = update(issues).where(
        issues.c.newsletter_id == newsletter,
        issues.c.id != issue_id,
        issues.c.planned_at.is_not(None),
        issues.c.state.in_((IssueState.SENDING, IssueState.PAUSED)),
        waiting,
    )
    await session.execute(earlier.values(overtaken=True))


async def overtaken_issues(session: Session) -> Sequence[int]:
    """Issues of which rows are to be given up."""
    query = select(issues.c.id).where(_TO_GIVE_UP)
    return (await session.scalars(query.order_by(issues.c.id))).all()


async def give_up_page(
    session: Session, issue_id: int, now: datetime, *, after: int, limit: int
) -> int | None:
    """Settle what waits among the next ``limit`` rows of an overtaken issue, by reader.

    ``after`` is the last reader of the page before, 0 at first; gives that of this one. None behind
    the last, where the issue is overtaken no more, or where somebody else has ended it.
    """
    await take_turn(session, _TURN)
    if not await session.scalar(select(_TO_GIVE_UP).where(issues.c.id == issue_id)):
        return None
    page = (
        select(deliveries.c.subscriber_id, deliveries.c.id, deliveries.c.state)
        .where(deliveries.c.issue_id == issue_id, deliveries.c.subscriber_id > after)
        .order_by(deliveries.c.subscriber_id)
        .limit(limit)
    )
    rows = (await session.execute(page)).all()
    if not rows:
        await lock_issue(session, issue_id)
        done = update(issues).where(issues.c.id == issue_id)
        await session.execute(done.values(overtaken=False))
        return None
    ids = [row.id for row in rows if row.state in WAITING]
    given_up = move_rows(*WAITING, to=DeliveryState.EXPIRED, reason=StateReason.SUPERSEDED, now=now)
    await session.execute(given_up.where(among(session, deliveries.c.id, ids)))
    return int(rows[-1].subscriber_id)
