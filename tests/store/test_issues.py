from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from digest.errors import ConflictError, NotFoundError, RefusedError
from digest.rules.delivery import ISSUE_MOVES, IssueState
from digest.store.issues import (
    VersionDraft,
    VersionLink,
    add_version,
    approve_version,
    get_issue,
    get_version,
    issue_by_id,
    latest_version,
    list_issues,
    mark_past,
    move_issue,
    published_issue,
    published_issues,
)
from digest.store.versions import find_version, list_versions
from tests.build import NOW, a_newsletter, add_issue, issue_text

HASH = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


def a_draft(hash_: str = HASH, number: int | None = 182, **fields: Any) -> VersionDraft:
    given: dict[str, Any] = {
        "number": number,
        "slug": None,
        "title": "A Weekly",
        "listed": True,
        "hash": hash_,
        "source": "the text",
        "subject": "A Weekly",
        "preview": "",
        "html": "<p>",
        "plain": "p",
        "web_html": f"<p>{hash_[:4]}",
        "slots": [{"name": "name", "fallback": "folks"}],
        "sections": ["Industry"],
        "identity": {"from_name": "A Weekly", "reply_to": None},
    } | fields
    return VersionDraft(**given)


async def add(database, newsletter, draft=None):
    async with database.begin() as session:
        return await add_version(session, newsletter.id, draft or a_draft(), now=NOW)


async def test_a_version_is_read_as_it_was_written(database):
    newsletter = await a_newsletter(database)
    issue, version = await add(database, newsletter)
    async with database.read() as session:
        assert await get_version(session, version.id) == version
        assert await issue_by_id(session, issue.id) == issue
    assert (issue.name, issue.state, version.ordinal) == (182, IssueState.DRAFT, 1)
    assert version.slots == [{"name": "name", "fallback": "folks"}]
    assert version.identity == {"from_name": "A Weekly", "reply_to": None}


async def test_the_same_number_again_is_the_next_version(database):
    newsletter = await a_newsletter(database)
    first, _ = await add(database, newsletter)
    again, version = await add(database, newsletter, a_draft(OTHER, title="Another"))
    assert (again.id, again.title, version.ordinal) == (first.id, "Another", 2)
    async with database.read() as session:
        assert [one.ordinal for one in await list_versions(session, first.id)] == [1, 2]


async def test_what_only_editors_read_makes_a_version_that_is_mailed_alike(database):
    newsletter = await a_newsletter(database)
    text = issue_text(182)
    noted = text.replace("preview:", "ignore: dead-link: it comes back on Monday\npreview:")
    async with database.begin() as session:
        first = await add_issue(session, newsletter, text)
        second = await add_issue(session, newsletter, noted)
        again = await add_issue(session, newsletter, noted)
        found = await find_version(session, first.issue.id, first.version.hash)
    assert first.version.hash == second.version.hash
    assert second.version.id != first.version.id
    assert again.version.id == found.id == second.version.id


async def test_the_same_text_again_is_the_same_version(database):
    newsletter = await a_newsletter(database)
    first = await add(database, newsletter)
    assert await add(database, newsletter) == first


async def test_a_text_that_was_changed_and_changed_back_is_a_version_of_its_own(database):
    newsletter = await a_newsletter(database)
    for hash_ in (HASH, OTHER, HASH):
        issue, version = await add(database, newsletter, a_draft(hash_))
    assert version.ordinal == 3
    async with database.read() as session:
        assert await latest_version(session, issue.id) == version


async def test_versions_added_at_once_get_a_number_each(database):
    newsletter = await a_newsletter(database)
    drafts = [a_draft(f"{number:064x}") for number in range(6)]
    added = await asyncio.gather(*(add(database, newsletter, draft) for draft in drafts))
    assert sorted(version.ordinal for _, version in added) == [1, 2, 3, 4, 5, 6]
    assert len({issue.id for issue, _ in added}) == 1


