"""An editor's way in a real browser, the mail through a real relay: from links to the receipt.

On a desktop and on a phone, with and without JavaScript, once by keyboard alone; a text that is
never lost; and every page on the way is asked by axe, and fed what stored-XSS advisories are made
of.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, BrowserContext, FilePayload, Locator, Page, expect

from digest.access.sessions import begin_session
from digest.content.links import canonical_url
from digest.rules.candidate import CandidateState
from digest.store.candidates import Find, add_candidate, set_candidates
from digest.store.newsletters import set_newsletter
from digest.store.user_sessions import end_sessions
from digest.web.desk.visit import cookie_name
from digest.web.site import Site
from tests.browser.test_journey import DESKTOP, PHONE, WCAG, Journey, a_journey, violations
from tests.browser.test_pages import (
    HANDLERS,
    PAYLOADS,
    Watch,
    _hostile_text,
    browser,  # noqa: F401 - a fixture of that module
    some_payloads,
)
from tests.build import a_reader, an_issue, issue_text
from tests.content.test_media import picture
from tests.web.desk import a_user

pytestmark = pytest.mark.browser

DESK = "/desk/n/weekly"
PAGES = ("/links", "/write", "/write?from=links", "/i/190/write", "/settings", "/themes", "/i/190")


async def links(journey: Journey, words: Sequence[str]) -> None:
    """Collected links called ``words``: the first one waits, the others are kept."""
    db, now = journey.runtime.db, journey.runtime.clock.now()
    async with db.begin() as session:
        for number, word in enumerate(words):
            url = f"https://example.org/{number}"
            find = Find(
                url, canonical_url(url), word or "x", word, site=word, note=word, section="Code"
            )
            link, _ = await add_candidate(session, journey.newsletter.id, find, now=now)
            if not number:
                await set_candidates(
                    session, journey.newsletter.id, [link.id], CandidateState.WAITING
                )


async def signed_in(
    journey: Journey,
    browser: Browser,  # noqa: F811 - the fixture
    **more: object,
) -> BrowserContext:
    """A browser of somebody who may do everything."""
    runtime = journey.runtime
    site = Site.of(runtime)
    user = await a_user(site)
    async with runtime.db.begin() as session:
        token = await begin_session(session, user, browser="", now=runtime.clock.now())
    context = await browser.new_context(**more)  # type: ignore[arg-type]  # what it takes
    await context.add_cookies([{"name": cookie_name(site), "value": token, "url": journey.url}])
    return context


async def looked_at(page: Page, words: str) -> None:
    """Wait until the findings say so."""
    await page.locator("#found", has_text=words).wait_for()


@pytest.mark.parametrize(
    ("viewport", "scripts"), [(DESKTOP, True), (PHONE, True), (DESKTOP, False)]
)
async def test_an_editor_goes_from_the_inbox_to_the_receipt(
    browser: Browser,  # noqa: F811 - the fixture
    sqlite_url: str,
    tmp_path: Path,
    viewport: dict[str, int],
    scripts: bool,
) -> None:
    async with a_journey(sqlite_url, tmp_path) as journey:
        await a_reader(journey.runtime.db, journey.newsletter, "Anne")
        await links(journey, ["Counting sheep", "Robots that read", "TODO: a title"])
        context = await signed_in(journey, browser, viewport=viewport, java_script_enabled=scripts)
        page = await context.new_page()
        page.on("filechooser", lambda _: None)  # told of from here on: the browser is asked for it
        await page.goto(f"{journey.url}{DESK}/links")
        await page.get_by_role("button", name="Keep Counting sheep").click()
        await page.get_by_role("link", name="Write the issue").click()
        text = page.get_by_label("The text")
        written = await text.input_value()
        assert "### [Counting sheep](https://example.org/0)" in written
        if scripts:
            await looked_at(page, "to mend before it can go out")
        mended = written.replace("TODO: a title", "A better title")
        await text.fill(mended.replace("preview: ", "preview: This week, "))
        if scripts:
            await looked_at(page, "Nothing to mend")
            letter = page.frame_locator("#letter")
            await letter.get_by_role("link", name="A better title").wait_for()
        await look_at_every_view(page, wide=viewport == DESKTOP, scripts=scripts)
        await (bring_pictures if scripts else bring_a_picture)(page)
        await page.get_by_role("button", name="Save").click()
        await page.wait_for_url(f"**{DESK}/i/1/write*")
        await page.locator("#to").fill("cris@example.org")
        await page.get_by_role("button", name="Send", exact=True).click()
        await journey.link(1, "/")  # the test came
        await page.goto(f"{journey.url}{DESK}/i/1/write")
        await page.get_by_role("button", name="Approve version 1").click()
        await page.get_by_text("Send it now").click()
        await page.get_by_role("button", name="Send to everybody now").click()
        await page.get_by_role("heading", name="Gone out").wait_for(timeout=60_000)
        await page.get_by_role("link", name="Receipt").click()
        sums = await page.locator("main").inner_text()
        assert "It was accepted by the relay for its only reader." in sums
        await journey.settled()
        await context.close()


LIGHT, DARK = "rgb(255, 255, 255)", "rgb(23, 22, 21)"  # the page of the theme `default`
VIEWS = (  # the ground of each, and its width where there is room for it
    ("Desktop", LIGHT, 700),
    ("Dark", DARK, 375),
    ("Text", None, 558),
    ("Phone", LIGHT, 375),
)


async def look_at_every_view(page: Page, *, wide: bool, scripts: bool) -> None:
    """See the letter as each device has it, and its text part; one presses Show without scripts."""
    letter = page.frame_locator("#letter")
    for name, ground, width in VIEWS:
        await page.get_by_role("radio", name=name, exact=True).check()
        if not scripts:
            await page.get_by_role("button", name="Show").click()
        await expect(page.locator("iframe.coming")).to_have_count(0)  # it has taken its place
        if ground is None:
            await expect(letter.locator("pre")).to_contain_text("A better title\n")
        else:
            await expect(letter.get_by_role("link", name="A better title")).to_be_visible()
            await expect(letter.locator("body > .page")).to_have_css("background-color", ground)
        if wide:
            assert await letter.locator("html").evaluate("() => innerWidth") == width, name


def a_file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": data}


# A drop and a paste as a browser tells a page of them; the files are real ones.
_GIVE = """([kind, name, code]) => {
  const text = document.getElementById("text");
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(code), c => c.charCodeAt(0))], name,
                          {type: "image/png"}));
  const more = {bubbles: true, cancelable: true};
  const event = kind === "paste"
    ? new ClipboardEvent("paste", {...more, clipboardData: data})
    : new DragEvent("drop", {...more, dataTransfer: data});
  return text.dispatchEvent(event);
}"""


_BEFORE_SECTIONS = """text => {
  const at = text.value.indexOf("\\n## ");
  text.focus();
  text.setSelectionRange(at, at);
}"""


async def bring_pictures(page: Page) -> None:
    """Put pictures into the text: chosen, dropped and pasted, by keyboard where there is a way."""
    text, said = page.get_by_label("The text"), page.locator("#uploaded")
    await text.evaluate(_BEFORE_SECTIONS)
    await page.get_by_role("button", name="Add a picture").focus()
    async with page.expect_file_chooser() as choosing:
        await page.keyboard.press("Enter")
    await (await choosing.value).set_files(a_file("Labels.png", picture("PNG")))
    await said.get_by_text("Labels.png is in the text").wait_for()
    await page.keyboard.type("What one sees")  # over what is chosen, where one writes
    assert "![What one sees](img/labels-" in await text.input_value()
    for kind, name, colour in (("drop", "Dropped.png", "red"), ("paste", "image.png", "blue")):
        data = io.BytesIO()
        Image.new("RGB", (30, 20), colour).save(data, "PNG")
        await text.evaluate(_BEFORE_SECTIONS)
        code = base64.b64encode(data.getvalue()).decode()
        assert not await page.evaluate(_GIVE, [kind, name, code])  # the browser does nothing else
        await said.get_by_text(f"{name} is in the text").wait_for()
        await looked_at(page, "to mend before it can go out")
        await page.keyboard.type(kind)
        assert f"![{kind}](img/{name.lower().partition('.')[0]}-" in await text.input_value()
    before = await text.input_value()
    await page.keyboard.press("Control+z")  # as whatever else was typed
    assert await text.input_value() != before
    await page.keyboard.press("Control+y")
    assert await text.input_value() == before
    await page.set_input_files("#picture", a_file("notes.pdf", b"%PDF-1.7"))
    await page.locator("#not-added", has_text="notes.pdf was not added.").wait_for()
    assert await text.input_value() == before
    await page.frame_locator("#letter").get_by_alt_text("paste").wait_for()


async def bring_a_picture(page: Page) -> None:
    """Without JavaScript: a form, and a line to be put into the text."""
    text = page.get_by_label("The text")
    written = await text.input_value()
    await page.set_input_files("#picture", a_file("Labels.png", picture("PNG")))
    await page.get_by_role("button", name="Add a picture").click()
    line = await page.locator("code", has_text="![TODO](img/labels-").inner_text()
    assert await text.input_value() == written
    mended = line.replace("TODO", "What one sees")
    await text.fill(written.replace("\n## ", f"\n{mended}\n\n## ", 1))


async def test_a_text_is_not_lost_when_the_session_or_the_connection_is(
    browser: Browser,  # noqa: F811 - the fixture
    sqlite_url: str,
    tmp_path: Path,
) -> None:
    async with a_journey(sqlite_url, tmp_path) as journey:
        await an_issue(journey.runtime.db, journey.newsletter, 190, text=issue_text(190))
        context = await signed_in(journey, browser)
        page = await context.new_page()
        path = f"{journey.url}{DESK}/i/190/write"
        await page.goto(path)
        text = page.get_by_label("The text")
        await context.set_offline(True)
        await text.fill(issue_text(190, words="words on a train"))
        await page.get_by_text("No connection; your text is kept here").wait_for()
        await context.set_offline(False)
        site = Site.of(journey.runtime)
        user = await a_user(site)
        async with journey.runtime.db.begin() as session:
            await end_sessions(session, user.id)
        await page.keyboard.press("Control+s")
        await page.get_by_text("You are signed out.").wait_for()
        assert "words on a train" in await text.input_value()
        async with journey.runtime.db.begin() as session:
            now = journey.runtime.clock.now()
            token = await begin_session(session, user, browser="", now=now)
        await context.add_cookies([{"name": cookie_name(site), "value": token, "url": journey.url}])
        again = await context.new_page()  # the other tab; the first one may be gone by then
        await again.goto(path)
        await again.get_by_role("button", name="Take it").click()
        text = again.get_by_label("The text")
        assert "words on a train" in await text.input_value()
        await again.keyboard.press("Control+s")
        await again.get_by_text("Version 2").first.wait_for()
        await page.bring_to_front()
        await page.keyboard.press("Control+s")  # with the new session, in the page of before
        await page.get_by_text("Version 2").first.wait_for()
        await context.close()


async def test_links_are_ordered_and_a_finding_is_reached_by_keyboard_alone(
    browser: Browser,  # noqa: F811 - the fixture
    sqlite_url: str,
    tmp_path: Path,
) -> None:
    async with a_journey(sqlite_url, tmp_path) as journey:
        await links(journey, ["Waits", "One", "Two", "TODO"])
        tall = {"width": 1_280, "height": 1_000}  # whatever the fonts: one drags to what one sees
        context = await signed_in(journey, browser, viewport=tall)
        page = await context.new_page()
        await page.goto(f"{journey.url}{DESK}/links")
        titles = page.locator("#kept-links [data-link] > .of > .what")
        await page.get_by_role("button", name="Move down: One").focus()
        async with page.expect_response("**/links/order"):
            await page.keyboard.press("Enter")
        assert (await titles.all_inner_texts())[:2] == ["Two", "One"]
        focused = "document.activeElement.innerText"
        assert "One" in await page.evaluate(focused)  # one goes on with the same link
        async with page.expect_response("**/links/order"):
            await page.keyboard.press("Alt+ArrowUp")
        await page.reload()
        assert (await titles.all_inner_texts())[:2] == ["One", "Two"]
        async with page.expect_response("**/links/order"):
            await drag(page, titles.nth(0), titles.nth(2))
        await page.reload()
        assert (await titles.all_inner_texts())[0] == "Two"
        await page.goto(f"{journey.url}{DESK}/write?from=links")
        await looked_at(page, "to mend")
        place = page.locator("#found [data-line]").first
        line = int(await place.get_attribute("data-line") or "0")
        await place.press("Enter")  # at once: the next look draws the list anew
        chosen = "(t => t.value.slice(t.selectionStart, t.selectionEnd))(document.activeElement)"
        text = await page.get_by_label("The text").input_value()
        assert await page.evaluate(chosen) == text.split("\n")[line - 1]
        await context.close()


async def drag(page: Page, one: Locator, other: Locator) -> None:
    """Take ``one`` with the mouse to just below ``other``."""
    start, end = await one.bounding_box(), await other.bounding_box()
    assert start is not None
    assert end is not None
    await page.mouse.move(start["x"] + 10, start["y"] + 10)
    await page.mouse.down()
    await page.mouse.move(start["x"] + 10, start["y"] + 40, steps=3)
    await page.mouse.move(end["x"] + 10, end["y"] + 60, steps=5)
    await page.mouse.up()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_nobody_is_kept_from_writing(
    browser: Browser,  # noqa: F811 - the fixture
    sqlite_url: str,
    tmp_path: Path,
    node_modules: Path,
    viewport: dict[str, int],
    scheme: str,
) -> None:
    axe = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
    async with a_journey(sqlite_url, tmp_path) as journey:
        await an_issue(journey.runtime.db, journey.newsletter, 190, text=issue_text(190))
        await links(journey, ["Waits", "One", "TODO"])
        context = await signed_in(
            journey, browser, viewport=viewport, color_scheme=scheme, bypass_csp=True
        )
        page = await context.new_page()
        for path in PAGES:
            await page.goto(journey.url + DESK + path)
            assert await violations(page, axe, WCAG) == [], path
            wide = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
            assert await page.evaluate(wide) <= 0, path
        await page.goto(f"{journey.url}{DESK}/i/190/write")
        old = await page.locator("[name=based_on]").input_value()
        await an_issue(
            journey.runtime.db, journey.newsletter, 190, text=issue_text(190, words="others")
        )
        await page.get_by_label("The text").fill(issue_text(190, words="mine"))
        await page.get_by_role("button", name="Save").click()
        await page.get_by_text("was saved while you wrote").wait_for()
        assert old != await page.locator("[name=based_on]").input_value()
        assert await violations(page, axe, WCAG) == []
        await context.close()


@some_payloads
async def test_nothing_hostile_runs_where_one_writes(
    browser: Browser,  # noqa: F811 - the fixture
    sqlite_url: str,
    tmp_path: Path,
    payloads: Sequence[str],
) -> None:
    """In every field: of links, of a newsletter, of a text, and of one that cannot be read."""
    names = payloads if payloads is PAYLOADS else payloads[:1]  # all of them only in ./run long
    async with a_journey(sqlite_url, tmp_path) as journey:
        await links(journey, payloads)
        context = await signed_in(journey, browser)
        page, watch = await context.new_page(), Watch(journey.url)
        page.on("dialog", watch.on_dialog)
        page.on("requestfinished", watch.on_request)
        page.on("requestfailed", watch.on_request)
        page.on("console", watch.on_console)

        async def harmless(where: str) -> None:
            assert await page.locator(HANDLERS).count() == 0, where
            assert (watch.dialogs, watch.foreign, watch.blocked) == ([], [], []), where

        for name in names:
            await _called(journey, name)
            for path in PAGES:
                await page.goto(journey.url + DESK + path, wait_until="networkidle")
                await harmless(f"{path}: {name}")
        await page.goto(f"{journey.url}{DESK}/i/190/write")
        text = page.get_by_label("The text")
        for payload in payloads:
            for body in (payload, issue_text(190, words=payload)):
                async with page.expect_response("**/write/look"):
                    await text.fill(body)
                await page.wait_for_load_state("networkidle")
                await harmless(payload)
        await page.get_by_role("button", name="Save").click()
        await page.wait_for_load_state("networkidle")
        await harmless("what could not be saved")
        await context.close()


async def _called(journey: Journey, name: str) -> None:
    """Have the newsletter and its issue called so, and all they say of themselves."""
    db, newsletter = journey.runtime.db, journey.newsletter
    await an_issue(db, newsletter, 190, text=_hostile_text(190, name))
    async with db.begin() as session:
        await set_newsletter(
            session,
            newsletter.id,
            name=name,
            description=name,
            from_name=name,
            postal_address=name,
            settings={"sections": [PAYLOADS[7], "Code"], "theme": {"words": {"footer": name}}},
        )
