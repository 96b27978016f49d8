"""The receipt of an issue in the frame of the desk: sums for everybody, addresses for operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest.rules.delivery import IssueState
from digest.rules.rights import Right
from digest.store.aftermath import After, list_after, window_of
from digest.store.issues import StoredIssue
from digest.web.desk.aftermath import aftermath_of
from digest.web.desk.doors import Door
from digest.web.desk.issues import ONE, issue_of, look_of
from digest.web.desk.kept import kept_of, key_of
from digest.web.desk.visit import HOME, Visit
from digest.web.receipt import PER_PAGE, Keep, Place, ReceiptPages, Sums

_PATH = f"{ONE}/receipt"


def _place(request: Request) -> Place:
    visit: Visit = request.state.visit
    newsletter, issue = visit.part("newsletter"), visit.part("issue")
    return Place(
        newsletter,
        issue,
        path=visit.site.path(f"{HOME}/n/{newsletter}/i/{issue}/receipt"),
        layout="desk/base.html",
        values={**visit.frame("issues"), **getattr(request.state, "more", {})},
        template="desk/receipt.html",
        keep=_keep(visit),
    )


def _keep(visit: Visit) -> Keep:
    kept = kept_of(visit.request, visit.site.clock)

    def keep(issue: StoredIssue, count: Callable[[], Awaitable[Sums]]) -> Awaitable[Sums]:
        return kept.of(key_of(issue, "receipt"), count)

    return keep


_pages = ReceiptPages(_place)


async def sheet(visit: Visit) -> Response:
    """The sums, and what came after."""
    site = visit.site
    async with site.db.read() as session:
        newsletter, issue = await issue_of(session, visit)
        after = await aftermath_of(session, issue, site.clock.now())
    path = site.path(f"{HOME}/n/{newsletter.slug}/i/{issue.name}")
    over = issue.state is IssueState.FINISHED
    totals = (await look_of(visit, issue)).totals
    visit.request.state.visit = visit
    visit.request.state.more = {
        "after": after,
        "missed": totals.planned - totals.accepted if over else 0,
        "issue_path": path,
        "slug": newsletter.slug,
    }
    return await _pages.sheet(visit.request)


async def rows(visit: Visit) -> Response:
    """Who is behind a number."""
    visit.request.state.visit = visit
    return await _pages.rows(visit.request)


async def one(visit: Visit) -> Response:
    """One delivery with its attempts."""
    visit.request.state.visit = visit
    return await _pages.one(visit.request)


async def after(visit: Visit) -> Response:
    """Who bounced, complained or left since."""
    try:
        what = After(visit.part("what"))
    except ValueError:
        raise HTTPException(404) from None
    async with visit.site.db.read() as session:
        newsletter, issue = await issue_of(session, visit)
        window = await window_of(session, issue)
        if window is None:
            raise HTTPException(404)
        before = visit.number("before")
        rows = await list_after(session, window, what, before=before, limit=PER_PAGE + 1)
    values = {
        "issue": issue.name,
        "path": visit.site.path(f"{HOME}/n/{newsletter.slug}/i/{issue.name}/receipt"),
        "what": what.value,
        "rows": rows[:PER_PAGE],
        "more": rows[PER_PAGE - 1][0] if len(rows) > PER_PAGE else None,
    }
    return visit.page("after.html", values, current="issues")


DOORS = (
    Door("GET", _PATH, Right.LOOK, sheet),
    Door("GET", f"{_PATH}/after/{{what}}", Right.READERS, after),
    Door("GET", f"{_PATH}/delivery/{{delivery:int}}", Right.READERS, one),
    Door("GET", f"{_PATH}/{{state}}", Right.READERS, rows),
    Door("GET", f"{_PATH}/{{state}}/{{reason}}", Right.READERS, rows),
)
