"""Every theme in a real browser: nothing hangs over, nothing is lost without pictures or styles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from digest.content.render import render_issue
from digest.content.theme import load_theme
from tests.conftest import CHROMIUM_ARGUMENTS, missing
from tests.content.gallery import LOOKS, THEMES, as_read, issue_of, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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


@pytest.fixture(scope="module", params=THEMES)
def theme(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=LOOKS)
def look(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def html(theme: str, look: str) -> str:
    return page_of(theme, look)


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


SIZES = [(320, "light"), (700, "dark")]


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
def test_the_ground_is_that_of_the_scheme(page: Page, theme: str, html: str) -> None:
    page.set_content(html)
    scheme = page.evaluate(
        "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'colours'"
    )
    ground = page.evaluate("getComputedStyle(document.querySelector('.page')).backgroundColor")
    colour = getattr(load_theme(theme), scheme)["page"]
    assert ground == f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.mark.parametrize("page", [(375, "light")], indirect=True)
def test_without_pictures_their_words_are_there(page: Page, theme: str) -> None:
    page.set_content(page_of(theme, "example"))
    alt = page.evaluate("[...document.images].map(image => image.alt).join() ")
    shown = page.evaluate("document.body.innerText")
    assert "Timeline of a mail transaction" in alt + shown
    assert bool(alt) is load_theme(theme).shows_pictures


@pytest.mark.parametrize("page", [(1200, "light")], indirect=True)
def test_the_column_is_as_wide_as_the_theme_says_and_stands_in_the_middle(
    page: Page, theme: str, html: str
) -> None:
    page.set_content(html)
    box = page.evaluate(
        "(({left, width}) => [left, width])(document.querySelector('h1').getBoundingClientRect())"
    )
    assert box[1] == load_theme(theme).text_width
    assert abs(box[0] - (1200 - box[1]) / 2) <= 8  # a scroll bar's half


@pytest.mark.parametrize("page", [(375, "light")], indirect=True)
def test_the_preview_line_is_not_seen_in_the_message(page: Page, html: str) -> None:
    page.set_content(html)
    hidden = page.evaluate("getComputedStyle(document.body.firstElementChild).display")
    assert hidden == "none"


@pytest.mark.parametrize("page", [(375, "light")], indirect=True)
def test_text_begins_at_the_side_its_language_begins_at(page: Page, theme: str) -> None:
    page.set_content(page_of(theme, "right"))
    sides = page.evaluate(SIDES)
    padding = load_theme(theme).layout["padding"]
    assert sides == [375 - padding] * len(sides)


# Where the first line of each section's heading ends on its right side.
SIDES = """() => [...document.querySelectorAll('h1, h2')].map(heading => {
  const range = document.createRange();
  range.selectNodeContents(heading);
  return Math.round(range.getClientRects()[0].right);
})"""

# A level AA page has no violation of any rule of these; "best practice" is about pages of the web.
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]


@pytest.fixture(scope="module")
def axe(node_modules: Path) -> str:
    return (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("page", [(375, "light"), (375, "dark")], indirect=True)
def test_nothing_keeps_anybody_from_reading_it(page: Page, html: str, axe: str) -> None:
    page.set_content(html)
    page.evaluate(axe)
    result = page.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", WCAG
    )
    broken = [(v["id"], [n["html"][:90] for n in v["nodes"]]) for v in result["violations"]]
    assert broken == []
    assert len(result["passes"]) > 8
    unsure = {found["id"] for found in result["incomplete"]}
    assert "color-contrast" not in unsure


@pytest.mark.parametrize("page", [(375, "light")], indirect=True)
def test_axe_sees_what_is_wrong(page: Page, axe: str) -> None:
    page.set_content("<html><body><img src=a><p style='color:#ccc'>Pale</p></body></html>")
    page.evaluate(axe)
    result = page.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", WCAG
    )
    found = {violation["id"] for violation in result["violations"]}
    assert {"color-contrast", "image-alt", "html-has-lang", "document-title"} <= found


@pytest.mark.parametrize("page", [(375, "light"), (375, "dark")], indirect=True)
def test_colours_of_a_newsletters_own_can_be_read(page: Page, theme: str) -> None:
    overrides = {
        "colours": {"accent": "#006b3c", "page": "#f7fbf8", "panel": "#eaf3ed"},
        "dark": {"accent": "#7fe0ae", "page": "#0d1411", "panel": "#17211c"},
    }
    issue, masthead, media = issue_of("everything")
    own = load_theme(theme, overrides=overrides)
    page.set_content(as_read(render_issue(issue, masthead, own, media=media)))
    assert page.evaluate(CONTRASTS) == []
