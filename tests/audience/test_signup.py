"""Signing up: what is written, what is mailed, and what a confirmation does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from digest.audience.leave import leave
from digest.audience.own_data import export_reader
from digest.audience.signup import (
    Confirmed,
    SignupDesk,
    confirm,
    look_up_confirmation,
)
from digest.clock import Clock
from digest.mail.address import parse_address
from digest.mail.tokens import KeyRing
from digest.rules.signup import MEMORY, SignupLimits, SignupOutcome
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.store.newsletters import Newsletter
from digest.store.preferences import speak_to
from digest.store.schema import (
    consent_events,
    notices,
    passes,
    signups,
    subscribers,
    subscriptions,
    wordings,
)
from digest.store.session import Database
from digest.store.signups import Signup, ask_signup, expire_pending, forget_signups
from digest.store.subscribers import find_reader
from digest.store.suppressions import suppress
from tests.build import (
    KEY,
    NOW,
    PUBLIC_URL,
    a_newsletter,
    a_reader,
    an_installation,
    an_issue,
    plan_deliveries,
)

NET = "192.0.2.0/24"


@dataclass(slots=True)
class SetClock(Clock):
    """Shows the time it was set to."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time


@dataclass(frozen=True, slots=True)
class Place:
    """A newsletter and the desk that takes sign-ups for it."""

    db: Database
    desk: SignupDesk
    clock: SetClock
    newsletter: Newsletter

    async def sign_up(self, address: str, *, net: str = NET) -> None:
        await self.desk.ask(self.newsletter.id, parse_address(address), net=net, source="form")
        await self.desk.settled()

    async def only_ask(self, address: str) -> None:
        """Write a sign-up down and answer nothing, as a process does that dies right then."""
        async with self.db.begin() as session:
            asked = Signup(self.newsletter.id, address, NET, "form")
            await ask_signup(session, asked, NOW)

    async def mails(self) -> list[Any]:
        async with self.db.read() as session:
            return list((await session.execute(select(notices).order_by(notices.c.id))).all())

    async def outcomes(self) -> list[SignupOutcome]:
        async with self.db.read() as session:
            query = select(signups.c.outcome).order_by(signups.c.id)
            return list((await session.execute(query)).scalars())

    async def secret(self) -> str:
        """What the last confirmation's link ends in."""
        last = (await self.mails())[-1]
        assert last.kind == "confirmation"
        return str(last.params["url"]).removeprefix(f"{PUBLIC_URL}/c/")

    async def confirm(self, secret: str) -> Confirmed | None:
        async with self.db.begin() as session:
            return await confirm(session, secret, language="en", net=NET, now=self.clock.now())

    async def state(self, address: str) -> SubscriptionState | None:
        async with self.db.read() as session:
            reader = await find_reader(session, address)
        return reader.subscriptions[0].state if reader and reader.subscriptions else None


@pytest.fixture
async def place(database: Database) -> Place:
    await an_installation(database)
    clock = SetClock()
    desk = SignupDesk(database, KeyRing(KEY), PUBLIC_URL, clock)
    return Place(database, desk, clock, await a_newsletter(database))


async def test_who_signs_up_is_mailed_a_link_and_nothing_else(place: Place) -> None:
    await place.sign_up("Anne@example.org")
    [mail] = await place.mails()
    assert (mail.kind, mail.lane, mail.address) == ("confirmation", 0, "Anne@example.org")
    assert mail.params.keys() == {"newsletter", "url"}
    assert mail.expires_at == NOW + timedelta(days=7)
    assert await place.state("anne@example.org") is SubscriptionState.PENDING
    async with place.db.read() as session:
        kept = (await session.execute(select(signups))).one()
        stored = (await session.execute(select(passes.c.secret_hash))).scalar_one()
    assert kept.address is None
    assert stored not in mail.params["url"]


async def test_only_the_confirmation_subscribes(place: Place) -> None:
    await place.sign_up("anne@example.org")
    published = await an_issue(place.db, place.newsletter)
    issue_id, version_id = published.issue.id, published.version.id
    async with place.db.begin() as session:
        assert (
            await plan_deliveries(session, issue_id=issue_id, version_id=version_id, now=NOW) == 0
        )
    async with place.db.read() as session:
        found = await look_up_confirmation(session, await place.secret(), now=NOW)
    assert found is not None
    assert await place.state("anne@example.org") is SubscriptionState.PENDING
    confirmed = await place.confirm(await place.secret())
    assert confirmed is not None
    assert confirmed.now
    async with place.db.begin() as session:
        assert (
            await plan_deliveries(session, issue_id=issue_id, version_id=version_id, now=NOW) == 1
        )
        events = (await session.execute(select(consent_events))).all()
    [proof] = events
    assert (proof.kind, proof.source, proof.origin) == ("confirmed", "form", NET)
    assert proof.text_version.startswith("en-")
    assert proof.detail["asked"]["asked_at"].startswith("2026-11-26T09:00")


