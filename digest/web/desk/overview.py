"""The first page of the desk: what goes out next, what is on its way, what needs somebody."""

from __future__ import annotations

from starlette.responses import Response

from digest.rules.rights import Right
from digest.web.desk.doors import Door
from digest.web.desk.visit import HOME, Visit


async def overview(visit: Visit) -> Response:
    """Show it."""
    return visit.page("overview.html", {}, current="overview")


DOORS = (Door("GET", HOME, Right.LOOK, overview),)
