"""Draws the gallery of docs/themes.md: themes on a phone, a desktop, in the dark, without images.

Run from the root of a checkout: ``.venv/bin/python docs/images/themes.py [/usr/bin/chromium]``.
What is drawn is the example issue as it is mailed.
"""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path
from typing import Final, Literal

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, sync_playwright

from digest.content.issue_file import decode_issue, parse_issue
from digest.content.media import Media, read_media
from digest.content.render import Rendered, render_issue
from digest.content.theme import Masthead, load_theme, shipped_themes
from digest.resources import examples

HERE = Path(__file__).resolve().parent
SOURCE = examples() / "quiet-machines-12.md"
PUBLIC_URL = "https://news.example.org"
MASTHEAD: Final = Masthead(
    name="Quiet Machines",
    from_name="Quiet Machines",
    postal_address="Sample Street 1, 12345 Sampletown",
    home_url=PUBLIC_URL,
    public_url=PUBLIC_URL,
    issue_url=f"{PUBLIC_URL}/quiet-machines/12",
)
# name → width in CSS pixels, colour scheme, whether pictures are shown, where the cut begins
VIEWS: Final[dict[str, tuple[int, Literal["light", "dark"], bool, str]]] = {
    "phone": (375, "light", True, "top"),
    "desktop": (760, "light", True, "top"),
    "dark": (375, "dark", True, "top"),
    "images-off": (375, "light", False, "The post, explained"),
}
HEIGHT: Final = 780
COLOURS: Final = 200  # of a palette: text needs few, and a picture stays below 100 KB


def page_html(theme: str, *, pictures: bool) -> str:
    """The issue as mailed to Anne, its pictures inside it or not to be had."""
    issue = parse_issue(decode_issue(SOURCE.read_bytes(), path=SOURCE.name), path=SOURCE.name)
    media = {
        source: read_media((SOURCE.parent / source).read_bytes(), path=source)
        for source, _place in issue.pictures
    }
    page = filled(render_issue(issue, MASTHEAD, load_theme(theme), media=media))
    for picture in media.values() if pictures else ():
        page = page.replace(f"{PUBLIC_URL}/media/{picture.name}", inside(picture))
    return page


def filled(rendered: Rendered) -> str:
    """HTML with a reader's values in the place of marks."""
    page = rendered.html
    for number, slot in enumerate(rendered.slots):
        page = page.replace(f"\ue000{number}\ue001", "Anne" if slot.name == "name" else "x")
    return re.sub("\ue002[0-9]+\ue003", "", page)


def inside(picture: Media) -> str:
    """The picture as an address that holds it."""
    data = base64.b64encode(picture.data).decode()
    return f"data:image/{picture.extension};base64,{data}"


def shot(browser: Browser, theme: str, view: str) -> Image.Image:
    """One view of a theme, rounded like a screen."""
    width, scheme, pictures, begin = VIEWS[view]
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT}, color_scheme=scheme, device_scale_factor=1.5
    )
    page = context.new_page()
    page.route("**/*", lambda route: route.abort())
    page.set_content(page_html(theme, pictures=pictures))
    if begin != "top":
        page.evaluate(
            "words => [...document.querySelectorAll('h2')].find(h => h.innerText === words)"
            ".scrollIntoView()",
            begin,
        )
        page.mouse.wheel(0, -24)
        page.wait_for_timeout(50)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    return framed(picture)


def framed(picture: Image.Image) -> Image.Image:
    """The picture with a thin line around it, so that white stands out on white."""
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, picture.width - 1, picture.height - 1), outline="#c9c4b8", width=2)
    return picture.quantize(COLOURS, dither=Image.Dither.NONE)


def main() -> None:
    """Draw all of them."""
    chromium = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for theme in shipped_themes():
            for view in VIEWS:
                picture = shot(browser, theme, view)
                picture.save(HERE / f"theme-{theme}-{view}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
