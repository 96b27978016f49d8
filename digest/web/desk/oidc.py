"""The way in by a provider of identities: there, and back (OpenID Connect, authorization code).

A link leads there, as no form of ours may lead away (CSP ``form-action``); a link of another site
only shows the sign-in. What comes back is taken from the browser that was sent, once, within ten
minutes. RFC 9700.
"""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from digest.access.admission import let_in
from digest.access.issuer import Issuer
from digest.access.issuer_settings import BACK
from digest.access.way_in import LASTS, WayIn
from digest.errors import FetchError, RefusedError
from digest.rules.admission import Said
from digest.store.audit import write_down
from digest.web.desk.sign_in import from_here, renewed, sign_in_page, too_often, where_to
from digest.web.desk.visit import SIGN_IN, cookie_name, drop_cookie, set_cookie
from digest.web.security import is_own
from digest.web.site import Site, site_of

log = structlog.get_logger(__name__)

_OF = "-way-in"  # the cookie of who is on the way
_SEVERAL = ("code", "state", "iss", "error")


async def there(request: Request) -> Response:
    """Send the browser to the provider."""
    site, to = site_of(request), where_to(request.query_params.get("to", ""))
    if site.issuer is None or not is_own(request):
        return RedirectResponse(site.path(SIGN_IN), 303)
    now = site.clock.now()
    way = WayIn.begin(to, now)
    try:
        answer = RedirectResponse(await site.issuer.address_of(way, now), 303)
    except FetchError as error:
        return _away(site, error, to=to)
    set_cookie(answer, site, way.cookie, of=_OF, lasts=LASTS)
    return answer


async def back(request: Request) -> Response:
    """Take the provider's answer; a way in is gone once."""
    site = site_of(request)
    if site.issuer is None:
        return RedirectResponse(site.path(SIGN_IN), 303)
    answer = await _arrived(request, site, site.issuer)
    drop_cookie(answer, site, of=_OF)
    return answer


async def _arrived(request: Request, site: Site, issuer: Issuer) -> Response:
    now = site.clock.now()
    if not await from_here(request, site):
        return too_often(site, where_to(""))
    way = WayIn.read(request.cookies.get(cookie_name(site, _OF), ""), now)
    given = request.query_params
    twice = any(len(given.getlist(name)) > 1 for name in _SEVERAL)  # RFC 6749 §3.1
    if way is None or twice or not way.is_answered_by(given.get("state", "")):
        await _note_refused(site, issuer, "", "not begun in this browser")
        return sign_in_page(site, problem="not-begun", status=403)
    to = where_to(way.to)
    try:
        said = await issuer.identify(way, given, now)
    except FetchError as error:
        return _away(site, error, to=to)
    except RefusedError as error:
        await _note_refused(site, issuer, "", error.message)
        return sign_in_page(site, to=to, problem="not-believed", status=403)
    return await _let_in(request, site, issuer, said, to)


async def _let_in(request: Request, site: Site, issuer: Issuer, said: Said, to: str) -> Response:
    now = site.clock.now()
    try:
        async with site.db.begin() as session:
            user = await let_in(session, said, issuer.client.policy, now)
            token = await renewed(session, request, user)
            by = issuer.client.issuer
            await write_down(session, user.address, "sign in", subject=by, now=now)
    except RefusedError as error:
        await _note_refused(site, issuer, said.address, error.message)
        address = said.address if said.proved else ""
        return sign_in_page(site, to=to, problem="not-let-in", address=address, status=403)
    answer = RedirectResponse(site.path(to), 303)
    set_cookie(answer, site, token)
    return answer


async def _note_refused(site: Site, issuer: Issuer, who: str, why: str) -> None:
    """Write down who was not let in; not among the refused passwords, which hold others back."""
    async with site.db.begin() as session:
        await write_down(
            session,
            who or "somebody",
            "sign in",
            subject=issuer.client.issuer,
            result=f"refused: {why}",
            now=site.clock.now(),
        )


def _away(site: Site, error: FetchError, *, to: str) -> Response:
    log.warning("the provider of sign-ins cannot be used", where=error.where, why=error.message)
    page = sign_in_page(site, to=to, problem="away", status=503)
    page.headers["retry-after"] = "30"
    return page


ROUTES = (
    Route(f"{SIGN_IN}/oidc", there, methods=["GET", "HEAD"]),
    Route(BACK, back, methods=["GET"]),
)
