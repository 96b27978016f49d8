"""The demo as an issue's week: where each step of it leads, and the button that kills the sender.

The week's pages are those of the desk. Whoever opens the first page is signed in there as a made-up
editor: a demo answers on this machine only, and its database ends with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from digest.rules.delivery import UNPLANNED
from digest.store.issues import StoredIssue, list_issues
from digest.store.newsletters import get_newsletter
from digest.web.desk.visit import HOME, set_cookie
from digest.web.forms import read_form
from digest.web.security import is_own
from digest.web.site import Site, Step, Tour, site_of

_KILL: Final = "/week/kill"
_SAID: Final = "/week/said"


@dataclass(frozen=True, slots=True)
class Week:
    """What the pages of a week need. ``first`` is the issue that went out before it began."""

    newsletter: str
    first: str
    token: str = field(repr=False)
    kill: Callable[[], None] = field(repr=False)
    said: Callable[[], str] = field(repr=False)

    def tour(self) -> Tour:
        """The strip above each page."""
        desk = f"{HOME}/n/{self.newsletter}"
        steps = (
            Step("links", "Links", f"{desk}/links", "/links"),
            Step("write", "Write", "/week/write", "/write"),
            Step(
                "approve", "Approve", "/week/approve", first="Save it first: then it is approved."
            ),
            Step(
                "send",
                "Send",
                "/week/send",
                first="Save it first: then it is approved and sent.",
                unasked="/i/",
            ),
            Step("receipt", "Receipt", "/week/receipt", "/receipt"),
            Step("inbox", "Inbox", "/inbox", "/inbox"),
            Step("archive", "Archive", f"/n/{self.newsletter}/archive", apart=True),
        )
        return Tour(steps, self.said, _KILL, _SAID)


async def step(request: Request) -> Response:
    """Lead to the page of a step, as far as the week is."""
    site, week = site_of(request), week_of(request)
    async with site.db.read() as session:
        newsletter = await get_newsletter(session, week.newsletter)
        issues = await list_issues(session, newsletter.id)
    path = _path(week, issues, request.path_params["step"])
    return signed_in(RedirectResponse(path, 303), site, week)


def _path(week: Week, issues: list[StoredIssue], step: str) -> str:
    desk = f"{HOME}/n/{week.newsletter}"
    newest = next((one for one in issues if str(one.name) != week.first), None)
    if step == "receipt":
        out = next((one for one in issues if one.planned is not None), None)
        if out is None or str(out.name) == week.first:
            return "/receipt"
        return f"{desk}/i/{out.name}/receipt"
    if newest is None:
        return f"{desk}/write?from=links&step={step}"
    if step == "write" and newest.state in UNPLANNED:
        return f"{desk}/i/{newest.name}/write"
    if step in ("write", "approve", "send"):
        return f"{desk}/i/{newest.name}?step={step}"
    raise HTTPException(404)


async def kill(request: Request) -> Response:
    """Kill the process that sends, with SIGKILL, and go back to where one was."""
    if not is_own(request):
        raise HTTPException(403)
    back = (await read_form(request)).one("back")
    week_of(request).kill()
    here = back.startswith("/") and not back.startswith("//")  # and nowhere else
    return RedirectResponse(back if here else "/", 303)


async def said(request: Request) -> Response:
    """How the sender is, in words, for the strip above each page."""
    words = week_of(request).said()
    return PlainTextResponse(words, headers={"cache-control": "no-store"})


def signed_in(answer: Response, site: Site, week: Week) -> Response:
    """The answer with which a browser becomes the editor of the demo."""
    set_cookie(answer, site, week.token)
    return answer


def week_of(request: Request) -> Week:
    """The week of this demo; 404 where it has none."""
    week: Week | None = request.app.state.week
    if week is None:
        raise HTTPException(404)
    return week


ROUTES = (
    Route(_KILL, kill, methods=["POST"]),
    Route(_SAID, said),
    Route("/week/{step}", step),
)
