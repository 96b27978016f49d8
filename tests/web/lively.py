"""An installation in the middle of its week, as the desk's pages are looked at and judged.

Hundreds of readers, four issues that went out and a fifth on its way, one approved and one draft
with something to mend, and one that is paused; a provider that refuses, bounces, complaints, mail
nobody could read, and words that were taught; clicks, and what is kept about one reader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from digest.mail.tokens import KeyRing
from digest.rules.click import Clicker, Link
from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.rules.subscription import SuppressionReason
from digest.rules.traits import TAG_MAX
from digest.store.clicks import add_clicks
from digest.store.feedback_rules import teach
from digest.store.growth import ReaderDay
from digest.store.issues import approve_version, move_issue
from digest.store.newsletters import Newsletter
from digest.store.reader_import import Consent, ImportedReader, import_chunk, open_batch
from digest.store.relays import ensure_relay, save_backoff
from digest.store.schema import (
    attempts,
    deliveries,
    feedback,
    issues,
    reader_days,
    subscriptions,
    version_links,
)
from digest.store.session import Database, Session
from digest.store.subscribers import add_reader
from digest.store.suppressions import suppress
from digest.store.tags import change_attributes, tag_subscription
from tests.build import KEY, a_newsletter, an_installation, an_issue, issue_text, plan_deliveries

Text = Callable[[int], str]
_DOMAINS = ("gmail.com", "outlook.com", "example.org", "gmx.net", "example.edu", "yahoo.com")
_FIRST = ("Anne", "Bart", "Cris", "Dana", "Emil", "Fatma", "Goran", "Hana", "Ivo", "Jule")
_REFUSED: dict[str, Any] = {
    "state": DeliveryState.REJECTED,
    "reply_code": 550,
    "reply_status": "5.1.1",
    "reply_text": "5.1.1 The email account that you tried to reach does not exist",
    "verdict": "userunknown",
    "blame": "recipient",
}
_PUT_OFF: dict[str, Any] = {
    "state": DeliveryState.DEFERRED,
    "reply_code": 421,
    "reply_status": "4.7.28",
    "reply_text": "4.7.28 Our system has detected an unusual rate of mail from this address",
    "verdict": "speeding",
    "blame": "destination",
}
_GONE: dict[str, Any] = {"state": DeliveryState.SKIPPED, "reason": StateReason.LEFT}


@dataclass(frozen=True, slots=True)
class Lively:
    """What was made."""

    newsletter: Newsletter
    moving: int  # the issue that is on its way
    now: datetime


async def lively(
    db: Database, now: datetime, *, word: str = "", readers: int = 600, text: Text = issue_text
) -> Lively:
    """Make it. ``word`` stands in whatever others may have written; ``text`` is that of an issue by
    its number.
    """
    keys = KeyRing(KEY)
    await an_installation(db, fingerprint=keys.fingerprint)
    name = word or "A Weekly"
    newsletter = await a_newsletter(
        db,
        name=name,
        description=name,
        schedule="thu 09:00",
        settings={"clicks": True} | ({"sections": [word]} if word else {}),
    )
    await _readers(db, newsletter, readers, word, now)
    for number, weeks in ((178, 4), (179, 3), (180, 2), (181, 1)):
        await _sent(db, newsletter, text(number), now - timedelta(weeks=weeks), word)
    moving = await _on_its_way(db, newsletter, text(182), now, word)
    ready = await an_issue(db, newsletter, 183, text=text(183))
    async with db.begin() as session:
        by = word or "Cris"
        await approve_version(session, ready.issue.id, ready.version.hash, by=by, now=now)
    wrong = text(184).replace("(https://github.com/owner/repository)", "(TODO)")
    await an_issue(db, newsletter, 184, text=wrong)
    await _paused(db, text(12), now, word)
    async with db.begin() as session:
        await _grown(session, newsletter, now)
        await _unhappy(session, word, now)
        await _unreadable(session, word, now)
        await teach(session, word or "nimmt derzeit keine Post an", "suspend", now)
    return Lively(newsletter, moving, now)


async def _readers(
    db: Database, newsletter: Newsletter, count: int, word: str, now: datetime
) -> None:
    people = []
    for number in range(count):
        first = _FIRST[number % len(_FIRST)]
        domain = _DOMAINS[number * number % 17 % len(_DOMAINS)]
        address = f"{first.lower()}{number}@{domain}"
        people.append(ImportedReader(address, address, domain, word or first))
    consent = Consent(word or "the sign-up sheet of the spring fair", "fair.csv", None)
    async with db.begin() as session:
        batch = await open_batch(session, newsletter.id, consent, now=now - timedelta(days=80))
        await import_chunk(session, batch, people, now=now - timedelta(days=80))
    async with db.begin() as session:
        anne = "anne@example.org"
        called, source = word or "Anne", word or "the form"
        await add_reader(session, newsletter.id, address=anne, name=called, source=source, now=now)
        for number, reason in enumerate(SuppressionReason):
            await suppress(
                session,
                people[number][1],
                reason=reason,
                now=now,
                evidence=word or "5.1.1 no such user here",
            )
        await _known_well(session, word)


async def _known_well(session: Session, word: str) -> None:
    """What an operator keeps of the first reader, and what that one will not read."""
    first = select(subscriptions).order_by(subscriptions.c.id).limit(1)
    mine = (await session.execute(first)).one()
    name = word[:TAG_MAX] or "town"
    await tag_subscription(session, mine.id, [word[:TAG_MAX] or "spring-fair"])
    await change_attributes(session, mine.subscriber_id, {name: word or "Springfield"})
    muted = update(subscriptions).where(subscriptions.c.id == mine.id)
    await session.execute(muted.values(muted=[word or "Code"]))


async def _published(db: Database, newsletter: Newsletter, text: str, at: datetime) -> int:
    stored = await an_issue(db, newsletter, text=text)
    async with db.begin() as session:
        await approve_version(session, stored.issue.id, stored.version.hash, by="Cris", now=at)
        await move_issue(session, stored.issue.id, IssueState.SENDING, now=at)
        version = stored.version.id
        await plan_deliveries(session, issue_id=stored.issue.id, version_id=version, now=at)
        passed = update(issues).where(issues.c.id == stored.issue.id)
        await session.execute(passed.values(canary_passed_at=at))
    return stored.issue.id


async def _settle(
    session: Session, issue_id: int, at: datetime, *, share: int, word: str = ""
) -> None:
    """Have each row come to something, the first ``share`` of a hundred only."""
    rows = await session.scalars(
        select(deliveries.c.id).where(deliveries.c.issue_id == issue_id).order_by(deliveries.c.id)
    )
    found = list(rows)
    for place, row in enumerate(found[: len(found) * share // 100]):
        when = at + timedelta(seconds=place / 4)
        values: dict[str, Any] = {"state": DeliveryState.ACCEPTED, "settled_at": when}
        if place % 67 == 5:
            values = _REFUSED | {"settled_at": when}
        elif place % 41 == 7:
            values = _GONE | {"settled_at": when}
        elif share < 100 and place % 13 == 3:
            values = _PUT_OFF | {"not_before": at + timedelta(minutes=20)}
        if word and "reply_text" in values:
            values["reply_text"] = word
        values |= {"first_claimed_at": when, "attempts": 1}
        await session.execute(update(deliveries).where(deliveries.c.id == row).values(values))
        if "reply_text" in values:
            await session.execute(attempts.insert().values(_attempt(row, values, when)))


def _attempt(delivery_id: int, values: dict[str, Any], when: datetime) -> dict[str, Any]:
    """The line of the log that a delivery with these values has."""
    said = {name: values[f"reply_{name}"] for name in ("code", "status", "text")}
    judged = {name: values[name] for name in ("verdict", "blame")}
    about = {"delivery_id": delivery_id, "number": 1, "finished_at": when, "phase": "rcpt"}
    return about | said | judged


async def _sent(db: Database, newsletter: Newsletter, text: str, at: datetime, word: str) -> None:
    issue_id = await _published(db, newsletter, text, at)
    async with db.begin() as session:
        await _settle(session, issue_id, at, share=100, word=word)
        await move_issue(session, issue_id, IssueState.FINISHED, now=at + timedelta(minutes=3))
        await _clicked(session, issue_id)
        rows = await session.execute(
            select(deliveries.c.id, deliveries.c.subscriber_id, deliveries.c.destination_id)
            .where(deliveries.c.issue_id == issue_id, deliveries.c.state == "accepted")
            .limit(12)
        )
        for place, row in enumerate(rows.all()):
            values = _bounce(word) if place % 3 else _complaint(word)
            when = at + timedelta(hours=place * place / 4 + 0.2)
            about = {"delivery_id": row[0], "subscriber_id": row[1], "destination_id": row[2]}
            keyed = {"issue_id": issue_id, "dedupe_key": f"d{row[0]}"}
            await session.execute(
                feedback.insert().values(received_at=when, **values, **about, **keyed)
            )


async def _clicked(session: Session, issue_id: int) -> None:
    """Each of its links the less, the later it stands."""
    approved = select(issues.c.approved_version_id).where(issues.c.id == issue_id)
    query = select(version_links.c.version_id, version_links.c.position)
    rows = await session.execute(query.where(version_links.c.version_id.in_(approved)))
    for version_id, position in rows.all():
        link = Link(version_id, position)
        counted = {(link, Clicker.HUMAN): 90 // (1 + position), (link, Clicker.SCANNER): 7}
        await add_clicks(session, counted)


def _bounce(word: str) -> dict[str, Any]:
    return {
        "source": "lmtp",
        "kind": "bounce",
        "bearing": "hard",
        "effect": "suppressed",
        "hard": True,
        "status": "5.1.1",
        "reason": "userunknown",
        "evidence": word or "550 5.1.1 user unknown",
    }


def _complaint(word: str) -> dict[str, Any]:
    said = word or "Feedback-Type: abuse"
    return {
        "source": "imap",
        "kind": "complaint",
        "bearing": "complaint",
        "effect": "suppressed",
        "evidence": said,
    }


async def _on_its_way(
    db: Database, newsletter: Newsletter, text: str, now: datetime, word: str
) -> int:
    at = now - timedelta(minutes=4)
    issue_id = await _published(db, newsletter, text, at)
    async with db.begin() as session:
        await _settle(session, issue_id, at, share=61, word=word)
        await _held(session, issue_id, now, word)
    return issue_id


async def _held(session: Session, issue_id: int, now: datetime, word: str) -> None:
    """Bounces of one domain that nobody believes yet."""
    columns = (deliveries.c.id, deliveries.c.subscriber_id, deliveries.c.destination_id)
    query = select(*columns).where(deliveries.c.issue_id == issue_id).order_by(deliveries.c.id)
    row = (await session.execute(query.limit(1))).one()
    about = {"delivery_id": row[0], "subscriber_id": row[1], "destination_id": row[2]}
    values = _bounce(word) | about | {"effect": "held", "issue_id": issue_id}
    await session.execute(feedback.insert().values(received_at=now, dedupe_key="held", **values))


async def _paused(db: Database, text: str, now: datetime, word: str) -> None:
    """Another newsletter with one reader, whose issue a brake has stopped."""
    newsletter = await a_newsletter(db, "maps", name=word or "Maps & Models")
    async with db.begin() as session:
        await add_reader(session, newsletter.id, address="edda@example.org", now=now)
    issue_id = await _published(db, newsletter, text, now - timedelta(minutes=9))
    async with db.begin() as session:
        why = word or "9 of 100 readers bounced; the last words: 5.7.1 blocked"
        await move_issue(session, issue_id, IssueState.PAUSED, now=now, reason=why)


async def _grown(session: Session, newsletter: Newsletter, now: datetime) -> None:
    """Eighty days of a list that grows, with one day on which many left."""
    active = 430
    for back in range(80, -1, -1):
        joined, left = 2 + (back * 7) % 5, 1 + back % 2 + (14 if back == 31 else 0)
        active += joined - left
        day = (now - timedelta(days=back)).date()
        row = ReaderDay(newsletter.id, day, active, 12, 3, joined, left, now)
        values = {name: getattr(row, name) for name in ReaderDay.__slots__}
        await session.execute(reader_days.insert().values(values))


async def _unhappy(session: Session, word: str, now: datetime) -> None:
    """A relay that wants to be left alone for a while, and another that does not."""
    relay = await ensure_relay(session, "smtp.relay.example.net:587")
    await ensure_relay(session, "mail.example.org:25")
    await save_backoff(
        session,
        relay,
        learned_rate=120,
        until=now + timedelta(minutes=7),
        step=2,
        code=421,
        text=word or "4.7.28 Our system has detected an unusual rate of mail",
        now=now,
    )


async def _unreadable(session: Session, word: str, now: datetime) -> None:
    """Mail that carries no token of ours, and words of a server nobody has described."""
    words: dict[str, Any] = {"source": "imap", "bearing": "nothing", "received_at": now}
    rows: tuple[dict[str, Any], ...] = (
        {
            "kind": "bounce",
            "reason": "undefined",
            "effect": "scored",
            "status": "5.0.0",
            "reply": "554",
            "address": "dana3@gmx.net",
            "evidence": word or "554 Das Postfach nimmt derzeit keine Post an",
        },
        {
            "kind": "not-bounce",
            "effect": "quarantined",
            "quarantined": True,
            "address": "news@elsewhere.example",
            "evidence": word or "Subject: Re: invoice",
            "sample": word or "Dear sirs,\n\nfind enclosed the invoice of last month.\n",
        },
    )
    for number, row in enumerate(rows):
        await session.execute(feedback.insert().values(dedupe_key=f"x{number}", **words, **row))