async def test_a_confirmation_works_once_and_never_brings_back_who_left(place: Place) -> None:
    await place.sign_up("anne@example.org")
    secret = await place.secret()
    first = await place.confirm(secret)
    again = await place.confirm(secret)
    assert first is not None
    assert first.now
    assert again is not None
    assert not again.now
    await leave(place.db, first.subscription.id, source="one-click", clock=place.clock)
    late = await place.confirm(secret)
    assert late is not None
    assert not late.now
    assert await place.state("anne@example.org") is SubscriptionState.ENDED


async def test_a_confirmation_pressed_by_many_at_once_is_one_event(place: Place) -> None:
    await place.sign_up("anne@example.org")
    secret = await place.secret()
    answers = await asyncio.gather(*(place.confirm(secret) for _ in range(20)))
    assert sum(answer is not None and answer.now for answer in answers) == 1
    async with place.db.read() as session:
        count = await session.execute(select(func.count()).select_from(consent_events))
        assert count.scalar_one() == 1


async def test_a_link_dies_after_seven_days_and_a_made_up_one_never_lived(place: Place) -> None:
    await place.sign_up("anne@example.org")
    secret = await place.secret()
    assert await place.confirm(secret[:-1] + ("A" if secret[-1] != "A" else "B")) is None
    assert await place.confirm("x" * 10_000) is None
    place.clock.time = NOW + timedelta(days=7)
    assert await place.confirm(secret) is None


async def test_who_reads_already_is_told_so_and_stays(place: Place) -> None:
    await a_reader(place.db, place.newsletter, "Anne")
    await place.sign_up("anne@example.org")
    [mail] = await place.mails()
    assert mail.kind == "already_subscribed"
    assert "/p/" in mail.params["preferences_url"]
    assert await place.state("anne@example.org") is SubscriptionState.ACTIVE


async def test_who_left_can_come_back_by_signing_up(place: Place) -> None:
    anne = await a_reader(place.db, place.newsletter, "Anne")
    await leave(place.db, anne.subscription_id, source="one-click", clock=place.clock)
    await place.sign_up("anne@example.org")
    assert await place.state("anne@example.org") is SubscriptionState.ENDED
    await place.confirm(await place.secret())
    assert await place.state("anne@example.org") is SubscriptionState.ACTIVE


async def test_who_complained_is_never_mailed(place: Place) -> None:
    await a_reader(place.db, place.newsletter, "Anne")
    key = "anne@example.org"
    async with place.db.begin() as session:
        await suppress(session, key, reason=SuppressionReason.COMPLAINED, now=NOW)
    await place.sign_up("anne@example.org")
    assert await place.mails() == []
    assert await place.outcomes() == [SignupOutcome.UNWANTED]


async def test_a_complaint_after_the_mail_kills_its_link(place: Place) -> None:
    await place.sign_up("anne@example.org")
    async with place.db.begin() as session:
        reason = SuppressionReason.COMPLAINED
        await suppress(session, "anne@example.org", reason=reason, now=NOW)
    assert await place.confirm(await place.secret()) is None
    assert await place.state("anne@example.org") is SubscriptionState.PENDING


async def test_an_address_that_bounced_is_shown_to_be_read_by_confirming(place: Place) -> None:
    await a_reader(place.db, place.newsletter, "Anne")
    async with place.db.begin() as session:
        await suppress(session, "anne@example.org", reason=SuppressionReason.BOUNCED, now=NOW)
    await place.sign_up("anne@example.org")
    await place.confirm(await place.secret())
    async with place.db.read() as session:
        reader = await find_reader(session, "anne@example.org")
    assert reader is not None
    assert reader.suppressed_at is None


async def test_sixty_sign_ups_of_one_mailbox_from_everywhere_are_three_mails(
    place: Place,
) -> None:
    for number in range(60):
        address = f"an.ne+{number}@gmail.com" if number % 2 else "anne@googlemail.com"
        await place.sign_up(address, net=f"10.0.{number}.0/24")
        place.clock.time += timedelta(minutes=20)
    assert len(await place.mails()) == 3


