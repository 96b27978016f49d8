"""Who asked to sign up: written down at once, decided a moment later, then kept to count by.

The typed address is kept until the sign-up is settled; what stays is a keyed hash of its mailbox,
its domain and the client's network, for as long as the caps look back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, select, text, update

from digest.rules.signup import MAILED, MEMORY, WINDOW, SignupOutcome
from digest.rules.subscription import SubscriptionState
from digest.store.schema import consent_events, passes, signups, subscribers, subscriptions
from digest.store.session import Session


@dataclass(frozen=True, slots=True)
class Signup:
    """Somebody asked for a newsletter: from which network, by which door."""

    newsletter_id: int
    address: str
    net: str
    source: str


@dataclass(frozen=True, slots=True)
class OpenSignup:
    """A sign-up nobody has answered yet."""

    id: int
    signup: Signup
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Counted:
    """Mails that came of sign-ups; see rules.signup.SignupFacts."""

    mailed: tuple[datetime, ...]
    mailed_here: datetime | None
    net: int
    domain: int
    total: int


async def ask_signup(session: Session, signup: Signup, now: datetime) -> None:
    """Write a sign-up down: one statement, whoever asks."""
    row = {
        "newsletter_id": signup.newsletter_id,
        "address": signup.address,
        "net": signup.net,
        "source": signup.source,
        "asked_at": now,
    }
    await session.execute(insert(signups).values(row))


async def open_signups(session: Session, *, limit: int) -> list[int]:
    """The oldest sign-ups that are open."""
    query = select(signups.c.id).where(signups.c.settled_at.is_(None))
    return list(await session.scalars(query.order_by(signups.c.id).limit(limit)))


async def take_signup(session: Session, signup_id: int) -> OpenSignup | None:
    """An open sign-up, ours until the transaction ends; None: answered, or another's."""
    query = select(signups).where(signups.c.id == signup_id, signups.c.settled_at.is_(None))
    if session.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    asked = Signup(row.newsletter_id, row.address, row.net, row.source)
    return OpenSignup(row.id, asked, row.asked_at)


async def count_signups(
    session: Session, asked: Signup, *, mailbox_hash: str, domain: str, now: datetime
) -> Counted:
    """What the caps need to know about a sign-up of this mailbox."""
    mailed = signups.c.outcome.in_(MAILED)
    own = select(signups.c.settled_at, signups.c.newsletter_id).where(
        signups.c.mailbox_hash == mailbox_hash, signups.c.settled_at > now - MEMORY, mailed
    )
    rows = (await session.execute(own)).all()
    here = [row.settled_at for row in rows if row.newsletter_id == asked.newsletter_id]
    window = select(
        _count(signups.c.net == asked.net),
        _count(signups.c.domain == domain),
        func.count(),
    ).where(signups.c.settled_at > now - WINDOW, mailed)
    net, of_domain, total = (await session.execute(window)).one()
    times = tuple(row.settled_at for row in rows)
    return Counted(times, max(here, default=None), net, of_domain, total)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)


async def settle_signup(
    session: Session,
    signup_id: int,
    outcome: SignupOutcome,
    *,
    mailbox_hash: str,
    domain: str,
    now: datetime,
) -> None:
    """Write what came of a sign-up, and forget the address."""
    values = {
        "address": None,
        "mailbox_hash": mailbox_hash,
        "domain": domain,
        "outcome": outcome,
        "settled_at": now,
    }
    await session.execute(update(signups).where(signups.c.id == signup_id).values(**values))


async def note_mail(
    session: Session, asked: Signup, *, mailbox_hash: str, domain: str, now: datetime
) -> None:
    """Count one mail more to a mailbox that a page was told of in another way than a sign-up."""
    row = {
        "newsletter_id": asked.newsletter_id,
        "net": asked.net,
        "source": asked.source,
        "mailbox_hash": mailbox_hash,
        "domain": domain,
        "outcome": SignupOutcome.CONFIRMATION,
        "asked_at": now,
        "settled_at": now,
    }
    await session.execute(insert(signups).values(row))


async def forget_signups(session: Session, now: datetime) -> int:
    """Delete what the caps do not look back to any more."""
    old = delete(signups).where(signups.c.settled_at < now - MEMORY)
    return (await session.execute(old)).rowcount


async def expire_pending(session: Session, before: datetime) -> int:
    """Forget who asked before ``before`` and never confirmed; how many that were.

    One whom an operator wrote down has a record that stays: it ends. A reader of nothing else is
    deleted with the subscription.
    """
    _s = subscriptions
    stale = and_(text("subscriptions.state = 'pending'"), _s.c.created_at < before)  # its index
    recorded = exists().where(consent_events.c.subscription_id == _s.c.id)
    ended = update(_s).where(stale, recorded)
    count: int = (
        await session.execute(ended.values(state=SubscriptionState.ENDED, ended_at=before))
    ).rowcount
    of_none = select(_s.c.id).where(stale, ~recorded, _s.c.consent_batch_id.is_(None))
    await session.execute(delete(passes).where(passes.c.subscription_id.in_(of_none)))
    gone = delete(_s).where(_s.c.id.in_(of_none)).returning(_s.c.subscriber_id)
    readers = list((await session.execute(gone)).scalars())
    if readers:
        left = exists().where(_s.c.subscriber_id == subscribers.c.id)
        unused = and_(subscribers.c.id.in_(readers), ~left)
        await session.execute(delete(subscribers).where(unused))
    return count + len(readers)
