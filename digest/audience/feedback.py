"""What comes back, taken in: who is meant, what it weighs, what is done. One transaction.

Promise 6, a forged message changes nothing: whom something is about is said by a token we signed
(``Claim.tokens``, best first), or by a provider whose webhook proved itself (``Claim.trusted``),
never by the text of a mail. What cannot be placed changes nothing; it is counted and shown.
Promise 5, our fault is not theirs: what is about us puts brakes on and touches no reader.

A delivery and bearing is written once, so that a refusal in our own session, the notification of a
webhook and a bounce mail about it are one, in whatever order they come and however often.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from digest.audience.feedback_brakes import Tell, Where, brake, where_of
from digest.audience.leave import Leavers, until_nothing_can_start
from digest.audience.suppression import Unwanted, stop_mailing
from digest.errors import AddressError
from digest.mail.address import address_key, parse_address
from digest.mail.bounce import Kind, Reason
from digest.mail.tokens import KeyRing, TokenKind
from digest.rules import feedback as rules
from digest.rules.feedback import Bearing, Effect
from digest.rules.subscription import SuppressionReason
from digest.store import feedback as store
from digest.store.feedback import FeedbackRow, Subject
from digest.store.mailbox_health import history_of, pause_for_bounces
from digest.store.newsletters import newsletter_by_id
from digest.store.notices import OPERATOR_LANE, Notice, write_notice
from digest.store.subscribers import leave_subscription

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.store.session import Database, Session

log = structlog.get_logger(__name__)

# Notices to readers; the others are tests and mail to operators, who are never suppressed.
_TO_READERS = frozenset(
    {"confirmation", "already_subscribed", "address_change", "address_changed", "data_link"}
)
REPLY = "reply"  # the kind of a notice that hands on what a person wrote


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of whom something is about.

    ``tokens`` come from the envelope, then from returned headers or a provider's tag. ``relay_id``
    and ``address`` count only where whoever says so is ``trusted``.
    """

    tokens: Sequence[str] = ()
    relay_id: str = ""
    address: str = ""
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Feedback:
    """Something that came back, read.

    ``reason`` is what a bounce says, ``complaint`` the kind of a complaint. ``key`` tells apart
    what nothing else does: a hash of the mail, or the provider's id of the event.
    """

    source: str
    kind: Kind
    claim: Claim
    key: str
    address: str = ""
    status: str = ""
    reply: str = ""
    reason: Reason = Reason.UNDEFINED
    final: bool = False
    complaint: str = ""
    evidence: str = ""
    sample: str = ""

    @property
    def bearing(self) -> Bearing:
        """Whom it is about, and how much it weighs."""
        if self.kind is Kind.COMPLAINT:
            return rules.bearing_of_complaint(self.complaint)
        if self.kind is not Kind.BOUNCE:
            return Bearing.NOTHING
        return rules.bearing_of_bounce(
            self.reason, status=self.status, reply=self.reply, final=self.final
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """What was done. ``new`` is false for what was known; ``stopped``: subscriptions that get no
    mail any more.
    """

    effect: Effect
    subject: Subject | None = None
    new: bool = True
    stopped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedbackDesk:
    """Takes in whatever comes back, for one installation. ``tell`` writes to operators."""

    db: Database
    keys: KeyRing
    clock: Clock
    leavers: Leavers = field(default_factory=Leavers)
    tell: Tell | None = None

    async def take(self, feedback: Feedback) -> Taken:
        """Apply it in a transaction of its own; returns once no mail to who was stopped starts."""
        async with self.db.begin() as session:
            taken = await apply(
                session, feedback, keys=self.keys, now=self.clock.now(), tell=self.tell
            )
        for one in taken.stopped:
            self.leavers.add(one)
        if taken.effect in (Effect.LEFT, Effect.SUPPRESSED):
            await until_nothing_can_start(
                self.db, taken.stopped, clock=self.clock, own_worker=self.leavers.worker_id
            )
        return taken

    async def hand_on(self, feedback: Feedback, answer: Mapping[str, Any]) -> Taken:
        """Mail a person's answer, once, to whom the newsletter's readers write."""
        now = self.clock.now()
        async with self.db.begin() as session:
            subject = await find_subject(session, feedback.claim, self.keys)
            if subject is None or subject.newsletter_id is None:
                subject = subject or Subject()
                return await _set_aside(session, feedback, subject, Effect.QUARANTINED, now)
            row = _row(feedback, subject, f"reply:{feedback.key}", Effect.FORWARDED, now)
            if await store.write_feedback(session, row) is None:
                return Taken(Effect.FORWARDED, subject, new=False)
            newsletter = await newsletter_by_id(session, subject.newsletter_id)
            notice = Notice(
                kind=REPLY,
                lane=OPERATOR_LANE,
                address=newsletter.reply_to or newsletter.from_address,
                language=newsletter.language,
                params=answer,
                newsletter_id=newsletter.id,
                dedupe_key=f"reply:{feedback.key}",
            )
            await write_notice(session, notice, now)
        return Taken(Effect.FORWARDED, subject)


async def apply(
    session: Session,
    feedback: Feedback,
    *,
    keys: KeyRing,
    now: datetime,
    tell: Tell | None = None,
) -> Taken:
    """Do what follows from ``feedback``, once."""
    subject = await find_subject(session, feedback.claim, keys)
    if subject is None:
        return await _set_aside(session, feedback, Subject(), Effect.QUARANTINED, now)
    if subject.settled_at is not None and now - subject.settled_at > rules.ACTS_FOR:
        return await _set_aside(session, feedback, subject, Effect.EXPIRED, now)
    bearing = _in_reach(feedback.bearing, subject)
    class_ = bearing if feedback.kind in rules.ACTING_KINDS else feedback.kind
    own = "" if subject.delivery_id or subject.notice_id else f":{feedback.key}"
    row = _row(feedback, subject, f"{subject.name}:{class_}{own}", Effect.NOTHING, now)
    (taken,) = await act(session, [row], now=now, tell=tell)
    return taken


async def act(
    session: Session, rows: Sequence[FeedbackRow], *, now: datetime, tell: Tell | None = None
) -> list[Taken]:
    """Write down what is attributed, and do what follows from it; nothing where it was known.

    Of rows that come together the brakes see all before anybody is suppressed for one of them.
    """
    ids = [await store.write_feedback(session, row) for row in rows]
    news = [row for row, feedback_id in zip(rows, ids, strict=True) if feedback_id is not None]
    held = await brake(session, {(one.subject, one.bearing) for one in news}, now=now, tell=tell)
    taken = []
    for row, feedback_id in zip(rows, ids, strict=True):
        if feedback_id is None:
            taken.append(Taken(Effect.NOTHING, row.subject, new=False))
        else:
            taken.append(await _act_on(session, row, feedback_id, held=held, now=now))
    return taken


async def _act_on(
    session: Session, row: FeedbackRow, feedback_id: int, *, held: Collection[Where], now: datetime
) -> Taken:
    subject = row.subject
    effect = rules.effect_of(row.bearing, await _history(session, row, now))
    if effect is Effect.SUPPRESSED and row.bearing is Bearing.HARD and where_of(subject) in held:
        effect = Effect.HELD
    stopped = await _do(session, row, effect, now)
    ask_at = now if effect is Effect.ASKING else None
    await store.set_effect(session, feedback_id, effect, ask_at=ask_at)
    if effect is not Effect.NOTHING:
        log.info("feedback", effect=effect.value, reason=row.reason, about=subject.name)
    return Taken(effect, subject, stopped=tuple(stopped))


async def find_subject(session: Session, claim: Claim, keys: KeyRing) -> Subject | None:
    """Whom a claim is about, if it is proved; the first rung of the ladder that holds."""
    for text in claim.tokens:
        token = keys.read(text)
        subject = None
        if token is None:
            continue
        if token.kind is TokenKind.DELIVERY:
            subject = await store.subject_of_delivery(session, token.id)
        elif token.kind is TokenKind.NOTICE:
            subject = await store.subject_of_notice(session, token.id)
        elif token.kind in (TokenKind.LEAVE, TokenKind.PREFERENCES):
            subject = await store.subject_of_subscription(session, token.id)
        if subject is not None:
            return subject
    if not claim.trusted:
        return None
    if claim.relay_id:
        subject = await store.subject_of_relay_id(session, claim.relay_id)
        if subject is not None:
            return subject
    key = _key_of(claim.address)
    return await store.subject_of_address(session, key) if key else None


def _key_of(address: str) -> str:
    try:
        return address_key(parse_address(address))
    except AddressError:
        return ""


def _in_reach(bearing: Bearing, subject: Subject) -> Bearing:
    """Mail to operators never makes anybody a reader who is suppressed."""
    if subject.notice_id is not None and subject.notice_kind not in _TO_READERS:
        return Bearing.NOTHING
    return bearing


async def _history(session: Session, row: FeedbackRow, now: datetime) -> rules.History:
    if row.bearing in rules.ABOUT_READERS and row.bearing is not Bearing.HARD:
        return await history_of(session, row.subject, now)
    return rules.History()


async def _set_aside(
    session: Session, feedback: Feedback, subject: Subject, effect: Effect, now: datetime
) -> Taken:
    """Write down what changes nothing."""
    row = _row(feedback, subject, f"{effect}:{feedback.key}", effect, now)
    new = await store.write_feedback(session, row) is not None
    return Taken(effect, subject if subject.name else None, new=new)


def _row(
    feedback: Feedback, subject: Subject, key: str, effect: Effect, now: datetime
) -> FeedbackRow:
    bearing = _in_reach(feedback.bearing, subject)
    unread = feedback.kind is Kind.NOT_BOUNCE or feedback.reason is Reason.UNDEFINED
    return FeedbackRow(
        dedupe_key=key,
        source=feedback.source,
        kind=feedback.kind,
        subject=subject,
        bearing=bearing if effect is Effect.NOTHING else Bearing.NOTHING,
        effect=effect,
        received_at=now,
        address=feedback.address,
        status=feedback.status,
        reply=feedback.reply,
        reason=feedback.complaint or feedback.reason,
        hard=bearing is Bearing.HARD,
        evidence=feedback.evidence,
        sample=feedback.sample if unread or effect is not Effect.NOTHING else "",
    )


async def _do(session: Session, row: FeedbackRow, effect: Effect, now: datetime) -> list[int]:
    """What the effect is, on the rows of its reader; the subscriptions that get no mail now."""
    subject = row.subject
    if effect is Effect.SUPPRESSED:
        return await suppress_subject(session, row, now)
    if effect is Effect.PAUSED and subject.subscriber_id is not None:
        until = now + rules.PROBE_AFTER
        return await pause_for_bounces(session, subject.subscriber_id, until=until, now=now)
    if effect is Effect.LEFT and subject.subscription_id is not None:
        await leave_subscription(session, subject.subscription_id, now, source="complaint")
        return [subject.subscription_id]
    return []


async def suppress_subject(session: Session, row: FeedbackRow, now: datetime) -> list[int]:
    """Never mail the address it was sent to again; the subscriptions this stops."""
    subject = row.subject
    complained = row.bearing is Bearing.COMPLAINT
    reason = SuppressionReason.COMPLAINED if complained else SuppressionReason.BOUNCED
    key = subject.address_key or _key_of(subject.address)
    if not key:
        return []
    said = " ".join(part for part in (row.reply, row.status, row.evidence) if part)
    evidence = f"{row.kind} by {row.source}, {row.reason}: {said}"
    who = Unwanted(key, subject.subscriber_id, reason, evidence)
    return await stop_mailing(session, who, now)


async def take_given_up(
    session: Session, issue_id: int, *, now: datetime, tell: Tell | None = None
) -> int:
    """Take in what relays have answered about readers of an issue; how many rows were new.

    The same table as for bounces: a 550 5.1.1 in our session suppresses as a bounce would.
    """
    rows = [
        FeedbackRow(
            dedupe_key=f"{one.subject.name}:{one.bearing}",
            source=store.SESSION,
            kind=Kind.BOUNCE,
            subject=one.subject,
            bearing=one.bearing,
            effect=Effect.NOTHING,
            received_at=one.settled_at,
            address=one.subject.address,
            status=one.status or "",
            reply=str(one.code or ""),
            reason=one.reason,
            hard=one.bearing is Bearing.HARD,
            evidence=one.text or "",
        )
        for one in await store.given_up(session, issue_id)
    ]
    return sum(one.new for one in await act(session, rows, now=now, tell=tell))
