"""The receipt of an issue as pages: what became of every reader, and a list behind every number.

These pages show addresses: they are for operators, so whoever serves them sees to it who may look
(the demo has only made-up readers and answers on loopback only). ``receipt_routes`` puts them under
any path and into any frame of pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.rules import words
from digest.rules.delivery import DeliveryState, StateReason
from digest.rules.verdict import Blame, Reason
from digest.store.clicks import clicks_of_issue
from digest.store.delivery_rows import (
    Attempt,
    DeliveryRow,
    Which,
    delivery_history,
    delivery_list,
    get_delivery,
)
from digest.store.issues import StoredIssue, get_issue
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.receipts import DestinationCount, Receipt, destination_counts, receipt
from digest.store.session import Session
from digest.store.versions import list_versions
from digest.web.clicks import sponsor_page
from digest.web.page import page
from digest.web.receipt_sheet import Fact, kind_of, moment, sheet_of, short_moment
from digest.web.site import site_of

PER_PAGE = 50
_MOST = 1_000  # destinations that are counted
_ID_MAX = 2**63 - 1
_ID_DIGITS = 18


Sums: TypeAlias = tuple[Receipt, tuple[DestinationCount, ...]]
Keep: TypeAlias = Callable[[StoredIssue, Callable[[], Awaitable[Sums]]], Awaitable[Sums]]


@dataclass(frozen=True, slots=True)
class Place:
    """Which issue a request is about, under which path its receipt is, in which frame of pages."""

    newsletter: str
    issue: str
    path: str
    layout: str
    values: dict[str, Any]  # what the layout needs
    facts: tuple[Fact, ...] = ()  # what else is known of this send
    template: str = "receipt.html"  # or one that extends it
    keep: Keep | None = None  # for a while, what takes long to count


FindPlace = Callable[[Request], Place]


@dataclass(frozen=True, slots=True)
class Shown:
    """A delivery as a line of a list."""

    address: str
    words: str
    kind: str
    reply: str
    at: datetime | None
    when: str
    path: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """One attempt of a delivery."""

    words: str
    kind: str
    reply: str
    at: datetime | None
    when: str
    where: str


@dataclass(frozen=True, slots=True)
class ReceiptPages:
    """The three pages of a receipt; ``place_of`` says of which issue."""

    place_of: FindPlace

    async def sheet(self, request: Request) -> Response:
        """The sums."""
        place = self.place_of(request)
        db = site_of(request).db
        async with db.read() as session:
            newsletter, issue = await _found(session, place)
            counting = bool(newsletter.settings.get("clicks"))
            ranked = await clicks_of_issue(session, issue.id) if counting else None
        site = site_of(request)
        clicks = None if ranked is None else [(one, sponsor_page(site, one)) for one in ranked]

        async def count() -> Sums:
            async with db.read() as session:
                sums = await receipt(session, issue.id)
                return sums, await destination_counts(session, issue.id, limit=_MOST)

        counted, places = await (count() if place.keep is None else place.keep(issue, count))
        shown = sheet_of(newsletter, issue, counted, places, path=place.path)
        values = {"sheet": shown, "facts": (*shown.facts, *place.facts), "clicks": clicks}
        return page(place.template, {**_frame(place), **values})

    async def rows(self, request: Request) -> Response:
        """The rows behind a number."""
        place, which = self.place_of(request), asked_for(request)
        async with site_of(request).db.read() as session:
            _, issue = await _found(session, place)
            which = await _with_version(session, issue, which, request)
            after = _number(request, "after")
            found = await delivery_list(session, issue.id, which, after=after, limit=PER_PAGE + 1)
        return page("receipt_list.html", {**_frame(place), **_list(request, place, found)})

    async def one(self, request: Request) -> Response:
        """One row with its attempts."""
        place = self.place_of(request)
        async with site_of(request).db.read() as session:
            _, issue = await _found(session, place)
            number = request.path_params["delivery"]
            row = await get_delivery(session, number) if number <= _ID_MAX else None
            if row is None or (row.newsletter, row.issue) != (place.newsletter, issue.name):
                raise HTTPException(404)
            attempts = await delivery_history(session, row.id)
        values = {
            "row": _shown(row, place.path),
            "facts": _row_facts(row),
            "attempts": [_log_line(attempt) for attempt in attempts],
        }
        return page("receipt_delivery.html", {**_frame(place), **values})


def receipt_routes(place_of: FindPlace, *, path: str) -> tuple[Route, ...]:
    """The receipt under ``path``, its lists and its deliveries."""
    pages = ReceiptPages(place_of)
    return (
        Route(path, pages.sheet),
        Route(f"{path}/delivery/{{delivery:int}}", pages.one),
        Route(f"{path}/{{state}}", pages.rows),
        Route(f"{path}/{{state}}/{{reason}}", pages.rows),
    )


async def _found(session: Session, place: Place) -> tuple[Newsletter, StoredIssue]:
    newsletter = await get_newsletter(session, place.newsletter)
    return newsletter, await get_issue(session, newsletter.id, place.issue)


def _frame(place: Place) -> dict[str, Any]:
    return {**place.values, "layout": place.layout, "path": place.path, "issue": place.issue}


_WHOLE = {
    "all": ("Everybody it was planned for", Which()),
    "missed": ("Not reached, or not yet", Which(missed=True)),
    "in-doubt": ("Perhaps sent", Which(doubtful=True)),
    "repeated": ("Perhaps sent twice", Which(repeated=True)),
}


def asked_for(request: Request) -> Which:
    """The rows that the path and the query of a request name; 404 for anything unknown."""
    state, reason = request.path_params["state"], request.path_params.get("reason")
    query = request.query_params
    verdict, blame = query.get("verdict"), query.get("blame")
    if not query.get("destination", "").isprintable():  # PostgreSQL takes no NUL, not even asked
        raise HTTPException(404)
    try:
        which = _WHOLE[state][1] if state in _WHOLE and reason is None else None
        if which is None:
            fate = (DeliveryState(state), StateReason(reason) if reason else None)
            which = Which(fate=fate)
        return replace(
            which,
            verdict=Reason(verdict) if verdict not in (None, "none") else None,
            unclassed=verdict == "none",
            blame=Blame(blame) if blame is not None else None,
            destination=query.get("destination"),
        )
    except ValueError:
        raise HTTPException(404) from None


async def _with_version(
    session: Session, issue: StoredIssue, which: Which, request: Request
) -> Which:
    ordinal = _number(request, "version")
    if ordinal is None:
        return which
    if any(one.ordinal == ordinal for one in await list_versions(session, issue.id)):
        return replace(which, version=ordinal)
    raise HTTPException(404)


def _number(request: Request, name: str) -> int | None:
    asked = request.query_params.get(name)
    if asked is None:
        return None
    if not (asked.isascii() and asked.isdigit() and len(asked) <= _ID_DIGITS):
        raise HTTPException(404)
    return int(asked)


def _list(request: Request, place: Place, found: list[DeliveryRow]) -> dict[str, Any]:
    """What a list shows: a page of rows, and where the other pages are."""
    query = {key: value for key, value in request.query_params.items() if key in _FILTERS}
    rows = found[:PER_PAGE]
    path, more = request.url.path, len(found) > PER_PAGE
    return {
        "title": _title(request),
        "details": _details(query),
        "rows": [_shown(row, place.path) for row in rows],
        "first": _address(path, query) if "after" in request.query_params else "",
        "next": _address(path, query | {"after": str(rows[-1].id)}) if more else "",
    }


_FILTERS = frozenset({"verdict", "blame", "destination", "version"})


def _address(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _title(request: Request) -> str:
    state, reason = request.path_params["state"], request.path_params.get("reason")
    if state in _WHOLE:
        return _WHOLE[state][0]
    said = words.fate(DeliveryState(state), StateReason(reason) if reason else None)
    return said[:1].upper() + said[1:]


def _details(query: Mapping[str, str]) -> str:
    """What narrows a list down, in words."""
    parts = []
    verdict = query.get("verdict")
    if verdict == "none":
        parts.append("without an answer")
    elif verdict:
        blame = Blame(query["blame"]) if "blame" in query else None
        parts.append(words.verdict_words(Reason(verdict), blame=blame))
    if query.get("destination"):
        parts.append(f"at {query['destination']}")
    if query.get("version"):
        parts.append(f"version {query['version']}")
    return ", ".join(parts)


def _shown(row: DeliveryRow, path: str) -> Shown:
    reply = row.reply if row.state is not DeliveryState.ACCEPTED else ""
    at = row.settled_at or row.first_claimed_at
    return Shown(
        address=row.address,
        words=words.why(row.state, row.reason, row.verdict, blame=row.blame),
        kind=kind_of(row.state),
        reply=reply,
        at=at,
        when=short_moment(at),
        path=f"{path}/delivery/{row.id}",
    )


def _row_facts(row: DeliveryRow) -> tuple[Fact, ...]:
    facts = [Fact("Destination", row.destination), Fact("Text", f"version {row.version}")]
    if row.first_claimed_at:
        facts.append(Fact("First tried", moment(row.first_claimed_at)))
    if row.state is DeliveryState.DEFERRED:
        facts.append(Fact("Tried again", f"from {moment(row.not_before)} on"))
    if row.settled_at:
        facts.append(Fact("Settled", moment(row.settled_at)))
    if row.reply:
        facts.append(Fact("Last answer", row.reply))
    if row.ordinal:
        facts.append(Fact("Copy", f"number {row.ordinal + 1}", "sent again on purpose"))
    if row.maybe_sent:
        facts.append(Fact("In doubt", "it may have been sent before", "a sender died meanwhile"))
    return tuple(facts)


def _log_line(attempt: Attempt) -> LogLine:
    kind = "accepted" if attempt.accepted else "other"
    said = words.attempt_words(attempt.verdict, blame=attempt.blame, accepted=attempt.accepted)
    relay = f"at {attempt.relay}" if attempt.relay else ""
    where = ", ".join(filter(None, (_PHASES.get(attempt.phase, attempt.phase), relay)))
    return LogLine(said, kind, attempt.reply, attempt.at, short_moment(attempt.at), where)


_PHASES = {
    "compose": "while it was composed",
    "connect": "while connecting",
    "ehlo": "at the greeting",
    "tls": "while TLS began",
    "auth": "at the login",
    "mail": "at the sender's address",
    "rcpt": "at the reader's address",
    "data": "before the message",
    "dot": "after the message",
}
