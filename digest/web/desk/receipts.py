"""The receipt of an issue in the frame of the desk: sums for everybody, addresses for operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.rules.delivery import IssueState
from digest.rules.rights import Right
from digest.store.aftermath import After, list_after, window_of
from digest.store.issues import StoredIssue
from digest.web.desk.aftermath import aftermath_of
from digest.web.desk.doors import Door
from digest.web.desk.issues import ONE, issue_of, key_of, look_of
from digest.web.desk.visit import HOME, Visit
from digest.web.receipt import PER_PAGE, Keep, Place, ReceiptPages, Sums

_PATH = f"{ONE}/receipt"


def _pages(visit: Visit, **more: object) -> ReceiptPages:
    """The pages of this receipt; ``more`` is what the desk's template shows beside the sums."""
    newsletter, issue = visit.part("newsletter"), visit.part("issue")
    place = Place(
        newsletter,
        issue,
        path=visit.site.path(f"{HOME}/n/{newsletter}/i/{issue}/receipt"),
        layout="desk/base.html",
        values={**visit.frame("issues"), **more},
        template="desk/receipt.html",
        keep=_keep(visit),
    )
    return ReceiptPages(lambda _: place)


def _keep(visit: Visit) -> Keep:
    def keep(issue: StoredIssue, count: Callable[[], Awaitable[Sums]]) -> Awaitable[Sums]:
        return visit.site.counted.get(key_of(issue, "receipt"), count)

    return keep


async def sheet(visit: Visit) -> Response:
    """The sums, and what came after."""
    site = visit.site
    async with site.db.read() as session:
        newsletter, issue = await issue_of(session, visit)
        after = await aftermath_of(session, issue, site.clock.now())
    path = site.path(f"{HOME}/n/{newsletter.slug}/i/{issue.name}")
    over = issue.state is IssueState.FINISHED
    totals = (await look_of(visit, issue)).totals
    pages = _pages(
        visit,
        after=after,
        missed=totals.planned - totals.accepted if over else 0,
        issue_path=path,
        slug=newsletter.slug,
    )
    return await pages.sheet(visit.request)


async def rows(visit: Visit) -> Response:
    """Who is behind a number."""
    return await _pages(visit).rows(visit.request)


async def one(visit: Visit) -> Response:
    """One delivery with its attempts."""
    return await _pages(visit).one(visit.request)


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
