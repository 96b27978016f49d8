"""What came back, as rows: one per delivery (or notice) and bearing, however often it is told.

Who is meant is a ``Subject``, found from an id that a verified token, or a provider we know, gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, tuple_, update

from digest.rules.delivery import DeliveryState, StateReason
from digest.rules.feedback import IN_SESSION, Bearing, Effect
from digest.store.counts import COUNTING, counts_of
from digest.store.rows import in_state
from digest.store.schema import (
    deliveries,
    destinations,
    feedback,
    issues,
    notices,
    subscribers,
    subscriptions,
)
from digest.store.session import Session
from digest.store.types import insert, storable

SESSION = "session"  # the source of what a relay answered us
SAMPLE_MAX = 4_000  # characters of a mail that is kept for a human to read


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom something that came back is about: what was sent, and to whom.

    ``address_key`` is that of the address it was sent to; ``settled_at`` when that was over.
    """

    delivery_id: int | None = None
    notice_id: int | None = None
    issue_id: int | None = None
    newsletter_id: int | None = None
    subscriber_id: int | None = None
    subscription_id: int | None = None
    destination_id: int | None = None
    address: str = ""
    address_key: str = ""
    settled_at: datetime | None = None
    notice_kind: str = ""

    @property
    def name(self) -> str:
        """What repeated feedback about it has in common."""
        for letter, number in (
            ("d", self.delivery_id),
            ("n", self.notice_id),
            ("s", self.subscriber_id),
        ):
            if number is not None:
                return f"{letter}{number}"
        return ""


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """One row to be written; words of others are cut to what is kept."""

    dedupe_key: str
    source: str
    kind: str
    subject: Subject
    bearing: Bearing
    effect: Effect
    received_at: datetime
    address: str = ""
    status: str = ""
    reply: str = ""
    reason: str = ""
    hard: bool = False
    evidence: str = ""
    sample: str = ""


async def write_feedback(session: Session, row: FeedbackRow) -> int | None:
    """Write a row; its id, or None where its ``dedupe_key`` was written before."""
    subject = row.subject
    values = {
        "dedupe_key": row.dedupe_key[:255],
        "source": row.source,
        "kind": row.kind,
        "delivery_id": subject.delivery_id,
        "notice_id": subject.notice_id,
        "subscriber_id": subject.subscriber_id,
        "issue_id": subject.issue_id,
        "destination_id": subject.destination_id,
        "address": (storable(row.address) or "")[:320] or None,
        "status": row.status[:16] or None,
        "reply": row.reply or None,
        "reason": row.reason or None,
        "hard": row.hard,
        "bearing": row.bearing,
        "effect": row.effect,
        "evidence": storable(row.evidence) or None,
        "sample": _sample(row.sample),
        "quarantined": row.effect is Effect.QUARANTINED,
        "received_at": row.received_at,
    }
    statement = insert(feedback).values(**values).on_conflict_do_nothing()
    found: int | None = (await session.execute(statement.returning(feedback.c.id))).scalar()
    return found


def _sample(text: str) -> str | None:
    cut = text[:SAMPLE_MAX].replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return cut or None


async def set_effect(
    session: Session, feedback_id: int, effect: Effect, *, ask_at: datetime | None = None
) -> None:
    """What was done about a row; ``ask_at``: when DNS is to be asked."""
    change = update(feedback).where(feedback.c.id == feedback_id)
    await session.execute(change.values(effect=effect, ask_at=ask_at))


async def subject_of_delivery(session: Session, delivery_id: int) -> Subject | None:
    """What a delivery was and to whom; None where there is none."""
    return await _one(session, _of_deliveries().where(deliveries.c.id == delivery_id))


async def subject_of_relay_id(session: Session, relay_message_id: str) -> Subject | None:
    """The delivery that a relay took under this id of its own."""
    query = _of_deliveries().where(
        deliveries.c.relay_message_id == relay_message_id,
        deliveries.c.relay_message_id.is_not(None),
    )
    return await _one(session, query.order_by(deliveries.c.id.desc()).limit(1))


