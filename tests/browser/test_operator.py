"""An operator's bad day in a real browser: a provider refuses, and all get the issue in the end."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, Route, expect

from digest.delivery.control import pause
from digest.store.session import Database
from tests.browser.test_desk import WEEKLY, a_desk
from tests.browser.test_pages import browser
from tests.build import a_reader
from tests.delivery.stage import Stage, set_stage
from tests.fakes.relay import FakeRelay

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.browser

# The page says on its console that nothing more is to be seen of an issue.
TELLS = """
const native = EventSource;
window.EventSource = class extends native {
  constructor(url) {
    super(url);
    this.addEventListener("over", () => console.log("over"));
  }
};
"""
BLOCKED = "550 5.7.515 access denied, sender does not meet the required authentication level"


async def test_a_provider_refuses_and_the_missed_are_reached_in_the_end(
    browser: Browser,
    sqlite_url: str,
) -> None:
    """A brake pauses the issue before an operator's eyes; mended, it goes on; the rest get it."""
    async with await Database.open(sqlite_url) as db, FakeRelay() as relay:
        stage = await set_stage(db, 1)
        for number in range(80):
            await a_reader(db, stage.newsletter, address=f"reader@domain{number}.example")
        async with a_desk(db, relay.url()) as served:
            page = await served.open(browser)
            await page.goto(f"{served.url}{WEEKLY}/i/182")
            await page.get_by_text("Send it now").click()
            await page.get_by_role("button", name="Send to everybody now").click()
            await expect(page.locator(".said")).to_have_text("Started.")
            refused = relay.fault("RCPT", BLOCKED, times=None)
            await stage.send(relay, connections=4)
            await _paused_before_ones_eyes(page)
            refused.times = 0  # the operator mended it
            await page.get_by_role("button", name="Resume").click()
            await expect(page.locator(".said")).to_have_text("Resumed.")
            await stage.send(relay, connections=4)
            missed = (await stage.states())["rejected"]
            assert missed > 0
            await _sent_once_more(page, stage, relay, missed)
            await page.context.close()
    assert set(relay.recipients.values()) == {1}
    assert len(relay.recipients) == 81


async def test_a_click_is_answered_though_the_issue_changes_meanwhile(
    browser: Browser,
    sqlite_url: str,
) -> None:
    async with await Database.open(sqlite_url) as db:
        stage = await set_stage(db, 3)
        await stage.start()
        async with a_desk(db) as served:
            page = await served.open(browser)
            await page.add_init_script(TELLS)
            await page.goto(f"{served.url}{WEEKLY}/i/182")
            await expect(page.locator("#live")).to_have_text("Live")

            async def behind_another(route: Route) -> None:
                async with page.expect_console_message(lambda told: told.text == "over"):
                    await pause(db, stage.issue_id, reason="by Bart", clock=stage.clock)
                await route.continue_()

            await page.route("**/i/182/pause", behind_another)
            await page.get_by_role("button", name="Pause").click()
            await expect(page.locator(".said")).to_contain_text("Paused")
            await page.context.close()


async def _paused_before_ones_eyes(page: Page) -> None:
    """Without a click: the page has watched."""
    await expect(page.locator("#going")).to_have_text("Paused")
    await expect(page.locator("#progress")).to_contain_text("5.7.515")


async def _sent_once_more(page: Page, stage: Stage, relay: FakeRelay, missed: int) -> None:
    await expect(page.locator("#going")).to_have_text("Gone out")
    await page.get_by_role("link", name="Receipt").click()
    await expect(page.locator("main")).to_contain_text(f"{missed} readers did not get it")
    sums = await page.locator(".adds").inner_text()
    numbers = [int(one) for one in re.findall(r"\d+", sums)]
    assert sum(numbers[:-1]) == numbers[-1] == 81
    await page.get_by_role("link", name=re.compile("refused for good")).first.click()
    await expect(page.locator("ol.readers li").first).to_contain_text("5.7.515")
    await page.go_back()
    await page.get_by_role("button", name="Send it once more").click()
    await expect(page.locator(".said")).to_contain_text("queued once more")
    await stage.send(relay, connections=4)
    await expect(page.locator("#going")).to_have_text("Gone out")
    await page.get_by_role("link", name="Receipt").click()
    await expect(page.locator(".sentence")).to_contain_text("all 81 readers")
