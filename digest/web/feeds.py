"""A newsletter's latest issues for feed readers: Atom (RFC 4287), RSS 2.0 and JSON Feed 1.1.

Built as trees, never as text, so a title can be anything. An entry's id is the issue's address and
never changes; a correction changes ``updated``, and its note stands before the preview.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, TypeAlias
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.languages import phrase, say, spoken
from digest.store.archive import Entry, list_entries
from digest.store.newsletters import Newsletter
from digest.web.newsletters import newsletter_in
from digest.web.recent import for_anyone
from digest.web.site import Site, site_of

LATEST = 30  # issues in a feed
_ATOM = "http://www.w3.org/2005/Atom"
_CACHE = "public, max-age=300"

_Write: TypeAlias = Callable[[Site, Newsletter, list[Entry]], bytes]


def _feed(write: _Write, media_type: str) -> Callable[[Request], Any]:
    @for_anyone
    async def answer(request: Request) -> Response:
        site = site_of(request)
        async with site.db.read() as session:
            newsletter = await newsletter_in(session, request)
            entries = await list_entries(session, newsletter.id, limit=LATEST)
        body = write(site, newsletter, entries)
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {
            "etag": tag,
            "cache-control": _CACHE,
            "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin",
        }
        return Response(body, media_type=media_type, headers=headers)

    return answer


def _atom(site: Site, newsletter: Newsletter, entries: list[Entry]) -> bytes:
    home = _home(site, newsletter)
    root = Element("feed", {"xmlns": _ATOM, "xml:lang": newsletter.language})
    _add(root, "id", home)
    _add(root, "title", newsletter.name)
    if newsletter.description:
        _add(root, "subtitle", newsletter.description)
    SubElement(root, "link", rel="self", href=f"{home}/feed.atom", type="application/atom+xml")
    SubElement(root, "link", rel="alternate", href=home, type="text/html")
    _add(root, "updated", _latest(newsletter, entries).isoformat(timespec="seconds"))
    _add(SubElement(root, "author"), "name", newsletter.from_name)
    for one in entries:
        url = _url(site, newsletter, one)
        entry = SubElement(root, "entry")
        _add(entry, "id", url)
        _add(entry, "title", one.title)
        SubElement(entry, "link", rel="alternate", href=url, type="text/html")
        _add(entry, "published", one.date.isoformat(timespec="seconds"))
        _add(entry, "updated", one.changed_at.isoformat(timespec="seconds"))
        _add(entry, "summary", _about(newsletter, one))
    return _written(root)


def _rss(site: Site, newsletter: Newsletter, entries: list[Entry]) -> bytes:
    home = _home(site, newsletter)
    root = Element("rss", {"version": "2.0", "xmlns:atom": _ATOM})
    channel = SubElement(root, "channel")
    _add(channel, "title", newsletter.name)
    _add(channel, "link", home)
    _add(channel, "description", newsletter.description or newsletter.name)
    _add(channel, "language", newsletter.language)
    own = {"rel": "self", "href": f"{home}/feed.rss", "type": "application/rss+xml"}
    SubElement(channel, "atom:link", own)
    _add(channel, "lastBuildDate", _mail_date(_latest(newsletter, entries)))
    for one in entries:
        item = SubElement(channel, "item")
        _add(item, "title", one.title)
        _add(item, "link", _url(site, newsletter, one))
        _add(item, "guid", _url(site, newsletter, one))
        _add(item, "pubDate", _mail_date(one.date))
        _add(item, "description", _about(newsletter, one))
    return _written(root)


def _json(site: Site, newsletter: Newsletter, entries: list[Entry]) -> bytes:
    home = _home(site, newsletter)
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": newsletter.name,
        "description": newsletter.description,
        "language": newsletter.language,
        "home_page_url": home,
        "feed_url": f"{home}/feed.json",
        "authors": [{"name": newsletter.from_name}],
        "items": [
            {
                "id": _url(site, newsletter, one),
                "url": _url(site, newsletter, one),
                "title": one.title,
                "content_text": _about(newsletter, one),
                "date_published": one.date.isoformat(timespec="seconds"),
                "date_modified": one.changed_at.isoformat(timespec="seconds"),
            }
            for one in entries
        ],
    }
    return json.dumps(feed, ensure_ascii=False).encode()


def _written(root: Element) -> bytes:
    text: bytes = tostring(root, "utf-8", xml_declaration=True)
    return text


def _add(parent: Element, name: str, value: str) -> None:
    SubElement(parent, name).text = "".join(sign for sign in value if sign in "\n\t" or sign >= " ")


def _home(site: Site, newsletter: Newsletter) -> str:
    return f"{site.public_url}/n/{newsletter.slug}"


def _url(site: Site, newsletter: Newsletter, entry: Entry) -> str:
    return f"{site.public_url}/i/{newsletter.slug}/{entry.name}"


def _about(newsletter: Newsletter, entry: Entry) -> str:
    if not entry.note:
        return entry.preview
    corrected = say(spoken(newsletter.language), phrase("Corrected:"))
    return f"{corrected} {entry.note} {entry.preview}".rstrip()


def _latest(newsletter: Newsletter, entries: list[Entry]) -> datetime:
    return max((one.changed_at for one in entries), default=newsletter.created_at)


def _mail_date(when: datetime) -> str:
    return format_datetime(when.astimezone(UTC), usegmt=True)


ROUTES = (
    Route("/n/{newsletter}/feed.atom", _feed(_atom, "application/atom+xml")),
    Route("/n/{newsletter}/feed.rss", _feed(_rss, "application/rss+xml")),
    Route("/n/{newsletter}/feed.json", _feed(_json, "application/feed+json")),
)
