"""Rows of issues as people look at them: listed by what became of them, each with its attempts.

One row per reader counts, the latest ordinal. Pages go by (issue, subscriber, ordinal), which is
the unique index: in order of ids, a page would walk over the rows of every other issue.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_

from digest.rules.delivery import OPEN_STATES, DeliveryState, StateReason
from digest.rules.verdict import Blame, Phase, Reason
from digest.rules.words import FATES, Fate
from digest.store import schema
from digest.store.rows import in_state, is_latest, is_resent
from digest.store.schema import deliveries, destinations, relays, versions
from digest.store.session import Session

# What brakes and people go by: the provider where one is known, else the domain.
WHERE_TO = func.coalesce(destinations.c.provider, destinations.c.domain)


@dataclass(frozen=True, slots=True)
class Which:
    """Which rows of an issue a list shows; what is None does not matter.

    ``fate`` is a line of the receipt, ``destination`` a provider or a domain, ``version`` the
    number of a text of the issue. ``unclassed`` are those without a verdict, ``doubtful`` those of
    ``Receipt.in_doubt``, ``repeated`` those of ``Receipt.repeated``, ``missed`` all that are not
    accepted.
    """

    fate: Fate | None = None
    state: DeliveryState | None = None
    reason: StateReason | None = None
    verdict: Reason | None = None
    blame: Blame | None = None
    destination: str | None = None
    version: int | None = None
    unclassed: bool = False
    doubtful: bool = False
    repeated: bool = False
    missed: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A row of an issue as people look at it."""

    id: int
    newsletter: str
    issue: int | str  # its number, or its slug
    address: str
    ordinal: int
    version: int
    destination: str
    state: DeliveryState
    reason: StateReason | None
    verdict: Reason | None
    blame: Blame | None
    reply: str
    attempts: int
    maybe_sent: bool
    relay: str | None
    first_claimed_at: datetime | None
    not_before: datetime
    settled_at: datetime | None


async def delivery_list(
    session: Session,
    issue_id: int,
    which: Which | None = None,
    *,
    after: int | None = None,
    limit: int = 1_000,
) -> list[DeliveryRow]:
    """A page of an issue's rows; the next one is ``after`` the last ``id`` of this."""
    conditions = [*await of_issue(session, issue_id), *_conditions(which or Which())]
    if after is not None:
        place = select(deliveries.c.subscriber_id, deliveries.c.ordinal)
        last = (await session.execute(place.where(deliveries.c.id == after))).one_or_none()
        if last is None:
            return []
        key = tuple_(deliveries.c.subscriber_id, deliveries.c.ordinal)
        conditions.append(key > tuple_(*last))
    page = select(deliveries).where(*conditions)
    page = page.order_by(deliveries.c.subscriber_id, deliveries.c.ordinal).limit(limit)
    return await _rows(session, page)


async def get_delivery(session: Session, delivery_id: int) -> DeliveryRow | None:
    """The row with this id."""
    rows = await _rows(session, select(deliveries).where(deliveries.c.id == delivery_id))
    return rows[0] if rows else None


async def deliveries_of(
    session: Session, subscriber_id: int, *, limit: int = 10
) -> list[DeliveryRow]:
    """The last rows of a reader, newest first."""
    subscribed = select(schema.subscriptions.c.newsletter_id).where(
        schema.subscriptions.c.subscriber_id == subscriber_id
    )
    # Through the issues: (issue, subscriber, ordinal) is the index there is.
    issues = select(schema.issues.c.id).where(schema.issues.c.newsletter_id.in_(subscribed))
    page = select(deliveries).where(
        deliveries.c.issue_id.in_(issues), deliveries.c.subscriber_id == subscriber_id
    )
    rows = await _rows(session, page.order_by(deliveries.c.id.desc()).limit(limit))
    return sorted(rows, key=lambda row: -row.id)


def _conditions(which: Which) -> list[ColumnElement[bool]]:
    found: list[Any] = []
    if which.fate is not None:
        found += _in_fate(*which.fate)
    if which.state is not None:
        found.append(in_state(which.state))
    for column, wanted in (
        (deliveries.c.reason, which.reason),
        (deliveries.c.verdict, which.verdict),
        (deliveries.c.blame, which.blame),
    ):
        if wanted is not None:
            found.append(column == wanted)
    if which.version is not None:
        texts = select(versions.c.id).where(versions.c.ordinal == which.version)
        found.append(deliveries.c.version_id.in_(texts))
    if which.destination is not None:
        named = select(destinations.c.id).where(WHERE_TO.in_((which.destination,)))
        found.append(deliveries.c.destination_id.in_(named))
    if which.unclassed:
        found.append(deliveries.c.verdict.is_(None))
    if which.doubtful:
        open_ones = and_(deliveries.c.maybe_sent, in_state(*sorted(OPEN_STATES)))
        held = and_(in_state(DeliveryState.HELD), deliveries.c.reason == StateReason.IN_DOUBT)
        found.append(or_(open_ones, held))
    if which.missed:
        found.append(in_state(*(one for one in DeliveryState if one is not DeliveryState.ACCEPTED)))
    if which.repeated:
        found += [in_state(DeliveryState.ACCEPTED), deliveries.c.maybe_sent]
    return found


