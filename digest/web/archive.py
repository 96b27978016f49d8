"""What anyone may see: the newsletters and their latest issues, an issue, a picture of an issue.

An issue is shown from the moment it goes out, as it was approved, without anything personal in
it. RFC 9110 §8.8.3 (ETag), RFC 9111 §5.2.2 and RFC 8246 (media never change: their name is their
hash).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.store.issues import Published, published_issue, published_issues
from digest.store.media import get_media
from digest.store.newsletters import Newsletter, get_newsletter, list_newsletters
from digest.store.session import Session
from digest.web.letter import as_page, letter_response
from digest.web.page import FOR_EVER, page, template_text
from digest.web.security import NOTHING_POLICY, origin_of
from digest.web.site import site_of

LATEST = 20  # issues of a newsletter on the first page

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROBOTS = "User-agent: *\nDisallow: /u/\nDisallow: /p/\n"


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the list of issues."""

    path: str
    title: str
    preview: str
    date: datetime | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """A newsletter and its latest issues."""

    slug: str
    name: str
    description: str
    language: str
    issues: tuple[Shown, ...]


async def home(request: Request) -> Response:
    """List the newsletters and their latest issues."""
    async with site_of(request).db.read() as session:
        shelves = [await _shelf(session, one) for one in await list_newsletters(session)]
    return page("home.html", {"newsletters": shelves})


async def _shelf(session: Session, newsletter: Newsletter) -> Shelf:
    issues = await published_issues(session, newsletter.id, limit=LATEST)
    return Shelf(
        newsletter.slug,
        newsletter.name,
        newsletter.description,
        newsletter.language,
        tuple(_shown(newsletter.slug, issue) for issue in issues),
    )


def _shown(slug: str, issue: Published) -> Shown:
    return Shown(f"/i/{slug}/{issue.name}", issue.title, issue.preview, issue.date)


async def issue(request: Request) -> Response:
    """Show one issue; 404 unless it is going out or has gone out."""
    site, name = site_of(request), request.path_params["issue"]
    if not name.isprintable():  # PostgreSQL takes no NUL, not even in a question
        raise HTTPException(404)
    async with site.db.read() as session:
        newsletter = await get_newsletter(session, request.path_params["newsletter"])
        found = await published_issue(session, newsletter.id, name)
    if found is None:
        raise HTTPException(404)
    head = template_text("archive_head.html")
    before = template_text("archive_bar.html", name=newsletter.name, home=site.home)
    html = as_page(found.web_html, head=head, before=before)
    tag = hashlib.sha256(html.encode()).hexdigest()[:32]
    headers = {"etag": f'"{tag}"', "cache-control": "public, no-cache"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return letter_response(html, images=[origin_of(site.public_url)], headers=headers)


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


async def robots(_request: Request) -> Response:
    """Ask crawlers to leave readers' own pages alone."""
    return PlainTextResponse(_ROBOTS)


ROUTES = (
    Route("/i/{newsletter}/{issue}", issue),
    Route("/media/{name}", picture),
    Route("/robots.txt", robots),
)