async def subject_of_subscription(session: Session, subscription_id: int) -> Subject | None:
    """The last delivery of a subscription, or its reader where nothing was sent yet."""
    columns = (subscriptions.c.newsletter_id, subscriptions.c.subscriber_id)
    query = select(*columns).where(subscriptions.c.id == subscription_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    last = (
        _of_deliveries()
        .where(
            issues.c.newsletter_id == row.newsletter_id,
            deliveries.c.subscriber_id == row.subscriber_id,
            deliveries.c.attempts > 0,
        )
        .order_by(issues.c.planned_at.desc(), deliveries.c.ordinal.desc())
        .limit(1)
    )
    found = await _one(session, last)
    if found is not None:
        return found
    reader = select(subscribers).where(subscribers.c.id == row.subscriber_id)
    who = (await session.execute(reader)).one()
    return Subject(
        newsletter_id=row.newsletter_id,
        subscriber_id=row.subscriber_id,
        subscription_id=subscription_id,
        destination_id=who.destination_id,
        address=who.address,
        address_key=who.address_key,
    )


async def subject_of_notice(session: Session, notice_id: int) -> Subject | None:
    """What a notice was and to whom; None where there is none."""
    query = (
        select(notices, subscriptions.c.subscriber_id)
        .join_from(
            notices,
            subscriptions,
            subscriptions.c.id == notices.c.subscription_id,
            isouter=True,
        )
        .where(notices.c.id == notice_id)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    return Subject(
        notice_id=notice_id,
        newsletter_id=row.newsletter_id,
        subscriber_id=row.subscriber_id,
        subscription_id=row.subscription_id,
        address=row.address,
        settled_at=row.settled_at,
        notice_kind=row.kind,
    )


async def subject_of_address(session: Session, address_key: str) -> Subject | None:
    """Who reads at this address; only for whoever we believe without a token."""
    query = select(subscribers).where(subscribers.c.address_key == address_key)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    return Subject(
        subscriber_id=row.id,
        destination_id=row.destination_id,
        address=row.address,
        address_key=row.address_key,
    )


def _of_deliveries() -> Select[Any]:
    return (
        select(
            deliveries.c.id,
            deliveries.c.issue_id,
            issues.c.newsletter_id,
            deliveries.c.subscriber_id,
            deliveries.c.subscription_id,
            deliveries.c.destination_id,
            subscribers.c.address,
            subscribers.c.address_key,
            deliveries.c.settled_at,
        )
        .join_from(deliveries, issues, issues.c.id == deliveries.c.issue_id)
        .join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
    )


async def _one(session: Session, query: Select[Any]) -> Subject | None:
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _subject(row)


def _subject(row: Any) -> Subject:
    return Subject(
        delivery_id=row.id,
        issue_id=row.issue_id,
        newsletter_id=row.newsletter_id,
        subscriber_id=row.subscriber_id,
        subscription_id=row.subscription_id,
        destination_id=row.destination_id,
        address=row.address,
        address_key=row.address_key,
        settled_at=row.settled_at,
    )


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A delivery the relay refused, or that was tried for too long, and what that is about."""

    subject: Subject
    bearing: Bearing
    reason: str
    code: int | None
    status: str | None
    text: str | None
    settled_at: datetime


async def given_up(session: Session, issue_id: int, *, limit: int = 200) -> list[GivenUp]:
    """What the relay's own answers say about readers of an issue and is not written down yet.

    Refusals that are about us are not among them.
    """
    known = select(feedback.c.id).where(
        feedback.c.delivery_id == deliveries.c.id, feedback.c.source == SESSION
    )
    counting = tuple_(deliveries.c.verdict, deliveries.c.blame).in_(COUNTING)
    query = (
        _of_deliveries()
        .add_columns(
            *(deliveries.c.verdict, deliveries.c.blame, deliveries.c.reply_code),
            *(deliveries.c.reply_status, deliveries.c.reply_text),
        )
        .where(deliveries.c.issue_id == issue_id, counting, ~known.exists())
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    refused = await session.execute(query.where(in_state(DeliveryState.REJECTED)))
    found = [_given_up(row, IN_SESSION[counts_of(row.verdict, row.blame)]) for row in refused]
    overtaken = deliveries.c.reason == StateReason.SUPERSEDED
    tried = query.where(in_state(DeliveryState.EXPIRED), deliveries.c.reason.is_(None) | ~overtaken)
    # Tried for two days: nobody has said that the address is dead.
    return found + [_given_up(row, Bearing.SOFT) for row in await session.execute(tried)]


def _given_up(row: Any, bearing: Bearing) -> GivenUp:
    return GivenUp(
        _subject(row),
        bearing,
        reason=row.verdict,
        code=row.reply_code,
        status=row.reply_status,
        text=row.reply_text,
        settled_at=row.settled_at,
    )


@dataclass(frozen=True, slots=True)
class Asking:
    """A bounce that says a domain is gone, which DNS has not confirmed yet."""

    feedback_id: int
    subscriber_id: int
    address_key: str
    domain: str
    asked: int
    evidence: str


async def asking(session: Session, now: datetime, *, limit: int = 500) -> list[Asking]:
    """Those whose domain is to be asked about now, the oldest first."""
    query = (
        select(feedback, subscribers.c.address_key, destinations.c.domain)
        .join_from(feedback, subscribers, subscribers.c.id == feedback.c.subscriber_id)
        .join(destinations, destinations.c.id == subscribers.c.destination_id)
        .where(feedback.c.ask_at <= now, feedback.c.effect == Effect.ASKING)
        .order_by(feedback.c.ask_at, feedback.c.id)
        .limit(limit)
    )
    return [
        Asking(
            feedback_id=row.id,
            subscriber_id=row.subscriber_id,
            address_key=row.address_key,
            domain=row.domain,
            asked=row.asked,
            evidence=row.evidence or "",
        )
        for row in await session.execute(query)
    ]


async def asked_again(session: Session, feedback_id: int, asked: int, ask_at: datetime) -> None:
    """Remember how often DNS said that a domain is gone, and ask again at ``ask_at``."""
    change = update(feedback).where(feedback.c.id == feedback_id)
    await session.execute(change.values(asked=asked, ask_at=ask_at))


@dataclass(frozen=True, slots=True)
class NoticeFeedback:
    """What came back of a notice: by which way, and what it was."""

    source: str
    kind: str
    status: str
    reason: str


async def feedback_of_notice(session: Session, notice_id: int) -> NoticeFeedback | None:
    """What came back of a notice, beside the relay's own answer; None where nothing has yet."""
    query = (
        select(feedback.c.source, feedback.c.kind, feedback.c.status, feedback.c.reason)
        .where(feedback.c.notice_id == notice_id, feedback.c.source != SESSION)
        .order_by(feedback.c.id)
        .limit(1)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else NoticeFeedback(*(str(one or "") for one in row))
