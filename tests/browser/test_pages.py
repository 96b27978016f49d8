"""Every page in a real browser: nothing hostile runs, nothing foreign is asked, all can be used.

Names, titles and texts are the payloads of stored-XSS advisories (standards, class 10); a payload
that ran would open a dialog or ask another server; one that only tried to run, because it was not
escaped, is told by the browser's console, which says what a policy or a sandbox has blocked.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, ConsoleMessage, Dialog, Page, Request, async_playwright
from sqlalchemy import select, update

from digest.cli.demo_week import begin_week
from digest.clock import Clock
from digest.content.issue_file import parse_issue
from digest.content.render import render_issue
from digest.content.theme import Masthead, load_theme
from digest.delivery.issue_tests import write_tests
from digest.delivery.ledger import Ledger, SinkVerdict
from digest.delivery.publish import Stored
from digest.errors import DigestError
from digest.mail.tokens import KeyRing, TokenKind, clicks_token, share_token
from digest.rules.delivery import DeliveryState, IssueState
from digest.store.bookmarklets import open_bookmarklet
from digest.store.clicks import clicks_of_issue
from digest.store.issues import approve_version, move_issue
from digest.store.newsletters import Newsletter, add_person, set_newsletter
from digest.store.preferences import rename
from digest.store.schema import deliveries
from digest.store.session import Database
from digest.store.subscribers import get_subscription
from digest.web.app import Site
from digest.web.bookmarklet import bookmarklet_token
from digest.web.demo_pages import demo_app
from digest.web.demo_week import Week
from digest.web.preview import preview_app
from digest.web.server import open_listener, serving
from tests.build import (
    KEY,
    NOW,
    a_newsletter,
    a_reader,
    an_issue,
    issue_text,
    pass_canary,
    plan_deliveries,
)
from tests.conftest import CHROMIUM_ARGUMENTS

pytestmark = pytest.mark.browser

EDITOR = "edda@example.org"
HANDLERS = "[onerror], [onload], [onfocus], [ontoggle], [onbegin], [onmouseover]"
CANARY = "//canary.invalid/x"
RUN = "alert(1);fetch(`//canary.invalid/ran`)"
PAYLOADS = (
    f"<script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</pre></textarea></noscript><script>{RUN}</script>",
    f"--><script>{RUN}</script><!--",
    f"]]><script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f'"><img src=x onerror={RUN}>',
    f"'><svg onload={RUN}>",
    f'" onmouseover="{RUN}" autofocus onfocus="{RUN}" x="',
    f"' onfocus='{RUN}' autofocus tabindex=1 x='",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<details open ontoggle={RUN}>",
    f"<body onload={RUN}>",
    f"<iframe srcdoc='<script>{RUN}</script>'></iframe>",
    f"<iframe src='javascript:{RUN}'></iframe>",
    f"<object data='{CANARY}'></object><embed src='{CANARY}'>",
    f"<link rel=stylesheet href='{CANARY}'>",
    f"<style>@import '{CANARY}';</style>",
    f"<img src='{CANARY}'><video poster='{CANARY}'></video>",
    f"<base href='{CANARY}'><meta http-equiv=refresh content='0;url={CANARY}'>",
    f"<form action='{CANARY}'><input autofocus onfocus={RUN}>",
    f"<math><mtext><mglyph><style><!--</style><img src onerror={RUN}>",
    f"javascript:{RUN}",
    "{{ 7*7 }}{% raw %}{{ config }}",
    "${7*7}#{7*7}<%= 7*7 %>",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"%3Cscript%3E{RUN}%3C/script%3E",
    f"\\u003cscript\\u003e{RUN}\\x3c/script\\x3e",
    f"＜script＞{RUN}＜/script＞",
    "\u202e<script>\u2066txet desrever",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"<SCRIPT SRC={CANARY}></SCRIPT>",
    f"<script/x>{RUN}</script/x>",
    f"<script\u2028>{RUN}</script>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><script href='{CANARY}'/></svg>",
    f"<svg><use href='data:image/svg+xml,<svg onload={RUN}>'/></svg>",
    f"<svg><a xlink:href='javascript:{RUN}'><text>x</text></a></svg>",
    f"<svg><foreignObject><iframe srcdoc='<script>{RUN}</script>'></foreignObject></svg>",
    f"<svg><set attributeName=onmouseover to={RUN}>",
    f"<math href='javascript:{RUN}'>x</math>",
    f"<a href='javascript:{RUN}'>x</a>",
    f"<a href='&#106;avascript:{RUN}'>x</a>",
    f"<a href=' java\tscript:{RUN}'>x</a>",
    f"<a href='data:text/html,<script>{RUN}</script>'>x</a>",
    f"[x](javascript:{RUN})",
    f"![x]({CANARY})",
    f"<button formaction='javascript:{RUN}'>x</button>",
    f"<input type=image src=x onerror={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<audio src=x onerror={RUN}></audio>",
    f"<marquee onstart={RUN}>x</marquee>",
    f"<select autofocus onfocus={RUN}></select>",
    f"<textarea autofocus onfocus={RUN}></textarea>",
    f"<keygen autofocus onfocus={RUN}>",
    f"<template shadowrootmode=open><script>{RUN}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<xmp><p title='</xmp><img src=x onerror={RUN}>'>",
    f"<div style='background:url({CANARY})'>x</div>",
)
FEW = (PAYLOADS[7], *PAYLOADS[6::6])  # the first one leaves an attribute
# A few of them in every run, and all in ./run long.
some_payloads = pytest.mark.parametrize(
    "payloads",
    [
        pytest.param(FEW, id="a few"),
        pytest.param(PAYLOADS, id="all", marks=pytest.mark.long),
    ],
)


@dataclass  # without slots: playwright keeps a note on what listens
class Watch:
    """What a page did that it should not."""

    origin: str
    dialogs: list[str] = field(default_factory=list)
    closing: list[asyncio.Task[None]] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)

    def on_dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        self.closing.append(asyncio.ensure_future(dialog.dismiss()))

    def on_console(self, message: ConsoleMessage) -> None:
        if "Blocked script" in message.text or "Content Security Policy" in message.text:
            self.blocked.append(message.text)

    def on_request(self, request: Request) -> None:
        """A request that was answered, or failed on its way out; not one the policy stopped."""
        stopped = "csp" in (request.failure or "").lower()
        if not stopped and not request.url.startswith((self.origin, "data:", "about:")):
            self.foreign.append(request.url)


@pytest.fixture(scope="module")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    arguments = list(CHROMIUM_ARGUMENTS)
    async with async_playwright() as driver:
        opened = await driver.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        await opened.close()


@dataclass(frozen=True, slots=True)
class Served:
    """A demo of one installation, on a real socket."""

    url: str
    paths: tuple[str, ...]


async def _publish(db: Database, newsletter: Newsletter, number: int, payload: str) -> Stored:
    """An issue that is going out, with ``payload`` wherever in it that is not refused."""
    published = await an_issue(db, newsletter, number, text=_hostile_text(number, payload))
    issue_id, version_id = published.issue.id, published.version.id
    async with db.begin() as session:
        await approve_version(session, issue_id, published.version.hash, by="Cris", now=NOW)
        await move_issue(session, issue_id, IssueState.SENDING, now=NOW)
        await plan_deliveries(session, issue_id=issue_id, version_id=version_id, now=NOW)
        await pass_canary(session, issue_id)
    return published


async def _handed_out(
    db: Database, keys: KeyRing, newsletter: Newsletter, published: Stored
) -> list[str]:
    """The pages whose addresses are given to one person each: a version to be looked at, its
    approval, the clicks on a link, the form that takes links.
    """
    now, version = Clock().now(), published.version.id
    async with db.begin() as session:
        await add_person(session, newsletter.id, role="editor", address=EDITOR)
        asked = await write_tests(session, newsletter, published.issue, [EDITOR], now=now)
        mine = await open_bookmarklet(session, newsletter.id, EDITOR, now=now)
        place = (await clicks_of_issue(session, published.issue.id))[0].position
    approval = keys.sign(TokenKind.APPROVE, asked.notice_ids[0])
    return [
        f"/share/{share_token(keys, version, now.date())}",
        f"/approve/{approval}",
        f"/clicks/{clicks_token(keys, version, place, now.date())}",
        f"/links/{bookmarklet_token(keys, mine.id)}",
    ]


async def _refused(db: Database, payloads: Sequence[str]) -> None:
    """What a relay has said of the first readers: a payload each, on the receipt of the demo."""
    rows = deliveries
    said = {"state": DeliveryState.REJECTED, "reply_code": 550, "settled_at": NOW}
    async with db.begin() as session:
        first = select(rows.c.id).order_by(rows.c.id).limit(len(payloads))
        for row, payload in zip((await session.execute(first)).scalars(), payloads, strict=True):
            change = update(rows).where(rows.c.id == row)
            await session.execute(change.values(reply_text=payload, **said))


async def _everywhere_else(db: Database, keys: KeyRing, slug: str, payload: str) -> list[str]:
    """The pages that show a newsletter, its sections and a reader who are called ``payload``."""
    newsletter = await a_newsletter(db, slug, name=payload, description=payload)
    reader = (await a_reader(db, newsletter, f"reader-{slug}")).subscription_id
    async with db.begin() as session:
        await set_newsletter(session, newsletter.id, settings={"sections": [payload]})
        mine = await get_subscription(session, reader)
        assert mine is not None
        await rename(session, mine.subscriber_id, payload)
    leave, preferences = (
        keys.sign(kind, reader) for kind in (TokenKind.LEAVE, TokenKind.PREFERENCES)
    )
    asked = urlencode({"q": payload, "done": payload, "lang": payload})
    return [
        *(f"/n/{slug}", f"/n/{slug}/archive?{asked}", f"/n/{slug}/embed", f"/n/{slug}/asked"),
        *(f"/u/{leave}?{asked}", f"/p/{preferences}?{asked}"),
    ]


# What stands in the issue that tests write: the opening, a heading, links, a byline, texts.
PARTS = (
    *("two items", "Industry", "Title of the linked page", "https://example.org/page"),
    *("The Site · 4 min", "The blurb, in Markdown.", "https://example.org/more", "[link]"),
    *("owner/repository](", "What it does."),
)


def _hostile_text(number: int, payload: str) -> str:
    """An issue with ``payload`` in each of its parts: as it is, or where the file is refused then,
    as entities, which stand for the same text.
    """
    text = issue_text(number).replace(f"A Weekly, Issue #{number}", payload)
    text = text.replace("What it takes to build a product on it", payload)
    words = payload.replace("{", "\\{")
    forms = (words, escape(words), escape(words.replace("`", "'")))  # a heading takes no code
    for part, given in itertools.product(PARTS, forms):
        tried = text.replace(part, part.replace(part.strip("[]("), given))
        with contextlib.suppress(DigestError):
            render_issue(parse_issue(tried), Masthead("A Weekly"), load_theme())
            text = tried
    return text


def _hostile_mail(payload: str) -> bytes:
    """A message as bad as a captured one could be."""
    head = f"From: {payload} <a@example.org>\r\nTo: {payload}\r\nSubject: {payload}\r\n"
    kind = "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return (head + kind + f"<html><body>{payload}<p>{payload}</body></html>\r\n").encode()


async def _drafts(db: Database, keys: KeyRing, newsletter: Newsletter) -> list[str]:
    """Where two are approved that nobody has approved; the second one cannot be."""
    wrong = issue_text(181).replace("(https://github.com/owner/repository)", "(TODO)")
    paths = []
    for text in (issue_text(180), wrong):
        draft = await an_issue(db, newsletter, text=text)
        paths.append((await _handed_out(db, keys, newsletter, draft))[1])
    return paths


@contextlib.asynccontextmanager
async def a_demo(
    url: str,
    folder: Path,
    *,
    payloads: Sequence[str] = (),
    said: list[str] | None = None,
) -> AsyncIterator[Served]:
    """``said``: what the strip above the pages of a week says last; None: there is no week."""
    keys = KeyRing(KEY)
    async with await Database.open(url) as db:
        listener = open_listener("127.0.0.1", 0)
        name = PAYLOADS[0] if payloads else "A Weekly"
        newsletter = await a_newsletter(db, name=name, description=name, postal_address=name)
        for number in range(len(payloads)):
            await a_reader(db, newsletter, f"reader{number}")
        anne = await a_reader(db, newsletter, "Anne")
        leave, preferences = (
            keys.sign(kind, anne.subscription_id)
            for kind in (TokenKind.LEAVE, TokenKind.PREFERENCES)
        )
        paths = ["/", "/newsletters", "/inbox", "/receipt", "/todo", "/nothing"]
        paths += [f"/u/{leave}", f"/p/{preferences}"]
        ledger = Ledger(folder)
        for number, payload in enumerate(payloads or ("A Weekly",), start=182):
            published = await _publish(db, newsletter, number, payload)
            paths += [f"/i/weekly/{number}"]
            paths += await _handed_out(db, keys, newsletter, published)
            if payloads:
                paths += await _everywhere_else(db, keys, f"n{number}", payload)
            ledger.accept(payload, [payload], _hostile_mail(payload))
            line = number - 181
            paths += [f"/inbox/{line}", f"/inbox/{line}?show=source"]
        if not payloads and said is None:
            paths += await _drafts(db, keys, newsletter)
        ledger.refuse("b@example.org", payloads[0] if payloads else EDITOR, SinkVerdict.REJECTED)
        ledger.close()
        paths.append("/inbox?verdict=rejected")
        if payloads:
            await _refused(db, payloads)
            paths += [f"/receipt/rejected?after={row}" for row in range(0, len(payloads), 20)]
            paths.append("/receipt/delivery/1")
        site = Site(db, keys, f"http://127.0.0.1:{listener.getsockname()[1]}", True)
        week = None if said is None else await _week(db, newsletter, said)
        app = demo_app(folder, site, newsletter="weekly", issue="182", week=week)
        async with serving(app, listener) as served:
            yield Served(served, tuple(paths))


async def _week(db: Database, newsletter: Newsletter, said: list[str]) -> Week:
    """The week after 182, whose editor has begun to write the next one."""
    token = await begin_week(db, newsletter, now=Clock().now())
    await an_issue(db, newsletter, 183)
    killed = "The sender was killed, and is started again by itself."
    return Week(newsletter.slug, "182", token, lambda: said.append(killed), lambda: said[-1])


async def _visit(page: Page, watch: Watch, path: str) -> None:
    await page.goto(watch.origin + path, wait_until="load")
    assert await page.locator(HANDLERS).count() == 0, path
    assert (watch.dialogs, watch.foreign) == ([], []), path
    if not path.startswith("/inbox/"):  # there the hostile mail is shown as it is, and held
        assert watch.blocked == [], path
    watch.blocked.clear()


@some_payloads
async def test_nothing_hostile_runs_on_any_page(
    browser: Browser, sqlite_url: str, tmp_path: Path, payloads: Sequence[str]
) -> None:
    async with a_demo(sqlite_url, tmp_path / "capture", payloads=payloads) as served:
        watch = Watch(served.url)
        page = await browser.new_page()
        page.on("dialog", watch.on_dialog)
        page.on("requestfinished", watch.on_request)
        page.on("requestfailed", watch.on_request)
        page.on("console", watch.on_console)
        for path in served.paths:
            await _visit(page, watch, path)
        await page.close()
    assert len(served.paths) > 8 * len(payloads)


@some_payloads
async def test_nothing_hostile_runs_in_the_preview(
    browser: Browser, tmp_path: Path, payloads: Sequence[str]
) -> None:
    file = tmp_path / "<img src=x onerror=alert(1)>.md"
    masthead = Masthead(PAYLOADS[6], from_name=PAYLOADS[7], postal_address=PAYLOADS[8])
    async with serving(preview_app(file, masthead=masthead), open_listener("127.0.0.1", 0)) as url:
        watch = Watch(url)
        page = await browser.new_page()
        page.on("dialog", watch.on_dialog)
        page.on("requestfinished", watch.on_request)
        page.on("requestfailed", watch.on_request)
        page.on("console", watch.on_console)
        for number, payload in enumerate(payloads):
            await page.goto("about:blank")  # an open preview loads itself anew after a save
            _save(file, _hostile_text(number + 1, payload))
            await _visit(page, watch, "/")
            assert await page.locator("iframe").count() == 2
            await page.goto("about:blank")
            _save(file, issue_text(number + 1, words=payload))  # refused, it is shown with its line
            await _visit(page, watch, "/")
        await page.close()


def _save(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("width", [320, 375, 1280])
async def test_pages_fit_work_without_scripts_and_can_be_walked_by_keyboard(
    browser: Browser, sqlite_url: str, tmp_path: Path, width: int
) -> None:
    async with a_demo(sqlite_url, tmp_path / "capture") as served:
        context = await browser.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=False
        )
        page = await context.new_page()
        for path in served.paths:
            await page.goto(served.url + path)
            assert await page.locator("h1").count() == 1, path
            assert await page.locator("main").count() == 1, path
            assert await page.title(), path
            wide = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
            assert await page.evaluate(wide) <= 0, path
            await page.keyboard.press("Tab")
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            if await page.locator("a, button").count():
                assert await page.evaluate(outline) != "none", path
        await context.close()


async def test_a_reader_leaves_by_keyboard_alone(
    browser: Browser, sqlite_url: str, tmp_path: Path
) -> None:
    async with a_demo(sqlite_url, tmp_path / "capture") as served:
        page = await browser.new_page()
        path = next(path for path in served.paths if path.startswith("/u/"))
        await page.goto(served.url + path)
        await page.keyboard.press("Tab")  # the way past the header
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.innerText") == "Unsubscribe"
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert await page.locator("h1").inner_text() == "You have left"
        await page.goto(served.url + path)
        assert await page.locator("h1").inner_text() == "You are not subscribed"
        await page.close()


async def test_an_open_preview_follows_the_file(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "issue.md"
    _save(file, issue_text())
    async with serving(preview_app(file), open_listener("127.0.0.1", 0)) as url:
        page = await browser.new_page()
        await page.goto(url)
        await page.locator("#live", has_text="Live").wait_for()
        _save(file, issue_text(words="three items").replace("Issue #182", "Issue One Eight Two"))
        await page.locator(".row .subject", has_text="One Eight Two").wait_for()
        letter = page.frame_locator("iframe").first
        await letter.locator("text=three items").wait_for()
        _save(file, "no issue at all")
        await page.locator("[role=alert]").wait_for()
        _save(file, issue_text())
        await letter.locator("text=two items").wait_for()
        await page.close()