def _in_fate(state: DeliveryState, reason: StateReason | None) -> list[Any]:
    if reason is not None:
        return [in_state(state), deliveries.c.reason == reason]
    others = [other for known, other in FATES if known is state and other is not None]
    apart = or_(deliveries.c.reason.is_(None), deliveries.c.reason.not_in(others))
    return [in_state(state), apart] if others else [in_state(state)]


async def _rows(session: Session, page: Select[Any]) -> list[DeliveryRow]:
    """The rows of a page with what they point at, joined only once they are few."""
    few = page.subquery()
    subscribers, issues, newsletters = schema.subscribers, schema.issues, schema.newsletters
    query = (
        select(
            few,
            subscribers.c.address,
            WHERE_TO.label("destination"),
            versions.c.ordinal.label("version"),
            relays.c.name.label("relay"),
            newsletters.c.slug.label("newsletter"),
            issues.c.number,
            issues.c.slug,
        )
        .join_from(few, subscribers, subscribers.c.id == few.c.subscriber_id)
        .join(destinations, destinations.c.id == few.c.destination_id)
        .join(versions, versions.c.id == few.c.version_id)
        .join(issues, issues.c.id == few.c.issue_id)
        .join(newsletters, newsletters.c.id == issues.c.newsletter_id)
        .outerjoin(relays, relays.c.id == few.c.relay_id)
        .order_by(few.c.subscriber_id, few.c.ordinal)
    )
    return [_row(row) for row in await session.execute(query)]


def _row(row: Any) -> DeliveryRow:
    return DeliveryRow(
        id=row.id,
        newsletter=row.newsletter,
        issue=row.slug if row.number is None else row.number,
        address=row.address,
        ordinal=row.ordinal,
        version=row.version,
        destination=row.destination,
        state=row.state,
        reason=row.reason,
        verdict=reason_of(row.verdict),
        blame=blame_of(row.blame),
        reply=reply_words(row.reply_code, row.reply_status, row.reply_text),
        attempts=row.attempts,
        maybe_sent=row.maybe_sent,
        relay=row.relay,
        first_claimed_at=row.first_claimed_at,
        not_before=row.not_before,
        settled_at=row.settled_at,
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One SMTP transaction of a delivery. ``phase`` is how far it came (rules.verdict.Phase)."""

    number: int
    at: datetime | None
    phase: str
    blame: Blame | None
    verdict: Reason | None
    reply: str
    relay: str | None
    accepted: bool = False


async def delivery_history(session: Session, delivery_id: int) -> list[Attempt]:
    """Every attempt of a delivery, the first one first.

    Attempts that were not accepted have a log; the accepted one is the row itself.
    """
    log = schema.attempts
    query = (
        select(log, relays.c.name.label("relay"))
        .outerjoin_from(log, relays, relays.c.id == log.c.relay_id)
        .where(log.c.delivery_id == delivery_id)
        .order_by(log.c.id)
    )
    attempts = [
        Attempt(
            number=row.number,
            at=row.finished_at,
            phase=row.phase,
            blame=blame_of(row.blame),
            verdict=reason_of(row.verdict),
            reply=reply_words(row.code, row.status, row.text),
            relay=row.relay,
        )
        for row in await session.execute(query)
    ]
    last = await get_delivery(session, delivery_id)
    if last is not None and last.state is DeliveryState.ACCEPTED:
        attempts.append(
            Attempt(
                *(last.attempts, last.settled_at, Phase.DOT, None, None),
                *(last.reply, last.relay),
                accepted=True,
            )
        )
    return attempts


async def of_issue(session: Session, issue_id: int) -> list[ColumnElement[bool]]:
    """The rows of an issue that count; asks for later ordinals only where there are any."""
    mine = [deliveries.c.issue_id == issue_id]
    return [*mine, is_latest()] if await is_resent(session, issue_id) else mine


def reply_words(code: int | None, status: str | None, words: str | None) -> str:
    """A reply on one line, as the server gave it; only its words where it had no code."""
    text = (words or "").strip()
    if status and text.startswith(status):
        status = None  # the text of a reply often repeats it
    return " ".join(str(part) for part in (code, status, text) if part)


def reason_of(verdict: str | None) -> Reason | None:
    """A class of replies as stored; None for one this version does not know."""
    return Reason(verdict) if verdict in set(Reason) else None


def blame_of(blame: str | None) -> Blame | None:
    """Whose fault it was, as stored."""
    return Blame(blame) if blame in set(Blame) else None
