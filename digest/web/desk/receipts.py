"""The receipt of an issue in the frame of the desk: sums for everybody, addresses for operators."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from digest.rules.rights import Right
from digest.web.desk.doors import Door
from digest.web.desk.issues import ONE
from digest.web.desk.visit import HOME, Visit
from digest.web.receipt import Place, ReceiptPages

_PATH = f"{ONE}/receipt"


def _place(request: Request) -> Place:
    visit: Visit = request.state.visit
    newsletter, issue = visit.part("newsletter"), visit.part("issue")
    return Place(
        newsletter,
        issue,
        path=visit.site.path(f"{HOME}/n/{newsletter}/i/{issue}/receipt"),
        layout="desk/base.html",
        values=visit.frame("issues"),
    )


_pages = ReceiptPages(_place)


async def sheet(visit: Visit) -> Response:
    """The sums."""
    visit.request.state.visit = visit
    return await _pages.sheet(visit.request)


async def rows(visit: Visit) -> Response:
    """Who is behind a number."""
    visit.request.state.visit = visit
    return await _pages.rows(visit.request)


async def one(visit: Visit) -> Response:
    """One delivery with its attempts."""
    visit.request.state.visit = visit
    return await _pages.one(visit.request)


DOORS = (
    Door("GET", _PATH, Right.LOOK, sheet),
    Door("GET", f"{_PATH}/delivery/{{delivery:int}}", Right.READERS, one),
    Door("GET", f"{_PATH}/{{state}}", Right.READERS, rows),
    Door("GET", f"{_PATH}/{{state}}/{{reason}}", Right.READERS, rows),
)
