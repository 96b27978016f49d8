"""Promises of feeds: whatever is served, what can be read is read, and nothing else happens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from digest.collect.feeds import collect_due, pull_feeds, subscribe_feed
from digest.errors import ConflictError, InputError
from digest.net.fetch import Fetcher
from digest.net.guard import Guard
from digest.rules.candidate import CandidateState
from digest.rules.feed import FeedState
from digest.store.candidates import Candidate, list_candidates, set_candidates
from digest.store.feeds import Feed, add_feed, list_feeds, remove_feed
from digest.store.newsletters import Newsletter
from digest.store.session import Database
from tests.build import NOW, a_newsletter, add_issue, issue_text
from tests.collect.feeds import CASES, ONE, Case, atom, entry, item, rss, xml
from tests.collect.web import fetching, html
from tests.fakes.pages import Asked, Pages, answer

EVERYTHING = tuple(CandidateState)
HOUR = timedelta(hours=1)


@pytest.fixture
async def weekly(database: Database) -> Newsletter:
    return await a_newsletter(database)


async def a_feed(db: Database, newsletter: Newsletter, url: str, section: str = "") -> Feed:
    async with db.begin() as session:
        feed = await add_feed(
            session, newsletter.id, url=url, title="The Site", section=section, now=NOW
        )
    assert feed
    return feed


async def inbox(db: Database, newsletter: Newsletter) -> list[Candidate]:
    async with db.read() as session:
        return await list_candidates(session, newsletter.id, states=EVERYTHING)


async def the_feed(db: Database, newsletter: Newsletter) -> Feed:
    async with db.read() as session:
        (feed,) = await list_feeds(session, newsletter.id)
    return feed


def test_there_are_feeds_enough() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_feed_of_the_wild_is_read_as_far_as_it_goes(sqlite_url: str, case: Case) -> None:
    async with await Database.open(sqlite_url) as db:
        weekly = await a_newsletter(db)
        async with Pages({"/feed": case.served}) as pages, fetching(seconds=1) as fetcher:
            await a_feed(db, weekly, pages.url("/feed"))
            (pulled,) = await collect_due(db, fetcher, NOW)
        found = await inbox(db, weekly)
        feed = await the_feed(db, weekly)
    home = pages.url("/")
    assert tuple(one.url.replace(home, "https://example.org/") for one in found) == case.links
    assert tuple(one.title for one in found) == case.titles
    assert all((one.published_at is not None) == case.dated for one in found)
    for one in found:
        assert "<" not in one.title + one.description
        assert "alert" not in one.description
    assert case.error in (feed.error or "")
    assert bool(feed.error) == bool(case.error)
    assert pulled.new == len(case.links)


async def test_a_feed_without_news_is_asked_with_what_it_said_of_itself(
    database: Database, weekly: Newsletter
) -> None:
    def serve(asked: Asked) -> bytes:
        if asked.fields.get("if-none-match") == '"a"':
            assert asked.fields["if-modified-since"] == "Fri, 20 Nov 2026 09:00:00 GMT"
            return answer(304)
        return xml(rss(item()), ETag='"a"', Last_Modified="Fri, 20 Nov 2026 09:00:00 GMT")

    async with Pages({"/feed": serve}) as pages, fetching() as fetcher:
        await a_feed(database, weekly, pages.url("/feed"))
        await collect_due(database, fetcher, NOW)
        assert await collect_due(database, fetcher, NOW + HOUR / 2) == []
        (pulled,) = await collect_due(database, fetcher, NOW + HOUR)
        (later,) = await collect_due(database, fetcher, NOW + 2 * HOUR)
    assert (pulled.new, pulled.following.error, later.following.error) == (0, "", "")
    assert len(pages.asked) == 3
    assert all("digest/1" in asked.fields["user-agent"] for asked in pages.asked)


async def test_who_says_when_to_come_again_is_listened_to(
    database: Database, weekly: Newsletter
) -> None:
    async with Pages({"/feed": answer(429, Retry_After="7200")}) as pages, fetching() as fetcher:
        await a_feed(database, weekly, pages.url("/feed"))
        await collect_due(database, fetcher, NOW)
        feed = await the_feed(database, weekly)
        assert (feed.next_pull_at, feed.failures) == (NOW + 2 * HOUR, 1)
        assert await collect_due(database, fetcher, NOW + HOUR) == []


async def test_a_feed_that_fails_is_asked_less_and_less_and_one_that_is_gone_never(
    database: Database, weekly: Newsletter
) -> None:
    async with Pages({"/feed": answer(500)}) as pages, fetching() as fetcher:
        await a_feed(database, weekly, pages.url("/feed"))
        waits, now = [], NOW
        for _ in range(7):
            await collect_due(database, fetcher, now)
            feed = await the_feed(database, weekly)
            waits.append((feed.next_pull_at - now) / HOUR)
            now = feed.next_pull_at
        assert waits == [1, 2, 4, 8, 16, 24, 24]
        pages.answers["/feed"] = xml(rss(item()))
        await collect_due(database, fetcher, now)
        feed = await the_feed(database, weekly)
        assert (feed.failures, feed.error, feed.next_pull_at) == (0, None, now + HOUR)
        pages.answers["/feed"] = answer(410)
        await collect_due(database, fetcher, now + HOUR)
        feed = await the_feed(database, weekly)
        assert feed.state is FeedState.GONE
        assert await collect_due(database, fetcher, now + timedelta(days=365)) == []


async def test_two_processes_ask_a_feed_once(database: Database, weekly: Newsletter) -> None:
    async with Pages({"/feed": xml(rss(item()))}) as pages, fetching() as fetcher:
        await a_feed(database, weekly, pages.url("/feed"))
        done = await asyncio.gather(*(collect_due(database, fetcher, NOW) for _ in range(3)))
    assert sorted(map(len, done)) == [0, 0, 1]
    assert len(pages.asked) == 1


async def test_a_host_is_asked_one_thing_at_a_time_and_one_feed_keeps_none_from_its_turn(
    database: Database, weekly: Newsletter
) -> None:
    served = {f"/{n}": xml(rss(item(str(n), f"{ONE}/{n}"))) for n in range(6)}
    async with Pages(served | {"/3": b"?"}) as pages, fetching() as fetcher:
        for path in served:
            await a_feed(database, weekly, pages.url(path))
        done = await collect_due(database, fetcher, NOW)
    assert pages.most == 1
    assert [one.new for one in sorted(done, key=lambda one: one.feed.id)] == [1, 1, 1, 0, 1, 1]


async def test_what_was_dropped_or_sent_does_not_come_again(
    database: Database, weekly: Newsletter
) -> None:
    async with database.begin() as session:
        await add_issue(session, weekly, issue_text(181), sent_at=NOW - 7 * 24 * HOUR)
    sent = item("Sent", "https://example.org/page?utm_source=rss")
    async with Pages({"/feed": xml(rss(sent + item()))}) as pages, fetching() as fetcher:
        await a_feed(database, weekly, pages.url("/feed"))
        await collect_due(database, fetcher, NOW)
        (one,) = await inbox(database, weekly)
        async with database.begin() as session:
            await set_candidates(session, weekly.id, [one.id], CandidateState.DROPPED)
        await collect_due(database, fetcher, NOW + HOUR)
    (one,) = await inbox(database, weekly)
    assert (one.url, one.state) == (ONE, CandidateState.DROPPED)


async def test_two_feeds_with_the_same_page_bring_it_once(
    database: Database, weekly: Newsletter
) -> None:
    served = {"/a": xml(rss(item())), "/b": xml(atom(entry(link=f"{ONE}?utm_source=b")))}
    async with Pages(served) as pages, fetching() as fetcher:
        await a_feed(database, weekly, pages.url("/a"), "Industry")
        await a_feed(database, weekly, pages.url("/b"))
        done = await collect_due(database, fetcher, NOW)
    assert sum(one.new for one in done) == 1
    (one,) = await inbox(database, weekly)
    assert one.url == ONE


async def test_a_section_comes_from_the_feed(database: Database, weekly: Newsletter) -> None:
    async with Pages({"/feed": xml(rss(item()))}) as pages, fetching() as fetcher:
        await a_feed(database, weekly, pages.url("/feed"), "Industry")
        await collect_due(database, fetcher, NOW)
    (one,) = await inbox(database, weekly)
    assert (one.section, one.site, one.state) == ("Industry", "The Site", CandidateState.WAITING)


async def test_links_nobody_kept_are_forgotten_when_their_feed_no_longer_shows_them(
    database: Database, weekly: Newsletter
) -> None:
    two = item("Two", f"{ONE}/2", date="")
    async with Pages({"/feed": xml(rss(item(date="") + two))}) as pages, fetching() as fetcher:
        await a_feed(database, weekly, pages.url("/feed"))
        await collect_due(database, fetcher, NOW)
        pages.answers["/feed"] = xml(rss(two))
        await collect_due(database, fetcher, NOW + timedelta(days=60))
        await collect_due(database, fetcher, NOW + timedelta(days=91))
    assert [one.title for one in await inbox(database, weekly)] == ["Two"]


async def test_a_removed_feed_leaves_what_was_kept(database: Database, weekly: Newsletter) -> None:
    two = item("Two", f"{ONE}/2")
    async with Pages({"/feed": xml(rss(item() + two))}) as pages, fetching() as fetcher:
        feed = await a_feed(database, weekly, pages.url("/feed"))
        await collect_due(database, fetcher, NOW)
        first, _ = await inbox(database, weekly)
        async with database.begin() as session:
            await set_candidates(session, weekly.id, [first.id], CandidateState.KEPT)
            assert await remove_feed(session, weekly.id, feed.id)
            assert not await remove_feed(session, weekly.id, feed.id)
        assert [one.title for one in await inbox(database, weekly)] == ["One"]
        (pulled,) = await pull_feeds(database, fetcher, [feed], now=NOW)  # asked just before
    assert pulled.new == 0


async def test_a_page_that_names_its_feed_is_as_good_as_the_feed(
    database: Database, weekly: Newsletter
) -> None:
    head = '<link rel=alternate type="application/atom+xml" href="/atom">'
    served = {"/": html(head), "/atom": xml(atom(entry())), "/none": html("")}
    async with Pages(served) as pages, fetching() as fetcher:
        pulled = await subscribe_feed(
            database, fetcher, weekly, url=pages.url("/"), section="", now=NOW
        )
        assert (pulled.feed.url, pulled.new) == (pages.url("/atom"), 1)
        for path, error in (("/atom", ConflictError), ("/none", InputError), ("/no", InputError)):
            with pytest.raises(error):
                await subscribe_feed(
                    database, fetcher, weekly, url=pages.url(path), section="", now=NOW
                )


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/feed", "http://169.254.169.254/feed", "http://[::ffff:127.0.0.1]/feed"],
)
async def test_no_feed_is_asked_in_our_own_network(sqlite_url: str, url: str) -> None:
    async with await Database.open(sqlite_url) as db, Fetcher("t", guard=Guard()) as fetcher:
        weekly = await a_newsletter(db)
        with pytest.raises(InputError):
            await subscribe_feed(db, fetcher, weekly, url=url, section="", now=NOW)
        feed = await a_feed(db, weekly, url)  # from before, say: a name that leads there by now
        (pulled,) = await pull_feeds(db, fetcher, [replace(feed)], now=NOW)
        assert "leads to an address" in pulled.following.error


async def test_a_feed_that_redirects_into_this_machine_is_not_followed(sqlite_url: str) -> None:
    open_to_the_feed = Guard((ip_network("127.0.0.1/32"),))
    async with (
        await Database.open(sqlite_url) as db,
        Pages({"/feed": answer(302, Location="http://127.0.0.2/secret")}) as pages,
        Fetcher("t", guard=open_to_the_feed) as fetcher,
    ):
        weekly = await a_newsletter(db)
        await a_feed(db, weekly, pages.url("/feed"))
        (pulled,) = await collect_due(db, fetcher, NOW)
        assert "this machine" in pulled.following.error
        assert await inbox(db, weekly) == []
