"""What a page says of itself: title, description, its own address, site, date, feeds.

Read from its head only, by lxml without network, entities or scripts: Open Graph (ogp.me), the
names of HTML (WHATWG HTML §4.2) and ``rel=canonical`` (RFC 6596). A page may give itself another
address on its own site only: else it could send readers wherever it likes under another's title.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from lxml import etree, html

from digest.collect.words import LONGEST_SITE, LONGEST_TITLE, moment, page_url, words
from digest.content.issue_source import without_forbidden
from digest.content.links import without_trackers
from digest.errors import InputError

__all__ = ["PAGE_MAX", "Facts", "decoded", "facts_of_address", "read_facts"]

PAGE_MAX: Final = 4 << 20  # bytes of a page that is read
_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})

# What is looked for, the best name first.
_TITLES = ("og:title", "twitter:title", "dc.title")
_DESCRIPTIONS = ("og:description", "description", "twitter:description")
_SITES = ("og:site_name", "application-name")
_DATES = ("article:published_time", "og:published_time", "date", "dc.date", "citation_date")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a page. ``feeds`` are the addresses it names as its feeds."""

    url: str
    title: str
    description: str = ""
    site: str = ""
    published_at: datetime | None = None
    feeds: tuple[str, ...] = ()


def read_facts(body: bytes, *, url: str, content_type: str) -> Facts:
    """What the page at ``url`` says of itself; what its address tells where it says nothing."""
    fallback = facts_of_address(url)
    if content_type and "html" not in content_type.lower():
        return fallback
    root = _parsed(decoded(body, content_type))
    if root is None:
        return fallback
    names = dict(_names(root))
    title = _first(names, _TITLES, LONGEST_TITLE) or words(
        root.findtext(".//title") or "", most=LONGEST_TITLE
    )
    dates = (moment(names[name]) for name in _DATES if name in names)
    return Facts(
        url=_own_address(root, url) or fallback.url,
        title=title or fallback.title,
        description=_first(names, _DESCRIPTIONS),
        site=_first(names, _SITES, LONGEST_SITE) or fallback.site,
        published_at=next((date for date in dates if date), None),
        feeds=tuple(_feeds(root, url)),
    )


def facts_of_address(url: str) -> Facts:
    """What an address tells about its page: the site, and the end of its path as a title."""
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    end = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
    title = words(re.sub(r"[-_+]+", " ", end.rpartition(".")[0] or end), most=LONGEST_TITLE)
    return Facts(without_trackers(url), title or host, site=host)


def decoded(body: bytes, content_type: str) -> str:
    """The text of a page: by its byte order mark, its header, its ``<meta>``, else UTF-8."""
    for bom, name in _BOMS:
        if body.startswith(bom):
            return body[len(bom) :].decode(name, "replace")
    told = _CHARSET.search(content_type)
    inside = _META_CHARSET.search(body[:4_096])
    names = (told and told[1], inside and inside[1].decode("ascii"), "utf-8")
    for name in filter(None, names):
        try:
            return body.decode(name)
        except (LookupError, UnicodeError):
            continue
    return body.decode("windows-1252", "replace")


def _parsed(text: str) -> Any:
    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True)
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", without_forbidden(text))
    try:
        return html.document_fromstring(text, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None


def _names(root: Any) -> Iterator[tuple[str, str]]:
    """What ``<meta>`` says; the first of a name wins."""
    for meta in reversed(root.findall(".//meta")[:500]):
        name = (meta.get("property") or meta.get("name") or "").strip().lower()
        content = meta.get("content")
        if name and content:
            yield name, content


def _first(names: dict[str, str], wanted: tuple[str, ...], most: int | None = None) -> str:
    texts = (names[name] for name in wanted if name in names)
    cleaned = (words(text) if most is None else words(text, most=most) for text in texts)
    return next((text for text in cleaned if text), "")


def _own_address(root: Any, url: str) -> str:
    for link in root.findall(".//link[@rel]")[:200]:
        if link.get("rel", "").strip().lower() == "canonical" and link.get("href"):
            own = _joined(url, link.get("href"))
            return own if own and _site(own) == _site(url) else ""
    return ""


def _site(url: str) -> str:
    return re.sub(r"^(?:www|m|amp)\.", "", (urlsplit(url).hostname or "").lower())


def _feeds(root: Any, url: str) -> Iterator[str]:
    for link in root.findall(".//link[@rel]")[:200]:
        kind = link.get("type", "").partition(";")[0].strip().lower()
        if link.get("rel", "").strip().lower() == "alternate" and kind in _FEED_TYPES:
            feed = _joined(url, link.get("href", ""))
            if feed:
                yield feed


def _joined(base: str, href: str) -> str:
    try:
        return page_url(urljoin(base, href.strip()))
    except (InputError, ValueError):
        return ""
