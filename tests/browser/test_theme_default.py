"""The theme ``default`` in a real browser: nothing hangs over, nothing is lost without pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import pytest

from digest.content.issue_file import parse_issue
from digest.content.render import render_issue
from digest.content.theme import load_theme
from tests.conftest import CHROMIUM_ARGUMENTS, missing
from tests.content.test_render import EXAMPLE, MASTHEAD, pictures

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MARK = re.compile("[\ue000\ue002][0-9]+[\ue001\ue003]")
pytestmark = pytest.mark.browser

# The colour a reader sees behind an element, and whether text stands out against it.
CONTRASTS = """() => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const bad = [];
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (!node.data.trim() || !element.closest('[role=article]')) continue;
    const style = getComputedStyle(element);
    const pair = [light(rgb(style.color)), light(ground(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5 || parseFloat(style.fontSize) < 14)
      bad.push([node.data.trim().slice(0, 30), ratio, style.fontSize]);
  }
  return bad;
}"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium, args=list(CHROMIUM_ARGUMENTS)
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def html() -> str:
    issue = parse_issue(EXAMPLE.read_text("utf-8"))
    media = pictures(issue, EXAMPLE.parent)
    return MARK.sub("", render_issue(issue, MASTHEAD, load_theme(), media=media).html)


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    seen_as: tuple[int, Literal["light", "dark"]] = getattr(request, "param", (375, "light"))
    width, scheme = seen_as
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened = context.new_page()
    opened.route("**/*", lambda route: route.abort())  # no pictures, nothing from outside
    yield opened
    context.close()


def bare(html: str) -> str:
    """The page as webmail shows it that throws the head away."""
    return re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)


SIZES = [(320, "light"), (375, "dark"), (700, "light"), (1200, "dark")]


@pytest.mark.parametrize("page", SIZES, indirect=True)
@pytest.mark.parametrize("head", [True, False])
def test_nothing_scrolls_sideways(page: Page, html: str, *, head: bool) -> None:
    page.set_content(html if head else bare(html))
    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]


@pytest.mark.parametrize("page", [(375, "light"), (375, "dark"), (700, "dark")], indirect=True)
def test_all_text_can_be_read_in_light_and_in_dark(page: Page, html: str) -> None:
    page.set_content(html)
    assert page.evaluate(CONTRASTS) == []


@pytest.mark.parametrize("page", [(375, "light")], indirect=True)
def test_text_can_be_read_without_head_styles(page: Page, html: str) -> None:
    page.set_content(bare(html))
    assert page.evaluate(CONTRASTS) == []


@pytest.mark.parametrize("page", [(375, "dark"), (375, "light")], indirect=True)
def test_the_ground_is_dark_in_the_dark(page: Page, html: str) -> None:
    page.set_content(html)
    scheme = page.evaluate(
        "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'colours'"
    )
    ground = page.evaluate("getComputedStyle(document.querySelector('.page')).backgroundColor")
    colour = getattr(load_theme(), scheme)["page"]
    assert ground == f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.mark.parametrize("page", [(375, "light")], indirect=True)
def test_without_pictures_their_words_are_there(page: Page, html: str) -> None:
    page.set_content(html)
    alt = page.evaluate("[...document.images].map(image => image.alt).filter(Boolean)")
    assert any(words.startswith("Timeline") for words in alt)


@pytest.mark.parametrize("page", [(1200, "light")], indirect=True)
def test_the_column_is_as_wide_as_the_theme_says_and_stands_in_the_middle(
    page: Page, html: str
) -> None:
    page.set_content(html)
    box = page.evaluate(
        "(({left, width}) => [left, width])(document.querySelector('h1').getBoundingClientRect())"
    )
    assert box[1] == load_theme().text_width
    assert abs(box[0] - (1200 - box[1]) / 2) <= 8  # a scroll bar's half


@pytest.mark.parametrize("page", [(375, "light")], indirect=True)
def test_the_preview_line_is_not_seen_in_the_message(page: Page, html: str) -> None:
    page.set_content(html)
    hidden = page.evaluate("getComputedStyle(document.body.firstElementChild).display")
    assert hidden == "none"
