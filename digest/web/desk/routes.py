"""Every door of the desk in one table, and the routes that are made of it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from digest.web.desk import (
    account,
    doctor,
    feedback,
    inbox,
    issues,
    moves,
    newsletter,
    oidc,
    overview,
    people,
    pictures,
    readers,
    receipts,
    relays,
    sign_in,
    suppressions,
    writing,
)
from digest.web.desk.doors import Door, routes_of
from digest.web.desk.visit import HOME
from digest.web.site import site_of

DOORS: tuple[Door, ...] = (
    *overview.DOORS,
    *issues.DOORS,
    *moves.DOORS,
    *writing.DOORS,
    *pictures.DOORS,
    *inbox.DOORS,
    *newsletter.DOORS,
    *receipts.DOORS,
    *readers.DOORS,
    *suppressions.DOORS,
    *feedback.DOORS,
    *relays.DOORS,
    *doctor.DOORS,
    *account.DOORS,
    *people.DOORS,
)


async def elsewhere(request: Request) -> Response:
    """Lead from the name the desk has in other products to its own."""
    return RedirectResponse(site_of(request).path(HOME), 303)


ROUTES = (Route("/admin", elsewhere), *sign_in.ROUTES, *oidc.ROUTES, *routes_of(DOORS))
