"""A reader's own page, ``/p/<token>``: what they get, a pause, a new address, the way out.

The token in a mail is the authority, so there is no cookie and nothing for another site to forge;
a mail may be passed on, so nothing here shows an address, and what must not happen to somebody
else's subscription is confirmed by a mail of its own. Each form posts to a path of its own and is
answered with a redirect to the page (RFC 9110 §15.4.4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from digest.audience.address_change import Moves, look_up_move
from digest.audience.own_data import ask_data
from digest.audience.preferences import (
    PAUSES,
    Other,
    Preferences,
    pause_for,
    read_preferences,
    resume_now,
    save_choice,
)
from digest.errors import AddressError
from digest.languages import languages, phrase
from digest.mail.tokens import Token, TokenKind
from digest.rules.subscription import PassPurpose, SubscriptionState
from digest.store.preferences import languages_of
from digest.web.client import client_net
from digest.web.forms import Form, read_form
from digest.web.page import NO_ROBOTS, language_for, page
from digest.web.signup_form import typed_address
from digest.web.site import Site, site_of

_DONE = {
    "saved": phrase("Saved."),
    "paused": phrase("Paused. Nothing is sent to you until then."),
    "resumed": phrase("Welcome back: you get the next issue again."),
    "move": phrase("Look into the mailbox of that address: a link there makes the change."),
    "data": phrase("Look into your mailbox: a link to your data is on its way."),
    "address": phrase("That was no email address. Nothing has changed."),
    "test": phrase("You came here from a test message, so nothing has changed."),
}


async def show(request: Request) -> Response:
    """Show what somebody is subscribed to; nothing changes here."""
    site, here = site_of(request), request.path_params["token"]
    token = token_of(request, TokenKind.PREFERENCES)
    said = _DONE.get(request.query_params.get("done", ""), "")
    if token.kind is TokenKind.TEST:
        return own_page(
            request,
            "preferences.html",
            found=None,
            test=True,
            said=said,
            action="",
            leave=site.path(f"/u/{here}"),
        )
    async with site.db.read() as session:
        found = await read_preferences(session, token.id)
    if found is None or not found.subscribed:
        pending = found is not None and found.subscription.state is SubscriptionState.PENDING
        wished = _wished(found)
        return own_page(request, "not_subscribed.html", wished, pending=pending)
    values = {
        "found": found,
        "paused": found.subscription.state is SubscriptionState.PAUSED,
        "weeks": PAUSES,
        "languages": languages(),
        "others": [_other(site, one) for one in found.others],
        "action": site.path(f"/p/{here}"),
        "leave": site.path(f"/u/{site.keys.sign(TokenKind.LEAVE, token.id)}"),
    }
    return own_page(request, "preferences.html", _wished(found), test=False, said=said, **values)


def _other(site: Site, one: Other) -> dict[str, Any]:
    token = site.keys.sign(TokenKind.PREFERENCES, one.id)
    alive = one.state in (SubscriptionState.ACTIVE, SubscriptionState.PAUSED)
    return {"name": one.name, "subscribed": alive, "path": site.path(f"/p/{token}")}


Wished = tuple[str | None, ...]  # languages, the most wanted first
_Change = Callable[[Request, Preferences, Form], Awaitable[str]]


def _changing(change: _Change) -> Callable[[Request], Awaitable[Response]]:
    """A POST by ``change``, which says what to tell the reader."""

    async def answer(request: Request) -> Response:
        site = site_of(request)
        token = token_of(request, TokenKind.PREFERENCES)
        form = await read_form(request)
        here = site.path(f"/p/{request.path_params['token']}")
        if token.kind is TokenKind.TEST:
            return RedirectResponse(f"{here}?done=test", 303)
        async with site.db.read() as session:
            found = await read_preferences(session, token.id)
        if found is None or not found.subscribed:
            return RedirectResponse(here, 303)
        return RedirectResponse(f"{here}?done={await change(request, found, form)}", 303)

    return answer


async def _save(request: Request, found: Preferences, form: Form) -> str:
    site = site_of(request)
    async with site.db.begin() as session:
        await save_choice(
            session,
            found,
            wanted=set(form.all("section")),
            monthly=form.one("cadence") == "monthly",
            name=form.one("name"),
            language=form.one("language"),
            origin=client_net(request, site.proxies),
            now=site.clock.now(),
        )
    return "saved"


async def _pause(request: Request, found: Preferences, form: Form) -> str:
    site, weeks = site_of(request), form.one("weeks")
    if not (weeks.isascii() and weeks.isdigit() and len(weeks) < 3 and int(weeks) in PAUSES):
        raise HTTPException(400)
    origin = client_net(request, site.proxies)
    async with site.db.begin() as session:
        await pause_for(
            session, found.subscription.id, int(weeks), origin=origin, now=site.clock.now()
        )
    return "paused"


async def _resume(request: Request, found: Preferences, _form: Form) -> str:
    site = site_of(request)
    origin = client_net(request, site.proxies)
    async with site.db.begin() as session:
        await resume_now(session, found.subscription.id, origin=origin, now=site.clock.now())
    return "resumed"


async def _ask_move(request: Request, found: Preferences, form: Form) -> str:
    site = site_of(request)
    try:
        address = typed_address(site, form.one("email"))
    except AddressError:
        return "address"
    moves = _moves(request)
    async with site.db.begin() as session:
        await moves.ask(session, found.subscription.id, address, site.clock.now())
    return "move"


async def _ask_data(request: Request, found: Preferences, _form: Form) -> str:
    site = site_of(request)
    async with site.db.begin() as session:
        await ask_data(session, found.subscription.id, site.public_url, site.clock.now())
    return "data"


async def move(request: Request) -> Response:
    """Answer ``/a/<secret>``: GET shows the button that changes the address, POST does it."""
    site, secret = site_of(request), request.path_params["secret"]
    if request.method == "POST":
        await read_form(request)
        async with site.db.begin() as session:
            done = await _moves(request).move(session, secret, site.clock.now())
        if done is None:
            raise HTTPException(410)
        return own_page(request, "moved.html", back=done is PassPurpose.MOVE_BACK)
    async with site.db.read() as session:
        found = await look_up_move(session, secret, site.clock.now())
        wished = await languages_of(session, found.subscription_id) if found is not None else ()
    if found is None:
        raise HTTPException(410)
    back = found.purpose is PassPurpose.MOVE_BACK
    return own_page(request, "move.html", wished, back=back, action=site.path(f"/a/{secret}"))


def _moves(request: Request) -> Moves:
    site = site_of(request)
    return Moves(site.public_url, site.limits, client_net(request, site.proxies))


def token_of(request: Request, kind: TokenKind) -> Token:
    """The token in the path, when it is of ``kind`` or of a test message; else 404."""
    token = site_of(request).keys.read(request.path_params["token"])
    if token is None or token.kind not in (kind, TokenKind.TEST):
        raise HTTPException(404)
    return token


def _wished(found: Preferences | None) -> Wished:
    return () if found is None else (found.reader.language, found.newsletter.language)


def own_page(request: Request, template: str, wished: Wished = (), **values: Any) -> Response:
    """A page for one reader, in the first of the ``wished`` languages there are words for."""
    given = {"prefix": site_of(request).prefix, **values}
    return page(template, given, language=language_for(request, *wished), headers=NO_ROBOTS)


ROUTES = (
    Route("/p/{token}", show),
    Route("/p/{token}/choice", _changing(_save), methods=["POST"]),
    Route("/p/{token}/pause", _changing(_pause), methods=["POST"]),
    Route("/p/{token}/resume", _changing(_resume), methods=["POST"]),
    Route("/p/{token}/address", _changing(_ask_move), methods=["POST"]),
    Route("/p/{token}/data", _changing(_ask_data), methods=["POST"]),
    Route("/a/{secret}", move, methods=["GET", "HEAD", "POST"]),
)
