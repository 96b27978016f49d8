"""Draws first-issue.png: the example issue as its file (left) and on a phone (right).

Run from the root of a checkout: ``.venv/bin/python docs/images/make.py [/usr/bin/chromium]``.
"""

from __future__ import annotations

import base64
import html
import re
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from digest.content.issue_file import decode_issue, parse_issue
from digest.content.media import read_media
from digest.content.render import render_issue
from digest.content.theme import Masthead, load_theme
from digest.resources import examples

HERE = Path(__file__).resolve().parent
SOURCE = examples() / "quiet-machines-12.md"
PUBLIC_URL = "https://news.example.org"
PAGE = """<!doctype html><meta charset="utf-8"><style>
* { box-sizing: border-box; margin: 0 }
body { width: 1200px; height: 760px; overflow: hidden; display: flex; gap: 56px;
  padding: 44px 56px 0; background: linear-gradient(160deg, #f5f1e8, #e9e2d2);
  font-family: Helvetica, Arial, sans-serif }
.file { flex: 1; height: 760px; background: #1f1e1c; border-radius: 12px 12px 0 0; overflow: hidden;
  box-shadow: 0 18px 50px #0003 }
.file p { color: #a8a49a; font: 13px Helvetica, Arial, sans-serif; padding: 14px 22px;
  background: #2a2927 }
pre { padding: 20px 22px; color: #e6e2d8; font: 13.5px/1.62 "Liberation Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere }
.key { color: #d9a441 } .head { color: #ff9a7d; font-weight: bold } .link { color: #8ab6d6 }
.slot { color: #b8d68a } .mute { color: #8f8b81 }
.phone { width: 348px; height: 760px; border: 12px solid #26241f; border-bottom: 0;
  border-radius: 44px 44px 0 0; overflow: hidden; background: #fff; box-shadow: 0 18px 50px #0004 }
.phone img { width: 324px; display: block }
</style><div class="file"><p>quiet-machines-12.md</p><pre>%s</pre></div>
<div class="phone"><img src="data:image/png;base64,%s"></div>"""
COLOURS = (
    (re.compile(r"^(#{2,3} .*)$", re.MULTILINE), r'<span class="head">\1</span>'),
    (re.compile(r"^(\w+:)(?= )", re.MULTILINE), r'<span class="key">\1</span>'),
    (re.compile(r"(\{[^}]*\})"), r'<span class="slot">\1</span>'),
    (re.compile(r"(\(https?://[^)]*\))"), r'<span class="link">\1</span>'),
    (re.compile(r"^(---)$", re.MULTILINE), r'<span class="mute">\1</span>'),
)


def phone_html(text: str) -> str:
    """The issue as mailed to Anne, its pictures inside it."""
    issue = parse_issue(text, path=SOURCE.name)
    media, inside = {}, {}
    for source, _place in issue.pictures:
        picture = read_media((SOURCE.parent / source).read_bytes(), path=source)
        media[source] = picture
        inside[f"{PUBLIC_URL}/media/{picture.sha256}.{picture.extension}"] = (
            f"data:image/{picture.extension};base64,{base64.b64encode(picture.data).decode()}"
        )
    masthead = Masthead(
        name="Quiet Machines",
        from_name="Quiet Machines",
        postal_address="Sample Street 1, 12345 Sampletown",
        home_url=PUBLIC_URL,
        public_url=PUBLIC_URL,
    )
    page = render_issue(issue, masthead, load_theme(), media=media).html
    for number in range(8):
        page = page.replace(f"\ue000{number}\ue001", "Anne" if number == 0 else "x")
    page = re.sub("\ue002[0-9]+\ue003", "", page)
    for url, data in inside.items():
        page = page.replace(url, data)
    return page


def shot(browser: Browser, page_html: str, *, width: int, height: int) -> bytes:
    """A picture of a page, at twice the pixels."""
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=2)
    page.set_content(page_html)
    picture: bytes = page.screenshot()
    page.close()
    return picture


def main() -> None:
    """Draw it."""
    chromium = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium"
    text = decode_issue(SOURCE.read_bytes(), path=SOURCE.name)
    source = html.escape(text[:2600], quote=False)
    for pattern, replacement in COLOURS:
        source = pattern.sub(replacement, source)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        phone = shot(browser, phone_html(text), width=375, height=880)
        page = PAGE % (source, base64.b64encode(phone).decode())
        (HERE / "first-issue.png").write_bytes(shot(browser, page, width=1200, height=760))
        browser.close()


if __name__ == "__main__":
    main()
