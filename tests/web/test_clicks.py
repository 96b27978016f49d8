"""Links that count clicks: where they lead, who counts, what is kept, and that it is a choice."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from email import message_from_bytes
from email.message import Message
from html import unescape
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import func, insert, select, update
from starlette.applications import Starlette
from starlette.requests import Request

from digest.clock import Clock
from digest.delivery.counted import with_counted_links
from digest.delivery.letters import IssueLetters
from digest.delivery.publish import prepare_issue
from digest.mail.tokens import ClickedLink, KeyRing, TokenKind, click_token, clicks_token
from digest.rules.click import TRAP
from digest.store import schema
from digest.store.clicks import clicks_of_issue
from digest.store.deliveries import Claimed
from digest.store.issues import StoredVersion, get_version
from digest.store.newsletters import Newsletter, set_newsletter
from digest.web.app import create_app
from digest.web.receipt import Place, receipt_routes
from tests.build import NOW, PUBLIC_URL, add_issue, an_issue
from tests.content.test_media import picture
from tests.web.api import Program, a_key
from tests.web.conftest import Installation

TEXT = """\
---
number: 183
title: A Weekly, Issue #183
preview: What it takes
---
Hey {name|folks}, write [to us](mailto:hello@example.org).

## Industry
### [A page](https://example.org/page?a=1&b=2;c)
A second [link](https://example.org/more), and [the page again](https://example.org/page?a=1&b=2;c).
Where it is read: <https://example.org/read>. Ours: [the archive](http://127.0.0.1:8000/n/weekly).

### [A good tool](https://sponsor.example/tool) {sponsor}
Somebody's words.
"""
PAGE, MORE = "https://example.org/page?a=1&b=2;c&utm_source=weekly", "https://example.org/more"
SPONSOR = "https://sponsor.example/tool"
PERSON = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "accept-language": "en",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}
_HREF = re.compile('href="([^"]*)"')
# What a mail program asks for by itself.
_FETCHED = re.compile(
    r"""(?:\b(?:src|srcset|background|poster|data)|<link\b[^>]*\bhref)\s*=\s*["']([^"']*)"""
    r"""|(?:url\(|@import)\s*["']?([^"')]*)""",
    re.IGNORECASE,
)


class Hand(Clock):
    """A clock whose seconds are moved by hand."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Scene:
    """Issue 183 of a newsletter that counts clicks, on its way for an hour."""

    installation: Installation
    newsletter: Newsletter
    issue_id: int
    version: StoredVersion

    @property
    def keys(self) -> KeyRing:
        return self.installation.site.keys

    async def mail(self) -> Message:
        """What Anne gets."""
        async with self.installation.site.db.read() as session:
            version = await with_counted_links(session, self.version, self.keys)
        row = Claimed(1, version.id, 2, 1, False, "anne@example.org", "Anne", (), 1, NOW)
        letter = IssueLetters(version, keys=self.keys).compose(row)
        assert letter is not None
        return message_from_bytes(letter.data)

    async def counted(self) -> dict[str, tuple[int, int]]:
        """By page: clicks of people and of programs."""
        await self.installation.site.clicks.settled()
        async with self.installation.site.db.read() as session:
            found = await clicks_of_issue(session, self.issue_id)
        return {one.url: (one.human, one.scanner) for one in found if one.human or one.scanner}

    def path(self, position: int, *, test: bool = False) -> str:
        return f"/r/{click_token(self.keys, ClickedLink(self.version.id, position, test))}"


@pytest.fixture
async def scene(installation: Installation) -> Scene:
    db = installation.site.db
    async with db.begin() as session:
        settings = {"clicks": True, "utm": {"source": "weekly"}}
        newsletter = await set_newsletter(session, installation.newsletter.id, settings=settings)
    stored = await an_issue(db, newsletter, text=TEXT)
    async with db.begin() as session:
        hour_ago = installation.site.clock.now() - timedelta(hours=1)
        mine = update(schema.issues).where(schema.issues.c.id == stored.issue.id)
        await session.execute(mine.values(planned_at=hour_ago, state="sending"))
    return Scene(installation, newsletter, stored.issue.id, stored.version)


def part(mail: Message, kind: str) -> str:
    for one in mail.walk():
        if one.get_content_subtype() == kind:
            payload = one.get_payload(decode=True)
            assert isinstance(payload, bytes)
            return payload.decode()
    raise AssertionError(kind)


def hrefs(html: str) -> list[str]:
    return [unescape(found) for found in _HREF.findall(html)]


async def test_links_of_the_html_lead_through_ours_to_what_the_author_wrote(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    mail = await scene.mail()
    ours = [url for url in hrefs(part(mail, "html")) if "/r/" in url]
    leads = [
        (await client.get(urlsplit(url).path)).headers["location"] for url in dict.fromkeys(ours)
    ]
    tagged = f"{MORE}?utm_source=weekly"
    assert leads == [PAGE, tagged, SPONSOR, "/"]  # the last one is the trap
    assert len(ours) == 5  # the page has two places


async def test_what_is_for_one_reader_or_says_where_it_leads_stays_as_it_is(scene: Scene) -> None:
    mail = await scene.mail()
    found = hrefs(part(mail, "html"))
    assert "mailto:hello@example.org" in found
    assert "https://example.org/read?utm_source=weekly" in found
    assert "http://127.0.0.1:8000/n/weekly" in found
    assert any("/u/" in url for url in found)
    assert any("/p/" in url for url in found)
    assert not [url for url in found if "example.org/page" in url]
    assert "/u/" in mail["List-Unsubscribe"]
    plain = part(mail, "plain")
    assert PAGE in plain
    assert "/r/" not in plain


async def test_the_archive_feeds_and_stored_text_have_the_plain_links(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    for text in (scene.version.html, scene.version.web_html, scene.version.plain):
        assert "/r/" not in text
    for path in ("/i/weekly/183", "/n/weekly/feed.atom"):
        assert "/r/" not in (await client.get(path)).text


async def test_all_readers_have_the_same_links(scene: Scene) -> None:
    found = [
        [url for url in hrefs(html) if "/r/" in url] for html in await of_two(scene, scene.version)
    ]
    assert found[0] == found[1]


async def test_what_a_mail_fetches_does_not_tell_who_opened_it(scene: Scene) -> None:
    """The logo and a picture of the issue: the same for all, and nothing else."""
    logo = {"logo_url": "https://example.org/logo.png", "logo_size": [120, 40]}
    async with scene.installation.site.db.begin() as session:
        newsletter = await set_newsletter(session, scene.newsletter.id, settings=logo)
        text = TEXT.replace("183", "184").replace(
            "\nA second", "\n![A chart](img/chart.png)\n\nA second"
        )
        media = {"img/chart.png": picture("PNG")}
        stored = await add_issue(session, newsletter, text, media=media)
    one, other = await of_two(scene, stored.version)
    assert one != other
    fetched = [unescape("".join(found)) for found in _FETCHED.findall(one)]
    assert fetched == [unescape("".join(found)) for found in _FETCHED.findall(other)]
    assert [urlsplit(url).path.split("/")[1] for url in fetched] == ["logo.png", "media"]


async def of_two(scene: Scene, version: StoredVersion) -> list[str]:
    """The HTML that Anne gets, and that which Bart gets."""
    async with scene.installation.site.db.read() as session:
        counted = await with_counted_links(session, version, scene.keys)
    letters = IssueLetters(counted, keys=scene.keys)
    found = []
    for row_id, name in ((1, "Anne"), (2, "Bart")):
        row = Claimed(row_id, version.id, row_id, 1, False, "a@example.org", name, (), 1, NOW)
        letter = letters.compose(row)
        assert letter is not None
        found.append(part(message_from_bytes(letter.data), "html"))
    return found


async def test_a_newsletter_that_counts_none_is_sent_as_before(installation: Installation) -> None:
    newsletter = installation.newsletter
    prepared = prepare_issue(newsletter, TEXT, path="x.md", media={}, public_url=PUBLIC_URL)
    assert "clicks" not in prepared.draft.identity
    stored = await an_issue(installation.site.db, newsletter, text=TEXT)
    async with installation.site.db.read() as session:
        same = await with_counted_links(session, stored.version, installation.site.keys)
    assert same is stored.version
    counting = replace(newsletter, settings=newsletter.settings | {"clicks": True})
    other = prepare_issue(counting, TEXT, path="x.md", media={}, public_url=PUBLIC_URL)
    assert other.draft.hash != prepared.draft.hash  # who approves, approves that too


async def test_a_click_of_a_person_is_counted_and_that_of_a_program_apart(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    await client.get(scene.path(0), headers=PERSON)
    await client.head(scene.path(1), headers=PERSON | {"user-agent": "Mozilla/5.0 other"})
    await client.get(scene.path(1), headers={"user-agent": "python-requests/2"})
    assert await scene.counted() == {
        "https://example.org/page?a=1&b=2;c": (1, 0),
        MORE: (0, 2),
    }


async def test_a_scanner_that_looks_like_a_person_is_found_by_its_haste_and_by_the_trap(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    for position in (0, 1, 5):
        assert (await client.get(scene.path(position), headers=PERSON)).status_code == 302
    other = PERSON | {"user-agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/127.0"}
    await client.get(scene.path(0), headers=other)
    await client.get(scene.path(TRAP), headers=other)
    assert sum(human for human, _ in (await scene.counted()).values()) == 0


async def test_before_anybody_has_the_mail_no_click_is_a_persons(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    async with scene.installation.site.db.begin() as session:
        await session.execute(
            update(schema.issues)
            .where(schema.issues.c.id == scene.issue_id)
            .values(planned_at=scene.installation.site.clock.now())
        )
    await client.get(scene.path(0), headers=PERSON)
    assert set((await scene.counted()).values()) == {(0, 1)}


async def test_links_of_a_test_and_of_who_stopped_counting_lead_on_and_count_nothing(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    site = scene.installation.site
    site.counted.clock = hand = Hand()
    answer = await client.get(scene.path(0, test=True), headers=PERSON)
    assert answer.headers["location"] == PAGE
    async with scene.installation.site.db.begin() as session:
        await set_newsletter(session, scene.newsletter.id, settings={"clicks": None})
    hand.seconds = 31.0  # by then it is known that nobody counts any more
    answer = await client.get(scene.path(0), headers=PERSON)
    assert answer.headers["location"] == PAGE
    assert await scene.counted() == {}


async def test_only_the_link_the_verdict_and_a_number_are_kept(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    await client.get(scene.path(0), headers=PERSON | {"x-forwarded-for": "192.0.2.7"})
    await scene.counted()
    assert [column.name for column in schema.link_clicks.columns] == [
        *("version_id", "position", "clicker", "clicks")
    ]
    async with scene.installation.site.db.read() as session:
        rows = [tuple(row) for row in await session.execute(select(schema.link_clicks))]
        assert rows == [(scene.version.id, 0, "human", 1)]
        for table in (schema.audit, schema.feedback, schema.consent_events):
            count = await session.scalar(select(func.count()).select_from(table))
            assert count == 0 or table is schema.consent_events


async def test_a_token_leads_nowhere_but_to_what_was_stored(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    """An open redirect would lend our name to anybody's page."""
    good = scene.path(0)
    for path in (
        *(f"{good}?url=https://evil.example", f"{good}?u=//evil.example", f"{good}#//evil.example"),
    ):
        answer = await client.get(path, headers=PERSON | {"host": "evil.example"})
        assert answer.headers["location"] == PAGE
    forged = click_token(KeyRing("f" * 32), ClickedLink(scene.version.id, 0))
    other = scene.keys.sign(TokenKind.LEAVE, scene.version.id << 16)
    nowhere = (
        *(f"/r/{forged}", f"/r/{other}", scene.path(999), f"{good}a", good[:-1]),
        f"/r/{click_token(scene.keys, ClickedLink(4_000_000, 0))}",
        *("/r/https://evil.example", "/r//evil.example", "/r/%2f%2fevil.example", "/r/"),
    )
    for path in nowhere:
        answer = await client.get(path, headers=PERSON)
        assert answer.status_code == 404, path
        assert "location" not in answer.headers
    answer = await client.post(good, headers=PERSON)
    assert answer.status_code == 405
    assert await scene.counted() != {}


async def test_an_old_key_still_leads_on(scene: Scene, client: httpx2.AsyncClient) -> None:
    site = replace(scene.installation.site, keys=KeyRing("n" * 32, [b"k" * 32]))
    transport = httpx2.ASGITransport(create_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as later:
        assert (await later.get(scene.path(0))).headers["location"] == PAGE
    await site.settled()


async def test_a_link_that_could_leave_its_header_or_its_attribute_cannot(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    async with installation.site.db.begin() as session:
        counting = {"clicks": True}
        newsletter = await set_newsletter(session, installation.newsletter.id, settings=counting)
    hostile = (
        'https://example.org/"onmouseover=alert(1)//',
        "https://example.org/%0d%0aSet-Cookie:x=1",
        "https://example.org/<script>alert(1)</script>",
    )
    items = "\n".join(f"### [\\<b>{n}]({url})\nWords.\n" for n, url in enumerate(hostile))
    text = f"---\nnumber: 184\ntitle: T\npreview: P\n---\nHi.\n\n## One\n{items}"
    stored = await an_issue(installation.site.db, newsletter, text=text)
    scene = Scene(installation, newsletter, stored.issue.id, stored.version)
    html = part(await scene.mail(), "html")
    assert "onmouseover" not in html
    assert "<script" not in html
    for position in range(len(hostile)):
        answer = await client.get(scene.path(position))
        assert answer.headers["location"].startswith("https://example.org/")
        assert "set-cookie" not in answer.headers
        assert not set(answer.headers["location"]) & set('"<>\r\n ')


async def test_clicks_on_all_versions_of_an_issue_are_one_sum_and_ranked(scene: Scene) -> None:
    db = scene.installation.site.db
    async with db.begin() as session:
        mine = update(schema.issues).where(schema.issues.c.id == scene.issue_id)
        await session.execute(mine.values(state="draft"))
    second = await an_issue(db, scene.newsletter, text=TEXT.replace("A page", "The page"))
    rows = [
        (scene.version.id, 0, "human", 5),
        (second.version.id, 0, "human", 4),
        (second.version.id, 1, "human", 20),
        (second.version.id, 5, "scanner", 300),
    ]
    names = [column.name for column in schema.link_clicks.columns]
    async with db.begin() as session:
        values = [dict(zip(names, row, strict=True)) for row in rows]
        await session.execute(insert(schema.link_clicks), values)
        ranked = await clicks_of_issue(session, scene.issue_id)
        sponsors = await clicks_of_issue(session, scene.issue_id, sponsor=True)
    assert [(one.url, one.human) for one in ranked][:2] == [
        (MORE, 20),
        ("https://example.org/page?a=1&b=2;c", 9),
    ]
    assert ranked[1].title == "The page"
    assert [(one.url, one.human, one.scanner) for one in sponsors] == [(SPONSOR, 0, 300)]


async def test_a_sponsor_sees_the_clicks_of_one_link_until_the_day_is_over(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    _, key = await a_key(scene.installation.site, ["issues:read"])
    program = Program(client, key)
    await client.get(scene.path(5), headers=PERSON)
    await scene.counted()
    listed = (await program.get("/newsletters/weekly/issues/183/clicks", sponsor="true")).json()
    (link,) = listed["items"]
    assert (link["url"], link["human"], link["scanner"]) == (SPONSOR, 1, 0)
    shown = await client.get(urlsplit(link["page"]).path)
    assert shown.status_code == 200
    assert "1 click<" in shown.text
    assert SPONSOR in shown.text
    assert "example.org/page" not in shown.text  # what other links got is nobody's business
    assert "noindex" in shown.headers["x-robots-tag"]
    past = clicks_token(scene.keys, scene.version.id, 5, date(2025, 6, 1))
    assert (await client.get(f"/clicks/{past}")).status_code == 410
    forged = clicks_token(KeyRing("f" * 32), scene.version.id, 5, date(2035, 6, 1))
    assert (await client.get(f"/clicks/{forged}")).status_code == 404


async def test_words_of_a_sponsor_are_words_on_the_page(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    text = TEXT.replace("A good tool", r"\<img src=x onerror=alert\(1)> &amp; \<b>")
    stored = await an_issue(installation.site.db, installation.newsletter, text=text)
    async with installation.site.db.read() as session:
        (link,) = await clicks_of_issue(session, stored.issue.id, sponsor=True)
        await get_version(session, link.version_id)
    keys = installation.site.keys
    token = clicks_token(keys, link.version_id, link.position, date(2035, 1, 1))
    page = (await client.get(f"/clicks/{token}")).text
    assert "<img" not in page
    assert "<b>" not in page


async def test_a_receipt_ranks_clicks_only_where_they_are_counted(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    site = scene.installation.site
    await client.get(scene.path(1), headers=PERSON)
    await scene.counted()
    app = Starlette(routes=receipt_routes(_place, path="/receipt"))
    app.state.site = site
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as operator:
        shown = (await operator.get("/receipt")).text
        assert shown.index(MORE) < shown.index("https://example.org/page?a=1&amp;b=2;c")
        assert 'width="100.000"' in shown
        assert "style=" not in shown
        async with site.db.begin() as session:
            await set_newsletter(session, scene.newsletter.id, settings={"clicks": None})
        assert "Clicks" not in (await operator.get("/receipt")).text


def _place(_request: Request) -> Place:
    return Place("weekly", "183", path="/receipt", layout="base.html", values={})


async def test_readers_are_told_that_clicks_are_counted_and_only_then(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    token = scene.keys.sign(TokenKind.PREFERENCES, scene.installation.anne)
    words = "How often each link of this newsletter is followed is counted."
    assert words in (await client.get(f"/p/{token}")).text
    async with scene.installation.site.db.begin() as session:
        await set_newsletter(session, scene.newsletter.id, settings={"clicks": None})
    assert words not in (await client.get(f"/p/{token}")).text
