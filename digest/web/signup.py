"""Signing up in a browser or from another site, and the button that confirms it.

Whatever is known about an address, the answer is the same: one row is written, one page is shown.
Only the POST of ``/c/<secret>`` subscribes; opening it, as scanners do, changes nothing.
CORS: WHATWG Fetch §3.2; problems as RFC 9457.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from digest.audience.signup import confirm, look_up_confirmation
from digest.errors import AddressError
from digest.mail.tokens import TokenKind
from digest.rules.subscription import SubscriptionState
from digest.store.archive import list_entries
from digest.store.newsletters import Newsletter, newsletter_by_id
from digest.store.preferences import languages_of
from digest.store.subscribers import Subscription
from digest.web.client import Turnstile, client_net
from digest.web.forms import Form, read_form
from digest.web.newsletters import front, newsletter_in
from digest.web.page import NO_ROBOTS, language_for, page
from digest.web.problem import ANYWHERE, problem
from digest.web.security import read_body
from digest.web.signup_form import (
    TRAP,
    SignupForm,
    fresh_form,
    new_stamp,
    stamp_fits,
    typed_address,
)
from digest.web.site import Site, remembered, site_of

ACCEPTED = {"status": "asked", "message": "Look into that mailbox for a link to confirm."}
_STALE = "This stamp does not fit. Get one with GET when the form opens."


async def subscribe(request: Request) -> Response:
    """Answer ``/n/<name>/subscribe``: the form by itself, and what was sent with it."""
    site = site_of(request)
    if request.method != "POST":
        async with site.db.read() as session:
            newsletter = await newsletter_in(session, request)
        return _form_page(request, newsletter, fresh_form(site, newsletter.slug))
    form = await read_form(request)
    net = _through(request)
    async with site.db.read() as session:
        newsletter = await newsletter_in(session, request)
    return await _take(request, newsletter, form, net=net)


async def _take(request: Request, newsletter: Newsletter, form: Form, *, net: str) -> Response:
    site, text, slug = site_of(request), form.one("email"), newsletter.slug
    try:
        address = typed_address(site, text)
    except AddressError as error:
        again = fresh_form(site, slug, address=text, error=error.message)
        return _form_page(request, newsletter, again, status=422)
    if not form.one(TRAP):
        if not stamp_fits(site, form.one("stamp")):
            again = fresh_form(site, slug, address=text, once_more=True)
            return _form_page(request, newsletter, again)
        await site.desk.ask(newsletter.id, address, net=net, source="form")
    return RedirectResponse(site.path(f"/n/{slug}/asked"), 303)


def _form_page(
    request: Request, newsletter: Newsletter, form: SignupForm, *, status: int = 200
) -> Response:
    site, language = site_of(request), language_for(request, newsletter.language)
    values = {"newsletter": front(site, newsletter, []), "form": form, "prefix": site.prefix}
    return page("subscribe.html", values, language=language, status=status, headers=NO_ROBOTS)


async def asked(request: Request) -> Response:
    """Say where to look now; the same for everybody."""
    site = site_of(request)
    async with site.db.read() as session:
        newsletter = await newsletter_in(session, request)
    values = {"newsletter": front(site, newsletter, []), "prefix": site.prefix}
    language = language_for(request, newsletter.language)
    return page("asked.html", values, language=language, headers=NO_ROBOTS)


async def subscribe_json(request: Request) -> Response:
    """Answer ``/n/<name>/subscribe.json``: GET gives a stamp, POST ``{email, stamp}`` signs up.

    Any site may ask, without credentials; there are none.
    """
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=ANYWHERE)
    site = site_of(request)
    if request.method != "POST":
        async with site.db.read() as session:
            await newsletter_in(session, request)
        return JSONResponse({"stamp": new_stamp(site)}, headers=ANYWHERE)
    sent = await _json_of(request)
    net = _through(request)
    async with site.db.read() as session:
        newsletter = await newsletter_in(session, request)
    try:
        address = typed_address(site, sent.get("email", "").strip())
    except AddressError as error:
        return problem(422, error.message, headers=ANYWHERE)
    if not sent.get(TRAP):
        if not stamp_fits(site, sent.get("stamp", "")):
            return problem(409, _STALE, headers=ANYWHERE)
        await site.desk.ask(newsletter.id, address, net=net, source="json")
    return JSONResponse(ACCEPTED, 202, headers=ANYWHERE)


async def _json_of(request: Request) -> dict[str, str]:
    """The strings of the JSON object in the body; 400 for anything else."""
    try:
        sent = json.loads(await read_body(request))
    except (ValueError, RecursionError):
        raise HTTPException(400) from None
    if not isinstance(sent, dict) or not all(isinstance(one, str) for one in sent.values()):
        raise HTTPException(400)
    return sent


def _through(request: Request) -> str:
    """The network of the client; 429 when too many came from there."""
    site = site_of(request)
    net = client_net(request, site.proxies)
    if not remembered(request, "turnstile", Turnstile).passes(net, site.clock.monotonic()):
        raise HTTPException(429, headers={"retry-after": "600"})
    return net


async def confirmation(request: Request) -> Response:
    """Answer ``/c/<secret>``: GET shows the button, and later that it is done; POST acts."""
    site, secret = site_of(request), request.path_params["secret"]
    if request.method == "POST":
        return await _confirm(request, site, secret)
    async with site.db.read() as session:
        waiting = await look_up_confirmation(session, secret, now=site.clock.now())
        if waiting is None:
            raise HTTPException(410)
        mine = waiting.subscription
        newsletter = await newsletter_by_id(session, mine.newsletter_id)
        wished = await languages_of(session, mine.id)
        issues = await list_entries(session, newsletter.id, limit=1)
    values = {
        "newsletter": front(site, newsletter, issues),
        "subscribed": mine.state is SubscriptionState.ACTIVE,
        "used": waiting.used,
        "action": site.path(f"/c/{secret}"),
        "preferences": _preferences(site, mine),
        "prefix": site.prefix,
    }
    language = language_for(request, *wished)
    return page("confirm.html", values, language=language, headers=NO_ROBOTS)


async def _confirm(request: Request, site: Site, secret: str) -> Response:
    if (await read_form(request)).one("confirm") != "yes":
        raise HTTPException(400)
    net = client_net(request, site.proxies)
    now = site.clock.now()
    async with site.db.begin() as session:
        waiting = await look_up_confirmation(session, secret, now=now)
        if waiting is None:
            raise HTTPException(410)
        wished = await languages_of(session, waiting.subscription.id)
        language = language_for(request, *wished)
        done = await confirm(session, secret, language=language, net=net, now=now)
    if done is None:
        raise HTTPException(410)
    if done.now:
        site.leavers.forget(done.subscription.id)
    return RedirectResponse(site.path(f"/c/{secret}"), 303)


def _preferences(site: Site, mine: Subscription) -> str:
    return site.path(f"/p/{site.keys.sign(TokenKind.PREFERENCES, mine.id)}")


ROUTES: tuple[Any, ...] = (
    Route("/n/{newsletter}/subscribe", subscribe, methods=["GET", "HEAD", "POST"]),
    Route("/n/{newsletter}/asked", asked),
    Route(
        "/n/{newsletter}/subscribe.json",
        subscribe_json,
        methods=["GET", "HEAD", "POST", "OPTIONS"],
    ),
    Route("/c/{secret}", confirmation, methods=["GET", "HEAD", "POST"]),
)
