"""Every page and every act of the desk is a door: a method, a path, the right that opens it.

Routes are made from the table of doors (``routes.DOORS``), so nothing is served that has no right.
At a door: who is it (else to the sign-in), may they, does what they change come from a form of ours
in that very session (CSRF), and afterwards the act is written down. A GET changes nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from digest.access.sessions import Visitor, is_due, note_visit, visitor_of
from digest.errors import (
    AddressError,
    ConflictError,
    DigestError,
    InputError,
    RefusedError,
    SettingsError,
)
from digest.rules.rights import Right
from digest.store.noting import noting
from digest.web.desk.advice import advice_here
from digest.web.desk.visit import SIGN_IN, Visit, cookie_name, newsletters_of, plain_page
from digest.web.forms import Form, read_form
from digest.web.security import BODY_LIMIT, BODY_SECONDS, is_own
from digest.web.site import Site, site_of

Handling: TypeAlias = Callable[[Visit], Awaitable[Response]]

TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a field
_FILE_SECONDS = 120.0  # a photo, from a train
_REFUSALS = (RefusedError, ConflictError, InputError, AddressError, SettingsError)


@dataclass(frozen=True, slots=True)
class Door:
    """``right`` None: whoever is signed in. ``act`` is what the log calls a POST; one without an
    act brings a text to be looked at, and changes nothing. ``files``: its form may bring some.
    """

    method: str
    path: str
    right: Right | None
    handling: Handling
    act: str = ""
    body_limit: int = BODY_LIMIT
    files: bool = False


def routes_of(doors: Iterable[Door]) -> tuple[Route, ...]:
    """The routes of ``doors``: one for each path, so that a 405 names all its methods."""
    paths: dict[str, dict[str, Door]] = {}
    for one in doors:
        paths.setdefault(one.path, {})[one.method] = one
    return tuple(_route(path, by_method) for path, by_method in paths.items())


def _route(path: str, by_method: Mapping[str, Door]) -> Route:
    async def answer(request: Request) -> Response:
        door = by_method["GET" if request.method == "HEAD" else request.method]
        return await _answer(request, door)

    return Route(path, answer, methods=list(by_method))


async def _answer(request: Request, door: Door) -> Response:
    site = site_of(request)
    visitor = await _who(request, site)
    if visitor is None:
        return _to_sign_in(request, site, door)
    if door.right is not None and not visitor.may(door.right):
        return plain_page(site, "forbidden.html", {"role": visitor.user.role}, status=403)
    form = Form([])
    if door.method == "POST":
        seconds = _FILE_SECONDS if door.files else BODY_SECONDS
        limit = door.body_limit
        form = await read_form(request, limit=limit, seconds=seconds, files=door.files)
        given = form.one(TOKEN_FIELD)
        ours = hmac.compare_digest(given.encode(), visitor.form_token.encode())
        if not ours or not is_own(request):
            return plain_page(site, "not_ours.html", status=403)
    visit = Visit(request, visitor, await newsletters_of(site), form, door.act)
    if not door.act:
        return await door.handling(visit)
    return await _done(visit, door)


async def _who(request: Request, site: Site) -> Visitor | None:
    token = request.cookies.get(cookie_name(site), "")
    now = site.clock.now()
    async with site.db.read() as session:
        visitor = await visitor_of(session, token, now)
    if visitor is not None and is_due(visitor, now):
        async with site.db.begin() as session:
            await note_visit(session, visitor, now)
    return visitor


def _to_sign_in(request: Request, site: Site, door: Door) -> Response:
    if door.method == "POST":  # whatever was typed is still in the page before
        return plain_page(site, "signed_out.html", status=403)
    path = request.url.path.removeprefix(site.prefix)
    return RedirectResponse(f"{site.path(SIGN_IN)}?to={quote(path)}", 303)


async def _done(visit: Visit, door: Door) -> Response:
    """Do what a form asks; its line goes with it (``store.noting``). What changed nothing, and why
    something was refused, gets a line of its own.
    """
    result = "failed"
    act = None
    try:
        with noting(visit.note) as act:
            answer = await door.handling(visit)
        refused_form = answer.status_code >= 400  # a form again, with what is wrong with it
        result = f"refused ({answer.status_code})" if refused_form else "done"
    except _REFUSALS as error:
        result = error.message
        answer = refused(visit, error)
    except HTTPException as error:
        result = f"refused ({error.status_code})"
        raise
    finally:
        if act is not None and not act.written:
            async with visit.site.db.begin() as session:
                await visit.note(session, result)
    return answer


def refused(visit: Visit, error: DigestError) -> Response:
    """Why something was not done, and the way back."""
    back = urlsplit(visit.request.headers.get("referer", "")).path
    home = visit.site.path("/desk")
    status = 422 if isinstance(error, InputError | AddressError) else 409
    back = back if back.startswith(home) else home
    values = {"error": error, "advice": advice_here(error.fix or ""), "back": back}
    return visit.page("refused.html", values, status=status)
