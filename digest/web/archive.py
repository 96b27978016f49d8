"""What anyone may see: an issue, a picture of an issue, and where crawlers find them.

An issue is shown from the moment it goes out, as it was approved or corrected since, without
anything personal in it. RFC 9110 §8.8.3 (ETag), RFC 9111 §5.2.2 and RFC 8246 (media never change:
their name is their hash), RFC 9309 (robots).
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.languages import spoken
from digest.store.archive import Shown, list_entries, show_issue
from digest.store.media import get_media
from digest.store.newsletters import Newsletter, get_newsletter, list_newsletters
from digest.web.letter import as_page, letter_response
from digest.web.page import FOR_EVER, template_text
from digest.web.recent import for_anyone
from digest.web.security import NOTHING_POLICY, origin_of
from digest.web.site import Site, site_of

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PICTURE = re.compile(r"""["'][^"']*(/media/[0-9a-f]{64}\.(?:png|jpg|gif|webp))["']""")
_CLOSED = ("/u/", "/p/", "/c/", "/a/", "/d/", "/share/", "/approve/", "/links/")
_SITEMAP_MAX = 50_000


@for_anyone
async def issue(request: Request) -> Response:
    """Show one issue; 404 unless it is going out or has gone out."""
    site, name = site_of(request), request.path_params["issue"]
    if not name.isprintable():  # PostgreSQL takes no NUL, not even in a question
        raise HTTPException(404)
    async with site.db.read() as session:
        newsletter = await get_newsletter(session, request.path_params["newsletter"])
        shown = await show_issue(session, newsletter.id, name)
    if shown is None:
        raise HTTPException(404)
    html = _as_page(site, newsletter, shown)
    tag = hashlib.sha256(html.encode()).hexdigest()[:32]
    headers = {"etag": f'"{tag}"', "cache-control": "public, no-cache"}
    if not shown.listed:
        headers["x-robots-tag"] = "noindex"
    return letter_response(html, images=[origin_of(site.public_url)], headers=headers)


def _as_page(site: Site, newsletter: Newsletter, shown: Shown) -> str:
    here = f"{site.public_url}/i/{newsletter.slug}/{shown.entry.name}"
    values = {
        "newsletter": newsletter,
        "shown": shown,
        "url": here,
        "picture": newsletter.settings.get("logo_url") or _first_picture(site, shown.web_html),
        "home": site.path(f"/n/{newsletter.slug}"),
        "language": spoken(newsletter.language),
        "issues": site.path(f"/i/{newsletter.slug}"),
        "prefix": site.prefix,
    }
    return as_page(
        shown.web_html,
        head=template_text("archive_head.html", **values),
        before=template_text("archive_bar.html", **values),
        after=template_text("archive_foot.html", **values),
    )


def _first_picture(site: Site, html: str) -> str:
    """The first picture of ours in ``html``, for who shows a link with one."""
    found = _PICTURE.search(html)
    return f"{site.public_url}{found[1]}" if found is not None else ""


async def picture(request: Request) -> Response:
    """Answer ``/media/<sha256>.<extension>``."""
    sha256, _, extension = request.path_params["name"].partition(".")
    if not _SHA256.fullmatch(sha256) or extension not in MEDIA_TYPES:
        raise HTTPException(404)
    async with site_of(request).db.read() as session:
        found = await get_media(session, sha256)
    if found is None or found.extension != extension:
        raise HTTPException(404)
    return picture_response(found.data, extension)


def picture_response(data: bytes, extension: str) -> Response:
    """A picture that any mail program may show and nobody needs to fetch twice."""
    headers = {
        "cache-control": FOR_EVER,
        "content-security-policy": NOTHING_POLICY,
        "cross-origin-resource-policy": "cross-origin",
    }
    return Response(data, media_type=MEDIA_TYPES[extension], headers=headers)


async def robots(request: Request) -> Response:
    """Ask crawlers to leave readers' own pages alone, and show them the rest."""
    site = site_of(request)
    closed = "".join(f"Disallow: {site.path(path)}\n" for path in _CLOSED)
    return PlainTextResponse(f"User-agent: *\n{closed}Sitemap: {site.public_url}/sitemap.xml\n")


@for_anyone
async def sitemap(request: Request) -> Response:
    """List the pages anyone may see (sitemaps.org 0.9, at most 50,000)."""
    site = site_of(request)
    pages: list[tuple[str, datetime | None]] = []
    async with site.db.read() as session:
        for newsletter in await list_newsletters(session):
            issues = await list_entries(session, newsletter.id, limit=_SITEMAP_MAX)
            home = f"{site.public_url}/n/{newsletter.slug}"
            latest = issues[0].changed_at if issues else None
            pages += [(home, latest), (f"{home}/archive", latest)]
            base = f"{site.public_url}/i/{newsletter.slug}"
            pages += [(f"{base}/{one.name}", one.changed_at) for one in issues]
    root = Element("urlset", xmlns="http://www.sitemaps.org/schemas/sitemap/0.9")
    for url, changed_at in pages[:_SITEMAP_MAX]:
        entry = SubElement(root, "url")
        SubElement(entry, "loc").text = url
        if changed_at is not None:
            SubElement(entry, "lastmod").text = changed_at.date().isoformat()
    return Response(tostring(root, "utf-8", xml_declaration=True), media_type="application/xml")


ROUTES = (
    Route("/i/{newsletter}/{issue}", issue),
    Route("/media/{name}", picture),
    Route("/robots.txt", robots),
    Route("/sitemap.xml", sitemap),
)
