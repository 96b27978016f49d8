"""The web application of ``digest run`` and ``digest web``.

Rooms: ``health``; ``newsletters``, ``archive`` and ``feeds`` (what anyone may see); ``signup``;
``public``, ``preferences`` and ``own_data`` (what the links in a mail open); ``review`` (before an
issue goes out); ``clicks`` (links that are counted); ``bookmarklet`` (links for the next one);
``desk`` (those who work here); ``api`` (programs); ``hooks`` (what providers post) and ``metrics``
(Prometheus).
Layers, outermost first: headers on every answer, faults made into pages, a limit for bodies.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from digest.web import (
    archive,
    bookmarklet,
    clicks,
    feeds,
    health,
    hooks,
    metrics,
    newsletters,
    own_data,
    preferences,
    public,
    review,
    signup,
)
from digest.web.api import routes as api
from digest.web.desk import routes as desk
from digest.web.page import ASSET_ROUTE, Faults, on_http_error
from digest.web.security import BodyLimit, Headers, LoopbackOnly
from digest.web.site import Site

__all__ = ["Site", "create_app", "health_app", "site_routes", "wrapped"]


def create_app(site: Site) -> ASGIApp:
    """The pages and the health checks of an installation."""
    app = wrapped([Route("/", newsletters.home), *site_routes()])
    app.state.site = site
    return SubPath(app, site.prefix) if site.prefix else app


def health_app(site: Site) -> ASGIApp:
    """Health and what is measured of it, for a process without pages."""
    app = wrapped((*health.ROUTES, *metrics.PROCESS_ROUTES))
    app.state.site = site
    return app


def site_routes() -> tuple[BaseRoute, ...]:
    """Every route of an installation but its first page."""
    return (
        *health.ROUTES,
        *archive.ROUTES,
        *feeds.ROUTES,
        *newsletters.ROUTES,
        *signup.ROUTES,
        *public.ROUTES,
        *preferences.ROUTES,
        *own_data.ROUTES,
        *review.ROUTES,
        *bookmarklet.ROUTES,
        *clicks.ROUTES,
        *desk.ROUTES,
        *api.ROUTES,
        *hooks.ROUTES,
        *metrics.ROUTES,
    )


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


class SubPath:
    """Lets an application live under a path of its own, whether or not a proxy takes it off."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if not path.startswith(self.prefix + "/"):
                path = self.prefix + ("/" if path == self.prefix else path)
            scope = {**scope, "path": path, "root_path": self.prefix}
        await self.app(scope, receive, send)