async def test_an_approval_stays_with_the_version_it_was_given_to(database):
    newsletter = await a_newsletter(database)
    issue, first = await add(database, newsletter)
    async with database.begin() as session:
        approved = await approve_version(session, issue.id, HASH, by="anne@example.org", now=NOW)
    again, second = await add(database, newsletter, a_draft(OTHER))
    assert approved.id == first.id
    assert (again.state, again.approved_version_id) == (IssueState.APPROVED, first.id)
    assert second.approved_at is None
    async with database.read() as session:
        stored = await get_version(session, first.id)
    assert (stored.approved_at, stored.approved_by) == (NOW, "anne@example.org")


async def test_an_approval_can_be_moved_by_the_first_digits_of_a_hash(database):
    newsletter = await a_newsletter(database)
    await add(database, newsletter)
    issue, second = await add(database, newsletter, a_draft(OTHER))
    async with database.begin() as session:
        await approve_version(session, issue.id, HASH[:8].upper(), by="anne", now=NOW)
        moved = await approve_version(session, issue.id, OTHER[:10], by="anne", now=NOW)
        assert moved.id == second.id
        assert (await issue_by_id(session, issue.id)).approved_version_id == second.id


@pytest.mark.parametrize("hash_", ["", HASH[:7], "%" * 8, "________", OTHER, HASH + "0", "latest"])
async def test_a_hash_that_no_version_has_approves_nothing(database, hash_):
    newsletter = await a_newsletter(database)
    issue, _ = await add(database, newsletter)
    async with database.begin() as session:
        with pytest.raises(RefusedError):
            await approve_version(session, issue.id, hash_, by="anne", now=NOW)
        assert (await issue_by_id(session, issue.id)).state is IssueState.DRAFT


async def test_digits_that_begin_two_hashes_name_neither(database):
    newsletter = await a_newsletter(database)
    twin = HASH[:60] + "0000"
    await add(database, newsletter)
    issue, _ = await add(database, newsletter, a_draft(twin))
    async with database.begin() as session:
        with pytest.raises(RefusedError, match="more of it"):
            await approve_version(session, issue.id, HASH[:8], by="anne", now=NOW)
        assert (await approve_version(session, issue.id, twin, by="anne", now=NOW)).hash == twin


@pytest.mark.parametrize(
    "state", [IssueState.SENDING, IssueState.PAUSED, IssueState.FINISHED, IssueState.CANCELLED]
)
async def test_a_planned_issue_takes_no_other_text_and_no_approval(database, state):
    newsletter = await a_newsletter(database)
    issue, _ = await add(database, newsletter)
    async with database.begin() as session:
        await session.execute(text("UPDATE issues SET state = :state"), {"state": state.value})
    with pytest.raises(ConflictError, match="another number or slug"):
        await add(database, newsletter, a_draft(OTHER))
    async with database.begin() as session:
        with pytest.raises(ConflictError):
            await approve_version(session, issue.id, HASH, by="anne", now=NOW)
        assert len(await list_versions(session, issue.id)) == 1


@pytest.mark.parametrize("state", list(IssueState))
@pytest.mark.parametrize("to", list(IssueState))
async def test_an_issue_moves_only_where_the_table_says(sqlite_url, state, to):
    from digest.store.session import Database

    async with await Database.open(sqlite_url) as database:
        issue, _ = await add(database, await a_newsletter(database))
        async with database.begin() as session:
            await session.execute(text("UPDATE issues SET state = :state"), {"state": state.value})
            moved = await move_issue(session, issue.id, to, now=NOW)
            assert moved is (to in ISSUE_MOVES[state])
            assert (await issue_by_id(session, issue.id)).state is (to if moved else state)


async def test_only_one_of_many_moves_an_issue(database):
    issue, _ = await add(database, await a_newsletter(database))

    async def approve() -> bool:
        async with database.begin() as session:
            return await move_issue(session, issue.id, IssueState.APPROVED, now=NOW)

    assert sorted(await asyncio.gather(*(approve() for _ in range(5)))) == [False] * 4 + [True]


async def test_back_in_draft_nothing_is_approved(database):
    issue, _ = await add(database, await a_newsletter(database))
    async with database.begin() as session:
        await approve_version(session, issue.id, HASH, by="anne", now=NOW)
        assert await move_issue(session, issue.id, IssueState.DRAFT, now=NOW)
        assert (await issue_by_id(session, issue.id)).approved_version_id is None


