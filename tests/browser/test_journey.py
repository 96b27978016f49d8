"""A reader's whole way in a real browser, the mail through a real relay: from the form to undo.

On a phone and a desktop, with and without JavaScript; once by keyboard alone; and every page on the
way is asked by axe whether anybody is kept from using it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email import message_from_bytes, policy
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page
from pydantic import SecretStr
from sqlalchemy import select

from digest.clock import Clock
from digest.content.notice import FOR_READERS, NoticeLook, render_notice
from digest.content.theme import load_theme
from digest.delivery.plan import start_issue
from digest.delivery.sender import Sender
from digest.jobs.sending import send_until
from digest.mail.tokens import TokenKind
from digest.rules.subscription import PassPurpose, SubscriptionState
from digest.runtime import Runtime, open_runtime
from digest.settings import Settings
from digest.store.issues import approve_version
from digest.store.newsletters import Newsletter, set_newsletter
from digest.store.passes import NewPass, write_pass
from digest.store.schema import (
    consent_events,
    deliveries,
    notices,
    passes,
    subscribers,
    subscriptions,
    suppressions,
)
from digest.store.subscribers import find_reader
from digest.web.app import create_app
from digest.web.captured import Capture
from digest.web.server import open_listener, serving, url_of
from digest.web.site import Site
from tests.browser.test_pages import browser  # noqa: F401 - a fixture of that module
from tests.build import KEY, a_newsletter, a_reader, add_issue, issue_text
from tests.scenarios.processes import capture_relay

pytestmark = pytest.mark.browser

ADDRESS = "cris@example.org"
PHONE, DESKTOP = {"width": 375, "height": 740}, {"width": 1280, "height": 900}
CHANGEABLE = (subscribers, subscriptions, consent_events, passes, suppressions, notices, deliveries)
SUBMIT = "main button[type=submit]"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass(frozen=True, slots=True)
class Journey:
    """An installation that serves and sends, and what its relay has captured."""

    url: str
    runtime: Runtime
    newsletter: Newsletter
    capture: Capture
    clock: Clock

    async def link(self, number: int, start: str) -> str:
        """The first link that begins with ``start`` in the text of captured mail ``number``."""
        for _ in range(600):
            self.capture.refresh()
            line = self.capture.line(number)
            if line is not None:
                break
            await asyncio.sleep(0.05)
        assert line is not None, "no mail came"
        message = message_from_bytes(self.capture.source(line), policy=policy.default)
        part = message.get_body(("plain",))
        assert part is not None
        found = re.search(rf"{re.escape(self.url + start)}\S+", part.get_content())
        assert found is not None
        return found[0]

    async def send_issue(self) -> None:
        """Have issue 182 go out to whoever is subscribed by now."""
        now = self.runtime.clock.now()
        async with self.runtime.db.begin() as session:
            stored = await add_issue(session, self.newsletter, issue_text(), public_url=self.url)
            issue_id, version = stored.issue.id, stored.version
            await approve_version(session, issue_id, version.hash, by="Anne", now=now)
        await start_issue(self.runtime.db, stored.issue.id, now=now, gate=self.runtime.gate)

    async def state(self) -> SubscriptionState:
        async with self.runtime.db.read() as session:
            reader = await find_reader(session, ADDRESS)
        assert reader is not None
        return reader.subscriptions[0].state

    async def settled(self) -> None:
        """Wait until everything of the issue is."""
        open_states = deliveries.c.state.in_(["queued", "sending", "deferred"])
        for _ in range(600):
            async with self.runtime.db.read() as session:
                if (
                    await session.execute(select(deliveries.c.id).where(open_states))
                ).first() is None:
                    return
            await asyncio.sleep(0.05)
        raise AssertionError("the issue is still on its way")

    def let_a_person_read(self) -> None:
        """A form that comes back at once was sent by a machine: the clock goes on instead of us."""
        self.clock.offset = self.runtime.clock.offset


@contextlib.asynccontextmanager
async def a_journey(database_url: str, folder: Path) -> AsyncIterator[Journey]:
    listener = open_listener("127.0.0.1", 0)
    with capture_relay(folder, "--rejected", "0", "--deferred", "0") as relay_url:
        settings = Settings(
            _env_file=None,
            database_url=database_url,
            relay_url=relay_url,
            public_url=url_of(listener),
            secret_key=SecretStr(KEY),
            state_dir=folder / "state",
        )
        async with open_runtime(settings) as runtime:
            newsletter = await a_newsletter(runtime.db, description="Twenty links on Thursdays.")
            async with runtime.db.begin() as session:
                sections = {"sections": ["Industry", "Code"]}
                newsletter = await set_newsletter(session, newsletter.id, settings=sections)
            clock = Clock(runtime.clock.offset - timedelta(seconds=5))
            site, stopped = replace(Site.of(runtime), clock=clock), asyncio.Event()
            async with serving(create_app(site), listener) as url:
                sending = asyncio.create_task(send_until(Sender.of(runtime), stopped))
                try:
                    yield Journey(url, runtime, newsletter, Capture(folder), clock)
                finally:
                    stopped.set()
                    await sending
            await site.desk.settled()


async def heading(page: Page) -> str:
    return await page.locator("h1").inner_text()


@pytest.mark.parametrize(
    ("viewport", "scripts"), [(PHONE, False), (PHONE, True), (DESKTOP, False), (DESKTOP, True)]
)
async def test_a_reader_signs_up_reads_chooses_leaves_and_comes_back(
    browser: Browser,  # noqa: F811 - the fixture
    sqlite_url: str,
    tmp_path: Path,
    viewport: dict[str, int],
    scripts: bool,
) -> None:
    async with a_journey(sqlite_url, tmp_path) as journey:
        context = await browser.new_context(viewport=viewport, java_script_enabled=scripts)  # type: ignore[arg-type]  # a dict is what it takes
        page = await context.new_page()
        await page.goto(journey.url)
        journey.let_a_person_read()
        await page.get_by_label("Your email address").fill(ADDRESS)
        await page.get_by_role("button", name="Sign up").click()
        assert await heading(page) == "Look into your mailbox"
        await page.goto(await journey.link(1, "/c/"))
        assert await journey.state() is SubscriptionState.PENDING
        await page.get_by_role("button", name="Yes, subscribe me").click()
        assert await heading(page) == "You are subscribed"
        await journey.send_issue()
        await page.goto(await journey.link(2, "/p/"))
        await page.get_by_label("Code").uncheck()
        await page.get_by_role("button", name="Save").click()
        assert await page.get_by_role("status").inner_text() == "Saved."
        assert not await page.get_by_label("Code").is_checked()
        await page.goto(await journey.link(2, "/u/"))
        await page.get_by_role("button", name="Unsubscribe").click()
        assert await heading(page) == "You have left"
        assert await journey.state() is SubscriptionState.ENDED
        await page.get_by_role("button", name="Undo").click()
        assert await heading(page) == "You are subscribed again"
        assert await journey.state() is SubscriptionState.ACTIVE
        assert await context.cookies() == []
        await context.close()


async def links_of(journey: Journey, number: int) -> list[str]:
    """Every link to us in captured mail ``number``, wherever in it, headers too."""
    await journey.link(number, "/")
    line = journey.capture.line(number)
    assert line is not None
    message = message_from_bytes(journey.capture.source(line), policy=policy.default)
    texts = [str(value) for value in message.values()]
    texts += [part.get_content() for part in message.walk() if not part.is_multipart()]
    found = re.findall(rf"{re.escape(journey.url)}[^\s<>\"')\]]*", " ".join(texts))
    return sorted({unescape(one).partition("#")[0] for one in found})


async def what_readers_have(journey: Journey) -> list[Any]:
    """All that a click could change."""
    async with journey.runtime.db.read() as session:
        return [list(await session.execute(select(t).order_by(*t.c))) for t in CHANGEABLE]


@pytest.mark.parametrize("times", [3, pytest.param(100, marks=pytest.mark.long)])
async def test_a_scanner_that_opens_every_link_of_every_mail_changes_nothing(
    browser: Browser,  # noqa: F811 - the fixture
    sqlite_url: str,
    tmp_path: Path,
    times: int,
) -> None:
    """As security gateways do: with scripts on, by GET and HEAD, again and again."""
    async with a_journey(sqlite_url, tmp_path) as journey:
        page = await browser.new_page()
        await page.goto(journey.url)
        journey.let_a_person_read()
        await page.get_by_label("Your email address").fill(ADDRESS)
        await page.get_by_role("button", name="Sign up").click()
        confirmation = await links_of(journey, 1)
        await a_reader(journey.runtime.db, journey.newsletter, "Bart")
        await journey.send_issue()
        links = [*confirmation, *await links_of(journey, 2)]
        for start in ("/c/", "/u/", "/p/", "/i/"):
            assert any(link.startswith(journey.url + start) for link in links), start
        await journey.settled()
        before = await what_readers_have(journey)
        for _ in range(times):
            for link in links:
                await page.goto(link)
                await page.request.head(link)
        assert await what_readers_have(journey) == before
        assert await journey.state() is SubscriptionState.PENDING
        await page.close()


async def press(page: Page, key: str, until: str) -> None:
    """Press ``key`` until what has the focus is called ``until``."""
    name = "document.activeElement.innerText || document.activeElement.name || ''"
    for _ in range(30):
        await page.keyboard.press(key)
        if await page.evaluate(name) == until:
            return
    raise AssertionError(f"{until} cannot be reached by {key}")


async def test_the_way_can_be_gone_by_keyboard_alone(
    browser: Browser,  # noqa: F811 - the fixture
    sqlite_url: str,
    tmp_path: Path,
) -> None:
    async with a_journey(sqlite_url, tmp_path) as journey:
        page = await browser.new_page()
        await page.goto(journey.url)
        journey.let_a_person_read()
        await press(page, "Tab", "email")
        await page.keyboard.type(ADDRESS)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await page.goto(await journey.link(1, "/c/"))
        await press(page, "Tab", "Yes, subscribe me")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert await journey.state() is SubscriptionState.ACTIVE
        await press(page, "Tab", "Choose what you get")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await press(page, "Tab", "section")
        await page.keyboard.press("Space")
        await press(page, "Tab", "Save")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await press(page, "Tab", "Unsubscribe")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await press(page, "Tab", "Undo")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert await journey.state() is SubscriptionState.ACTIVE
        await page.close()


Way = tuple[str, tuple[str, ...]]  # a path, and what is pressed there, one after the other


async def paths_of(journey: Journey) -> Sequence[Way]:
    """One page of every kind that a reader may come to."""
    keys, db, now = journey.runtime.keys, journey.runtime.db, journey.runtime.clock.now()
    bart = (await a_reader(db, journey.newsletter, "Bart")).subscription_id
    secrets = []
    async with db.begin() as session:
        for purpose in (PassPurpose.CONFIRM, PassPurpose.MOVE, PassPurpose.DATA):
            until = now + timedelta(days=1)
            new = NewPass(purpose, bart, until, address="bart@example.net")
            secrets.append(await write_pass(session, new, now))
    confirm, move, data = secrets
    leave, preferences = (
        keys.sign(kind, bart) for kind in (TokenKind.LEAVE, TokenKind.PREFERENCES)
    )
    tried = keys.sign(TokenKind.TEST, 1)
    looked_at = (
        *("/", "/n/weekly", "/n/weekly/subscribe", "/n/weekly/asked", "/n/weekly/embed"),
        *("/n/weekly/archive", "/n/weekly/archive?q=nothing", "/i/weekly/182", "/nothing"),
        *(f"/c/{confirm}", f"/a/{move}", f"/d/{data}", f"/u/{leave}"),
        *(f"/p/{preferences}", f"/p/{preferences}?done=saved", f"/u/{tried}", f"/p/{tried}"),
        "/n/weekly?lang=ar",
    )
    again = f"/p/{preferences}?lang=ar"
    return (
        *((path, ()) for path in looked_at),
        ("/n/weekly/subscribe", (SUBMIT,)),  # nothing is filled in
        (f"/u/{tried}", (SUBMIT,)),
        (f"/p/{preferences}", ("form[action$='/pause'] button",)),
        (again, ("form[action$='/resume'] button",)),
        (f"/a/{move}", (SUBMIT,)),
        (f"/u/{leave}", (SUBMIT,)),  # left
        (f"/u/{leave}", ()),
        (f"/p/{preferences}", ()),
        (f"/c/{confirm}", (SUBMIT,)),
        (f"/u/{leave}", (SUBMIT, SUBMIT)),  # and back
        (f"/d/{data}", ("input[type=checkbox]", "form[action*='/erase'] button")),
        (f"/d/{data}", ()),  # it has done its work
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nobody_is_kept_from_using_any_page(
    browser: Browser,  # noqa: F811 - the fixture
    sqlite_url: str,
    tmp_path: Path,
    node_modules: Path,
    scheme: str,
) -> None:
    axe = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
    async with a_journey(sqlite_url, tmp_path) as journey:
        await journey.send_issue()
        # The page's own policy lets no script run: axe comes from outside of it.
        context = await browser.new_context(
            viewport=PHONE,  # type: ignore[arg-type]  # a dict is what it takes
            color_scheme=scheme,  # type: ignore[arg-type]  # a dict is what it takes
            bypass_csp=True,
        )
        page = await context.new_page()
        found: dict[str, list[str]] = {}
        seen = set()
        for path, pressed in await paths_of(journey):
            await page.goto(journey.url + path)
            for one in pressed:
                await page.locator(one).first.click()
            seen.add(await heading(page))
            if wrong := await violations(page, axe, WCAG):
                found[f"{path} {pressed}"] = wrong
        assert found == {}
        assert seen > {"You have left", "You are subscribed again", "Done", "You are erased"}
        await context.close()


async def violations(page: Page, axe: str, tags: Sequence[str]) -> list[str]:
    """What axe holds against the page that is open."""
    await page.evaluate(axe)
    run = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
    result = await page.evaluate(run, list(tags))
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in result["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nobody_is_kept_from_reading_any_mail_about_a_subscription(
    browser: Browser,  # noqa: F811 - the fixture
    node_modules: Path,
    scheme: str,
) -> None:
    axe = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
    link = "https://news.example.org/c/" + "x" * 43
    params = {"newsletter": "A Weekly", "url": link, "preferences_url": link}
    context = await browser.new_context(
        viewport=PHONE,  # type: ignore[arg-type]  # a dict is what it takes
        color_scheme=scheme,  # type: ignore[arg-type]  # a dict is what it takes
    )
    page = await context.new_page()
    for theme, kind, language in product(("default", "letter"), sorted(FOR_READERS), ("en", "ar")):
        look = NoticeLook("A Weekly", "https://news.example.org", load_theme(theme))
        shown = render_notice(kind, params, look=look, language=language)
        await page.set_content(shown.html)
        # What is best practice for pages only, such as landmarks, is none of a mail's.
        assert await violations(page, axe, WCAG[:-1]) == [], (theme, kind, language)
        wide = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
        assert await page.evaluate(wide) <= 0, (theme, kind, language)
    await context.close()