async def test_a_network_and_a_domain_get_so_many_an_hour(place: Place) -> None:
    place.desk.limits = SignupLimits(per_net=2, per_domain=3, total=4)
    for number in range(4):
        await place.sign_up(f"reader{number}@example.org")
    assert len(await place.mails()) == 2
    for number in range(4):
        await place.sign_up(f"other{number}@example.org", net=f"10.0.{number}.0/24")
    assert len(await place.mails()) == 3
    for number in range(4):
        await place.sign_up(f"reader@example{number}.net", net=f"10.0.{number}.0/24")
    assert len(await place.mails()) == 4
    place.clock.time += timedelta(hours=2)
    await place.sign_up("late@example.org")
    assert len(await place.mails()) == 5


async def test_every_request_runs_the_same_statements_and_one_commit(place: Place) -> None:
    """New, pending, active, left, suppressed: the request cannot know, so its time cannot tell."""
    await place.sign_up("pending@example.org")
    await a_reader(place.db, place.newsletter, "Active")
    left = await a_reader(place.db, place.newsletter, "Left")
    await leave(place.db, left.subscription_id, source="one-click", clock=place.clock)
    async with place.db.begin() as session:
        reason = SuppressionReason.COMPLAINED
        await suppress(session, "angry@example.org", reason=reason, now=NOW)
    ran: list[str] = []
    engine = place.db.engine.sync_engine

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        ran.append(statement)

    def note_commit(_connection):
        ran.append("COMMIT")

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", note_commit)
    seen = []
    for name in ("new", "pending", "active", "left", "angry"):
        ran.clear()
        address = parse_address(f"{name}@example.org")
        await place.desk.ask(place.newsletter.id, address, net=NET, source="form")
        seen.append(tuple(ran))  # nobody else has had a turn since
        await place.desk.settled()
    event.remove(engine, "before_cursor_execute", note)
    event.remove(engine, "commit", note_commit)
    assert len(set(seen)) == 1
    assert seen[0].count("COMMIT") == 1


async def test_what_was_asked_is_answered_after_a_crash(place: Place) -> None:
    """A process that died between the answer and the mail: the next one finds the row."""
    await place.only_ask("anne@example.org")
    assert await place.desk.settle() == 1
    assert len(await place.mails()) == 1


async def test_many_at_once_are_each_answered_once(place: Place) -> None:
    desks = [SignupDesk(place.db, KeyRing(KEY), PUBLIC_URL, place.clock) for _ in range(3)]
    for number in range(12):
        await place.only_ask(f"reader{number}@example.org")
    settled = await asyncio.gather(*(desk.settle() for desk in desks))
    assert sum(settled) == 12
    assert len(await place.mails()) == 12


async def test_who_never_confirms_is_forgotten(place: Place) -> None:
    await place.sign_up("anne@example.org")
    await a_reader(place.db, place.newsletter, "Bart")
    async with place.db.begin() as session:
        assert await expire_pending(session, NOW) == 0
        assert await expire_pending(session, NOW + timedelta(seconds=1)) == 1
        assert await forget_signups(session, NOW + MEMORY + timedelta(seconds=1)) == 1
        left = [
            (await session.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (subscribers, subscriptions, passes, signups)
        ]
    assert left == [1, 1, 0, 0]


async def test_a_reader_we_know_is_asked_in_their_own_language(place: Place) -> None:
    reader = await a_reader(place.db, place.newsletter)
    async with place.db.begin() as session:
        await speak_to(session, reader.subscriber_id, "fr")
    await leave(place.db, reader.subscription_id, source="page", clock=place.clock)
    await place.sign_up("anne@example.org")
    await place.sign_up("bart@example.org")
    assert [mail.language for mail in await place.mails()] == ["fr", "en"]


async def test_what_was_asked_is_kept_word_for_word_and_once(place: Place) -> None:
    for name in ("anne", "bart"):
        await place.sign_up(f"{name}@example.org")
        await place.confirm(await place.secret())
    async with place.db.read() as session:
        [kept] = (await session.execute(select(wordings))).all()
        data = await export_reader(session, "anne@example.org")
    assert "every issue of A Weekly" in kept.text
    assert data is not None
    [agreed] = data["subscriptions"][0]["consent"]
    assert (agreed["wording"], agreed["words"]) == (kept.version, kept.text)