async def test_an_issue_is_found_by_number_or_slug(database):
    newsletter = await a_newsletter(database)
    await add(database, newsletter)
    await add(database, newsletter, a_draft(OTHER, number=None, slug="summer"))
    await add(database, newsletter, a_draft(OTHER, number=7, slug="182"))
    async with database.read() as session:
        for name, found in (("182", 182), ("#182", 182), ("summer", "summer"), ("7", 7)):
            assert (await get_issue(session, newsletter.id, name)).name == found
        for name in ("183", "winter", "", "9" * 40, "٣"):
            with pytest.raises(NotFoundError):
                await get_issue(session, newsletter.id, name)
        assert [one.name for one in await list_issues(session, newsletter.id)] == [7, "summer", 182]


async def test_an_issue_on_its_way_is_found_however_many_came_after_it(database):
    newsletter = await a_newsletter(database)
    first, version = await add(database, newsletter, a_draft(number=1))
    async with database.begin() as session:
        await approve_version(session, first.id, version.hash, by="Anne", now=NOW)
        await move_issue(session, first.id, IssueState.SENDING, now=NOW)
        for number in range(2, 130):
            await add_version(session, newsletter.id, a_draft(number=number), now=NOW)
    async with database.read() as session:
        assert len(await list_issues(session, newsletter.id)) == 129
        sending = await list_issues(session, newsletter.id, state=IssueState.SENDING)
    assert [issue.name for issue in sending] == [1]


async def test_a_slug_belongs_to_one_issue(database):
    newsletter = await a_newsletter(database)
    await add(database, newsletter, a_draft(number=1, slug="summer"))
    with pytest.raises(ConflictError, match="summer"):
        await add(database, newsletter, a_draft(OTHER, number=2, slug="summer"))
    async with database.read() as session:
        assert [one.number for one in await list_issues(session, newsletter.id)] == [1]


async def test_two_newsletters_have_each_their_number_182(database):
    ids = set()
    for slug in ("daily", "weekly"):
        issue, _ = await add(database, await a_newsletter(database, slug))
        ids.add(issue.id)
    assert len(ids) == 2


async def test_links_are_kept_once_and_may_be_long(database):
    newsletter = await a_newsletter(database)
    long = "https://example.org/" + "x" * 8_000
    links = tuple(VersionLink(long, f"{long}?utm_source={n}", "Page", n == 1) for n in range(2))
    _, version = await add(database, newsletter, a_draft(links=links))
    async with database.read() as session:
        stored = await session.execute(text("SELECT canonical_url FROM links"))
        assert stored.scalars().all() == [long]
        used = await session.execute(
            text("SELECT version_id, position, sponsor FROM version_links ORDER BY position")
        )
        assert [tuple(row) for row in used] == [(version.id, 0, False), (version.id, 1, True)]


async def test_the_archive_shows_what_went_out_and_nothing_else(database):
    newsletter = await a_newsletter(database)
    await add(database, newsletter, a_draft(number=3))  # a draft
    for number, listed in ((1, True), (2, False)):
        draft = a_draft(f"{number:064x}", number=number, listed=listed)
        issue, version = await add(database, newsletter, draft)
        day = NOW + timedelta(days=number)
        async with database.begin() as session:
            await mark_past(session, issue.id, version.id, sent_at=day, by="import")
    async with database.read() as session:
        shown = await published_issues(session, newsletter.id)
        hidden = await published_issue(session, newsletter.id, "2")
        assert await published_issue(session, newsletter.id, "3") is None
        assert await published_issue(session, newsletter.id, "4") is None
    assert [(one.name, one.date) for one in shown] == [("1", NOW + timedelta(days=1))]
    assert hidden is not None
    assert not hidden.listed


async def test_the_archive_shows_the_approved_version_not_the_latest(database):
    newsletter = await a_newsletter(database)
    issue, _ = await add(database, newsletter)
    async with database.begin() as session:
        await approve_version(session, issue.id, HASH, by="anne", now=NOW)
    await add(database, newsletter, a_draft(OTHER))
    async with database.begin() as session:
        await move_issue(session, issue.id, IssueState.SENDING, now=NOW)
        shown = await published_issue(session, newsletter.id, "182")
    assert shown is not None
    assert shown.hash == HASH
