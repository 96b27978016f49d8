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


def words_of(markup: str) -> str:
    """What is read of it."""
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


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


# Issues that went out before: number, when (days from issue 182's), planned.
BEFORE = ((181, -14, 1_000), (180, -7, 2_000), *((170 + one, one - 100, 10) for one in range(6)))


async def _before_and_after(installation: Installation) -> dict[int, int]:
    """Have eight issues go out before 182 and one a day later; their ids by number."""
    fields = {"newsletter_id": installation.newsletter.id, "title": "An issue", "created_at": NOW}
    async with installation.site.db.begin() as session:
        for number, days, planned in (*BEFORE, (183, 1, 10)):
            row = {"number": number, "planned": planned, "planned_at": NOW + days * DAY}
            row |= {"state": IssueState.FINISHED}
            await session.execute(issues.insert().values(fields | row))
        mine = update(issues).where(issues.c.id == installation.issue_id)
        await session.execute(mine.values(planned=500))
        found = await session.execute(select(issues.c.number, issues.c.id))
        ids = {row.number: row.id for row in found}
        rows = await session.execute(select(deliveries).order_by(deliveries.c.id))
        anne, bart = [dict(row) for row in rows.mappings()]
        refused = update(deliveries).where(deliveries.c.id == anne.pop("id"))
        await session.execute(refused.values(state="rejected", settled_at=NOW))
        del bart["id"]
        for row, state in ((anne, "rejected"), (bart, "expired")):
            values = {**row, "issue_id": ids[180], "state": state, "settled_at": NOW}
            await session.execute(deliveries.insert().values(values))
    return ids


async def test_numbers_stand_over_time_and_beside_those_of_earlier_issues(
    installation: Installation,
) -> None:
    ids = await _before_and_after(installation)
    db, hour = installation.site.db, timedelta(hours=1)
    bounced = {"bearing": "soft", "evidence": "452 full"}
    complained = {"bearing": "complaint", "kind": "complaint"}
    # The day until issue 183 is shown in 28 parts; what came later stands in the last of them.
    for number, after in enumerate((hour / 10, hour * 23.9, hour * 72)):
        told = {"delivery_id": 900 + number, "received_at": NOW + after}
        await _came_back(installation, f"b{number}", **bounced, **told)
    await _came_back(installation, "c", **complained, received_at=NOW + hour * 12.2)
    await _came_back(installation, "of 180", **bounced, issue_id=ids[180], delivery_id=950)
    await leave(db, installation.bart, source="page", clock=clock_at(NOW - 10 * DAY))
    site = replace(installation.site, clock=clock_at(NOW + 4 * DAY))
    async with at_the_desk(site, Role.VIEWER) as viewer:
        page = (await viewer.get(RECEIPT)).text
    assert "In 24 h since it went out." in page
    cards = re.findall(r'<p class="figure">(.*?)</p>\s*<svg class="hours".*?>(.*?)</svg>', page)
    bar = r'<rect x="([\d.]+)" y="([\d.]+)" width="2.86" height="([\d.]+)"/>'
    assert [(words_of(figure), re.findall(bar, chart)) for figure, chart in cards] == [
        ("3 bounced, 6.0 ‰", [("0.00", "10.00", "10.00"), ("96.43", "0.00", "20.00")]),
        ("1 complained, 2.0 ‰", [("50.00", "0.00", "20.00")]),
        ("0 left", []),
    ]
    table = page.partition('<h2 id="earlier">')[2].partition("</table>")[0]
    titles = [words_of(one) for one in re.findall(r'<th scope="col".*?>(.*?)</th>', table)]
    assert titles == ["Issue", "planned", "refused", "bounced", "complained", "left"]
    lines = re.findall(r"<tr(.*?)>\s*<th scope=\"row\">(.*?)</th>(.*?)</tr>", table, re.DOTALL)
    shown = [
        (words_of(name), "here" in mark, [words_of(one) for one in re.findall(r"<td.*?</td>", row)])
        for mark, name, row in lines
    ]
    # The latest first, and no more than six of them.
    assert shown[:3] == [
        ("182 this one", True, ["500", "1 2.0 ‰", "3 6.0 ‰", "1 2.0 ‰", "–"]),
        ("180", False, ["2,000", "2 1.0 ‰", "1 0.5 ‰", "–", "–"]),
        ("181", False, ["1,000", "–", "–", "–", "1 1.0 ‰"]),
    ]
    assert [name for name, _, _ in shown[3:]] == ["175", "174", "173", "172"]
    assert not any(here for _, here, _ in shown[1:])


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
