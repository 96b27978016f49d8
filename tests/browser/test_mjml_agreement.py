"""Our MJML against npm's, in a browser: the same words at the same places, the same picture.

Tolerances: words equal; every piece of text within 1 px; at most 5 in 1,000 pixels differ by more
than a shade that can be seen.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops

from digest.content.mjml import to_html
from digest.content.render import filled_in
from digest.content.theme import load_theme
from tests.conftest import CHROMIUM_ARGUMENTS, missing
from tests.content.gallery import THEMES, issue_of
from tests.content.mjml_shapes import SHAPES
from tests.node.judges import judge

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

FARTHEST = 1  # pixels a piece of text may be away
SEEN = 24  # of 255: a difference of a channel that counts
MOST_DIFFERENT = 5 / 1000
MARKS = re.compile("[\ue000\ue002][0-9]+[\ue001\ue003]|[\ue008-\ue00b]")

# Every line of text with the place of its box.
PLACES = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const words = walker.currentNode.data.trim().replace(/\\s+/g, ' ');
    for (const {x, y, width, height} of words ? range.getClientRects() : [])
      if (width > 1) found.push([words.slice(0, 30), x, y, width, height]);
  }
  return found;
}"""


def documents() -> dict[str, str]:
    """Every theme filled in, and every shape, without marks of slots and sections."""
    found = dict(SHAPES)
    for theme in THEMES:
        for look in ("everything", "right"):
            issue, masthead, _ = issue_of(look)
            mjml = filled_in(issue, masthead, load_theme(theme))
            found[f"{theme}, {look}"] = MARKS.sub("", mjml)
    return found


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[str, str]]:
    sources = documents()
    theirs = judge("mjml", list(sources.values()))
    return {
        name: (to_html(source, path=name), their)
        for (name, source), their in zip(sources.items(), theirs, strict=True)
    }


@pytest.fixture(scope="module")
def page(chromium: str) -> Iterator[Page]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium, args=list(CHROMIUM_ARGUMENTS)
        )
        page = running.new_page()
        page.route("**/*", lambda route: route.abort())
        yield page
        running.close()


def seen(page: Page, html: str, width: int) -> tuple[list[Any], Image.Image]:
    """Where each line of text stands, and a picture of the page."""
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(html)
    places = page.evaluate(PLACES)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    return places, picture


@pytest.mark.parametrize("width", [375, 800])
@pytest.mark.parametrize("name", documents())
def test_the_same_words_stand_at_the_same_places(
    page: Page, pairs: dict[str, tuple[str, str]], name: str, width: int
) -> None:
    ours, theirs = (seen(page, html, width) for html in pairs[name])
    assert [place[0] for place in ours[0]] == [place[0] for place in theirs[0]]
    away = [
        (one, other)
        for one, other in zip(ours[0], theirs[0], strict=True)
        if max(abs(a - b) for a, b in zip(one[1:], other[1:], strict=True)) > FARTHEST
    ]
    assert away == []
    assert difference(ours[1], theirs[1]) <= MOST_DIFFERENT


def difference(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that can be told apart, over the larger of both pictures."""
    width, height = max(one.width, other.width), max(one.height, other.height)
    sheets = []
    for picture in (one, other):
        sheet = Image.new("RGB", (width, height), "#ff00ff")
        sheet.paste(picture)
        sheets.append(sheet)
    apart = ImageChops.difference(*sheets).convert("L").point(lambda value: 255 * (value > SEEN))
    return apart.histogram()[255] / (width * height)


def test_a_shift_would_be_seen(page: Page, pairs: dict[str, tuple[str, str]]) -> None:
    ours, theirs = pairs["announcement"]
    moved = ours.replace("padding:10px 25px", "padding:14px 25px")
    assert moved != ours
    one, other = seen(page, moved, 800), seen(page, theirs, 800)
    assert one[0] != other[0]
    assert difference(one[1], other[1]) > MOST_DIFFERENT
