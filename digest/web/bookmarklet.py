"""``/links/<token>``: an editor's own page, whose bookmarklet puts the page they read into the
inbox.

The token is the authority; it opens one inbox, for adding only, and ends when it is revoked. A look
at the page changes nothing, whatever its address brings; only the button does. The page that the
bookmarklet was used on could read the token, so a POST that a browser says comes from another site
is refused.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.collect.inbox import Handed, keep_link, look_for
from digest.collect.words import LONGEST_NOTE, LONGEST_TITLE, LONGEST_URL
from digest.errors import DigestError, InputError, RefusedError
from digest.mail.tokens import KeyRing, TokenKind
from digest.store.bookmarklets import Bookmarklet, find_bookmarklet
from digest.store.newsletters import Newsletter, newsletter_by_id
from digest.web.client import Turnstile
from digest.web.forms import read_form
from digest.web.page import NO_ROBOTS, page
from digest.web.security import is_own
from digest.web.site import Site, remembered, site_of

_AT_MOST = 60  # links by one bookmarklet in ten minutes
_SELECTED = 500  # characters of what was selected that the note begins with
# What the browser's bookmark does on the page that is read.
_CODE = (
    "(()=>{{const e=encodeURIComponent;window.open({page}+'?url='+e(location.href)"
    "+'&title='+e(document.title.slice(0,{title}))+'&note='+e(String(getSelection()).slice(0,{note}"
    ")),'_blank')}})()"
)


def bookmarklet_token(keys: KeyRing, bookmarklet_id: int) -> str:
    """What stands in the address of its page."""
    return keys.sign(TokenKind.BOOKMARKLET, bookmarklet_id)


async def keep(request: Request) -> Response:
    """Show the bookmarklet, or the form it opens; a POST keeps the link."""
    site = site_of(request)
    mine, newsletter = await _whose(request, site)
    if request.method == "POST":
        return await _kept(request, site, mine, newsletter)
    asked = request.query_params
    handed = Handed(
        url=asked.get("url", "")[:LONGEST_URL],
        title=asked.get("title", "")[:LONGEST_TITLE],
        note=asked.get("note", "")[:_SELECTED],
    )
    return _page(request, newsletter, mine, handed)


async def _whose(request: Request, site: Site) -> tuple[Bookmarklet, Newsletter]:
    """The bookmarklet that the path names; 404 for one that is none, or none any more."""
    token = site.keys.read(request.path_params["token"])
    if token is None or token.kind is not TokenKind.BOOKMARKLET:
        raise HTTPException(404)
    async with site.db.read() as session:
        mine = await find_bookmarklet(session, token.id)
        if mine is None:
            raise HTTPException(404)
        return mine, await newsletter_by_id(session, mine.newsletter_id)


async def _kept(
    request: Request, site: Site, mine: Bookmarklet, newsletter: Newsletter
) -> Response:
    form = await read_form(request)
    if not is_own(request):
        raise HTTPException(403)
    if not _turnstile(request).passes(str(mine.id), site.clock.monotonic()):
        raise HTTPException(429, headers={"retry-after": "600"})
    handed = Handed(
        url=form.one("url"),
        title=form.one("title")[:LONGEST_TITLE],
        note=form.one("note")[:LONGEST_NOTE],
        section=form.one("section"),
    )
    try:
        looked = await look_for(site.asker, handed.url)
        async with site.db.begin() as session:
            now = site.clock.now()
            taken = await keep_link(session, newsletter, handed, looked.facts, now=now)
    except (InputError, RefusedError) as error:
        return _page(request, newsletter, mine, handed, refused=error)
    done = {"candidate": taken.candidate, "new": taken.new, "trouble": looked.trouble}
    return page(
        "bookmarklet_kept.html", _values(request, newsletter, mine) | done, headers=NO_ROBOTS
    )


def _page(
    request: Request,
    newsletter: Newsletter,
    mine: Bookmarklet,
    handed: Handed,
    *,
    refused: DigestError | None = None,
) -> Response:
    form = {"handed": handed, "refused": refused, "code": _code(request)}
    status = 200 if refused is None else 409 if isinstance(refused, RefusedError) else 422
    values = _values(request, newsletter, mine) | form
    return page("bookmarklet.html", values, status=status, headers=NO_ROBOTS)


def _values(request: Request, newsletter: Newsletter, mine: Bookmarklet) -> dict[str, object]:
    site = site_of(request)
    return {
        "prefix": site.prefix,
        "name": newsletter.name,
        "address": mine.address,
        "sections": newsletter.settings.get("sections") or (),
        "action": site.path(f"/links/{request.path_params['token']}"),
    }


def _code(request: Request) -> str:
    """The bookmarklet: a ``javascript:`` URL, whose percent signs a browser undoes."""
    here = f"{site_of(request).public_url}/links/{request.path_params['token']}"
    code = _CODE.format(page=json.dumps(here), title=LONGEST_TITLE, note=_SELECTED)
    return "javascript:" + quote(code, safe="()'+=,.;:/?&!*")


def _turnstile(request: Request) -> Turnstile:
    return remembered(request, "bookmarklet_turnstile", lambda: Turnstile(_AT_MOST))


ROUTES = (Route("/links/{token}", keep, methods=["GET", "HEAD", "POST"]),)
