"""The way in: signing in, and the link with which somebody sets their password.

Whoever is wrong learns nothing but that, after as long a time. Tries are counted in the database,
so whichever process was asked: for each network, and for each address, also one nobody has, in the
log of what was done.
"""

from __future__ import annotations

import hmac
import re
from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from digest.access.passwords import SHORTEST
from digest.access.sessions import begin_session, sign_out, visitor_of
from digest.access.users import follow_link, known_user, link_of
from digest.errors import InputError, NotFoundError
from digest.store.audit import refused_since, write_down
from digest.store.session import Session
from digest.store.sign_in_tries import count_try
from digest.store.users import User, user_by_id
from digest.web.client import Turnstile, client_net
from digest.web.desk.visit import (
    HOME,
    SIGN_IN,
    Visit,
    cookie_name,
    drop_cookie,
    plain_page,
    set_cookie,
)
from digest.web.forms import Form, read_form
from digest.web.security import is_own
from digest.web.site import Site, remembered, site_of

_TO = re.compile(r"/desk(?:/[A-Za-z0-9._~/-]*)?")
_COUNTED = timedelta(minutes=10)
_AGAIN_AFTER = "600"  # seconds
_FROM_A_NETWORK = 20
_MOST = 50  # refusals of one address


async def sign_in(request: Request) -> Response:
    """Show the form; a POST signs in."""
    site = site_of(request)
    if request.method != "POST":
        return sign_in_page(site, to=where_to(request.query_params.get("to", "")))
    form = await read_form(request)
    if not is_own(request):
        return plain_page(site, "not_ours.html", status=403)
    if not site.passwords:
        return sign_in_page(site, problem="off", status=403)
    if not await _may_try(request, site, form.one("address")):
        return too_often(site, where_to(form.one("to")))
    return await _signed_in(request, site, form)


async def _signed_in(request: Request, site: Site, form: Form) -> Response:
    address, to = form.one("address"), where_to(form.one("to"))
    user = await known_user(
        site.db,
        address,
        form.raw("password"),
        code=form.one("code"),
        now=site.clock.now(),
    )
    if user is None:
        who, now = address.casefold(), site.clock.now()
        async with site.db.begin() as session:
            await write_down(session, who, "sign in", result="refused", now=now)
        return sign_in_page(site, to=to, address=address, problem="wrong", status=403)
    answer = RedirectResponse(site.path(to), 303)
    return answer if await _begin(request, site, user, answer) else sign_in_page(site, to=to)


async def _begin(request: Request, site: Site, user: User, answer: Response) -> bool:
    """Give the browser a session of its own, instead of any it had; False where the password
    changed meanwhile.
    """
    now = site.clock.now()
    async with site.db.begin() as session:
        current = await user_by_id(session, user.id)
        if current is None or current.password_hash != user.password_hash:
            return False
        token = await renewed(session, request, user)
        await write_down(session, user.address, "sign in", now=now)
    set_cookie(answer, site, token)
    return True


async def renewed(session: Session, request: Request, user: User) -> str:
    """The token of a session of their own, instead of any that the browser had."""
    site = site_of(request)
    now, browser = site.clock.now(), request.headers.get("user-agent", "")
    before = await visitor_of(session, request.cookies.get(cookie_name(site), ""), now)
    if before is not None:
        await sign_out(session, before)
    return await begin_session(session, user, browser=browser, now=now)


def sign_in_page(
    site: Site, *, to: str = HOME, address: str = "", problem: str = "", status: int = 200
) -> Response:
    """The ways in, and why the last try was none: a word of the template."""
    values = {
        "to": to,
        "address": address,
        "problem": problem,
        "label": site.issuer.client.label if site.issuer else "",
        "passwords": site.passwords,
    }
    return plain_page(site, "sign_in.html", values, status=status)


def too_often(site: Site, to: str) -> Response:
    """That whoever asks has to wait."""
    answer = sign_in_page(site, to=to, problem="often", status=429)
    answer.headers["retry-after"] = _AGAIN_AFTER
    return answer


def where_to(asked: str) -> str:
    """Where to go once signed in: a page of the desk, and nowhere else."""
    return asked if len(asked) < 300 and _TO.fullmatch(asked) and ".." not in asked else HOME


async def _may_try(request: Request, site: Site, address: str) -> bool:
    if not await from_here(request, site):
        return False
    since = site.clock.now() - _COUNTED
    async with site.db.read() as session:
        refused = await refused_since(session, address.casefold(), "sign in", since)
    return refused < _MOST


async def from_here(request: Request, site: Site) -> bool:
    """Whether the network has tries left; a flood is stopped before it asks the database."""

    def make() -> Turnstile:
        return Turnstile(_FROM_A_NETWORK, _COUNTED.total_seconds())

    net = client_net(request, site.proxies)
    if not remembered(request, "desk_tries", make).passes(net, site.clock.monotonic()):
        return False
    async with site.db.begin() as session:
        tries = await count_try(session, net, window=_COUNTED, now=site.clock.now())
    return tries <= _FROM_A_NETWORK


async def welcome(request: Request) -> Response:
    """Show the form that sets a password; a POST sets it and signs in."""
    site, secret = site_of(request), request.path_params["secret"]
    async with site.db.read() as session:
        found = await link_of(session, secret, site.clock.now())
    if found is None:
        raise HTTPException(410)
    user = found[1]
    if request.method != "POST":
        return _welcome(site, user)
    form = await read_form(request)
    if not is_own(request) or not await from_here(request, site):
        return plain_page(site, "not_ours.html", status=403)
    try:
        user = await follow_link(
            site.db,
            secret,
            password=_chosen(form) if site.passwords else None,
            address=form.one("address"),
            name=form.one("name"),
            now=site.clock.now(),
        )
    except NotFoundError:
        raise HTTPException(410) from None
    except InputError as error:
        return _welcome(site, user, form=form, problem=error)
    answer = RedirectResponse(site.path(HOME), 303)
    await _begin(request, site, user, answer)
    return answer


def _chosen(form: Form) -> str:
    """The password that was typed twice; InputError."""
    password, again = form.raw("password"), form.raw("again")
    if not hmac.compare_digest(password.encode(), again.encode()):
        raise InputError("The two are not the same.", where="password")
    return password


def _welcome(
    site: Site, user: User | None, *, form: Form | None = None, problem: InputError | None = None
) -> Response:
    values = {
        "user": user,
        "address": form.one("address") if form else "",
        "name": form.one("name") if form else "",
        "problem": problem,
        "shortest": SHORTEST,
        "passwords": site.passwords,
    }
    return plain_page(site, "welcome.html", values, status=422 if problem else 200)


async def leave(visit: Visit) -> Response:
    """Sign out."""
    async with visit.site.db.begin() as session:
        await sign_out(session, visit.visitor)
    answer = RedirectResponse(visit.site.path(SIGN_IN), 303)
    drop_cookie(answer, visit.site)
    return answer


ROUTES = (
    Route(SIGN_IN, sign_in, methods=["GET", "HEAD", "POST"]),
    Route(f"{HOME}/welcome/{{secret}}", welcome, methods=["GET", "HEAD", "POST"]),
)
