"""A reader's data, behind a link that was mailed to them for it: see, take along, erase."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from digest.audience.own_data import erase_reader, export_reader, whose_data
from digest.store.preferences import Person
from digest.web.forms import read_form
from digest.web.page import NO_ROBOTS, language_for, page
from digest.web.site import site_of


async def show(request: Request) -> Response:
    """Show whose data it is, and the two buttons."""
    site = site_of(request)
    reader, wished = await _reader(request)
    action = site.path(f"/d/{request.path_params['secret']}")
    values = {"reader": reader, "action": action, "prefix": site.prefix}
    language = language_for(request, *wished)
    return page("own_data.html", values, language=language, headers=NO_ROBOTS)


async def export(request: Request) -> Response:
    """Hand over everything that is kept about a reader, as JSON."""
    await read_form(request)
    reader, _ = await _reader(request)
    async with site_of(request).db.read() as session:
        data = await export_reader(session, reader.address)
    headers = {**NO_ROBOTS, "content-disposition": 'attachment; filename="my-data.json"'}
    return JSONResponse(data, headers=headers)


async def erase(request: Request) -> Response:
    """Erase a reader who has ticked that they mean it."""
    site = site_of(request)
    if (await read_form(request)).one("sure") != "yes":
        raise HTTPException(400)
    reader, wished = await _reader(request)
    await erase_reader(site.db, reader.id, clock=site.clock, leavers=site.leavers)
    language = language_for(request, *wished)
    return page("erased.html", {"prefix": site.prefix}, language=language, headers=NO_ROBOTS)


async def _reader(request: Request) -> tuple[Person, tuple[str | None, ...]]:
    site = site_of(request)
    async with site.db.read() as session:
        found = await whose_data(session, request.path_params["secret"], site.clock.now())
    if found is None:
        raise HTTPException(410)
    return found


ROUTES = (
    Route("/d/{secret}", show),
    Route("/d/{secret}/export", export, methods=["POST"]),
    Route("/d/{secret}/erase", erase, methods=["POST"]),
)
