"""What stands in a feed: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0 (RFC 4287), JSON Feed 1.1.

feedparser reads what is XML, also where it is not well-formed; a feed cut in the middle gives what
came before. It gets bytes only (a name it would open), and no document that declares entities of
its own: no feed needs them, and a few lines of them can fill the memory.
"""

from __future__ import annotations

import calendar
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urljoin

from digest.collect.page import facts_of_address
from digest.collect.words import LONGEST_SITE, LONGEST_TITLE, moment, page_url, words
from digest.content.links import canonical_url, without_trackers
from digest.errors import InputError, SettingsError

__all__ = ["FEED_MAX", "Entry", "Feed", "read_feed"]

FEED_MAX: Final = 5 << 20  # bytes; podcasts that list every episode have a few megabytes
_MOST: Final = 100  # entries of one feed, the first ones: the newest in every feed we know
_SHORT_TITLE: Final = 80  # characters of a text that stands in for a title
_SOON: Final = timedelta(days=1)  # a date further ahead than a time zone explains is none
_ENTITY: Final = re.compile(rb"<!\s*ENTITY", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, in words without markup; ``url`` may stand in an issue."""

    url: str
    title: str
    description: str
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed's own name, and its entries, each page once."""

    title: str
    entries: tuple[Entry, ...]


def read_feed(body: bytes, *, url: str, content_type: str, now: datetime) -> Feed:
    """The feed in an answer of ``url``; InputError for what is none."""
    is_json = body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    found = _json_feed(body, url) if is_json else _xml_feed(body, url, content_type)
    title, raw = found
    name = words(title, most=LONGEST_SITE) or facts_of_address(url).site
    entries: dict[str, Entry] = {}
    seen: set[str] = set()
    for key, link, parts in raw:
        entry = _entry(link, parts, now)
        if entry is None or (key and key in seen):
            continue
        seen.add(key)
        entries.setdefault(canonical_url(entry.url), entry)
        if len(entries) == _MOST:
            break
    return Feed(name, tuple(entries.values()))


@dataclass(frozen=True, slots=True)
class _Parts:
    """An entry's texts as they were written."""

    title: str
    text: str
    date: datetime | None


_Raw = tuple[str, Iterator[tuple[str, str, _Parts]]]


def _entry(link: str, parts: _Parts, now: datetime) -> Entry | None:
    try:
        url = without_trackers(page_url(link))
    except InputError:
        return None
    description = words(parts.text)
    title = words(parts.title, most=LONGEST_TITLE) or words(parts.text, most=_SHORT_TITLE)
    date = parts.date if parts.date and parts.date <= now + _SOON else None
    return Entry(url, title or facts_of_address(url).title, description, date)


def _no_feed(why: str) -> InputError:
    return InputError(f"This is no feed: {why}.", fix="Give the address of an RSS or Atom feed.")


# XML.


def _xml_feed(body: bytes, url: str, content_type: str) -> _Raw:
    if _ENTITY.search(body.replace(b"\0", b"")):  # also in UTF-16
        raise _no_feed("it declares entities of its own")
    feedparser = _feedparser()
    headers = {"content-location": url, "content-type": content_type}
    try:
        parsed = feedparser.parse(io.BytesIO(body), response_headers=headers)
        entries = list(_xml_entries(parsed.entries[: 2 * _MOST], url))
    except Exception as error:  # noqa: BLE001 -- a parser of everything fails in every way
        raise _no_feed(f"reading it failed with {type(error).__name__}") from None
    if not parsed.get("version") and not entries:
        raise _no_feed("neither RSS nor Atom nor JSON")
    return str(parsed.feed.get("title") or ""), iter(entries)


def _feedparser() -> Any:
    try:
        import feedparser
    except ImportError:
        raise SettingsError(
            "RSS and Atom cannot be read here.",
            where="digest feed",
            fix="Install digest with its extra: pip install 'digest[feeds]'.",
        ) from None
    return feedparser


def _xml_entries(found: list[Any], url: str) -> Iterator[tuple[str, str, _Parts]]:
    for one in found:
        link = one.get("feedburner_origlink") or one.get("link") or _enclosed(one)
        texts = [one.get("summary"), *(part.get("value") for part in one.get("content", ()))]
        text = next((text for text in texts if text), "")
        date = _utc(dict.get(one, "published_parsed") or dict.get(one, "updated_parsed"))
        parts = _Parts(str(one.get("title") or ""), str(text), date)
        yield str(one.get("id") or ""), _absolute(url, link), parts


def _enclosed(one: Any) -> str:
    """A podcast may have nothing but its recording."""
    return str(next((link.get("href") for link in one.get("links", ()) if link.get("href")), ""))


def _utc(parts: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(calendar.timegm(parts), UTC) if parts else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


# JSON Feed 1.1 (jsonfeed.org).


def _json_feed(body: bytes, url: str) -> _Raw:
    try:
        found = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        raise _no_feed("its JSON is broken") from None
    if not isinstance(found, dict) or "jsonfeed.org" not in str(found.get("version")):
        raise _no_feed("JSON, but no JSON Feed")
    items = found.get("items")
    return _string(found, "title"), _json_entries(items if isinstance(items, list) else [], url)


def _json_entries(found: list[Any], url: str) -> Iterator[tuple[str, str, _Parts]]:
    for one in found:
        if not isinstance(one, dict):
            continue
        link = _string(one, "url", "external_url", "id")
        text = _string(one, "summary", "content_text", "content_html")
        date = moment(_string(one, "date_published", "date_modified"))
        yield (
            _string(one, "id"),
            _absolute(url, link),
            _Parts(_string(one, "title"), text, date),
        )


def _string(found: Mapping[str, Any], *names: str) -> str:
    values = (found.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), "")


def _absolute(base: str, link: Any) -> str:
    try:
        return urljoin(base, str(link or "").strip()) if link else ""
    except ValueError:
        return ""
