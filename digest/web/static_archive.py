"""The archive as files that need no server: pages whose links to each other are relative.

What the public archive shows, and nothing that only works with us: no form, no feed, no link of a
reader's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from digest.content.picture_names import PICTURE_URL
from digest.languages import direction_of, spoken
from digest.store.archive import Entry, Shown
from digest.store.newsletters import Newsletter
from digest.web.letter import as_page
from digest.web.page import assets, template_text

STYLE = "pages.css"
_QUOTED = r"""(?P<quote>["'(])[^"'()\s]*"""
_PICTURE = re.compile(_QUOTED + PICTURE_URL.pattern)


def static_style() -> bytes:
    """The style sheet of the list, which lies beside it as ``STYLE``."""
    return assets()[STYLE].data


def static_index(newsletter: Newsletter, entries: Sequence[Entry]) -> str:
    """The list of all issues, newest first."""
    return template_text(
        "static_index.html",
        newsletter=newsletter,
        language=spoken(newsletter.language),
        newsletter_direction=direction_of(newsletter.language),
        entries=entries,
        style=STYLE,
    )


def static_issue(newsletter: Newsletter, shown: Shown, pages: Collection[str]) -> str:
    """One issue as a page; ``pages`` are the names of all issues that have one."""
    values = {
        "newsletter": newsletter,
        "shown": shown,
        "language": spoken(newsletter.language),
    }
    html = as_page(
        shown.web_html,
        head=template_text("static_head.html", **values),
        before=template_text("static_bar.html", **values),
        after=template_text("static_foot.html", **values),
    )
    html = _PICTURE.sub(lambda found: f"{found['quote']}media/{found['name']}", html)
    issue = re.compile(_QUOTED + rf"/i/{re.escape(newsletter.slug)}/(?P<name>[\w-]+)(?=[\"'])")

    def beside(found: re.Match[str]) -> str:
        known = found["name"] in pages
        return f"{found['quote']}{found['name']}.html" if known else found[0]

    return issue.sub(beside, html)


def pictures_in(html: str) -> set[tuple[str, str]]:
    """The hashes and file names of the pictures of ours that a page shows."""
    return {(found["sha"], found["name"]) for found in PICTURE_URL.finditer(html)}
