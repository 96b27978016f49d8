"""Promises of issues that make themselves: only where that is wanted, in time, and not too much."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digest.collect.automatic import automatic_issue
from digest.content.issue_file import parse_issue
from digest.delivery.slots import open_next
from digest.errors import InputError
from digest.jobs.automatic import make_due_issues
from digest.rules.automatic import AutomaticPolicy, parse_automatic
from digest.rules.candidate import CandidateState
from digest.rules.delivery import IssueState
from digest.settings import Settings
from digest.store.candidates import Find, add_candidate, add_found, list_candidates, set_candidates
from digest.store.feeds import add_feed
from digest.store.issues import latest_version, list_issues
from digest.store.newsletters import Newsletter
from digest.store.session import Database
from digest.store.slots import add_break
from tests.build import KEY, a_newsletter, add_issue, issue_text

SLOT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)  # a Thursday
NEAR = SLOT - timedelta(minutes=20)
MONDAY = SLOT - timedelta(days=3)
SETTINGS = Settings(secret_key=KEY, database_url="sqlite:///unused.db")
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {name|x} *|FNAME|* TODO'


async def a_digest(db: Database, **settings: Any) -> Newsletter:
    """A newsletter that makes its own issues, with a slot on Thursday."""
    made = await a_newsletter(
        db, schedule="thu 09:00", settings={"automatic": {"at_least": 2}} | settings
    )
    async with db.begin() as session:
        await open_next(session, made, MONDAY)
    return made


async def bring(
    db: Database,
    newsletter: Newsletter,
    *numbers: int,
    site: str = "The Site",
    now: datetime = MONDAY,
) -> None:
    """Items of a feed."""
    finds = [
        Find(
            url=f"https://example.org/{number}",
            canonical_url=f"https://example.org/{number}",
            title=f"Title {number} of the page",
            description="What it is about.",
            site=site,
            published_at=now + timedelta(minutes=number),
        )
        for number in numbers
    ]
    async with db.begin() as session:
        feed = await add_feed(
            session, newsletter.id, url=f"https://{site}/", title=site, section="", now=now
        )
        await add_found(session, newsletter.id, feed.id if feed else 1, finds, now=now)


async def states(db: Database, newsletter: Newsletter) -> list[tuple[int | str, IssueState]]:
    async with db.read() as session:
        return [(one.name, one.state) for one in await list_issues(session, newsletter.id)]


async def test_an_issue_is_made_and_approved_shortly_before_its_slot_and_once(
    database: Database,
) -> None:
    weekly = await a_digest(database)
    await bring(database, weekly, 1, 2)
    assert await make_due_issues(database, SETTINGS, SLOT - timedelta(hours=1)) == []
    made = await asyncio.gather(*(make_due_issues(database, SETTINGS, NEAR) for _ in range(3)))
    assert sorted(made) == [[], [], [1]]
    assert await make_due_issues(database, SETTINGS, NEAR) == []
    assert await states(database, weekly) == [(1, IssueState.APPROVED)]
    async with database.read() as session:
        (issue,) = await list_issues(session, weekly.id)
        version = await latest_version(session, issue.id)
    assert version is not None
    assert version.approved_by == "automatic"
    assert "https://example.org/2" in version.html


@pytest.mark.parametrize("numbers", [(), (1,)])
async def test_too_few_items_make_no_issue(database: Database, numbers: tuple[int, ...]) -> None:
    weekly = await a_digest(database)
    await bring(database, weekly, *numbers)
    assert await make_due_issues(database, SETTINGS, NEAR) == []
    assert await states(database, weekly) == []


async def test_no_issue_makes_itself_unasked(database: Database) -> None:
    weekly = await a_digest(database, automatic=None)
    await bring(database, weekly, 1, 2, 3)
    assert await make_due_issues(database, SETTINGS, NEAR) == []


async def test_nothing_is_made_in_a_break(database: Database) -> None:
    weekly = await a_digest(database)
    await bring(database, weekly, 1, 2)
    async with database.begin() as session:
        await add_break(session, weekly.id, SLOT.date(), SLOT.date())
    assert await make_due_issues(database, SETTINGS, NEAR) == []


@pytest.mark.parametrize("now", [NEAR - timedelta(days=1), NEAR])
async def test_an_editor_comes_first(database: Database, now: datetime) -> None:
    weekly = await a_digest(database)
    await bring(database, weekly, 1, 2)
    async with database.begin() as session:
        stored = await add_issue(session, weekly, issue_text(7), now=now)
        if now != NEAR:  # begun long ago, but approved
            from digest.store.issues import approve_version

            await approve_version(
                session, stored.issue.id, stored.version.hash, by="anne@example.org", now=now
            )
    assert await make_due_issues(database, SETTINGS, NEAR) == []


async def test_only_what_came_since_the_last_issue_goes_in_and_what_was_kept(
    database: Database,
) -> None:
    weekly = await a_digest(database)
    await bring(database, weekly, 1, now=MONDAY - timedelta(days=7))
    kept = Find("https://example.org/kept", "https://example.org/kept", "Kept by Anne")
    async with database.begin() as session:
        await add_candidate(session, weekly.id, kept, now=MONDAY - timedelta(days=7))
        sent_at = SLOT - timedelta(days=7)
        await add_issue(session, weekly, issue_text(1), now=sent_at, sent_at=sent_at)
    await bring(database, weekly, 2, 3, site="Other")
    async with database.begin() as session:
        found = await list_candidates(
            session, weekly.id, states=[CandidateState.WAITING], since=sent_at
        )
        await set_candidates(session, weekly.id, [found[1].id], CandidateState.DROPPED)
        made = await automatic_issue(session, weekly, AutomaticPolicy(at_least=1), now=NEAR)
    assert made is not None
    assert [one.title for one in made.picked.items] == ["Kept by Anne", "Title 2 of the page"]
    assert made.begun.number == 2


async def test_no_source_fills_an_issue(database: Database) -> None:
    weekly = await a_digest(database)
    await bring(database, weekly, *range(20))
    await bring(database, weekly, *range(20, 23), site="Other")
    policy = AutomaticPolicy(at_least=1, per_source=4, at_most=6)
    async with database.read() as session:
        made = await automatic_issue(session, weekly, policy, now=NEAR)
    assert made is not None
    numbers = [int(one.url.rpartition("/")[2]) for one in made.picked.items]
    assert numbers == [17, 18, 19, 20, 21, 22]  # the latest of all, and four of one site at most


async def test_what_strangers_write_is_words_in_the_mail(database: Database) -> None:
    from digest.collect.words import words

    weekly = await a_digest(database)
    finds = [
        Find(f"https://example.org/{n}", f"https://example.org/{n}", words(HOSTILE), words(HOSTILE))
        for n in range(2)
    ]
    async with database.begin() as session:
        for find in finds:
            await add_candidate(session, weekly.id, find, now=MONDAY)
    assert await make_due_issues(database, SETTINGS, NEAR) == [1]
    async with database.read() as session:
        (issue,) = await list_issues(session, weekly.id)
        version = await latest_version(session, issue.id)
    assert version is not None
    for page in (version.html, version.web_html):
        assert "<script" not in page
        assert "onerror" not in page
    assert parse_issue(version.source, path="issue.md").todo == ()


def test_the_setting_is_read_or_refused() -> None:
    assert parse_automatic("at-least=2, per-source=4") == {"at_least": 2, "per_source": 4}
    assert parse_automatic("yes") == {}
    for text in ("no", "at-least", "at-least=0", "at-least=x", "most=3", "at-least=501"):
        with pytest.raises(InputError):
            parse_automatic(text)
