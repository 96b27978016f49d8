"""A newsletter's readers at the desk: sought, shown one by one, and what is done about one of them.

A whole address is asked for by a form and never stands in the address of a page, where logs keep
it; a reader is known there by a number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.audience.leave import leave
from digest.audience.own_data import erase_reader, export_reader
from digest.audience.signup import resend_confirmation
from digest.audience.suppression import Unwanted, stop_mailing
from digest.errors import AddressError, InputError, NotFoundError
from digest.mail.address import address_key, clean_name, parse_address
from digest.rules import words
from digest.rules.rights import Right
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.rules.traits import clean_tags
from digest.store.delivery_rows import DeliveryRow, deliveries_of
from digest.store.feedback_reports import Which, list_feedback
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.preferences import rename
from digest.store.reader_pages import Consent, consent_page, reader_by_id
from digest.store.reader_search import Sought, search_readers
from digest.store.session import Session
from digest.store.subscribers import Reader, Subscription, add_reader, find_reader
from digest.store.suppressions import evidence_of, unsuppress
from digest.store.tags import set_tags, tags_of
from digest.web.desk.doors import Door
from digest.web.desk.visit import HOME, Visit
from digest.web.receipt_sheet import kind_of, short_moment

LIST = f"{HOME}/n/{{newsletter}}/readers"
ONE = f"{HOME}/readers/{{reader:int}}"
_PER_PAGE = 50
_CONSENTS = 200  # of one subscription; there are a handful
_REMEMBERED = 20  # of what came back
_ID_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Got:
    """A delivery as a line of a profile."""

    newsletter: str
    issue: str
    words: str
    kind: str
    reply: str
    at: datetime | None
    when: str


@dataclass(frozen=True, slots=True)
class Held:
    """A subscription with its tags and everything its reader agreed to and changed."""

    subscription: Subscription
    tags: tuple[str, ...]
    consents: tuple[Consent, ...]


async def readers(visit: Visit) -> Response:
    """Show those who fit, a page of them."""
    return await _readers(visit)


async def _readers(visit: Visit, *, nobody: str = "", status: int = 200) -> Response:
    async with visit.site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        sought = _sought(visit, newsletter)
        after = visit.number("after") or 0
        found = await search_readers(session, sought, after=after, limit=_PER_PAGE)
    asked = {name: visit.asked(name) for name in ("q", "state", "tag")}
    query = {name: value for name, value in asked.items() if value}
    path = visit.site.path(f"{HOME}/n/{newsletter.slug}/readers")
    following = None if found.after is None else urlencode(query | {"after": str(found.after)})
    values = {
        "newsletter": newsletter,
        "rows": found.rows,
        "asked": asked,
        "narrowed": bool(query),
        "path": path,
        "first": f"{path}?{urlencode(query)}" if after else "",
        "next": f"{path}?{following}" if following else "",
        "states": tuple(SubscriptionState),
        "nobody": nobody,
    }
    return visit.page("readers.html", values, current="readers", status=status)


def _sought(visit: Visit, newsletter: Newsletter) -> Sought:
    """What the fields of the form ask for; HTTPException(404) for a state there is none of."""
    q, state, tag = visit.asked("q").lower(), visit.asked("state"), visit.asked("tag")
    if not (q + state + tag).isprintable():  # PostgreSQL takes no NUL, not even in a question
        raise HTTPException(404)
    try:
        wanted = SubscriptionState(state) if state else None
    except ValueError:
        raise HTTPException(404) from None
    domain = q.removeprefix("@") if q.startswith("@") else ""
    return Sought(newsletter.id, "" if domain else q.lstrip("@"), domain, wanted, tag)


async def find(visit: Visit) -> Response:
    """Go to who reads at an address, or list whose begins like that."""
    newsletter, asked = visit.part("newsletter"), visit.form.one("q")
    query = {name: visit.form.one(name) for name in ("state", "tag") if visit.form.one(name)}
    try:
        whole = str(parse_address(asked))
    except AddressError:
        path = f"{HOME}/n/{newsletter}/readers"
        return visit.see(path, query=query | ({"q": asked[:320]} if asked else {}))
    async with visit.site.db.read() as session:
        found = await find_reader(session, whole)
    if found is None:
        return await _readers(visit, nobody=whole, status=404)
    return visit.see(f"{HOME}/readers/{found.id}")


async def add(visit: Visit) -> Response:
    """Subscribe somebody who agreed to it, in words that are kept."""
    consent = visit.form.one("consent")
    if not consent:
        raise InputError("Say how this reader agreed: it is kept as the proof.", where="consent")
    async with visit.site.db.begin() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        await add_reader(
            session,
            newsletter.id,
            address=visit.form.one("address"),
            name=visit.form.one("name"),
            source=consent[:400],
            now=visit.site.clock.now(),
        )
        found = await find_reader(session, visit.form.one("address"))
        assert found is not None
    return visit.see(f"{HOME}/readers/{found.id}", done="added")


async def reader(visit: Visit) -> Response:
    """Show what is known of one reader."""
    async with visit.site.db.read() as session:
        found = await reader_of(session, visit)
        tags = await tags_of(session, [one.id for one in found.subscriptions])
        held = [
            Held(
                one,
                tuple(tags.get(one.id, ())),
                tuple(await consent_page(session, one.id, after=0, limit=_CONSENTS)),
            )
            for one in found.subscriptions
        ]
        got = [_got(one) for one in await deliveries_of(session, found.id)]
        evidence = await evidence_of(session, _key(found))
        which = Which(subscriber_id=found.id)
        back = await list_feedback(session, which, limit=_REMEMBERED)
    values = {"reader": found, "held": held, "got": got, "evidence": evidence, "back": back}
    return visit.page("reader.html", values, current="readers")


async def reader_of(session: Session, visit: Visit) -> Reader:
    """The reader whose number the path has; 404 where there is none, or was and is erased."""
    number = int(visit.part("reader"))
    found = await reader_by_id(session, number) if number <= _ID_MAX else None
    if found is None:
        raise HTTPException(404)
    return found


def _key(reader: Reader) -> str:
    return address_key(parse_address(reader.address))


def _got(row: DeliveryRow) -> Got:
    at = row.settled_at or row.first_claimed_at
    said = words.why(row.state, row.reason, row.verdict, blame=row.blame)
    again = " (sent again on purpose)" if row.ordinal else ""
    reply = row.reply if kind_of(row.state) != "accepted" else ""
    return Got(
        row.newsletter,
        str(row.issue),
        said + again,
        kind_of(row.state),
        reply,
        at,
        short_moment(at),
    )


async def change(visit: Visit) -> Response:
    """Call a reader something else, and give one subscription other tags."""
    tags = clean_tags(visit.form.one("tags").split(","))
    async with visit.site.db.begin() as session:
        found = await reader_of(session, visit)
        await rename(session, found.id, clean_name(visit.form.one("name")))
        for one in found.subscriptions:
            if str(one.id) == visit.form.one("subscription"):
                await set_tags(session, one.id, tags)
    return _back(visit, found, "reader-changed")


async def end(visit: Visit) -> Response:
    """End one subscription; answered when no message of it can start any more."""
    site = visit.site
    async with site.db.read() as session:
        found = await reader_of(session, visit)
    mine = _subscription(visit, found)
    await leave(
        site.db,
        mine.id,
        source="operator",
        clock=site.clock,
        leavers=site.leavers,
    )
    return _back(visit, found, "ended")


async def confirm(visit: Visit) -> Response:
    """Mail another link to who has asked and not confirmed yet."""
    site = visit.site
    async with visit.site.db.begin() as session:
        found = await reader_of(session, visit)
        mine = _subscription(visit, found)
        newsletter = await get_newsletter(session, mine.newsletter)
        await resend_confirmation(session, newsletter, found, site.public_url, site.clock.now())
    return _back(visit, found, "asked-again")


def _subscription(visit: Visit, reader: Reader) -> Subscription:
    for one in reader.subscriptions:
        if str(one.id) == visit.form.one("subscription"):
            return one
    raise NotFoundError


async def suppress(visit: Visit) -> Response:
    """Never mail this address again, with why."""
    why = visit.form.one("evidence")[:400] or f"by {visit.user.called}"
    async with visit.site.db.begin() as session:
        found = await reader_of(session, visit)
        who = Unwanted(_key(found), found.id, SuppressionReason.OPERATOR, why)
        await stop_mailing(session, who, visit.site.clock.now())
    return _back(visit, found, "suppressed")


async def lift(visit: Visit) -> Response:
    """Mail this address again; who left, or never confirmed, still gets nothing."""
    async with visit.site.db.begin() as session:
        found = await reader_of(session, visit)
        await unsuppress(session, _key(found), now=visit.site.clock.now())
    return _back(visit, found, "lifted")


async def erase(visit: Visit) -> Response:
    """Erase a reader from every table, once the address was typed: it cannot be undone."""
    site = visit.site
    async with site.db.read() as session:
        found = await reader_of(session, visit)
    if visit.form.one("address").lower() != found.address.lower():
        raise InputError(
            "This is not the reader's address, so nothing was erased.", where="address"
        )
    await erase_reader(site.db, found.id, clock=site.clock, leavers=site.leavers)
    return visit.see(HOME, done="erased")


async def data(visit: Visit) -> Response:
    """Everything that is kept about a reader, as a file for them to take along."""
    async with visit.site.db.read() as session:
        found = await reader_of(session, visit)
        kept: dict[str, Any] | None = await export_reader(session, found.address)
    text = json.dumps(kept, ensure_ascii=False, indent=2) + "\n"
    name = f"reader-{found.id}.json"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(text, media_type="application/json", headers=headers)


def _back(visit: Visit, reader: Reader, done: str) -> Response:
    return visit.see(f"{HOME}/readers/{reader.id}", done=done)


DOORS = (
    Door("GET", LIST, Right.READERS, readers),
    Door("POST", LIST, Right.READERS_CHANGE, add, "add reader"),
    Door("POST", f"{LIST}/find", Right.READERS, find, "find reader"),
    Door("GET", ONE, Right.READERS, reader),
    Door("GET", f"{ONE}/data", Right.READERS, data),
    Door("POST", f"{ONE}/change", Right.READERS_CHANGE, change, "change reader"),
    Door("POST", f"{ONE}/end", Right.READERS_CHANGE, end, "end subscription"),
    Door("POST", f"{ONE}/confirm", Right.READERS_CHANGE, confirm, "resend confirmation"),
    Door("POST", f"{ONE}/suppress", Right.READERS_CHANGE, suppress, "suppress address"),
    Door("POST", f"{ONE}/lift", Right.READERS_CHANGE, lift, "lift suppression"),
    Door("POST", f"{ONE}/erase", Right.READERS_CHANGE, erase, "erase reader"),
)
