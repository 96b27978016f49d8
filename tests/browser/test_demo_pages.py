"""The demo, the pages that are given to one person each, and the preview: all can be used by all.

Asked by axe, light and dark; each fits a phone of 360 px; Tab leads through each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, expect

from digest.web.preview import preview_app
from digest.web.server import open_listener, serving
from tests.browser.test_desk import WEEKLY, _walked
from tests.browser.test_journey import SUBMIT, WCAG, Way, violations
from tests.browser.test_pages import a_demo, browser
from tests.build import issue_text

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.browser

NARROW = {"width": 360, "height": 740}
SCHEMES: dict[Literal["light", "dark"], list[str]] = {
    "light": WCAG,
    "dark": ["wcag2aa"],  # of which contrast is
}
PREVIEW = ("/", "/?show=phone&scheme=dark", "/?show=text")
# Under the strip: the demo's own pages, and those of the desk where each step of it leads.
WEEK = (
    *("/", "/inbox", "/inbox?verdict=rejected", "/inbox/1", "/inbox/1?show=source", "/todo"),
    *("/receipt", "/receipt/queued", f"{WEEKLY}/links", "/week/write", "/week/approve"),
    *(f"{WEEKLY}/write?from=links&step=send", f"{WEEKLY}/i/182?step=send"),
    *(f"{WEEKLY}/i/182/receipt", WEEKLY),
)


class Looked:
    """Looks at one page after the other, and keeps what is wrong with them."""

    def __init__(self, page: Page, node_modules: Path) -> None:
        self.page = page
        self.axe = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
        self.wrong: dict[str, list[str]] = {}

    async def at(self, where: str, *, walk: bool = True) -> None:
        """Ask the page that is open, in the dark only about colours, and walk through it."""
        assert await self.page.locator("h1").count() == 1, where
        for scheme, tags in SCHEMES.items():
            await self.page.emulate_media(color_scheme=scheme)
            if found := await violations(self.page, self.axe, tags):
                self.wrong[f"{where} {scheme}"] = found
        wide = "document.scrollingElement.scrollWidth - innerWidth"
        if (more := await self.page.evaluate(wide)) > 0:
            self.wrong[f"{where} width"] = [f"{more} px too wide"]
        if walk:
            await _walked(self.page, where)


async def looking(browser: Browser, node_modules: Path) -> Looked:
    """A phone that looks."""
    page = await browser.new_page(viewport=NARROW, bypass_csp=True)  # type: ignore[arg-type]  # a dict is what it takes
    return Looked(page, node_modules)


def pressed(paths: Sequence[str]) -> tuple[Way, ...]:
    """The pages that come after the buttons of those that are given to one person each."""
    _, right, wrong = (path for path in paths if path.startswith("/approve/"))
    links = next(path for path in paths if path.startswith("/links/"))
    return (
        (right, (SUBMIT,)),
        (wrong, (SUBMIT,)),  # refused
        (f"{links}?url=https://example.org/page&title=A+page", (SUBMIT,)),  # refused: it is in 182
        (f"{links}?url=http://127.0.0.1:9/robot&title=A+robot&note=Sheep", (SUBMIT,)),  # kept
    )


async def test_nobody_is_kept_from_any_page_of_a_demo_and_of_those_given_to_one_person(
    browser: Browser, sqlite_url: str, tmp_path: Path, node_modules: Path
) -> None:
    async with a_demo(sqlite_url, tmp_path / "capture") as served:
        looked = await looking(browser, node_modules)
        for path, buttons in (*((path, ()) for path in served.paths), *pressed(served.paths)):
            await looked.page.goto(served.url + path)
            for one in buttons:
                await looked.page.locator(one).first.click()
            await looked.at(f"{path} {buttons}")
        assert looked.wrong == {}
        await looked.page.close()


async def test_nobody_is_kept_from_an_issues_week_and_the_strip_says_how_the_sender_is(
    browser: Browser, sqlite_url: str, tmp_path: Path, node_modules: Path
) -> None:
    said = ["The sender is process 41267. Killed 12 times; back after 1.4 s."]
    async with a_demo(sqlite_url, tmp_path / "capture", said=said) as served:
        looked = await looking(browser, node_modules)
        page = looked.page
        for path in WEEK:  # the first one signs in
            await page.goto(served.url + path)
            await expect(page.get_by_role("navigation", name="An issue's week")).to_be_visible()
            # The desk's own controls are walked through where the desk is looked at.
            await looked.at(path, walk="/desk/" not in page.url)
        assert looked.wrong == {}
        for path in ("/inbox/1?show=source", f"{WEEKLY}/i/182?step=send"):
            await page.goto(served.url + path)
            await page.get_by_role("button", name="Kill the sender").click()
            assert page.url == served.url + path  # one is where one was
            strip = page.get_by_role("status").filter(has_text="The sender")
            await expect(strip).to_have_text(
                "The sender was killed, and is started again by itself."
            )
            said.append("The sender is process 41268. Killed once; back after 1.2 s.")
            await expect(strip).to_have_text(said[-1])  # without a click
        await page.close()


async def test_nobody_is_kept_from_the_preview(
    browser: Browser, tmp_path: Path, node_modules: Path
) -> None:
    """As it is, with findings, and where the file cannot be shown."""
    file = tmp_path / "issue.md"
    looked = await looking(browser, node_modules)
    wrong = issue_text().replace("(https://github.com/owner/repository)", "(TODO)")
    async with serving(preview_app(file), open_listener("127.0.0.1", 0)) as url:
        for text in (issue_text(), wrong, issue_text(words="{what")):
            await looked.page.goto("about:blank")  # an open preview loads itself anew after a save
            file.write_text(text, encoding="utf-8")
            for path in PREVIEW:
                await looked.page.goto(url + path)
                await expect(looked.page.locator("#live")).to_have_text("Live")
                await looked.at(path)
        await expect(looked.page.get_by_role("alert")).to_be_visible()
        assert looked.wrong == {}
        await looked.page.close()
