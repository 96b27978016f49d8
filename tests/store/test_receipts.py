"""A receipt counts every row once, and each of its numbers is as long as the list it opens."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from digest.rules.delivery import OPEN_STATES, DeliveryState, IssueState, StateReason
from digest.rules.verdict import Blame, Reason
from digest.rules.words import FATES
from digest.store import control
from digest.store.delivery_rows import (
    Which,
    deliveries_of,
    delivery_history,
    delivery_list,
    get_delivery,
)
from digest.store.issues import approve_version, move_issue
from digest.store.receipts import destination_counts, receipt
from digest.store.relays import ensure_relay
from digest.store.reports import issue_totals
from digest.store.schema import attempts, deliveries
from digest.store.session import Database
from tests.build import NOW, a_newsletter, an_issue, issue_text, plan_deliveries, readers

COUNT = 60


@pytest.fixture
async def issue_id(database: Database) -> int:
    """An issue with two versions for sixty readers at three domains, in every state there is."""
    newsletter = await a_newsletter(database)
    await readers(database, newsletter, COUNT)
    first = await an_issue(database, newsletter)
    second = await an_issue(database, newsletter, text=issue_text(words="three items"))
    draw = random.Random(3)
    async with database.begin() as session:
        await approve_version(session, first.issue.id, first.version.hash, by="Anne", now=NOW)
        await move_issue(session, first.issue.id, IssueState.SENDING, now=NOW)
        await plan_deliveries(
            session, issue_id=first.issue.id, version_id=first.version.id, now=NOW
        )
        relay_id = await ensure_relay(session, "relay.example.org:25")
        ids = (await session.scalars(select(deliveries.c.id).order_by(deliveries.c.id))).all()
        fates = list(FATES)
        for number, row_id in enumerate(ids):
            state, reason = fates[number % len(fates)]
            told = state in (DeliveryState.REJECTED, DeliveryState.DEFERRED, DeliveryState.EXPIRED)
            verdict = draw.choice([None, *Reason]) if told and reason is None else None
            values = {
                "state": state,
                "reason": reason,
                "verdict": verdict,
                "blame": draw.choice(list(Blame)) if verdict else None,
                "maybe_sent": draw.random() < 0.3,
                "version_id": draw.choice((first.version.id, second.version.id)),
                "relay_id": relay_id if state is DeliveryState.ACCEPTED else None,
                "reply_code": 550 if verdict else None,
                "reply_status": "5.1.1" if verdict else None,
                "reply_text": f"5.1.1 no {number}" if verdict else None,
                "settled_at": None if state in OPEN_STATES else NOW + timedelta(seconds=number),
            }
            await session.execute(
                update(deliveries).where(deliveries.c.id == row_id).values(values)
            )
    return first.issue.id


async def listed(db: Database, issue_id: int, which: Which) -> int:
    """How many rows the list has, page by page."""
    seen: list[int] = []
    async with db.read() as session:
        while True:
            after = seen[-1] if seen else None
            page = await delivery_list(session, issue_id, which, after=after, limit=7)
            if not page:
                assert len(set(seen)) == len(seen)
                return len(seen)
            seen += [row.id for row in page]


async def test_every_row_is_in_one_line_and_the_lines_add_up(
    database: Database, issue_id: int
) -> None:
    async with database.read() as session:
        counted = await receipt(session, issue_id)
        totals = await issue_totals(session, issue_id)
    assert list(counted.fates) == list(FATES)
    assert counted.planned == totals.planned == COUNT
    for state, number in totals.by_state():
        assert counted.in_state(DeliveryState(state)) == number
    assert (counted.in_doubt, counted.waiting) == (totals.in_doubt, totals.waiting)
    assert counted.first_accepted_at is not None
    assert counted.last_accepted_at is not None
    assert counted.first_accepted_at < counted.last_accepted_at
    assert counted.relays == {"relay.example.org:25": counted.accepted}


async def test_every_number_is_as_long_as_its_list(database: Database, issue_id: int) -> None:
    async with database.read() as session:
        counted = await receipt(session, issue_id)
        places = await destination_counts(session, issue_id)
    for fate, number in counted.fates.items():
        assert await listed(database, issue_id, Which(fate=fate)) == number, fate
    for cause in counted.causes:
        which = Which(
            fate=(cause.state, None),
            verdict=cause.verdict,
            blame=cause.blame,
            unclassed=cause.verdict is None,
        )
        assert await listed(database, issue_id, which) == cause.rows, cause
        assert bool(cause.reply) == (cause.verdict is not None), cause
    assert await listed(database, issue_id, Which(doubtful=True)) == counted.in_doubt > 0
    assert await listed(database, issue_id, Which(repeated=True)) == counted.repeated > 0
    for version in counted.versions:
        which = Which(version=version.ordinal)
        assert await listed(database, issue_id, which) == version.planned
    assert sum(version.planned for version in counted.versions) == COUNT
    assert sum(version.accepted for version in counted.versions) == counted.accepted
    for place in places:
        assert (
            await listed(database, issue_id, Which(destination=place.destination)) == place.planned
        )
        assert place.other >= 0
    assert sum(place.planned for place in places) == COUNT
    assert await listed(database, issue_id, Which()) == COUNT


async def test_the_largest_destinations_come_first(database: Database, issue_id: int) -> None:
    async with database.read() as session:
        (first,) = await destination_counts(session, issue_id, limit=1)
    assert first.planned == COUNT / 3


async def test_one_row_per_reader_counts_the_latest(database: Database, issue_id: int) -> None:
    async with database.begin() as session:
        again = await control.resend(session, issue_id, subscriber_ids=None, now=NOW)
        assert again.rows > 0
    async with database.read() as session:
        counted = await receipt(session, issue_id)
        totals = await issue_totals(session, issue_id)
        places = await destination_counts(session, issue_id)
    assert counted.planned == totals.planned == COUNT
    assert counted.in_state(DeliveryState.REJECTED) == 0
    assert sum(place.planned for place in places) == COUNT
    assert await listed(database, issue_id, Which()) == COUNT


async def test_an_issue_nobody_was_planned_for_is_empty(database: Database) -> None:
    newsletter = await a_newsletter(database)
    stored = await an_issue(database, newsletter)
    async with database.read() as session:
        counted = await receipt(session, stored.issue.id)
        assert await destination_counts(session, stored.issue.id) == ()
        assert await delivery_list(session, stored.issue.id) == []
        assert await delivery_list(session, stored.issue.id, after=99) == []
    assert (counted.planned, counted.fates, counted.causes) == (0, {}, ())


async def test_a_delivery_is_told_attempt_by_attempt(database: Database, issue_id: int) -> None:
    async with database.begin() as session:
        (row, *_) = await delivery_list(
            session, issue_id, Which(state=DeliveryState.ACCEPTED), limit=1
        )
        log = {
            "delivery_id": row.id,
            "number": 1,
            "finished_at": NOW,
            "phase": "rcpt",
            "blame": "recipient",
            "verdict": "mailboxfull",
            "code": 452,
            "status": "4.2.2",
            "text": "4.2.2 full",
        }
        await session.execute(insert(attempts).values(log))
        done = {"attempts": 2, "reply_code": 250, "reply_status": "2.0.0", "reply_text": "2.0.0 ok"}
        await session.execute(update(deliveries).where(deliveries.c.id == row.id).values(done))
    async with database.read() as session:
        first, last = await delivery_history(session, row.id)
        assert await get_delivery(session, 10**9) is None
        assert await delivery_history(session, 10**9) == []
        subscriber = select(deliveries.c.subscriber_id).where(deliveries.c.id == row.id)
        subscriber_id = (await session.execute(subscriber)).scalar_one()
        assert [one.id for one in await deliveries_of(session, subscriber_id)] == [row.id]
    assert (first.number, first.verdict, first.reply) == (1, Reason.MAILBOX_FULL, "452 4.2.2 full")
    assert (last.number, last.accepted, last.reply) == (2, True, "250 2.0.0 ok")


async def test_what_a_later_version_stored_is_no_error(database: Database, issue_id: int) -> None:
    async with database.begin() as session:
        await session.execute(update(deliveries).values(verdict="neverheardof", blame="nobody"))
    async with database.read() as session:
        counted = await receipt(session, issue_id)
        rows = await delivery_list(session, issue_id)
    assert counted.planned == len(rows) == COUNT
    assert {row.verdict for row in rows} == {None}


async def test_a_line_without_a_reason_has_none_of_those_that_have_a_line(
    database: Database, issue_id: int
) -> None:
    async with database.begin() as session:
        odd = update(deliveries).where(deliveries.c.state == DeliveryState.QUEUED)
        await session.execute(odd.values(reason=StateReason.BREAKER))
    async with database.read() as session:
        counted = await receipt(session, issue_id)
    fate = (DeliveryState.QUEUED, None)
    assert await listed(database, issue_id, Which(fate=fate)) == counted.fates[fate] > 0
