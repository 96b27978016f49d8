"""The web application of ``digest run``.

Rooms: ``health``, ``archive`` (what anyone may see), ``public`` (what the links in a mail open).
Layers, outermost first: headers on every answer, faults made into pages, a limit for bodies.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from digest.web import archive, health, public
from digest.web.page import ASSET_ROUTE, Faults, on_http_error
from digest.web.security import BodyLimit, Headers, LoopbackOnly
from digest.web.site import Site

__all__ = ["Site", "create_app", "site_routes", "wrapped"]


def create_app(site: Site) -> Starlette:
    """The pages and the health checks of an installation."""
    app = wrapped([Route("/", archive.home), *site_routes()])
    app.state.site = site
    return app


def site_routes() -> tuple[BaseRoute, ...]:
    """Every route of an installation but its first page."""
    return (*health.ROUTES, *archive.ROUTES, *public.ROUTES)


def wrapped(routes: Iterable[BaseRoute], *, loopback_only: bool = False) -> Starlette:
    """An application of ``routes`` with our layers round it."""
    layers = [Middleware(Headers), Middleware(Faults), Middleware(BodyLimit)]
    if loopback_only:
        layers.insert(1, Middleware(LoopbackOnly))
    app = Starlette(
        routes=[ASSET_ROUTE, *routes],
        middleware=layers,
        exception_handlers={HTTPException: on_http_error},
    )
    app.router.redirect_slashes = False  # a one-click POST must never be answered by a redirect
    return app
