"""The preview of an issue file while it is being written: ``digest issue preview FILE``.

One page with the inbox row, the findings and the letter as a phone and a desktop show it, light or
dark, and its text part. The file is read again for every answer, so nothing can fall behind; a
stream of events (WHATWG HTML §9.2) tells an open page that the file has changed. Without JavaScript
everything but that works. A file that is wrong is shown as such, with the line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from digest.content.theme import Masthead, Theme
from digest.web.app import wrapped
from digest.web.archive import picture_response
from digest.web.draft import Draft, Drafts
from digest.web.letter import in_scheme, letter_response
from digest.web.page import page
from digest.web.views import asked_view, frames

_SAMPLE = Masthead(
    name="Your newsletter",
    from_name="Your newsletter",
    postal_address="Your postal address stands here",
    why="You get this because you subscribed to it.",
)


def preview_app(
    path: Path, *, masthead: Masthead | None = None, theme: Theme | Path | None = None
) -> Starlette:
    """Pages that show the issue file ``path`` as it is now; loopback only.

    ``masthead`` and ``theme`` are a newsletter's; without them a sample and the default. A theme
    that is a folder is read anew too.
    """
    app = wrapped(_ROUTES, loopback_only=True)
    app.state.drafts = Drafts(path, masthead=masthead or _SAMPLE, theme=theme)
    return app


async def _show(request: Request) -> Response:
    view = asked_view(request)
    draft = _drafts(request).read(_origin(request))
    values = {
        "draft": draft,
        "sender": _drafts(request).masthead.from_name or _drafts(request).masthead.name,
        "view": view,
        "frames": frames("/letter", view),
        "base": "/",
    }
    return page("preview.html", values)


async def _letter(request: Request) -> Response:
    draft = _read(request)
    view = asked_view(request)
    return letter_response(in_scheme(draft.html, view.scheme), framed=True)


async def _picture(request: Request) -> Response:
    draft = _read(request)
    found = draft.pictures.get(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    return picture_response(found.data, found.extension)


async def _only_in_mail(_request: Request) -> Response:
    return page("only_in_mail.html")


async def _events(request: Request) -> Response:
    changes = _event_stream(_drafts(request))
    return StreamingResponse(changes, media_type="text/event-stream")


async def _event_stream(drafts: Drafts) -> AsyncIterator[str]:
    yield "retry: 500\n\n"
    async for _ in drafts.changes():
        yield "event: change\ndata: \n\n"


def _read(request: Request) -> Draft:
    draft = _drafts(request).read(_origin(request))
    if draft.error is not None:
        raise HTTPException(404)
    return draft


def _drafts(request: Request) -> Drafts:
    drafts: Drafts = request.app.state.drafts
    return drafts


def _origin(request: Request) -> str:
    return str(request.base_url).rstrip("/")


_ROUTES = (
    Route("/", _show),
    Route("/letter", _letter),
    Route("/media/{name}", _picture),
    Route("/events", _events),
    Route("/u/{token}", _only_in_mail),
    Route("/p/{token}", _only_in_mail),
)
