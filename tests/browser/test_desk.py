"""The desk in a real browser: nothing hostile runs, and all can be used.

What readers, mails and servers wrote, what editors called things and what a form brings are the
payloads of stored-XSS advisories (standards, class 10), in every field of every page.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select, update
from starlette.routing import compile_path

from digest.access.sessions import begin_session
from digest.access.users import first_link, get_user, reset_user
from digest.clock import Clock
from digest.delivery.checks import Gate
from digest.delivery.issue_tests import write_tests
from digest.mail.tokens import KeyRing, TokenKind, clicks_token
from digest.rules.doctor.checkup import Check, Light
from digest.rules.relay import parse_relays
from digest.rules.rights import Role
from digest.store.audit import write_down
from digest.store.bookmarklets import open_bookmarklet
from digest.store.clicks import clicks_of_issue
from digest.store.issues import get_issue
from digest.store.newsletters import get_newsletter
from digest.store.schema import api_keys, newsletter_people, user_sessions, users
from digest.store.session import Database
from digest.store.users import write_user
from digest.web.app import Site, create_app
from digest.web.bookmarklet import bookmarklet_token
from digest.web.desk.doctor import Examined
from digest.web.desk.routes import DOORS
from digest.web.desk.visit import HOME, cookie_name
from digest.web.server import open_listener, serving
from tests.access.test_users import a_code
from tests.browser.test_journey import WCAG, violations
from tests.browser.test_pages import HANDLERS, PAYLOADS, Watch, _hostile_text, browser
from tests.browser.test_writing import PAGES as WRITING
from tests.build import KEY, PUBLIC_URL
from tests.web.api import a_key
from tests.web.desk import a_user
from tests.web.lively import lively

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.browser

WEEKLY, MAPS = "/desk/n/weekly", "/desk/n/maps"
PATHS = (
    *("/desk", WEEKLY, f"{WEEKLY}/i/184", f"{WEEKLY}/i/183?show=text", f"{WEEKLY}/i/182"),
    *(f"{WEEKLY}/i/181", f"{WEEKLY}/i/181?show=desktop&scheme=dark"),
    *(f"{WEEKLY}/i/181/receipt", f"{WEEKLY}/i/182/receipt", f"{WEEKLY}/i/181/receipt/rejected"),
    *(f"{WEEKLY}/i/181/receipt/after/bounced", f"{WEEKLY}/i/181/receipt/after/left"),
    *(f"{WEEKLY}/i/178/receipt/delivery/6", f"{WEEKLY}/readers", f"{WEEKLY}/readers?q=anne"),
    *(f"{MAPS}/i/12", f"{MAPS}/i/12/receipt"),
    *("/desk/readers/1", "/desk/readers/8", "/desk/suppressions", "/desk/feedback"),
    *("/desk/feedback?show=quarantined", "/desk/feedback?show=unclassified", "/desk/relays"),
    *("/desk/doctor", "/desk/account", "/desk/people", "/desk/log"),
)


@dataclass(frozen=True, slots=True)
class Served:
    """A desk on a real socket, and the cookie of who is signed in."""

    url: str
    cookie: str
    token: str
    by_link: tuple[str, ...] = ()  # pages for whoever has a link, when words are hostile

    async def open(self, browser: Browser, **given: object) -> Page:
        context = await browser.new_context(**given)  # type: ignore[arg-type]  # as it takes them
        cookie = {"name": self.cookie, "value": self.token, "url": self.url}
        await context.add_cookies([cookie])  # type: ignore[list-item]  # a dict is what it takes
        return await context.new_page()


@contextlib.asynccontextmanager
async def a_desk(
    db: Database, relay: str = "smtp://127.0.0.1:9?tls=none", *, word: str = ""
) -> AsyncIterator[Served]:
    """Serve what is in ``db`` to an operator who is an owner, too, and may be called ``word``."""
    listener = open_listener("127.0.0.1", 0)
    url, keys = f"http://127.0.0.1:{listener.getsockname()[1]}", KeyRing(KEY)
    gate = Gate(parse_relays(relay), keys, PUBLIC_URL)  # what the links of an issue lead to
    site = Site(db, keys, url, relay_configured=True, gate=gate, stream_seconds=30.0)
    user = await a_user(site, Role.OWNER)
    async with db.begin() as session:
        now = site.clock.now()
        token = await begin_session(session, user, browser=word, now=now)
        if word:
            await write_down(session, word, word, subject=word, result=word, now=now)
    by_link = await _by_link(site, word) if word else ()
    app = create_app(site)
    app.state.desk_doctor = Examined(  # type: ignore[attr-defined]  # an application of Starlette
        [Check("dkim", word or "example.org", Light.RED, word or "no record", word or "Write it.")],
        site.clock.now(),
    )
    async with serving(app, listener) as served:
        yield Served(served, cookie_name(site), token, by_link)


async def _by_link(site: Site, word: str) -> tuple[str, ...]:
    """The pages of a new user, of an editor and of a sponsor, who are all called ``word``."""
    keys, now = site.keys, site.clock.now()
    async with site.db.begin() as session:
        await write_user(session, "x@example.org", name=word, role=Role.VIEWER, now=now)
        welcome = await reset_user(session, await get_user(session, "x@example.org"), now)
        weekly = await get_newsletter(session, "weekly")
        editor = {"newsletter_id": weekly.id, "role": "editor", "address": word}
        await session.execute(newsletter_people.insert().values(**editor))
        draft, sent = [await get_issue(session, weekly.id, name) for name in ("184", "181")]
        test = await write_tests(session, weekly, draft, [word], now=now)
        bookmarklet = await open_bookmarklet(session, weekly.id, word, now=now)
        liked = (await clicks_of_issue(session, sent.id))[0]
    clicks = clicks_token(keys, liked.version_id, liked.position, now.date())
    links = f"/links/{bookmarklet_token(keys, bookmarklet.id)}"
    handed = urlencode({"url": word, "title": word, "note": word})
    return (
        *(f"{HOME}/welcome/{welcome}", f"/clicks/{clicks}", links, f"{links}?{handed}"),
        f"/approve/{keys.sign(TokenKind.APPROVE, test.notice_ids[0])}",
    )


@pytest.mark.parametrize(
    "payloads",
    [
        pytest.param((PAYLOADS[1], PAYLOADS[7], PAYLOADS[24]), id="a few"),
        pytest.param(PAYLOADS, id="all", marks=pytest.mark.long),
    ],
)
async def test_nothing_hostile_runs_on_any_page_of_the_desk(
    browser: Browser,
    sqlite_template: Path,
    tmp_path: Path,
    payloads: Sequence[str],
) -> None:
    for number, payload in enumerate(payloads):
        path = tmp_path / f"{number}.db"
        shutil.copyfile(sqlite_template, path)
        async with await Database.open(f"sqlite:///{path}") as db:
            await lively(
                db,
                Clock().now(),
                word=payload,
                readers=40,
                text=lambda number, words=payload: _hostile_text(number, words),  # type: ignore[misc]  # bound early
            )
            async with a_desk(db, word=payload) as served:
                await _nothing_runs(browser, served, payload)


async def _nothing_runs(
    browser: Browser,
    served: Served,
    payload: str,
) -> None:
    page = await served.open(browser)
    watch = Watch(served.url)
    page.on("dialog", watch.on_dialog)
    page.on("requestfinished", watch.on_request)
    page.on("requestfailed", watch.on_request)
    page.on("console", watch.on_console)

    async def harmless(where: str) -> None:
        assert await page.locator(HANDLERS).count() == 0, where
        assert (watch.dialogs, watch.foreign, watch.blocked) == ([], [], []), where

    for path in (*PATHS, *served.by_link):
        answer = await page.goto(served.url + path, wait_until="load")
        assert answer is not None
        assert answer.status == 200, path
        await harmless(path)
    # And what is typed, where a page shows it again: it asks for it, or refuses it.
    sought = 200 if payload.isprintable() else 404
    for path, fields, button, status in (
        (f"{WEEKLY}/readers", "#q", "Look", sought),
        (f"{WEEKLY}/settings", ".settings :is(input[type=text], textarea)", "Save", 422),
        (f"{HOME}/sign-in", "input:not([type=hidden])", "Sign in", 403),
    ):
        await page.goto(served.url + path)
        await page.evaluate("document.querySelector('[type=email]')?.setAttribute('type', 'text')")
        for field in await page.locator(fields).all():
            await field.fill(payload)
        async with page.expect_navigation() as going:
            await page.get_by_role("button", name=button, exact=True).click()
        answer = await going.value
        assert answer is not None
        assert answer.status == status, path
        await harmless(path)
    await page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nobody_is_kept_from_using_any_page_of_the_desk(
    browser: Browser,
    sqlite_url: str,
    node_modules: Path,
    scheme: str,
) -> None:
    """Asked by axe; it fits a phone; each page is named, has one heading, and shows its focus."""
    axe = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
    async with await Database.open(sqlite_url) as db:
        await lively(db, Clock().now(), readers=60)
        async with a_desk(db) as served:
            size = {"width": 360, "height": 740} if scheme == "light" else None
            given = {"viewport": size} if size else {}
            page = await served.open(browser, color_scheme=scheme, bypass_csp=True, **given)
            wrong: dict[str, list[str]] = {}
            titles = set()
            for path in PATHS:
                await page.goto(served.url + path)
                if found := await violations(page, axe, WCAG):
                    wrong[path] = found
                assert await page.locator("h1").count() == 1, path
                titles.add(await page.title())
                wide = "document.scrollingElement.scrollWidth - innerWidth"
                assert await page.evaluate(wide) <= 0, path
            async for title in _turned_away(page, served, db):
                if found := await violations(page, axe, WCAG):
                    wrong[title] = found
                assert await page.evaluate(wide) <= 0, title
            assert wrong == {}
            assert len(titles) > len(PATHS) * 2 / 3
            await page.context.close()


async def _turned_away(page: Page, served: Served, db: Database) -> AsyncIterator[str]:
    """Open one after the other what a door says instead of its page; the title of each."""
    await page.set_viewport_size({"width": 360, "height": 740})
    site = Site(db, KeyRing(KEY), served.url, relay_configured=True)
    test = f"{served.url}{WEEKLY}/i/184"
    for title, token in (("That was not done", ""), ("Nothing was done", "of another session")):
        await page.goto(test)
        await page.locator("#to").fill("no address")
        if token:
            field = page.locator("form[action$='/test'] [name=form_token]")
            await field.evaluate("(one, token) => { one.value = token; }", token)
        yield await _said_instead(page, title)
    await page.goto(test)
    await page.context.clear_cookies()
    yield await _said_instead(page, "You are signed out")
    viewer = await a_user(site, Role.VIEWER)
    async with db.begin() as session:
        token = await begin_session(session, viewer, browser="", now=site.clock.now())
    cookie = {"name": served.cookie, "value": token, "url": served.url}
    await page.context.add_cookies([cookie])  # type: ignore[list-item]  # a dict is what it takes
    await page.goto(f"{served.url}/desk/people")
    yield await _said_instead(page, "This is not yours to open", press="")


async def _said_instead(page: Page, title: str, *, press: str = "Enter") -> str:
    """The title, once the page that is called so is open."""
    if press:
        await page.locator("#to").press(press)
    await expect(page.locator("h1")).to_have_text(title)
    return title


# What a door leads to that is no page: a stream, a file, and letters, which other tests see.
NO_PAGES = (
    *(f"{HOME}/n/{{newsletter}}/i/{{issue}}/events", f"{HOME}/readers/{{reader:int}}/data"),
    *(f"{HOME}/n/{{newsletter}}/i/{{issue}}/letter/{{version:int}}",),
    f"{HOME}/n/{{newsletter}}/themes/{{theme}}",
)


def test_every_page_of_the_desk_is_among_those_that_are_looked_at() -> None:
    looked_at = {
        path.partition("?")[0] for path in (*PATHS, *(f"{WEEKLY}{one}" for one in WRITING))
    }
    missing = [
        door.path
        for door in DOORS
        if door.method == "GET"
        and door.path not in NO_PAGES
        and not any(compile_path(door.path)[0].match(path) for path in looked_at)
    ]
    assert missing == []


async def test_no_secret_stands_on_any_page_of_the_desk(sqlite_url: str) -> None:
    """Of the machine and of people: keys, passwords, their hashes, sessions, one-time codes."""
    relay_password, code_secret = "a-relays-own-secret", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    async with await Database.open(sqlite_url) as db:
        await lively(db, Clock().now(), readers=40)
        relay = f"smtp://anne:{relay_password}@127.0.0.1:9?tls=none"
        async with a_desk(db, relay) as served:
            _, key = await a_key(Site(db, KeyRing(KEY), served.url, True))
            async with db.begin() as session:
                given = {"password_hash": "$argon2id$a-hash", "code_secret": code_secret}
                await session.execute(update(users).values(**given))
                kept = set()
                for table in (user_sessions, api_keys):
                    column = table.c.token_hash if table is user_sessions else table.c.secret_hash
                    kept |= set((await session.execute(select(column))).scalars())
            assert len(kept) == 2
            secrets = {KEY, relay_password, served.token, key, *given.values(), *kept}
            cookies = {served.cookie: served.token}
            async with httpx2.AsyncClient(base_url=served.url, cookies=cookies) as client:
                writing = (f"{WEEKLY}{one}" for one in WRITING if one != "/write?from=links")
                for path in (*PATHS, *writing):
                    answer = await client.get(path.replace("/190", "/184"))
                    assert answer.status_code == 200, path
                    assert [one for one in secrets if one in answer.text] == [], path


# Whatever a person can act on, and see; of radio buttons of one name, Tab leads to one.
_CONTROLS = """() => [...document.querySelectorAll(
    "a[href], button, input:not([type=hidden], [type=radio]), select, textarea, summary"
  )].filter(one => one.checkVisibility({visibilityProperty: true}) && !one.disabled
                   && one.tabIndex >= 0)"""

# Kept by the page itself: out of the frame of a letter the focus comes in its own time, and who
# only asks after each Tab where it is would miss the control behind the frame.
_WALK = """() => {
  const walk = window.walk = {unseen: [], around: false};
  let first = null;
  addEventListener("focusin", ({target}) => {
    if (target.matches("iframe")) return;  // Tab goes through the links of a letter, too
    first ??= target;
    walk.around ||= target === first && "reached" in first.dataset;
    target.dataset.reached = "yes";
    const style = getComputedStyle(target);
    if (style.outlineStyle === "none" && style.boxShadow === "none")
      walk.unseen.push(target.outerHTML.slice(0, 120));
  });
}"""
_MOST_STEPS = 400


async def _walked(page: Page, where: str) -> None:
    """By Tab, until one is where one began."""
    await page.evaluate(_WALK)
    for _ in range(_MOST_STEPS):
        await page.keyboard.press("Tab")
        if await page.evaluate("walk.around"):
            break
    assert await page.evaluate("walk") == {"unseen": [], "around": True}, where
    left = f"({_CONTROLS})().filter(one => !one.dataset.reached).map(one => one.outerHTML)"
    assert await page.evaluate(left) == [], where


async def test_tab_leads_to_every_control_of_every_page_and_shows_where_one_is(
    browser: Browser,
    sqlite_url: str,
) -> None:
    async with await Database.open(sqlite_url) as db:
        await lively(db, Clock().now(), readers=40)
        async with a_desk(db) as served:
            page = await served.open(browser, bypass_csp=True)
            writing = ("/links", "/settings", "/themes", "/write", "/write?from=links")
            for path in (*PATHS, *(WEEKLY + one for one in (*writing, "/i/184/write"))):
                # Where one writes the findings come a moment later, and with them controls.
                await page.goto(
                    served.url + path,
                    wait_until="networkidle" if "/write" in path else "load",
                )
                await _walked(page, path)
            async for title in _turned_away(page, served, db):
                await _walked(page, title)
            await page.context.close()


async def test_the_ways_in_can_be_used_by_all_and_by_keyboard_alone(
    browser: Browser, sqlite_url: str, node_modules: Path
) -> None:
    """From the first link to one-time codes and a link anew, also when something went wrong."""
    axe = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
    password, address = "many sheep were counted", "anne@example.org"
    listener = open_listener("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with await Database.open(sqlite_url) as db:
        site = Site(db, KeyRing(KEY), url, relay_configured=True)
        async with db.begin() as session:
            first = await first_link(session, site.clock.now())
        async with serving(create_app(site), listener):
            page = await browser.new_page(viewport={"width": 360, "height": 740}, bypass_csp=True)

            async def looked_at(title: str) -> None:
                await expect(page.locator("h1")).to_have_text(title)
                for scheme in ("light", "dark"):
                    await page.emulate_media(color_scheme=scheme)
                    assert await violations(page, axe, WCAG) == [], title
                wide = "document.scrollingElement.scrollWidth - innerWidth"
                assert await page.evaluate(wide) <= 0, title
                await _walked(page, title)

            async def given(**fields: str) -> None:
                """Type what a form asks for, and send it by Enter."""
                for field, words in fields.items():
                    await page.locator(f"[name={field}]").first.fill(words)
                async with page.expect_navigation():
                    await page.keyboard.press("Enter")

            await page.goto(f"{url}/desk/welcome/{first}")
            await looked_at("Welcome")
            await given(address=address, name="Anne", password=password, again=password + "x")
            await expect(page.locator("[role=alert]")).to_be_visible()
            await looked_at("Welcome")
            await given(password=password, again=password)
            await page.goto(f"{url}/desk/account")
            await looked_at("Your account")
            secret = await page.locator("[name=secret]").input_value()
            await given(code=a_code(secret, site.clock.now()))
            await expect(page.get_by_text("Ask for none any more")).to_be_visible()
            await looked_at("Your account")
            await page.context.clear_cookies()
            await page.goto(f"{url}/desk")
            await looked_at("Sign in")
            await given(address=address, password=password, code="000000")
            await expect(page.locator("[role=alert]")).to_contain_text("did not let you in")
            await looked_at("Sign in")
            async with db.begin() as session:
                again = await reset_user(
                    session, await get_user(session, address), site.clock.now()
                )
            await page.goto(f"{url}/desk/welcome/{again}")
            await looked_at("Welcome, Anne")
            await page.goto(f"{url}/desk/welcome/{first}")
            await expect(page.locator("h1")).to_be_visible()
            assert await violations(page, axe, WCAG) == []
            await page.close()


async def test_a_reader_is_found_and_a_pause_made_by_keyboard_alone(
    browser: Browser,
    sqlite_url: str,
) -> None:
    async with await Database.open(sqlite_url) as db:
        await lively(db, Clock().now(), readers=40)
        async with a_desk(db) as served:
            page = await served.open(browser)
            await page.goto(f"{served.url}{WEEKLY}/readers")
            await _tab_to(page, "q")
            await page.keyboard.type("anne@example.org")
            await page.keyboard.press("Enter")
            await expect(page.locator("h1")).to_have_text("anne@example.org")
            await page.goto(f"{served.url}{WEEKLY}/i/182")
            await _tab_to(page, "Pause")
            await page.keyboard.press("Enter")
            await expect(page.locator("[role=status].said")).to_contain_text("Paused")
            await page.context.close()


async def _tab_to(page: Page, wanted: str) -> None:
    """Press Tab until what is called so has the focus, and shows it."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        here = "document.activeElement.name || document.activeElement.innerText"
        if await page.evaluate(here) == wanted:
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert await page.evaluate(outline) != "none"
            return
    raise AssertionError(f"No Tab leads to {wanted}.")
