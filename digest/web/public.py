"""Leaving: the page behind the links in a mail, ``/u/<token>``, and the one-click POST.

The token is the authority: no cookie, no login, and no check of Origin, since a mailbox provider
posts in the reader's name (RFC 8058 §3.2, §6). Only that POST acts; opening, checking or
prefetching a link never does (RFC 9110 §9.2.1). Every token that is not ours gets the same 404; one
that is, but whose subscription has ended, merged or been erased, is told "you are not subscribed".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from digest.audience.leave import undo_leave
from digest.languages import phrase, say
from digest.mail.tokens import TokenKind
from digest.rules.subscription import SubscriptionState
from digest.store.newsletters import newsletter_by_id
from digest.store.preferences import languages_of
from digest.store.subscribers import get_subscription
from digest.web.client import client_net
from digest.web.forms import form_pairs, read_form
from digest.web.page import error_page, language_for
from digest.web.preferences import Wished
from digest.web.preferences import own_page as _page
from digest.web.preferences import token_of as _token
from digest.web.security import read_body
from digest.web.site import Site, site_of

log = structlog.get_logger(__name__)

ONE_CLICK = ("List-Unsubscribe", "One-Click")  # RFC 8058 §3.1
UNDO_WITHIN = timedelta(hours=1)
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)  # minutes since then have 24 bits until 2056
_MINUTE = timedelta(minutes=1)
_LOW = (1 << 32) - 1


async def leave_page(request: Request) -> Response:
    """Answer ``/u/<token>``: a POST leaves, anything else shows the button that would."""
    return await (_act_leave if request.method == "POST" else _show_leave)(request)


async def _show_leave(request: Request) -> Response:
    token = _token(request, TokenKind.LEAVE)
    site = site_of(request)
    action = site.path(f"/u/{request.path_params['token']}")
    if token.kind is TokenKind.TEST:
        name = say(language_for(request), phrase("this newsletter"))
        return _page(request, "leave.html", name=name, action=action, test=True)
    name, state, wished = await _subscription(site, token.id)
    if state in (None, SubscriptionState.ENDED):
        return _left(request, wished)
    return _page(request, "leave.html", wished, name=name, action=action, test=False)


def _left(
    request: Request, wished: Wished = (), *, now: bool = False, test: bool = False, **undo: str
) -> Response:
    given = {"action": "", "stamp": ""} | undo
    return _page(request, "left.html", wished, now=now, test=test, **given)


async def _act_leave(request: Request) -> Response:
    try:
        return await _leave(request)
    except (HTTPException, ClientDisconnect):
        raise
    except Exception as error:
        # Whatever broke: never a 200, and a mailbox provider that gets a 503 asks again.
        log.error("a leave failed", exc_info=error)
        prefix = site_of(request).prefix
        return error_page(503, prefix=prefix, language=language_for(request))


async def _leave(request: Request) -> Response:
    token = _token(request, TokenKind.LEAVE)
    body = await read_body(request)
    if not is_one_click(request.headers.get("content-type", ""), body):
        raise HTTPException(400)
    site = site_of(request)
    action = site.path(f"/u/{request.path_params['token']}/undo")
    if token.kind is TokenKind.TEST:
        return _left(request, test=True)
    if not await site.leave_desk.leave(token.id, source="one-click"):
        return _left(request)
    return _left(request, now=True, action=action, stamp=_undo_stamp(site, token.id))


async def undo(request: Request) -> Response:
    """Answer ``/u/<token>/undo``: whoever has just left is back; only from the page that said so.

    The token alone is not enough: it stands in every mail, and those are passed on.
    """
    token = _token(request, TokenKind.LEAVE)
    form = await read_form(request)
    site = site_of(request)
    if token.kind is TokenKind.TEST:
        return _page(request, "back.html", test=True)
    left_at = _when_left(site, form.one("stamp"), token.id)
    if left_at is None or site.clock.now() - left_at > UNDO_WITHIN:
        raise HTTPException(410)
    origin = client_net(request, site.proxies)
    async with site.db.begin() as session:
        back = await undo_leave(
            session, token.id, since=left_at, origin=origin, now=site.clock.now()
        )
    if not back:
        raise HTTPException(410)
    site.leavers.forget(token.id)
    return _page(request, "back.html", test=False)


def _undo_stamp(site: Site, subscription_id: int) -> str:
    """Says that the reader of ``subscription_id`` left just now."""
    minutes = (site.clock.now() - _EPOCH) // _MINUTE
    return site.keys.sign(TokenKind.UNDO, minutes << 32 | subscription_id)


def _when_left(site: Site, stamp: str, subscription_id: int) -> datetime | None:
    token = site.keys.read(stamp)
    if token is None or token.kind is not TokenKind.UNDO or token.id & _LOW != subscription_id:
        return None
    return _EPOCH + (token.id >> 32) * _MINUTE


def is_one_click(content_type: str, body: bytes) -> bool:
    """Whether ``body`` is exactly ``List-Unsubscribe=One-Click``, urlencoded or multipart."""
    pairs = form_pairs(content_type, body, encoding="ascii", most=2) or []
    return [(name, value.strip()) for name, value in pairs] == [ONE_CLICK]


async def _subscription(
    site: Site, subscription_id: int
) -> tuple[str, SubscriptionState | None, Wished]:
    """The newsletter's name, the state and the languages of ``subscription_id``, where it is."""
    async with site.db.read() as session:
        subscription = await get_subscription(session, subscription_id)
        if subscription is None:
            return "", None, ()
        newsletter = await newsletter_by_id(session, subscription.newsletter_id)
        wished = await languages_of(session, subscription_id)
    return newsletter.name, subscription.state, wished


ROUTES = (
    Route("/u/{token}", leave_page, methods=["GET", "HEAD", "OPTIONS", "POST"]),
    Route("/u/{token}/undo", undo, methods=["POST"]),
)
