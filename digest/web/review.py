"""Before an issue goes out: a version that is shown to somebody, and the approval from a test mail.

The token is the authority, as in every link of a mail. ``/share/<token>`` names a version and the
day until which it may be seen; ``/approve/<token>`` names the mail of an editor, a test or a
reminder, and only the button on the page approves, never a look at it.
"""

from __future__ import annotations

from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.delivery.publish import approve_issue
from digest.delivery.readiness import what_is_next
from digest.errors import ConflictError, DigestError, RefusedError
from digest.mail.tokens import TokenKind, share_token, shared_by
from digest.rules.delivery import IssueState
from digest.store.issue_tests import Approvable, approvable
from digest.store.issues import issue_by_id
from digest.store.newsletters import newsletter_by_id
from digest.store.versions import get_version, latest_version
from digest.web.forms import read_form
from digest.web.letter import as_page, letter_response
from digest.web.page import NO_ROBOTS, page, template_text
from digest.web.security import origin_of
from digest.web.site import Site, site_of

SHARED_DAYS, SHARED_DAYS_MAX = 14, 365
_OUT = (IssueState.SENDING, IssueState.PAUSED, IssueState.FINISHED)


async def shared(request: Request) -> Response:
    """Show a version as readers would see it on the web."""
    site = site_of(request)
    token = site.keys.read(request.path_params["token"])
    if token is None or token.kind is not TokenKind.SHARE:
        raise HTTPException(404)
    version_id, until = shared_by(token)
    if site.clock.now().date() > until:
        raise HTTPException(410)
    async with site.db.read() as session:
        version = await get_version(session, version_id)
        issue = await issue_by_id(session, version.issue_id)
        newsletter = await newsletter_by_id(session, issue.newsletter_id)
    values = {
        "newsletter": newsletter.name,
        "issue": issue.name,
        "version": version.ordinal,
        "until": until,
        "out": issue.state in _OUT,
        "sent": issue.approved_version_id == version.id,
        "prefix": site.prefix,
    }
    html = as_page(
        version.web_html,
        head=template_text("share_head.html", **values),
        before=template_text("share_bar.html", **values),
    )
    return letter_response(html, images=[origin_of(site.public_url)], headers=NO_ROBOTS)


async def approve(request: Request) -> Response:
    """Show what a mail was about, with the button that approves it; a POST approves."""
    site = site_of(request)
    token = site.keys.read(request.path_params["token"])
    if token is None or token.kind is not TokenKind.APPROVE:
        raise HTTPException(404)
    async with site.db.read() as session:
        mail = await approvable(session, token.id)
    if mail is None or not mail.may_approve:
        raise HTTPException(404)
    if request.method == "POST":
        await read_form(request)
        return await _approved(site, mail)
    return await _page(site, mail)


async def _approved(site: Site, mail: Approvable) -> Response:
    try:
        async with site.db.begin() as session:
            version = await get_version(session, mail.version_id)
            issue = await issue_by_id(session, version.issue_id)
            now = site.clock.now()
            await approve_issue(session, issue, version.hash, by=mail.address, now=now)
    except (RefusedError, ConflictError) as error:
        return await _page(site, mail, refused=error)
    return await _page(site, mail, done=True)


async def _page(
    site: Site, mail: Approvable, *, done: bool = False, refused: DigestError | None = None
) -> Response:
    async with site.db.read() as session:
        version = await get_version(session, mail.version_id)
        latest = await latest_version(session, version.issue_id)
        issue = await issue_by_id(session, version.issue_id)
        newsletter = await newsletter_by_id(session, issue.newsletter_id)
        coming = await what_is_next(session, newsletter, site.clock.now())
    until = site.clock.now().date() + timedelta(days=1)
    values = {
        "prefix": site.prefix,
        "name": newsletter.name,
        "issue": issue.name,
        "title": version.subject,
        "version": version.ordinal,
        "hash": version.hash[:12],
        "approved": issue.approved_version_id == version.id,
        "newer": latest.ordinal if latest and latest.ordinal != version.ordinal else None,
        "look": site.path(f"/share/{share_token(site.keys, version.id, until)}"),
        "done": done,
        "coming": str(coming) if newsletter.schedule else "",
        "refused": refused,
        "address": mail.address,
    }
    return page("approve.html", values, status=409 if refused else 200, headers=NO_ROBOTS)


ROUTES = (
    Route("/share/{token}", shared),
    Route("/approve/{token}", approve, methods=["GET", "HEAD", "POST"]),
)
