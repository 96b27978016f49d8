"""Rows of long ago become counts, and nothing that anybody may ask about them changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from digest.cli.issue_receipt import in_words
from digest.delivery.checks import Gate
from digest.delivery.plan import start_issue
from digest.delivery.retention import SHORTEST, roll_up_finished
from digest.errors import RefusedError
from digest.rules.delivery import DeliveryState, IssueState
from digest.rules.feedback import Bearing
from digest.rules.relay import parse_relays
from digest.store.delivery_rows import Which, delivery_list
from digest.store.issues import approve_version, issue_by_id
from digest.store.receipts import destination_counts, receipt
from digest.store.reports import issue_totals, missed_readers
from digest.store.rollup import next_to_roll_up, roll_up, rolled_up_count
from digest.store.schema import attempts, deliveries, feedback, issues, rolled_up
from digest.store.session import Database
from tests.build import NOW, PUBLIC_URL, a_newsletter, an_issue
from tests.delivery.stage import KEYS
from tests.store.test_receipts import issue_id

__all__ = ["issue_id"]  # a fixture: an issue with rows in every state there is

LATER = NOW + timedelta(days=500)
KEEP = timedelta(days=400)


async def everything(db: Database, issue_id: int) -> tuple[Any, ...]:
    """All that is said of an issue as a whole."""
    async with db.read() as session:
        return (
            await receipt(session, issue_id),
            await issue_totals(session, issue_id),
            await destination_counts(session, issue_id),
            await missed_readers(session, issue_id),
        )


async def finish(db: Database, issue_id: int, *, followed: bool = True) -> None:
    """Have the issue be one of long ago, with another one after it."""
    async with db.begin() as session:
        open_rows = deliveries.c.state.in_(
            [DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED]
        )
        settled = {"state": DeliveryState.ACCEPTED, "reason": None, "settled_at": NOW}
        await session.execute(update(deliveries).where(open_rows).values(settled))
        done = {"state": IssueState.FINISHED, "finished_at": NOW}
        await session.execute(update(issues).where(issues.c.id == issue_id).values(done))
        found = await session.execute(select(issues.c.newsletter_id))
        newsletter_id = found.scalars().first()
        if followed:
            next_one = {"newsletter_id": newsletter_id, "number": 999, "title": "", **done}
            next_one |= {"finished_at": NOW + timedelta(days=7), "created_at": NOW}
            await session.execute(insert(issues).values(next_one))


async def count(db: Database, table: Any = deliveries, *where: Any) -> int:
    async with db.read() as session:
        query = select(func.count()).select_from(table).where(*where)
        return int((await session.execute(query)).scalar_one())


async def test_a_receipt_says_the_same_before_in_between_and_after(
    database: Database, issue_id: int
) -> None:
    await finish(database, issue_id)
    before = await everything(database, issue_id)
    rows = await count(database)
    after: int | None = 0
    while after is not None:
        async with database.begin() as session:
            after = await roll_up(session, issue_id, after=after, limit=7)
        assert await everything(database, issue_id) == before
    left = await count(database)
    async with database.read() as session:
        gone = await rolled_up_count(session, issue_id)
    assert left + gone == rows
    assert gone > 10
    plain = (deliveries.c.state == DeliveryState.ACCEPTED, deliveries.c.reason.is_(None))
    assert await count(database, deliveries, *plain) < rows - left


async def test_what_came_back_and_what_was_not_accepted_stays_row_by_row(
    database: Database, issue_id: int
) -> None:
    await finish(database, issue_id)
    async with database.begin() as session:
        chosen = select(deliveries).where(
            deliveries.c.state == DeliveryState.ACCEPTED, deliveries.c.reason.is_(None)
        )
        one, two, *_ = (await session.execute(chosen.order_by(deliveries.c.id))).all()
        known = {"source": "lmtp", "kind": "bounce", "received_at": NOW, "dedupe_key": "a"}
        known |= {"delivery_id": one.id, "issue_id": issue_id, "subscriber_id": one.subscriber_id}
        await session.execute(insert(feedback).values(known | {"bearing": Bearing.HARD}))
        tried = {"delivery_id": two.id, "number": 1, "finished_at": NOW, "phase": "rcpt"}
        await session.execute(insert(attempts).values(tried | {"blame": "destination"}))
    others = deliveries.c.state != DeliveryState.ACCEPTED
    before = await count(database, deliveries, others)
    await roll_up_finished(database, LATER, keep=KEEP)
    assert await count(database, deliveries, others) == before
    assert await count(database, deliveries, deliveries.c.id == one.id) == 1
    assert await count(database, deliveries, deliveries.c.id == two.id) == 0
    assert await count(database, attempts, attempts.c.delivery_id == two.id) == 0
    assert await count(database, feedback) == 1
    async with database.read() as session:
        missed = await delivery_list(session, issue_id, Which(missed=True))
    assert len(missed) == before


async def test_rows_are_kept_as_long_as_was_set_and_those_of_the_last_issue_for_ever(
    database: Database, issue_id: int
) -> None:
    await finish(database, issue_id, followed=False)
    rows = await count(database)
    assert await roll_up_finished(database, LATER, keep=KEEP) == 0  # none came after it
    await finish(database, issue_id)
    assert await roll_up_finished(database, NOW + KEEP, keep=KEEP) == 0
    assert await roll_up_finished(database, NOW + SHORTEST, keep=timedelta(days=1)) == 0
    assert await count(database) == rows
    assert await roll_up_finished(database, LATER, keep=KEEP, batch=7, at_most=2) == 0
    some = await count(database, rolled_up)
    assert some > 0
    assert await roll_up_finished(database, LATER, keep=KEEP, batch=7) == 1
    async with database.read() as session:
        assert await next_to_roll_up(session, LATER) is None


async def test_a_correction_is_not_sent_to_some_of_those_it_is_for(
    database: Database, issue_id: int
) -> None:
    await finish(database, issue_id)
    await roll_up_finished(database, LATER, keep=KEEP)
    newsletter = await a_newsletter(database, "another")
    stored = await an_issue(database, newsletter, 7)
    async with database.begin() as session:
        await approve_version(session, stored.issue.id, stored.version.hash, by="Anne", now=NOW)
    gate = Gate(parse_relays("smtp://127.0.0.1:9?tls=none"), KEYS, PUBLIC_URL)
    with pytest.raises(RefusedError, match="not known any more"):
        await start_issue(database, stored.issue.id, now=LATER, gate=gate, readers_of=issue_id)


async def test_a_receipt_says_that_some_are_not_listed_any_more(
    database: Database, issue_id: int
) -> None:
    await finish(database, issue_id)
    said = []
    for _ in range(2):
        async with database.read() as session:
            issue = await issue_by_id(session, issue_id)
            counted = await receipt(session, issue_id)
            places = await destination_counts(session, issue_id)
        said.append(in_words(issue, counted, places))
        await roll_up_finished(database, LATER, keep=KEEP)
    before, after = said
    counted_since = f"not listed any more, since {LATER:%Y-%m-%d} (DIGEST_KEEP_DAYS)."
    (line,) = [line for line in after if line not in before]
    assert line == f"Readers who got it are counted, and {counted_since}"
