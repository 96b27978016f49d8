"""The receipt on the web: sums that add up, each number the list it opens, nothing else to find."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape

import httpx2
import pytest
from sqlalchemy import insert, select, update

from digest.rules.delivery import OPEN_STATES, DeliveryState, IssueState
from digest.rules.words import FATES
from digest.store.issues import approve_version, move_issue
from digest.store.newsletters import Newsletter
from digest.store.schema import attempts, deliveries
from digest.store.session import Database
from digest.web.app import Site, wrapped
from digest.web.receipt import PER_PAGE, Place, receipt_routes
from tests.build import (
    NOW,
    PUBLIC_URL,
    a_newsletter,
    an_issue,
    issue_text,
    plan_deliveries,
    readers,
)

COUNT = 130  # three pages of those accepted


@dataclass(frozen=True, slots=True)
class Pages:
    """A client of the pages, and the ids of the deliveries behind them."""

    client: httpx2.AsyncClient
    ids: tuple[int, ...]
    newsletter: Newsletter
    issue_id: int

    async def get(self, path: str) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == 200, path
        return answer.text


@pytest.fixture
async def pages(database: Database, site: Site) -> AsyncIterator[Pages]:
    """Issue 182 in every state there is, of two versions, with replies."""
    newsletter = await a_newsletter(database)
    await readers(database, newsletter, COUNT)
    first = await an_issue(database, newsletter)
    second = await an_issue(database, newsletter, text=issue_text(words="three items"))
    issue_id = first.issue.id
    async with database.begin() as session:
        await approve_version(session, issue_id, first.version.hash, by="Anne", now=NOW)
        await move_issue(session, issue_id, IssueState.SENDING, now=NOW)
        await plan_deliveries(session, issue_id=issue_id, version_id=first.version.id, now=NOW)
        ids = (await session.scalars(select(deliveries.c.id).order_by(deliveries.c.id))).all()
        done = {"state": DeliveryState.ACCEPTED, "settled_at": NOW, "attempts": 1}
        await session.execute(update(deliveries).values(done))
        for row_id, (state, reason) in zip(ids, FATES, strict=False):
            refused = state in (DeliveryState.REJECTED, DeliveryState.DEFERRED)
            values = {
                "state": state,
                "reason": reason,
                "settled_at": None if state in OPEN_STATES else NOW,
                "maybe_sent": True,
                "version_id": second.version.id,
                "verdict": "mailboxfull" if refused else None,
                "reply_code": 552 if refused else None,
                "reply_text": "5.2.2 <b>full</b>" if refused else None,
            }
            await session.execute(
                update(deliveries).where(deliveries.c.id == row_id).values(values)
            )

    def place(_request: object) -> Place:
        return Place("weekly", "182", path="/r", layout="base.html", values={})

    app = wrapped(receipt_routes(place, path="/r"))
    app.state.site = site
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        yield Pages(client, tuple(ids), newsletter, issue_id)


@pytest.fixture
def site(database: Database, keys: object) -> Site:
    return Site(database, keys, PUBLIC_URL, relay_configured=True)  # type: ignore[arg-type]  # a KeyRing


def links(text: str) -> list[tuple[str, int]]:
    """Every link to a list whose text begins with a number, and that number."""
    found = re.findall(r'<a [^>]*href="(/r/[^"]+)"[^>]*>([\d,]+)<?', text)
    return [(unescape(path), int(number.replace(",", ""))) for path, number in found]


async def rows(pages: Pages, path: str) -> int:
    """How many readers a list has, over all its pages."""
    seen: list[str] = []
    while path:
        text = await pages.get(path)
        found = re.findall(r'href="(/r/delivery/\d+)"', text)
        assert len(found) <= PER_PAGE
        seen += found
        later = re.search(r'href="([^"]+)" rel="next"', text)
        path = unescape(later[1]) if later else ""
    assert len(set(seen)) == len(seen)
    return len(seen)


async def test_the_lines_add_up_and_say_so(pages: Pages) -> None:
    text = await pages.get("/r")
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    numbers = [int(one) for one in re.findall(r">(\d+)<span", body)]
    assert len(numbers) == len(FATES)
    assert sum(numbers) == COUNT
    assert f"{' + '.join(map(str, numbers))} = {COUNT}" in text
    widths = [float(one) for one in re.findall(r'width="([\d.]+)" height="1"', text)]
    assert sum(widths) == pytest.approx(100, abs=0.01)


async def test_every_number_opens_a_list_as_long(pages: Pages) -> None:
    found = links(await pages.get("/r"))
    assert len(found) > len(FATES) + 5
    for path, number in dict(found).items():
        assert await rows(pages, path) == number, path


async def test_every_destination_opens_its_list(pages: Pages) -> None:
    text = await pages.get("/r")
    places = re.findall(r'<a href="(/r/all\?destination=[^"]+)"><bdi>', text)
    assert len(places) == 3
    assert sum([await rows(pages, unescape(path)) for path in places]) == COUNT


async def test_who_was_missed_is_everybody_who_is_not_accepted(pages: Pages) -> None:
    assert await rows(pages, "/r/missed") == len(FATES) - 1


async def test_a_delivery_is_told_attempt_by_attempt(pages: Pages, database: Database) -> None:
    log = {"delivery_id": pages.ids[1], "number": 1, "finished_at": NOW, "phase": "rcpt"}
    reply = {"blame": "recipient", "verdict": "mailboxfull", "code": 552, "text": "<i>over"}
    async with database.begin() as session:
        await session.execute(insert(attempts).values(log | reply))
    text = await pages.get(f"/r/delivery/{pages.ids[1]}")
    assert "the mailbox is full" in text
    assert "552 &lt;i&gt;over" in text
    assert "at the reader&#39;s address" in text
    assert "None yet" in await pages.get(f"/r/delivery/{pages.ids[7]}")


async def test_a_reply_is_text_and_never_markup(pages: Pages) -> None:
    for path in ("/r", "/r/rejected", f"/r/delivery/{pages.ids[1]}"):
        text = await pages.get(path)
        assert "&lt;b&gt;full&lt;/b&gt;" in text
        assert "<b>full" not in text


async def test_what_is_not_there_is_not_found(pages: Pages) -> None:
    names = ("x", "ALL", "all/left", "expired/x", "missed/x", "..%2f", "queued/left/x")
    queries = ("verdict=x", "blame=x", "after=x", "after=-1", "after=%D9%A3", "version=9")
    paths = [f"/r/{name}" for name in names] + [f"/r/all?{query}" for query in queries]
    paths += [f"/r/delivery/{number}" for number in ("x", "0", "999999", "9" * 30, "-1")]
    paths += [f"/r/all?after={'9' * 30}", "/r/all?destination=%00"]
    for path in paths:
        assert (await pages.client.get(path)).status_code == 404, path
    assert await rows(pages, f"/r/all?after={'9' * 18}") == 0
    assert await rows(pages, "/r/all?destination=%27--") == 0


async def test_a_delivery_of_another_issue_is_not_shown(pages: Pages, database: Database) -> None:
    other = await an_issue(database, pages.newsletter, 183)
    async with database.begin() as session:
        move = update(deliveries).where(deliveries.c.id == pages.ids[0])
        await session.execute(move.values(issue_id=other.issue.id))
    assert (await pages.client.get(f"/r/delivery/{pages.ids[0]}")).status_code == 404


async def test_a_paused_issue_says_why(pages: Pages, database: Database) -> None:
    why = 'too many <script> "rejections"'
    async with database.begin() as session:
        await move_issue(session, pages.issue_id, IssueState.PAUSED, now=NOW, reason=why)
    text = await pages.get("/r")
    assert "It is paused: too many &lt;script&gt;" in text
    assert "before it was paused" in text.lower()


async def test_the_pages_are_not_for_search_engines(pages: Pages) -> None:
    for path in ("/r", "/r/all", f"/r/delivery/{pages.ids[0]}"):
        assert '<meta name="robots" content="noindex, nofollow">' in await pages.get(path)
