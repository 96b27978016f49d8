"""What ``digest demo`` serves once its mail is out: the captured inbox, the issue, the receipt.

Everything an installation serves is here too, so the links in the captured mail work: leaving works
as it does for a reader. Only on loopback, and only made-up readers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.delivery.ledger import SinkVerdict
from digest.store.issues import get_issue
from digest.store.newsletters import get_newsletter
from digest.store.reports import Totals, issue_totals
from digest.web import demo_week, newsletters
from digest.web.app import site_routes, wrapped
from digest.web.captured import Capture, Captured, InboxRow, Letter, read_letter
from digest.web.demo_week import Week, signed_in
from digest.web.letter import in_scheme, letter_response
from digest.web.page import page
from digest.web.receipt import Place, receipt_routes
from digest.web.receipt_sheet import Fact
from digest.web.security import origin_of
from digest.web.site import Site, site_of, tour_values
from digest.web.views import asked_view, frames

PER_PAGE = 25
_LISTS = frozenset(verdict.value for verdict in SinkVerdict)
PLACEHOLDER_PATH = "/todo"  # where a link that is still TODO leads in a demo
_HOME = "/newsletters"
_RECEIPT = "/receipt"
_WORDS = {
    SinkVerdict.ACCEPTED: ("Captured", "Messages the relay took."),
    SinkVerdict.REJECTED: ("Rejected", "Addresses the relay refused for good."),
    SinkVerdict.DEFERRED: ("Deferred", "Addresses the relay refused for now."),
}


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo has sent, and where it was captured."""

    capture: Capture
    newsletter: str
    issue: str
    sent: int | None  # lines of the ledger that are about the issue: the first; None: all

    def is_issue(self, captured: Captured) -> bool:
        """Whether this was the issue, and not what somebody caused on the pages since."""
        return self.sent is None or captured.number <= self.sent


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of a list: the address, and its message where one was taken."""

    captured: Captured
    row: InboxRow | None


def demo_app(
    capture: Path,
    site: Site,
    *,
    newsletter: str,
    issue: str,
    sent: int | None = None,
    week: Week | None = None,
) -> Starlette:
    """Pages over the folder ``capture`` of a sink and the issue that was sent to it, and with a
    ``week`` the way of the next one.
    """
    routes = [*_ROUTES, *demo_week.ROUTES, Route(_HOME, newsletters.home), *site_routes()]
    app = wrapped(routes, loopback_only=True)
    app.state.site = replace(site, home=_HOME, tour=week.tour() if week else None)
    app.state.week = week
    app.state.demo = Demo(Capture(capture), newsletter, issue, sent)
    return app


async def _start(request: Request) -> Response:
    week: Week | None = request.app.state.week
    values = {**_common(request, "start"), "totals": await _totals(request), "week": week}
    answer = page("demo.html", values)
    return answer if week is None else signed_in(answer, site_of(request), week)


async def _inbox(request: Request) -> Response:
    verdict = request.query_params.get("verdict", SinkVerdict.ACCEPTED.value)
    if verdict not in _LISTS:
        raise HTTPException(404)
    capture = _demo(request).capture
    lines = capture.lines(verdict)[::-1]  # as a mailbox: the latest first
    pages = max(1, -(-len(lines) // PER_PAGE))
    number = _page_number(request, pages)
    shown = lines[(number - 1) * PER_PAGE : number * PER_PAGE]
    title, meaning = _WORDS[SinkVerdict(verdict)]
    values = {
        "title": title,
        "meaning": meaning,
        "verdict": verdict,
        "listed": [_listed(capture, one) for one in shown],
        "total": len(lines),
        "number": number,
        "pages": pages,
        "current": "inbox" if verdict == SinkVerdict.ACCEPTED else "receipt",
    }
    return page("demo_inbox.html", {**_common(request, ""), **values})


async def _message(request: Request) -> Response:
    captured, letter = _letter(request)
    view = asked_view(request)
    base = f"/inbox/{captured.number}"
    values = {
        "captured": captured,
        "letter": letter,
        "view": view,
        "base": base,
        "frames": frames(f"{base}/letter", view),
    }
    return page("demo_message.html", {**_common(request, "inbox"), **values})


async def _letter_html(request: Request) -> Response:
    _, letter = _letter(request)
    html = in_scheme(letter.html, asked_view(request).scheme)
    return letter_response(html, images=[origin_of(site_of(request).public_url)], framed=True)


async def _raw(request: Request) -> Response:
    _, letter = _letter(request)
    return PlainTextResponse(letter.source)


def _place(request: Request) -> Place:
    """The receipt of the demo's issue, with what the relay says of it."""
    demo = _demo(request)
    taken = [one for one in demo.capture.lines(SinkVerdict.ACCEPTED) if demo.is_issue(one)]
    captured = len(taken)
    repeated = captured - len({(one.message_id, one.recipient) for one in taken})
    copies = f"{repeated:,} of them a second copy" if repeated else "none of them twice"
    return Place(
        demo.newsletter,
        demo.issue,
        path=_RECEIPT,
        layout="demo_base.html",
        values=_common(request, "receipt"),
        facts=(Fact("The relay has", f"{captured:,} messages", copies),),
    )


async def _placeholder(request: Request) -> Response:
    return page("demo_todo.html", _common(request, ""))


def _common(request: Request, current: str) -> dict[str, Any]:
    demo = _demo(request)
    issue_path = f"/i/{demo.newsletter}/{demo.issue}"
    known = {"current": current, "issue_path": issue_path, "issue": demo.issue}
    return known | tour_values(request)


async def _totals(request: Request) -> Totals:
    demo = _demo(request)
    async with site_of(request).db.read() as session:
        newsletter = await get_newsletter(session, demo.newsletter)
        issue = await get_issue(session, newsletter.id, demo.issue)
        return await issue_totals(session, issue.id)


def _listed(capture: Capture, captured: Captured) -> Listed:
    source = capture.source(captured)
    return Listed(captured, read_letter(source).row if source else None)


def _letter(request: Request) -> tuple[Captured, Letter]:
    capture = _demo(request).capture
    captured = capture.line(request.path_params["number"])
    source = capture.source(captured) if captured is not None else b""
    if captured is None or not source:
        raise HTTPException(404)
    return captured, read_letter(source)


def _page_number(request: Request, pages: int) -> int:
    asked = request.query_params.get("page", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 0
    if not 1 <= number <= pages:
        raise HTTPException(404)
    return number


def _demo(request: Request) -> Demo:
    demo: Demo = request.app.state.demo
    demo.capture.refresh()
    return demo


_ROUTES = (
    Route("/", _start),
    Route("/inbox", _inbox),
    Route("/inbox/{number:int}", _message),
    Route("/inbox/{number:int}/letter", _letter_html),
    Route("/inbox/{number:int}/source", _raw),
    *receipt_routes(_place, path=_RECEIPT),
    Route(PLACEHOLDER_PATH, _placeholder),
)
