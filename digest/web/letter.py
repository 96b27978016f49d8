"""An issue's HTML as a page: in the archive, in the preview and in the demo's inbox.

The HTML of a mail keeps its styles inline, so it cannot live under the policy of our own pages. It
is served by itself, sandboxed and without any script; our pages show it in a frame. A colour scheme
can be asked for whatever the reader's system prefers, by settling the media queries it is written
with. CSP Level 3; CSS Media Queries Level 5 §12.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from starlette.responses import HTMLResponse

from digest.mail.message import Slot, fill_marks
from digest.web.security import letter_policy

Scheme = Literal["light", "dark"]

_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
_BOTH = re.compile(r"((?:supported-)?color-schemes?\s*[:\"=][^;}>]*?)\blight dark\b", re.IGNORECASE)
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_HEAD_END = re.compile(r"</head\s*>", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_ALWAYS, _NEVER = "(min-width: 0px)", "(max-width: 0px)"


def letter_response(
    html: str,
    *,
    images: Iterable[str] = (),
    framed: bool = False,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """``html`` as an answer that can run nothing; ``images`` are origins besides ours and https."""
    sent = {"content-security-policy": letter_policy(images, framed=framed), **(headers or {})}
    return HTMLResponse(html, headers=sent)


def in_scheme(html: str, scheme: Scheme) -> str:
    """``html`` as a reader sees it whose system prefers ``scheme``."""

    def settle(query: re.Match[str]) -> str:
        return _ALWAYS if query[1].lower() == scheme else _NEVER

    return _BOTH.sub(lambda found: found[1] + scheme, _QUERY.sub(settle, html))


def as_sample(text: str, slots: Iterable[Slot]) -> str:
    """``text`` for a reader without a name, whose links lead to a page of ours."""
    return fill_marks(text, [one.fallback if one.name == "name" else "sample" for one in slots])


def as_page(html: str, *, head: str, before: str, after: str = "") -> str:
    """A letter as a page of the archive: ``head`` added to its head, ``before`` and ``after`` (HTML
    of ours) round it, and the letter itself as the main landmark (WCAG 2.2 §1.3.1).
    """
    start, end = _BODY.search(html), _BODY_END.search(html)
    if start is None or end is None:
        return html
    top = _HEAD_END.sub(lambda found: head + found[0], html[: start.end()], count=1)
    middle, rest = html[start.end() : end.start()], html[end.start() :]
    return f"{top}{before}<main>{middle}</main>{after}{rest}"
