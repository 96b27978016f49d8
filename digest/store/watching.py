"""How things stand, for whoever watches: queues, issues on their way, slots, what comes back.

Two questions. ``standing`` reads a few rows, by their indexes, and may be asked every few seconds;
what it counts are rows that wait in partial indexes. ``history`` counts tables that grow, and is
for whoever keeps the answer for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from digest.rules.delivery import DeliveryState, IssueState
from digest.rules.slots import SlotState
from digest.store.reports import Totals, issue_totals
from digest.store.rows import in_state
from digest.store.schema import (
    deliveries,
    feedback,
    issues,
    newsletters,
    notices,
    send_slots,
    suppressions,
    webhook_deliveries,
    workers,
)
from digest.store.session import Session
from digest.store.slots import latest_taken, next_issue, upcoming

_OPEN = (IssueState.SENDING, IssueState.PAUSED)
_WAITING_NOTICE = in_state(DeliveryState.QUEUED, DeliveryState.DEFERRED, name="notices")


@dataclass(frozen=True, slots=True)
class NewsletterStanding:
    """A newsletter's slots. ``late_since``: the slot that is due and has not started its issue."""

    slug: str
    next_at: datetime | None
    next_ready: bool  # an approved issue waits for it
    late_since: datetime | None
    last_sent_at: datetime | None  # the last slot whose issue went out
    held: bool  # the last slot waits for somebody


@dataclass(frozen=True, slots=True)
class Standing:
    """Now. ``notices`` is by lane; ``heartbeat_at`` that of the sender that told last."""

    newsletters: tuple[NewsletterStanding, ...]
    notices: dict[int, int]
    held: int
    webhooks_waiting: int
    feedback_waiting: int
    last_feedback_at: datetime | None
    heartbeat_at: datetime | None


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """An issue that is being sent, or paused."""

    newsletter: str
    issue: str
    paused: bool
    totals: Totals


@dataclass(frozen=True, slots=True)
class History:
    """``came_back``: everything, as (source, kind, effect, how often)."""

    came_back: tuple[tuple[str, str, str, int], ...]
    suppressed: int


async def standing(session: Session, now: datetime) -> Standing:
    """What is asked often."""
    rows = await session.execute(
        select(newsletters.c.id, newsletters.c.slug)
        .where(newsletters.c.ended_at.is_(None))
        .order_by(newsletters.c.slug)
    )
    each = [await _newsletter(session, row.id, row.slug, now) for row in rows]
    lanes = await session.execute(
        select(notices.c.lane, func.count()).where(_WAITING_NOTICE).group_by(notices.c.lane)
    )
    by_lane: Sequence[tuple[int, int]] = [(row[0], row[1]) for row in lanes]
    last = select(func.max(feedback.c.id)).scalar_subquery()
    newest = select(feedback.c.received_at).where(feedback.c.id == last)
    return Standing(
        newsletters=tuple(each),
        notices=dict(by_lane),
        held=await _count(session, deliveries.c.id, in_state(DeliveryState.HELD)),
        webhooks_waiting=await _count(
            session, webhook_deliveries.c.id, webhook_deliveries.c.settled_at.is_(None)
        ),
        feedback_waiting=await _count(session, feedback.c.id, feedback.c.ask_at.is_not(None)),
        last_feedback_at=await session.scalar(newest),
        heartbeat_at=await session.scalar(select(func.max(workers.c.heartbeat_at))),
    )


async def _newsletter(
    session: Session, newsletter_id: int, slug: str, now: datetime
) -> NewsletterStanding:
    coming = await upcoming(session, newsletter_id)
    last = await latest_taken(session, newsletter_id)
    due = [coming.due_at] if coming is not None and coming.due_at <= now else []
    if last is not None and last.state is SlotState.FIRED and last.release_at is not None:
        due += [last.release_at] if last.release_at <= now else []
    went_out = (
        select(func.max(send_slots.c.due_at))
        .join_from(send_slots, issues, issues.c.id == send_slots.c.issue_id)
        .where(send_slots.c.newsletter_id == newsletter_id, send_slots.c.state == SlotState.FIRED)
        .where(issues.c.planned_at.is_not(None))
    )
    ready = coming is not None and await next_issue(session, newsletter_id, now)
    return NewsletterStanding(
        slug=slug,
        next_at=coming.due_at if coming else None,
        next_ready=bool(ready),
        late_since=min(due, default=None),
        last_sent_at=await session.scalar(went_out),
        held=last is not None and last.state is SlotState.HELD,
    )


async def on_their_way(session: Session) -> list[OnItsWay]:
    """Every issue that is being sent or paused, with its totals: those count all of its rows."""
    found = await session.execute(
        select(issues.c.id, issues.c.number, issues.c.slug, issues.c.state, newsletters.c.slug)
        .join_from(issues, newsletters, newsletters.c.id == issues.c.newsletter_id)
        .where(issues.c.state.in_(_OPEN))
        .order_by(issues.c.id)
    )
    return [
        OnItsWay(
            newsletter=newsletter,
            issue=slug if number is None else str(number),
            paused=state is IssueState.PAUSED,
            totals=await issue_totals(session, issue_id),
        )
        for issue_id, number, slug, state, newsletter in found.all()
    ]


async def history(session: Session) -> History:
    """Counted over everything there ever was."""
    key = (feedback.c.source, feedback.c.kind, feedback.c.effect)
    rows = await session.execute(select(*key, func.count()).group_by(*key).order_by(*key))
    everywhere = (suppressions.c.newsletter_id.is_(None)) & suppressions.c.lifted_at.is_(None)
    suppressed = select(func.count(suppressions.c.address_hash.distinct())).where(everywhere)
    return History(
        came_back=tuple((source, kind, effect.value, n) for source, kind, effect, n in rows),
        suppressed=(await session.execute(suppressed)).scalar_one(),
    )


async def _count(session: Session, column: object, where: object) -> int:
    query = select(func.count(column)).where(where)  # type: ignore[arg-type]  # columns of any type
    return int((await session.execute(query)).scalar_one())
