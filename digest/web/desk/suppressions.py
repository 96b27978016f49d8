"""Addresses that are never mailed, with why; and those a brake keeps from being believed dead."""

from __future__ import annotations

from starlette.responses import Response

from digest.audience.held import Held, settle_held_suppressions
from digest.audience.suppression import Unwanted, stop_mailing
from digest.errors import InputError
from digest.mail.address import address_key, parse_address
from digest.rules.rights import Right
from digest.rules.subscription import SuppressionReason
from digest.store.feedback_counts import held_places
from digest.store.issues import get_issue
from digest.store.newsletters import get_newsletter
from digest.store.subscribers import find_reader
from digest.store.suppressions import latest_evidence
from digest.web.desk.doors import Door
from digest.web.desk.visit import HOME, Visit

PATH = f"{HOME}/suppressions"
_PER_PAGE = 50


async def suppressions(visit: Visit) -> Response:
    """Show a page of them, the latest first, and what waits for somebody."""
    before = visit.number("before")
    async with visit.site.db.read() as session:
        found = await latest_evidence(session, before=before, limit=_PER_PAGE + 1)
        held = await held_places(session)
    more = found[_PER_PAGE - 1].id if len(found) > _PER_PAGE else None
    values = {"rows": found[:_PER_PAGE], "more": more, "held": held}
    return visit.page("suppressions.html", values, current="suppressions")


async def add(visit: Visit) -> Response:
    """Never mail an address again, whether or not anybody reads there."""
    address = visit.form.one("address")
    key = address_key(parse_address(address))
    why = visit.form.one("evidence")[:400] or f"by {visit.user.called}"
    async with visit.site.db.begin() as session:
        reader = await find_reader(session, address)
        mine = reader.id if reader else None
        who = Unwanted(key, mine, SuppressionReason.OPERATOR, why)
        await stop_mailing(session, who, visit.site.clock.now())
    return visit.see(PATH, done="suppressed")


async def settle(visit: Visit) -> Response:
    """Believe the bounces that are held at a domain, or drop them."""
    form, believe = visit.form, visit.form.one("do") == "believe"
    if form.one("do") not in ("believe", "drop"):
        raise InputError("Believe them, or drop them?", where="do")
    async with visit.site.db.begin() as session:
        newsletter = await get_newsletter(session, form.one("newsletter"))
        issue = await get_issue(session, newsletter.id, form.one("issue"))
        held = Held(issue.id, form.one("domain"))
        await settle_held_suppressions(session, held, believe=believe, now=visit.site.clock.now())
    return visit.see(PATH, done="believed" if believe else "dropped")


DOORS = (
    Door("GET", PATH, Right.READERS, suppressions),
    Door("POST", PATH, Right.READERS_CHANGE, add, "suppress address"),
    Door("POST", f"{PATH}/held", Right.READERS_CHANGE, settle, "settle held bounces"),
)
