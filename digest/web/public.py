"""The pages behind the links in a mail: leave (``/u/<token>``) and preferences (``/p/<token>``).

The token is the authority: no cookie, no login, and no check of Origin, since a mailbox provider
posts in the reader's name (RFC 8058 §3.2, §6). Only that POST acts; opening, checking or
prefetching a link never does (RFC 9110 §9.2.1). Every token that is not ours gets the same 404; one
that is, but whose subscription has ended, merged or been erased, is told "you are not subscribed".
"""

from __future__ import annotations

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from digest.audience.leave import leave
from digest.mail.tokens import Token, TokenKind
from digest.rules.subscription import SubscriptionState
from digest.store.newsletters import newsletter_by_id
from digest.store.subscribers import get_subscription
from digest.web.page import error_page, page
from digest.web.security import read_body
from digest.web.site import Site, site_of

log = structlog.get_logger(__name__)

ONE_CLICK = ("List-Unsubscribe", "One-Click")  # RFC 8058 §3.1
_URLENCODED = "application/x-www-form-urlencoded"
_PRIVATE = {"x-robots-tag": "noindex, nofollow"}
_STATES = {
    SubscriptionState.PENDING: "You have asked for it, but not confirmed yet.",
    SubscriptionState.ACTIVE: "You get every issue.",
    SubscriptionState.PAUSED: "Your subscription is paused: nothing is sent to you for now.",
}


async def leave_page(request: Request) -> Response:
    """Answer ``/u/<token>``: a POST leaves, anything else shows the button that would."""
    return await (_act_leave if request.method == "POST" else _show_leave)(request)


async def _show_leave(request: Request) -> Response:
    token = _token(request, TokenKind.LEAVE)
    if token.kind is TokenKind.TEST:
        return _page("leave.html", name="this newsletter", action=request.url.path, test=True)
    name, state = await _subscription(site_of(request), token.id)
    if state in (None, SubscriptionState.ENDED):
        return _page("left.html", name="", now=False, test=False)
    return _page("leave.html", name=name, action=request.url.path, test=False)


async def _act_leave(request: Request) -> Response:
    try:
        return await _leave(request)
    except (HTTPException, ClientDisconnect):
        raise
    except Exception as error:
        # Whatever broke: never a 200, and a mailbox provider that gets a 503 asks again.
        log.error("a leave failed", exc_info=error)
        return error_page(503)


async def _leave(request: Request) -> Response:
    token = _token(request, TokenKind.LEAVE)
    body = await read_body(request)
    if not is_one_click(request.headers.get("content-type", ""), body):
        raise HTTPException(400)
    if token.kind is TokenKind.TEST:
        return _page("left.html", name="", now=False, test=True)
    site = site_of(request)
    ended = await leave(
        site.db, token.id, source="one-click", clock=site.clock, leavers=site.leavers
    )
    return _page("left.html", name="", now=ended, test=False)


async def show_preferences(request: Request) -> Response:
    """Show what somebody is subscribed to; nothing changes here."""
    site = site_of(request)
    token = _token(request, TokenKind.PREFERENCES)
    if token.kind is TokenKind.TEST:
        values = {"subscribed": True, "state": _STATES[SubscriptionState.ACTIVE], "test": True}
        action = request.url.path.replace("/p/", "/u/", 1)
        return _page("preferences.html", name="This newsletter", action=action, **values)
    name, state = await _subscription(site, token.id)
    subscribed = state is not None and state is not SubscriptionState.ENDED
    return _page(
        "preferences.html",
        name=name if subscribed else "",
        subscribed=subscribed,
        state=_STATES.get(state, "") if state else "",
        action=f"/u/{site.keys.sign(TokenKind.LEAVE, token.id)}",
        test=False,
    )


def is_one_click(content_type: str, body: bytes) -> bool:
    """Whether ``body`` is exactly ``List-Unsubscribe=One-Click``, urlencoded or multipart."""
    kind = content_type.partition(";")[0].strip().lower()
    if not content_type.isprintable():
        return False
    try:
        if kind in ("", _URLENCODED):
            text = body.decode("ascii").strip()
            return parse_qsl(text, keep_blank_values=True, max_num_fields=2) == [ONE_CLICK]
        if kind == "multipart/form-data":
            return _parts(content_type, body) == [ONE_CLICK]
    except (ValueError, LookupError):  # not ASCII, too many fields, an unknown charset
        return False
    return False


def _parts(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Names and values of a multipart body (RFC 7578 §4.2); a file among them counts as wrong."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("ascii")
    message = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + body)
    if not message.is_multipart() or message.defects:
        return []
    found = []
    for part in message.iter_parts():
        name = part.get_param("name", "", header="content-disposition")
        file_name = part.get_filename()
        value = part.get_payload(decode=True)
        if file_name is not None or not isinstance(value, bytes):
            return []
        found.append((str(name), value.decode("ascii").strip()))
    return found


def _token(request: Request, kind: TokenKind) -> Token:
    """The token in the path, when it is of ``kind`` or of a test message; else 404."""
    token = site_of(request).keys.read(request.path_params["token"])
    if token is None or token.kind not in (kind, TokenKind.TEST):
        raise HTTPException(404)
    return token


async def _subscription(site: Site, subscription_id: int) -> tuple[str, SubscriptionState | None]:
    """The newsletter's name and the state of ``subscription_id``; none where it is gone."""
    async with site.db.read() as session:
        subscription = await get_subscription(session, subscription_id)
        if subscription is None:
            return "", None
        newsletter = await newsletter_by_id(session, subscription.newsletter_id)
    return newsletter.name, subscription.state


def _page(template: str, **values: Any) -> Response:
    return page(template, values, headers=_PRIVATE)


ROUTES = (
    Route("/u/{token}", leave_page, methods=["GET", "HEAD", "OPTIONS", "POST"]),
    Route("/p/{token}", show_preferences, methods=["GET", "HEAD"]),
)
