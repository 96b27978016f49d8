"""Issues at the desk: what a page shows is so, and what a button does is what the command does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

import httpx2
import pytest
from sqlalchemy import func, select, text, update
from starlette.applications import Starlette

from digest.delivery.checks import Gate
from digest.delivery.status import look_at_issue
from digest.rules.delivery import DeliveryState, IssueState
from digest.rules.relay import parse_relays
from digest.rules.rights import Role
from digest.store.audit import list_deeds
from digest.store.growth import count_readers, keep_counts, reader_days_of
from digest.store.issues import StoredIssue, get_issue
from digest.store.relays import ensure_relay, save_backoff
from digest.store.schema import deliveries, destinations, issues, notices
from digest.store.session import Database
from digest.web.app import Site, create_app
from digest.web.desk.visit import cookie_name
from digest.web.live import Live, Watched
from tests.build import PUBLIC_URL, an_issue, issue_text
from tests.delivery.stage import KEYS, Stage, set_stage
from tests.web.conftest import Installation
from tests.web.desk import Person, at_the_desk
from tests.web.test_letter import DARK, LIGHT, scheme_of

BASE = "/desk/n/weekly"
# What became of forty readers at each of three destinations; the others wait.
FARED = {
    "example.org": {"accepted": 30},
    "example.net": {"accepted": 20, "deferred": 4},
    "example.com": {"accepted": 10, "rejected": 3, "held": 2},
}


@dataclass(frozen=True, slots=True)
class Desk:
    """Issue 182 is on its way, 183 is a draft in two versions; an editor is signed in."""

    site: Site
    installation: Installation
    editor: Person
    hash: str

    async def issue(self, number: int = 183) -> StoredIssue:
        async with self.site.db.read() as session:
            return await get_issue(session, self.installation.newsletter.id, str(number))


@pytest.fixture
async def desk(installation: Installation) -> AsyncIterator[Desk]:
    site = installation.site
    gate = Gate(parse_relays("smtp://127.0.0.1:2525?tls=none"), site.keys, site.public_url, None)
    site = replace(site, gate=gate, stream_seconds=30.0)
    await an_issue(site.db, installation.newsletter, 183)
    text = issue_text(183, words="three items")
    stored = await an_issue(site.db, installation.newsletter, 183, text=text)
    async with at_the_desk(site, Role.EDITOR) as editor:
        yield Desk(site, installation, editor, stored.version.hash)


async def test_the_version_that_is_shown_is_the_one_that_is_approved(desk: Desk) -> None:
    page = (await desk.editor.get(f"{BASE}/i/183")).text
    assert f'name="hash" value="{desk.hash}"' in page
    assert "Approve version 2" in page
    done = await desk.editor.post(f"{BASE}/i/183/approve", hash=desk.hash)
    assert done.headers["location"] == f"{BASE}/i/183?done=approved"
    assert (await desk.issue()).state is IssueState.APPROVED
    after = (await desk.editor.get(done.headers["location"])).text
    assert "this version goes out, and nothing else" in after
    assert "editor@example.org" in after
    assert (await desk.editor.post(f"{BASE}/i/183/withdraw")).status_code == 303
    assert (await desk.issue()).state is IssueState.DRAFT
    async with desk.site.db.read() as session:
        deeds = await list_deeds(session, limit=2)
    assert [(one.who, one.action, one.subject) for one in deeds] == [
        ("editor@example.org", "withdraw issue", "weekly 183"),
        ("editor@example.org", "approve issue", "weekly 183"),
    ]


# What is pressed, on which issue, and the state it stays in.
PRESSED = (
    ("approve", 183, IssueState.DRAFT),
    ("start", 184, IssueState.APPROVED),
    ("withdraw", 184, IssueState.APPROVED),
    ("pause", 182, IssueState.SENDING),
    ("cancel", 182, IssueState.SENDING),
    ("resume", 185, IssueState.PAUSED),
    ("cancel", 185, IssueState.PAUSED),
)


async def test_what_cannot_be_written_down_is_not_done(desk: Desk) -> None:
    for number, acts in ((184, ("approve",)), (185, ("approve", "start", "pause"))):
        stored = await an_issue(desk.site.db, desk.installation.newsletter, number)
        for act in acts:
            path = f"{BASE}/i/{number}/{act}"
            assert (await desk.editor.post(path, hash=stored.version.hash)).status_code == 303
    async with desk.site.db.begin() as session:
        # 185 has overtaken what waited of 182
        await session.execute(update(deliveries).values(state="queued", settled_at=None))
        await session.execute(text("ALTER TABLE audit RENAME TO lost"))
    for act, number, state in PRESSED:
        answer = await desk.editor.post(f"{BASE}/i/{number}/{act}", hash=desk.hash)
        assert answer.is_error, (act, number)
        assert (await desk.issue(number)).state is state, (act, number)


async def test_what_is_not_ready_says_where_and_cannot_be_approved(desk: Desk) -> None:
    text = issue_text(184).replace("(https://github.com/owner/repository)", "(TODO)")
    stored = await an_issue(desk.site.db, desk.installation.newsletter, 184, text=text)
    page = (await desk.editor.get(f"{BASE}/i/184")).text
    assert "Not ready" in page
    assert "Something is still TODO" in page
    assert "### [owner/repository](TODO)" in page
    assert "Approve version" not in page
    refused = await desk.editor.post(f"{BASE}/i/184/approve", hash=stored.version.hash)
    assert refused.status_code == 409
    assert "not ready" in refused.text
    assert (await desk.issue(184)).state is IssueState.DRAFT


async def test_a_test_goes_to_the_addresses_that_were_named(desk: Desk) -> None:
    wrong = await desk.editor.post(f"{BASE}/i/183/test", to="no address")
    assert wrong.status_code == 422
    await desk.editor.post(f"{BASE}/i/183/test", to="anne@example.org, bart@example.org")
    async with desk.site.db.read() as session:
        found = await session.execute(select(notices.c.address).where(notices.c.kind == "test"))
        assert sorted(found.scalars()) == ["anne@example.org", "bart@example.org"]


async def test_an_issue_gets_a_time_of_its_own_and_loses_it_again(desk: Desk) -> None:
    day = (desk.site.clock.now() + timedelta(days=3)).date()
    await desk.editor.post(f"{BASE}/i/183/time", at=f"{day}T09:30")
    assert (await desk.issue()).scheduled_at is not None
    assert f"{day} 09:30" in (await desk.editor.get(f"{BASE}/i/183")).text
    past = await desk.editor.post(f"{BASE}/i/183/time", at="2020-01-01T09:00")
    assert (past.status_code, "passed" in past.text) == (422, True)
    assert "press “Send it now”" in past.text
    assert "digest issue" not in past.text
    assert (await desk.editor.post(f"{BASE}/i/183/time", at="soon")).status_code == 422
    await desk.editor.post(f"{BASE}/i/183/time", as_usual="1")
    assert (await desk.issue()).scheduled_at is None


async def test_an_issue_is_started_paused_resumed_and_cancelled(desk: Desk) -> None:
    early = await desk.editor.post(f"{BASE}/i/183/start")
    assert early.status_code == 409
    await desk.editor.post(f"{BASE}/i/183/approve", hash=desk.hash)
    started = await desk.editor.post(f"{BASE}/i/183/start")
    assert started.status_code == 303, started.text
    assert (await desk.issue()).state is IssueState.SENDING
    assert (await desk.editor.post(f"{BASE}/i/183/pause")).status_code == 303
    page = (await desk.editor.get(f"{BASE}/i/183")).text
    assert "paused by Editor" in page
    assert (await desk.editor.post(f"{BASE}/i/183/resume")).status_code == 303
    assert (await desk.issue()).state is IssueState.SENDING
    assert (await desk.editor.post(f"{BASE}/i/183/cancel")).status_code == 303
    assert (await desk.issue()).state is IssueState.CANCELLED
    again = await desk.editor.post(f"{BASE}/i/183/resume")
    assert (again.status_code, "nothing to resume" in again.text) == (409, True)
    async with desk.site.db.read() as session:
        left = select(func.count()).where(deliveries.c.state == DeliveryState.CANCELLED)
        assert (await session.execute(left)).scalar_one() == 2


async def test_the_stream_shows_a_look_and_ends_with_the_issue(desk: Desk) -> None:
    await desk.editor.post(f"{BASE}/i/182/pause", reason="somebody asked")
    answer = await desk.editor.get(f"{BASE}/i/182/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("retry: 1000\n\nevent: look\ndata: ")
    assert "somebody asked" in answer.text
    assert answer.text.endswith("event: over\ndata: \n\n")


async def half_sent(stage: Stage) -> None:
    """Have it fare so, while seven of its first few are not answered, and two relays complain."""
    now = stage.clock.now()
    of_place = deliveries.c.destination_id == destinations.c.id
    backoffs = (("alone:25", None, now + timedelta(hours=1)), ("slow:25", 60, None))
    async with stage.db.begin() as session:
        for domain, fates in FARED.items():
            mine = select(deliveries.c.id).where(of_place, destinations.c.domain == domain)
            waiting = list(await session.scalars(mine.order_by(deliveries.c.id)))
            for state, number in fates.items():
                taken, waiting = waiting[:number], waiting[number:]
                rows = update(deliveries).where(deliveries.c.id.in_(taken))
                settled = None if state == "deferred" else now
                await session.execute(rows.values(state=state, settled_at=settled))
        rest = update(deliveries).where(deliveries.c.id.not_in(waiting[:7]))
        await session.execute(rest.values(wave=1))
        await session.execute(update(issues).values(canary_passed_at=None))
        for name, rate, until in backoffs:
            relay = await ensure_relay(session, name)
            await save_backoff(
                *(session, relay),
                learned_rate=rate,
                until=until,
                step=1,
                code=421,
                text="4.7.0 slow down",
                now=now,
            )


async def test_an_issue_on_its_way_is_told_with_its_rate_each_place_and_what_holds_it(
    sqlite_url: str,
) -> None:
    async with await Database.open(sqlite_url) as db:
        stage = await set_stage(db, 120)
        await stage.start()
        watched = Watched()
        now = stage.clock.now()
        await watched.show(await look_at_issue(db, stage.issue_id, now), 0.0)
        await half_sent(stage)
        look = await look_at_issue(db, stage.issue_id, now)
        await watched.show(look, 13.0)
        site = Site(db, KEYS, PUBLIC_URL, relay_configured=True, stream_seconds=30.0)
        application = cast("Starlette", create_app(site))
        application.state.live = Live({stage.issue_id: watched})
        async with at_the_desk(site, Role.VIEWER) as viewer:
            page = (await viewer.get(f"{BASE}/i/182")).text
            transport = httpx2.ASGITransport(application)
            async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
                client.cookies.set(cookie_name(site), viewer.token)
                streaming = asyncio.create_task(client.get(f"{BASE}/i/182/events"))
                async with asyncio.timeout(10):
                    while not watched.viewers:  # noqa: ASYNC110 - nobody tells of who comes
                        await asyncio.sleep(0.01)
                paused = replace(look.issue, state=IssueState.PAUSED)
                await watched.show(replace(look, issue=paused), 14.0)  # which ends the stream
                stream = (await streaming).text
    _, told, last, over = stream.split("event: ")
    figures = [("54.2 %", "settled"), ("60", "accepted of 120")]
    assert figures_of(told) == [*figures, ("5.0", "a second"), ("11 s", "to go")]
    assert figures_of(last) == figures_of(page) == figures  # where nothing moves, or one just came
    assert over.startswith("over")
    until = now + timedelta(hours=1)
    for shown in (told, page):
        assert places_of(shown) == {
            "example.org": ("75.00", ["10", "30", "–", "–", "–"]),
            "example.net": ("50.00", ["16", "20", "4", "–", "–"]),
            "example.com": ("37.50", ["25", "10", "–", "3", "2"]),
        }
        assert "The first few go ahead: 7 are not answered yet." in shown
        assert f"alone:25 is left alone until {until:%H:%M:%S} UTC: “421 4.7.0 slow down”" in shown
        assert "slow:25 is given 60 a minute: “421 4.7.0 slow down”" in shown


def figures_of(page: str) -> list[tuple[str, str]]:
    """The large numbers, each with what it counts."""
    return re.findall(r"<strong>([^<]*)</strong><span>([^<]*)</span>", page)


def places_of(page: str) -> dict[str, tuple[str, list[str]]]:
    """How far each destination is, in percent, and its numbers."""
    rows = re.findall(r"<bdi>([^<]*)</bdi></th>(.*?)</tr>", page, re.DOTALL)
    return {
        name: (
            "".join(re.findall(r'width="([^"]*)" height="1"', row)),
            re.findall(r'class="amount[^"]*">([^<]*)<', row),
        )
        for name, row in rows
    }


async def test_a_hundred_who_watch_are_one_look(desk: Desk) -> None:
    live = Live()
    issue = await desk.issue(182)
    async with AsyncExitStack() as stack:
        watched = {
            id(await stack.enter_async_context(live.watching(desk.site, issue.id)))
            for _ in range(100)
        }
        assert (len(watched), len(live.watched)) == (1, 1)
        one = live.watched[issue.id]
        async with asyncio.timeout(10), one.changed:
            await one.changed.wait_for(lambda: one.number > 0)
        assert one.viewers == 100
        (task,) = live.looking
    assert not live.watched
    async with asyncio.timeout(10):
        await task  # not cancelled, and over after the look that was under way
    assert not live.looking


async def test_everybody_sees_the_sums_and_operators_who_is_behind_them(desk: Desk) -> None:
    async with at_the_desk(desk.site, Role.VIEWER) as viewer:
        sums = await viewer.get(f"{BASE}/i/182/receipt")
        assert sums.status_code == 200
        assert "@example.org" not in sums.text.replace("viewer@example.org", "")
        assert (await viewer.get(f"{BASE}/i/182/receipt/all")).status_code == 403
    async with at_the_desk(desk.site, Role.OPERATOR) as operator:
        rows = await operator.get(f"{BASE}/i/182/receipt/all")
        assert "anne@example.org" in rows.text
        one = re.search(r'href="([^"]*/receipt/delivery/\d+)"', rows.text)
        assert one is not None
        assert "anne@example.org" in (await operator.get(one[1])).text
        assert "@" not in (await operator.get(f"{BASE}/i/183/receipt")).text.partition("<main")[2]


async def test_a_version_is_shown_in_a_frame_that_runs_nothing(desk: Desk) -> None:
    letter = await desk.editor.get(f"{BASE}/i/183/letter/1")
    assert "two items" in letter.text
    assert scheme_of(letter.text) == LIGHT
    dark = await desk.editor.get(f"{BASE}/i/183/letter/1?scheme=dark")
    assert scheme_of(dark.text) == DARK
    framed = (await desk.editor.get(f"{BASE}/i/183?version=1&scheme=dark")).text
    assert re.search(rf'src="{BASE}/i/183/letter/1\?[^"]*scheme=dark"', framed)
    policy = letter.headers["content-security-policy"]
    assert "sandbox allow-popups" in policy
    assert "frame-ancestors 'self'" in policy
    assert (await desk.editor.get(f"{BASE}/i/183/letter/9")).status_code == 404
    assert (await desk.editor.get(f"{BASE}/i/183?version=9")).status_code == 404
    first = (await desk.editor.get(f"{BASE}/i/183?version=1&show=text")).text
    assert "two items" in first


async def test_the_overview_tells_what_was_counted_and_what_is_on_its_way(desk: Desk) -> None:
    assert "not yet" in (await desk.editor.get("/desk")).text
    now = desk.site.clock.now()
    newsletter = desk.installation.newsletter
    async with desk.site.db.begin() as session:
        for at in (now - timedelta(days=2), now, now):  # once more on one day is the same row
            await keep_counts(session, await count_readers(session, at))
        days = await reader_days_of(session, newsletter.id, (now - timedelta(days=5)).date())
    assert [(one.active, one.pending, one.left) for one in days] == [(2, 0, 0), (2, 0, 0)]
    page = (await desk.editor.get("/desk")).text
    assert re.search(r"<strong>2</strong><span>readers", page)
    assert 'class="line" d="M0.0' in page
    assert f"{BASE}/i/182" in page
    assert "Nothing came back yet" in page
