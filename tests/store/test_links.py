"""Promises of stored links: an answer is kept by its page, and who had a link before is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from digest.rules.link import LinkState, LinkStatus
from digest.store.links import SentBefore, link_statuses, put_link_statuses, sent_before
from digest.store.newsletters import Newsletter
from digest.store.session import Database
from tests.build import NOW, a_newsletter, add_issue, issue_text
from tests.store.plans import plans_of

PAGE, OTHER = "https://example.org/page", "https://example.org/other"
DEAD = LinkStatus(LinkState.DEAD, 404, "there is no such page", NOW)


async def test_what_a_page_answered_is_kept_and_the_latest_answer_counts(
    database: Database,
) -> None:
    moved = LinkStatus(LinkState.MOVED, 200, "https://example.org/new", NOW)
    async with database.begin() as session:
        await put_link_statuses(session, {PAGE: DEAD, OTHER: moved})
        later = replace(DEAD, state=LinkState.OK, status=200, checked_at=NOW + timedelta(hours=1))
        await put_link_statuses(session, {PAGE: later})
        await put_link_statuses(session, {PAGE: DEAD})  # from a slower process
        await put_link_statuses(session, {})
    async with database.read() as session:
        found = await link_statuses(session, [PAGE, OTHER, "https://example.org/never"])
    assert found == {PAGE: later, OTHER: moved}


async def test_an_answer_is_kept_however_long_the_address_is_and_whatever_it_says(
    database: Database,
) -> None:
    long = "https://example.org/" + "a" * 5_000
    odd = LinkStatus(LinkState.DEAD, None, "x\x00\udc80y", NOW)
    async with database.begin() as session:
        await put_link_statuses(session, {long: odd})
    async with database.read() as session:
        (status,) = (await link_statuses(session, [long])).values()
    assert status.detail.startswith("x")


async def test_a_version_and_an_answer_share_the_row_of_a_link(database: Database) -> None:
    newsletter = await a_newsletter(database)
    async with database.begin() as session:
        await put_link_statuses(session, {PAGE: DEAD})
        await add_issue(session, newsletter, issue_text(1))
    async with database.read() as session:
        assert await link_statuses(session, [PAGE]) == {PAGE: DEAD}


async def before(
    db: Database, newsletter: Newsletter, number: int | None, slug: str | None = None
) -> tuple[dict[str, SentBefore], dict[str, SentBefore]]:
    async with db.read() as session:
        return await sent_before(
            session, newsletter.id, number=number, slug=slug, canonical=[PAGE, OTHER]
        )


async def test_a_link_and_a_subject_are_found_in_the_latest_issue_that_had_them(
    database: Database,
) -> None:
    newsletter = await a_newsletter(database)
    other = await a_newsletter(database, "monthly")
    day = timedelta(days=1)
    async with database.begin() as session:
        for number, of, ago in ((1, newsletter, 14), (2, newsletter, 7), (9, other, 1)):
            text = issue_text(number).replace(f"Issue #{number}", "again")
            await add_issue(session, of, text, sent_at=NOW - ago * day)
        await add_issue(session, newsletter, issue_text(3))  # a draft is nobody's
    second = SentBefore(2, NOW - 7 * day)
    linked, subjects = await before(database, newsletter, 4)
    assert linked == {PAGE: second}
    assert subjects == {"a weekly, again": second}
    linked, _ = await before(database, newsletter, 2)
    assert linked == {PAGE: SentBefore(1, NOW - 14 * day)}  # an issue is not before itself


async def test_an_issue_without_a_number_goes_by_its_slug(database: Database) -> None:
    newsletter = await a_newsletter(database)
    text = issue_text(1).replace("number: 1", "slug: extra")
    async with database.begin() as session:
        await add_issue(session, newsletter, text, sent_at=NOW - timedelta(days=1))
    assert (await before(database, newsletter, None, "extra")) == ({}, {})
    linked, _ = await before(database, newsletter, None, "another")
    assert linked[PAGE].issue == "extra"


async def test_links_are_found_by_an_index(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url) as db:
        newsletter = await a_newsletter(db)
        plans = await plans_of(
            db,
            lambda session: sent_before(
                session, newsletter.id, number=1, slug=None, canonical=[PAGE]
            ),
        )
    assert not [step for plan in plans for step in plan if step.startswith("SCAN version_links")]
