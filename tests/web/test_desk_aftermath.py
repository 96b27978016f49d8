"""The receipt at the desk: what came after an issue, by number, over time and beside others."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from digest.audience.leave import leave
from digest.clock import Clock
from digest.rules.delivery import IssueState
from digest.rules.rights import Role
from digest.store.aftermath import After, Window, count_after, one_click_posts, window_of
from digest.store.issues import get_issue, move_issue
from digest.store.schema import deliveries, feedback, issues
from digest.web.desk.aftermath import is_silent
from tests.build import NOW
from tests.web.conftest import Installation
from tests.web.desk import Person, at_the_desk

RECEIPT = "/desk/n/weekly/i/182/receipt"
DAY = timedelta(days=1)


def clock_at(moment: datetime) -> Clock:
    return Clock(moment - datetime.now(UTC))


@pytest.fixture
async def operator(installation: Installation) -> AsyncIterator[Person]:
    async with at_the_desk(installation.site, Role.OPERATOR) as person:
        yield person


async def _came_back(installation: Installation, key: str, **values: object) -> None:
    async with installation.site.db.begin() as session:
        row = (await session.execute(select(deliveries).order_by(deliveries.c.id))).first()
        assert row is not None
        about = {"delivery_id": row.id, "subscriber_id": row.subscriber_id}
        told = {"kind": "bounce", "source": "imap", "received_at": NOW + timedelta(hours=1)}
        issue = {"issue_id": installation.issue_id, "dedupe_key": key}
        await session.execute(feedback.insert().values({**about, **told, **issue, **values}))


async def test_who_bounced_complained_or_left_is_counted_once_and_listed(
    installation: Installation, operator: Person
) -> None:
    await _came_back(installation, "a", bearing="soft", evidence="452 full")
    await _came_back(installation, "b", bearing="hard", evidence="550 nobody here")
    await _came_back(installation, "c", bearing="hard", source="session")  # in the sums already
    await _came_back(installation, "d", bearing="complaint", kind="complaint", evidence="abuse")
    db = installation.site.db
    await leave(db, installation.bart, source="one-click", clock=clock_at(NOW + DAY / 2))
    page = (await operator.get(RECEIPT)).text
    for what in After:
        assert re.search(rf'{RECEIPT}/after/{what}">1<', page), what
    bounced = (await operator.get(f"{RECEIPT}/after/bounced")).text
    assert "550 nobody here" in bounced
    assert "anne@example.org" in bounced
    assert "abuse" in (await operator.get(f"{RECEIPT}/after/complained")).text
    gone = (await operator.get(f"{RECEIPT}/after/left")).text
    assert "bart@example.org" in gone
    assert "one-click" in gone
    assert (await operator.get(f"{RECEIPT}/after/accepted")).status_code == 404
    async with at_the_desk(installation.site, Role.VIEWER) as viewer:
        assert f"{RECEIPT}/after" not in (await viewer.get(RECEIPT)).text
        assert (await viewer.get(f"{RECEIPT}/after/left")).status_code == 403


async def test_a_leave_belongs_to_the_issue_before_it_for_a_week(
    installation: Installation,
) -> None:
    db = installation.site.db
    await leave(db, installation.bart, source="one-click", clock=clock_at(NOW + DAY))
    async with db.read() as session:
        issue = await get_issue(session, installation.newsletter.id, "182")
        window = await window_of(session, issue)
        assert window == Window(issue.id, issue.newsletter_id, NOW, NOW + 7 * DAY)
        for since, until, counted in (
            (NOW, NOW + 7 * DAY, 1),
            (NOW, NOW + DAY, 0),
            (NOW + DAY * 1.5, NOW + 7 * DAY, 0),
        ):
            asked = replace(window, since=since, until=until)
            assert await count_after(session, asked, After.LEFT) == counted, (since, until)
            assert await one_click_posts(session, asked) == counted, (since, until)
        following = replace(window, newsletter_id=issue.newsletter_id + 1)
        assert await count_after(session, following, After.LEFT) == 0


def test_thousands_who_never_press_the_button_are_a_fault_after_a_day() -> None:
    assert is_silent(30_000, 0, DAY)
    assert not is_silent(30_000, 1, DAY)
    assert not is_silent(30_000, 0, DAY / 2)
    assert not is_silent(9_000, 0, DAY)


async def test_a_receipt_says_when_no_one_click_comes_through(
    installation: Installation, operator: Person
) -> None:
    assert "not one has pressed it" not in (await operator.get(RECEIPT)).text
    async with installation.site.db.begin() as session:
        mine = update(issues).where(issues.c.id == installation.issue_id)
        await session.execute(mine.values(planned=30_000, planned_at=NOW - 2 * DAY))
    assert "not one has pressed it" in (await operator.get(RECEIPT)).text


async def test_a_finished_issue_offers_to_reach_those_it_missed(
    installation: Installation, operator: Person
) -> None:
    assert "did not get it" not in (await operator.get(RECEIPT)).text
    async with installation.site.db.begin() as session:
        rows = update(deliveries).where(deliveries.c.subscription_id == installation.anne)
        await session.execute(rows.values(state="expired", settled_at=NOW))
        others = update(deliveries).where(deliveries.c.subscription_id == installation.bart)
        await session.execute(others.values(state="accepted", settled_at=NOW))
        await move_issue(session, installation.issue_id, IssueState.FINISHED, now=NOW)
    assert "1 reader did not get it" in (await operator.get(RECEIPT)).text
    planned = select(func.count()).select_from(deliveries)
    async with installation.site.db.begin() as session:
        await session.execute(text("ALTER TABLE audit RENAME TO lost"))
    assert (await operator.post("/desk/n/weekly/i/182/resend")).is_error
    async with installation.site.db.begin() as session:
        assert await session.scalar(planned) == 2  # what cannot be written down is not done
        await session.execute(text("ALTER TABLE lost RENAME TO audit"))
    again = await operator.post("/desk/n/weekly/i/182/resend")
    assert again.headers["location"].endswith("?done=resent"), again.text
