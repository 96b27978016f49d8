"""Who wants the last issue of a month gets that one, and who is paused comes back in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from digest.delivery.plan import start_issue
from digest.delivery.publish import approve_issue
from digest.rules.delivery import DeliveryState
from digest.rules.slots import is_last_of_month
from digest.rules.subscription import SubscriptionState
from digest.store.newsletters import set_newsletter
from digest.store.schema import deliveries, subscriptions
from digest.store.session import Database
from tests.build import a_newsletter, a_reader, an_installation, an_issue
from tests.delivery.stage import KEYS
from tests.delivery.test_plan import GATE

THURSDAYS = "thu 09:00"
THIRD, LAST = datetime(2026, 11, 19, 9, tzinfo=UTC), datetime(2026, 11, 26, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "last"),
    [
        (THURSDAYS, "UTC", THIRD, False),
        (THURSDAYS, "UTC", LAST, True),
        (None, "UTC", THIRD, True),
        ("monthly 1 09:00", "UTC", THIRD, True),
        ("mon,thu 09:00", "UTC", LAST, False),
        # 30 November, 23:30 UTC, is December in Tokyo, and Monday there is the 7th.
        (THURSDAYS, "Asia/Tokyo", datetime(2026, 11, 30, 23, 30, tzinfo=UTC), False),
    ],
)
def test_the_last_issue_of_a_month_is_known_by_the_schedule(schedule, zone, now, last):
    assert is_last_of_month(schedule, zone, now) is last


@pytest.mark.parametrize(
    ("now", "state"), [(THIRD, DeliveryState.SKIPPED), (LAST, DeliveryState.QUEUED)]
)
async def test_who_wants_one_a_month_gets_the_last(
    database: Database, now: datetime, state: DeliveryState
) -> None:
    await an_installation(database, fingerprint=KEYS.fingerprint)
    newsletter = await a_newsletter(database)
    async with database.begin() as session:
        await set_newsletter(session, newsletter.id, schedule=THURSDAYS)
    anne = await a_reader(database, newsletter, "Anne")
    bart = await a_reader(database, newsletter, "Bart")
    cris = await a_reader(database, newsletter, "Cris")
    stored = await an_issue(database, newsletter)
    async with database.begin() as session:
        for one, values in (
            (anne, {"cadence": "monthly"}),
            (
                cris,
                {"state": SubscriptionState.PAUSED, "paused_until": now - timedelta(minutes=1)},
            ),
        ):
            mine = subscriptions.c.id == one.subscription_id
            await session.execute(update(subscriptions).where(mine).values(**values))
        await approve_issue(session, stored.issue, stored.version.hash, by="Cris", now=now)
    started = await start_issue(database, stored.issue.id, now=now, gate=GATE)
    assert started.planned == 3
    async with database.read() as session:
        query = select(deliveries.c.subscription_id, deliveries.c.state)
        states = {row.subscription_id: row.state for row in await session.execute(query)}
    assert states == {
        anne.subscription_id: state,
        bart.subscription_id: DeliveryState.QUEUED,
        cris.subscription_id: DeliveryState.QUEUED,
    }
