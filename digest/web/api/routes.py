"""Every operation of the API in one table, its routes, and the document that describes them."""

from __future__ import annotations

import json
from functools import cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.web.api import (
    clicks,
    deliveries,
    issues,
    links,
    newsletters,
    readers,
    steering,
    subscriptions,
    suppressions,
)
from digest.web.api.calls import BASE, Operation, routes_of
from digest.web.api.document import document_of
from digest.web.site import site_of

OPERATIONS: tuple[Operation, ...] = (
    *newsletters.OPERATIONS,
    *issues.OPERATIONS,
    *steering.OPERATIONS,
    *deliveries.OPERATIONS,
    *clicks.OPERATIONS,
    *links.OPERATIONS,
    *readers.OPERATIONS,
    *subscriptions.OPERATIONS,
    *suppressions.OPERATIONS,
)


async def describe(request: Request) -> Response:
    """Answer ``/api/v1/openapi.json``, for everybody: it says nothing about anybody."""
    return Response(_document(site_of(request).public_url), media_type="application/json")


@cache
def _document(public_url: str) -> bytes:
    return json.dumps(document_of(OPERATIONS, public_url), ensure_ascii=False).encode()


ROUTES = (
    Route(f"{BASE}/openapi.json", describe),
    *routes_of(OPERATIONS),
)
