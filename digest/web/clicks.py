"""``/r/<token>``: a link of an issue on its way to its page; ``/clicks/<token>``: how often it was.

The token names a link that was stored with a version, and what is stored is where it leads: nothing
in the request changes that, so this leads nowhere else. RFC 9110 §15.4.3 (302): whoever follows it
asks again next time. The answer does not depend on who asks; whether it counts is decided later.
"""

from __future__ import annotations

from datetime import date, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.mail.tokens import TokenKind, clicked_by, clicks_shown_by, clicks_token
from digest.rules.click import TRAP, Hit, Link
from digest.store.clicks import LinkClicks, Targets, clicks_of_issue, targets_of
from digest.store.issues import issue_by_id
from digest.store.newsletters import newsletter_by_id
from digest.store.versions import get_version
from digest.web.client import client_address
from digest.web.page import NO_ROBOTS, page
from digest.web.site import Site, site_of

SPONSOR_DAYS = 90  # that a page for a sponsor can be seen
_KEPT_SECONDS = 30.0  # so soon a newsletter that stops counting is obeyed


async def follow(request: Request) -> Response:
    """Lead on, and note the click."""
    site = site_of(request)
    token = site.keys.read(request.path_params["token"])
    if token is None or token.kind is not TokenKind.CLICK:
        raise HTTPException(404)
    link = clicked_by(token)
    targets = await _targets(site, link.version_id)
    href = None if targets is None else targets.hrefs.get(link.position)
    if targets is None or (href is None and link.position != TRAP):
        raise HTTPException(404)
    if targets.counting and not link.test:
        noted = Link(link.version_id, link.position)
        site.clicks.note(noted, _hit(site, request, targets), _client(site, request))
    # Written as it was stored: a RedirectResponse would quote it once more.
    return Response(status_code=302, headers={**NO_ROBOTS, "location": href or site.path("/")})


async def _targets(site: Site, version_id: int) -> Targets | None:
    """Where the links of a version lead: a crowd that clicks asks the database once."""

    async def ask() -> Targets | None:
        async with site.db.read() as session:
            return await targets_of(session, version_id)

    return await site.counted.get(("links", version_id), ask, least=_KEPT_SECONDS)


def _hit(site: Site, request: Request, targets: Targets) -> Hit:
    began_at = targets.began_at
    since = None if began_at is None else (site.clock.now() - began_at).total_seconds()
    secure = site.public_url.startswith("https://")
    return Hit(request.method, dict(request.headers), since, secure=secure)


def _client(site: Site, request: Request) -> str:
    peer = request.client.host if request.client is not None else ""
    header = ",".join(request.headers.getlist("x-forwarded-for"))
    return client_address(peer, header, site.proxies)


def sponsor_page(site: Site, link: LinkClicks) -> tuple[str, date] | None:
    """The address of a page that shows the clicks of a sponsor's link, and its last day."""
    if not link.sponsor:
        return None
    until = site.clock.now().date() + timedelta(days=SPONSOR_DAYS)
    token = clicks_token(site.keys, link.version_id, link.position, until)
    return f"{site.public_url}/clicks/{token}", until


async def shown(request: Request) -> Response:
    """Show how often one link was clicked, to whoever has this page's own link."""
    site = site_of(request)
    token = site.keys.read(request.path_params["token"])
    if token is None or token.kind is not TokenKind.CLICKS:
        raise HTTPException(404)
    version_id, position, until = clicks_shown_by(token)
    if site.clock.now().date() > until:
        raise HTTPException(410)
    async with site.db.read() as session:
        version = await get_version(session, version_id)
        issue = await issue_by_id(session, version.issue_id)
        newsletter = await newsletter_by_id(session, issue.newsletter_id)
        ranked = await clicks_of_issue(session, issue.id)
    for link in ranked:
        if (link.version_id, link.position) == (version_id, position):
            break
    else:
        raise HTTPException(404)
    values = {"newsletter": newsletter.name, "issue": issue, "link": link, "until": until}
    return page("clicks.html", values, headers=NO_ROBOTS)


ROUTES = (
    Route("/r/{token}", follow, methods=["GET", "HEAD"]),
    Route("/clicks/{token}", shown),
)
