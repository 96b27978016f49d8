"""A text that is not saved as the page shows it: findings with their lines, and the letter.

Everything here was written by somebody else, so the letter goes out sandboxed and without scripts,
as every letter does (``digest.web.letter``).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Final

from starlette.responses import Response

from digest.content.finding import Finding, Severity
from digest.content.issue import Issue, Item, Place
from digest.delivery.writing import Look
from digest.mail.message import without_marks
from digest.store.newsletters import Newsletter
from digest.web.draft import facts_of
from digest.web.letter import as_sample, in_scheme, letter_response
from digest.web.security import origin_of
from digest.web.site import Site

HERE: Final = "here"  # the place in a letter that is written on
_NONE = (
    '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    '<body style="margin:24px;font:16px/1.5 sans-serif">'
)
_PLAIN = (
    '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    '<pre style="margin:20px;font:13px/1.55 ui-monospace,Menlo,Consolas,monospace;'
    'white-space:pre-wrap;overflow-wrap:anywhere">'
)


@dataclass(frozen=True, slots=True)
class Marked:
    """A finding with the line of the text it is about."""

    finding: Finding
    line: str


def looked(newsletter: Newsletter, text: str, look: Look) -> dict[str, Any]:
    """What the part of the page shows that follows the typing."""
    lines = text.split("\n")
    rendered = look.rendered
    return {
        "sender": newsletter.from_name or newsletter.name,
        "shown": rendered is not None,
        "subject": without_marks(rendered.subject) if rendered else "",
        "preview": without_marks(rendered.preview) if rendered else "",
        "facts": facts_of(look.issue, rendered.html) if look.issue and rendered else "",
        "findings": [
            Marked(one, lines[one.place.line - 1].strip() if one.place.line <= len(lines) else "")
            for one in look.findings
        ],
        "errors": sum(one.severity is Severity.ERROR for one in look.findings),
    }


def unsaved_letter(site: Site, look: Look, *, view: str, line: int) -> Response:
    """The letter of a look as ``view`` asks: phone, desktop, dark or text.

    The item that is written on in ``line`` is where the address of the frame leads to.
    """
    images = [origin_of(site.public_url)]
    if look.rendered is None or look.issue is None:
        first = look.findings[0]
        words = escape(f"Line {first.place.line}: {first.message} {first.fix}")
        return letter_response(f"{_NONE}<p>{words}</p>", framed=True)
    if view == "text":
        plain = as_sample(look.rendered.plain, look.rendered.slots)
        return letter_response(f"{_PLAIN}{escape(plain)}</pre>", framed=True)
    html = _with_here(as_sample(look.rendered.html, look.rendered.slots), look.issue, line)
    html = in_scheme(html, "dark" if view == "dark" else "light")
    return letter_response(html, images=images, framed=True)


def _with_here(html: str, issue: Issue, line: int) -> str:
    item = _item_at(issue, line)
    if item is None:
        return html
    link = html.find(f'href="{escape(item.url)}')
    start = html.rfind("<a ", 0, link) if link >= 0 else -1
    # Not the link itself: what can have the focus would take it from who is typing.
    return html if start < 0 else f'{html[:start]}<span id="{HERE}"></span>{html[start:]}'


def _item_at(issue: Issue, line: int) -> Item | None:
    """The last item that begins in ``line`` or above it."""
    before = [
        item
        for section in issue.rendered_sections
        for item in section.items
        if item.place <= Place(line, 1_000_000)
    ]
    return before[-1] if before else None
