"""What came back of a reader's mail over time, and what follows from it: pauses, settled rows.

No column keeps a score: it is counted from the rows when something comes back, so it cannot be
wrong for long.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, insert, select, update

from digest.rules.delivery import DeliveryState
from digest.rules.feedback import (
    ABOUT_READERS,
    FORGOTTEN_AFTER,
    FORGOTTEN_ISSUES,
    GOOD_AFTER,
    Bearing,
    History,
    Mark,
    score,
)
from digest.rules.subscription import SubscriptionState
from digest.store.feedback import Subject
from digest.store.rows import WAITING, move_rows
from digest.store.schema import consent_events, deliveries, feedback, issues, subscriptions
from digest.store.session import Session

BOUNCES = "bounces"  # the source of a pause that is ours, in the record of consents
_LOOK_BACK = timedelta(days=180)


async def history_of(session: Session, subject: Subject, now: datetime) -> History:
    """What is known of the reader of ``subject``, with everything written down up to now."""
    if subject.subscriber_id is None:
        return History()
    marks = await _marks(session, subject.subscriber_id, now)
    memory = await _memory(session, subject.newsletter_id, now)
    return History(
        score=score(marks, memory=memory),
        closed_before=await _closed_before(session, subject),
        on_probe=await _on_probe(session, subject, marks),
    )


async def _marks(session: Session, subscriber_id: int, now: datetime) -> list[Mark]:
    bad = await session.execute(
        select(feedback.c.received_at, feedback.c.issue_id).where(
            feedback.c.subscriber_id == subscriber_id,
            feedback.c.received_at > now - _LOOK_BACK,
            feedback.c.issue_id.is_not(None),
            feedback.c.bearing.in_(ABOUT_READERS),
        )
    )
    marks = [Mark(row.received_at, row.issue_id, bad=True) for row in bad]
    told = exists().where(
        feedback.c.delivery_id == deliveries.c.id, feedback.c.bearing.in_(ABOUT_READERS)
    )
    # By way of the issues: (issue, subscriber, ordinal) is the index there is.
    theirs = select(subscriptions.c.newsletter_id).where(
        subscriptions.c.subscriber_id == subscriber_id
    )
    recent = select(issues.c.id).where(
        issues.c.newsletter_id.in_(theirs), issues.c.planned_at > now - _LOOK_BACK
    )
    good = await session.execute(
        select(deliveries.c.settled_at, deliveries.c.issue_id).where(
            deliveries.c.issue_id.in_(recent),
            deliveries.c.subscriber_id == subscriber_id,
            deliveries.c.state == DeliveryState.ACCEPTED,
            deliveries.c.settled_at <= now - GOOD_AFTER,
            ~told,
        )
    )
    return marks + [Mark(row.settled_at, row.issue_id, bad=False) for row in good]


async def _memory(session: Session, newsletter_id: int | None, now: datetime) -> timedelta:
    query = select(issues.c.planned_at).where(
        issues.c.newsletter_id == newsletter_id, issues.c.planned_at.is_not(None)
    )
    query = query.order_by(issues.c.planned_at.desc()).offset(FORGOTTEN_ISSUES - 1).limit(1)
    fourth: datetime | None = (await session.execute(query)).scalar()
    return max(FORGOTTEN_AFTER, now - fourth) if fourth else FORGOTTEN_AFTER


async def _closed_before(session: Session, subject: Subject) -> bool:
    """Whether the issue before this one came back as closed, too."""
    if subject.issue_id is None:
        return False
    planned = select(issues.c.planned_at).where(issues.c.id == subject.issue_id).scalar_subquery()
    before = (
        select(deliveries.c.id)
        .join_from(issues, deliveries, deliveries.c.issue_id == issues.c.id)
        .where(
            issues.c.newsletter_id == subject.newsletter_id,
            issues.c.id != subject.issue_id,
            issues.c.planned_at <= planned,
            deliveries.c.subscriber_id == subject.subscriber_id,
            deliveries.c.attempts > 0,
        )
        .order_by(issues.c.planned_at.desc(), deliveries.c.ordinal.desc())
        .limit(1)
    )
    closed = select(feedback.c.id).where(
        feedback.c.delivery_id == before.scalar_subquery(), feedback.c.bearing == Bearing.CLOSED
    )
    return (await session.execute(closed.limit(1))).first() is not None


async def _on_probe(session: Session, subject: Subject, marks: list[Mark]) -> bool:
    """Whether it was sent after a pause for bounces, and nothing has arrived since that pause."""
    query = (
        select(func.max(consent_events.c.at))
        .join_from(consent_events, subscriptions)
        .where(
            subscriptions.c.subscriber_id == subject.subscriber_id,
            consent_events.c.kind == "paused",
            consent_events.c.source == BOUNCES,
        )
    )
    paused_at: datetime | None = (await session.execute(query)).scalar()
    if paused_at is None or (subject.settled_at is not None and subject.settled_at <= paused_at):
        return False
    return not any(mark.at > paused_at and not mark.bad for mark in marks)


async def pause_for_bounces(
    session: Session, subscriber_id: int, *, until: datetime, now: datetime
) -> list[int]:
    """Pause everything a reader subscribes to; the ids of those subscriptions."""
    active = (subscriptions.c.subscriber_id == subscriber_id) & (
        subscriptions.c.state == SubscriptionState.ACTIVE
    )
    change = update(subscriptions).where(active)
    values = {"state": SubscriptionState.PAUSED, "paused_until": until}
    paused = await session.execute(change.values(**values).returning(subscriptions.c.id))
    ids = list(paused.scalars())
    if ids:
        detail = {"until": until.isoformat(timespec="minutes")}
        events: list[dict[str, Any]] = [
            {"subscription_id": one, "kind": "paused", "source": BOUNCES, "at": now}
            | {"detail": detail}
            for one in ids
        ]
        await session.execute(insert(consent_events), events)
        await settle_waiting(session, subscriber_id, DeliveryState.SKIPPED, now)
    return ids


async def settle_waiting(
    session: Session, subscriber_id: int, to: DeliveryState, now: datetime
) -> int:
    """Settle a reader's rows that wait, of every issue; how many there were."""
    theirs = select(subscriptions.c.newsletter_id).where(
        subscriptions.c.subscriber_id == subscriber_id
    )
    open_issues = select(issues.c.id).where(
        issues.c.newsletter_id.in_(theirs), issues.c.state.in_(("sending", "paused"))
    )
    move = move_rows(*WAITING, to=to, now=now).where(
        deliveries.c.issue_id.in_(open_issues), deliveries.c.subscriber_id == subscriber_id
    )
    return (await session.execute(move)).rowcount
