"""Checks of what an issue links to: pages that are gone, moved, slow or would not be asked.

Items, links in texts and pictures on the web count, sponsors' too. What the pages answered is
handed in; a link that was never asked is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from digest.content.finding import Draft, Found, words_of
from digest.content.issue import Issue, Place
from digest.content.layout import clean_text
from digest.content.links import canonical_url, is_web, link_target
from digest.rules.link import LinkState, LinkStatus

__all__ = ["dead_link", "moved_link", "pages_to_ask", "slow_link", "unasked_link"]

_SHOWN: Final = 80  # characters of an address in a message
# RFC 2606: names nobody has, for examples such as ours; nothing can be found out by asking them.
_RESERVED: Final = (
    "test", "example", "invalid", "localhost", "example.com", "example.net", "example.org",
)  # fmt: skip


def pages_to_ask(issue: Issue) -> dict[str, str]:
    """Every page the issue leads to: the canonical URL, and the URL to ask."""
    pages: dict[str, str] = {}
    for _, url in _links(issue):
        target = link_target(url)
        if target and not _is_reserved(target):
            pages.setdefault(canonical_url(url), target)
    return pages


def _links(issue: Issue) -> Iterator[tuple[Place, str]]:
    """Links and pictures on the web, and where they stand."""
    for section in issue.rendered_sections:
        for item in section.items:
            if is_web(item.url):
                yield item.place, item.url
    for words in words_of(issue):
        if words.kind == "link" and is_web(words.target):
            yield words.place, words.target
    for source, place in issue.pictures:
        if is_web(source):
            yield place, source


def _is_reserved(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    return any(host == name or host.endswith(f".{name}") for name in _RESERVED)


def _found(draft: Draft, state: LinkState) -> Iterator[tuple[Place, str, LinkStatus]]:
    """The first place of each link that is in this state."""
    seen = set()
    for place, url in _links(draft.issue):
        canonical = canonical_url(url)
        status = draft.known.reached.get(canonical)
        if status and status.state is state and canonical not in seen:
            seen.add(canonical)
            yield place, url, status


def dead_link(draft: Draft) -> Iterator[Found]:
    """A page that is gone, or that readers cannot reach; it was asked twice."""
    for place, url, status in _found(draft, LinkState.DEAD):
        yield place, f"{_short(url)}: {_answered(status)}."


def moved_link(draft: Draft) -> Iterator[Found]:
    """A page that says it is somewhere else for good."""
    for place, url, status in _found(draft, LinkState.MOVED):
        if canonical_url(status.detail) != canonical_url(url):
            yield place, f"{_short(url)} has moved to {clean_text(status.detail)}"


def slow_link(draft: Draft) -> Iterator[Found]:
    """A page that took more than five seconds to answer."""
    for place, url, status in _found(draft, LinkState.SLOW):
        yield place, f"{_short(url)}: {_answered(status)}."


def unasked_link(draft: Draft) -> Iterator[Found]:
    """A page that could not be asked: many sites refuse programs (403, 429, 999)."""
    for place, url, status in _found(draft, LinkState.UNASKED):
        yield place, f"{_short(url)} could not be asked: {_answered(status)}."


def _answered(status: LinkStatus) -> str:
    words = clean_text(status.detail)
    return f"{words} ({status.status})" if status.status else words


def _short(url: str) -> str:
    shown = clean_text(url)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
