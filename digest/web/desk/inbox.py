"""The link inbox: what was collected, what of it is kept, in which order and with which words.

Each button is a form; with JavaScript links can also be dragged, and moved by the arrow keys. What
is kept makes the next issue's draft, which opens in the editor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.collect.draft import in_sections
from digest.collect.inbox import Handed, heading, keep_link, look_for, rewrite_link
from digest.collect.upcoming import upcoming_issue
from digest.collect.words import LONGEST_NOTE, LONGEST_TITLE, LONGEST_URL
from digest.errors import InputError, NotFoundError
from digest.rules.candidate import CandidateState
from digest.rules.rights import Right
from digest.store.candidates import (
    Candidate,
    linked_in,
    list_candidates,
    move_candidates,
    order_candidates,
    set_candidates,
)
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.session import Session
from digest.web.desk.doors import Door
from digest.web.desk.issues import LIST
from digest.web.desk.visit import HOME, Visit

INBOX: Final = f"{LIST}/links"
_WAITING_SHOWN: Final = 100
_DROPPED_SHOWN: Final = 20
_ORDER_MAX: Final = 1_000  # links
_ID_MAX: Final = 2**63 - 1
_STATES: Final[Mapping[str, CandidateState]] = {
    "keep": CandidateState.KEPT,
    "drop": CandidateState.DROPPED,
    "wait": CandidateState.WAITING,
}


@dataclass(frozen=True, slots=True)
class Inbox:
    """Everything of an inbox. ``kept`` is by section, in the order of the draft."""

    kept: Mapping[str, Sequence[Candidate]]
    sponsors: Sequence[Candidate]
    waiting: Sequence[Candidate]
    dropped: Sequence[Candidate]
    used: Sequence[tuple[Candidate, int | str]]
    more: int  # that wait and are not shown
    headings: Sequence[str]
    number: int  # of the next issue

    @property
    def count(self) -> int:
        """How many are kept."""
        return sum(map(len, self.kept.values()))


async def inbox(visit: Visit) -> Response:
    """Show it."""
    async with visit.site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        found = await _inbox(session, newsletter, visit)
    path = visit.site.path(f"{HOME}/n/{newsletter.slug}")
    limits = {"note": LONGEST_NOTE, "title": LONGEST_TITLE, "url": LONGEST_URL}
    values = {"newsletter": newsletter, "inbox": found, "path": path, "limits": limits}
    return visit.page("links.html", values, current="links")


async def _inbox(session: Session, newsletter: Newsletter, visit: Visit) -> Inbox:
    begun = await upcoming_issue(session, newsletter, now=visit.site.clock.now())
    everything = await list_candidates(session, newsletter.id, states=tuple(CandidateState))
    used = await linked_in(session, newsletter.id, [one.canonical_url for one in everything])
    by_state: dict[CandidateState, list[Candidate]] = {state: [] for state in CandidateState}
    for one in everything:
        if one.sponsor_for or one.canonical_url not in used:
            by_state[one.state].append(one)
    kept = by_state[CandidateState.KEPT]
    sections = in_sections([one for one in kept if not one.sponsor_for], begun.sections)
    waiting = sorted(by_state[CandidateState.WAITING], key=lambda one: one.added_at, reverse=True)
    standing = [one for one in everything if one.state is CandidateState.KEPT]
    return Inbox(
        kept=sections,
        sponsors=[one for one in kept if one.sponsor_for],
        waiting=waiting[:_WAITING_SHOWN],
        dropped=by_state[CandidateState.DROPPED][::-1][:_DROPPED_SHOWN],
        used=[
            (one, used[one.canonical_url])
            for one in standing
            if not one.sponsor_for and one.canonical_url in used
        ],
        more=max(0, len(waiting) - _WAITING_SHOWN),
        headings=list(dict.fromkeys([*begun.sections, *sections])),
        number=begun.number,
    )


async def add(visit: Visit) -> Response:
    """Keep a link; its page is asked, through the guard, before anything is written."""
    form, site = visit.form, visit.site
    handed = Handed(
        form.one("url")[:LONGEST_URL],
        note=form.raw("note"),
        section=form.one("section"),
    )
    async with site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
    looked = await look_for(site.asker, handed.url)
    async with visit.site.db.begin() as session:
        now = site.clock.now()
        taken = await keep_link(session, newsletter, handed, looked.facts, now=now)
    done = "link-unread" if looked.trouble else "link"
    return _back(visit, newsletter, done, taken.candidate.id)


async def change(visit: Visit) -> Response:
    """What a button beside a link says: keep, drop, have it wait, move up or down, or say of it
    what its form has.
    """
    form, link = visit.form, int(visit.part("link"))
    if link > _ID_MAX:
        raise HTTPException(404)
    asked = form.one("do")
    async with visit.site.db.begin() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        if asked in _STATES:
            found = await set_candidates(session, newsletter.id, [link], _STATES[asked])
            _there(found)
        elif asked in ("up", "down"):
            await _step(session, newsletter, visit, link, -1 if asked == "up" else 1)
        elif asked == "say":
            await rewrite_link(
                session, newsletter, link, note=form.raw("note"), title=form.one("title")
            )
            if form.one("section"):
                to = heading(form.one("section"))
                _there(await move_candidates(session, newsletter.id, [link], to))
        else:
            raise InputError("There is no such button.", where="do")
    return _back(visit, newsletter, "" if asked in ("up", "down") else f"link-{asked}", link)


async def _step(session: Session, newsletter: Newsletter, visit: Visit, link: int, by: int) -> None:
    """Swap a link with its neighbour of the same section."""
    found = await _inbox(session, newsletter, visit)
    lists = [[one.id for one in part] for part in found.kept.values()]
    mine = next((part for part in lists if link in part), None)
    if mine is None:
        raise NotFoundError
    at = mine.index(link)
    to = min(max(at + by, 0), len(mine) - 1)
    mine.insert(to, mine.pop(at))
    await order_candidates(session, newsletter.id, [one for part in lists for one in part])


async def order(visit: Visit) -> Response:
    """The order after something was dragged: every link that is kept, and the section one of them
    came into.
    """
    form = visit.form
    ids = _numbers(form.one("order"))
    async with visit.site.db.begin() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        moved = _numbers(form.one("moved"))
        if moved and form.one("section"):
            to = heading(form.one("section"))
            _there(await move_candidates(session, newsletter.id, moved, to))
        _there(await order_candidates(session, newsletter.id, ids))
    return _back(visit, newsletter, "link-order", None)


def _numbers(text: str) -> list[int]:
    parts = text.split()
    if len(parts) > _ORDER_MAX or not all(one.isascii() and one.isdigit() for one in parts):
        raise InputError("These are no links.", where="order")
    found = [int(one) for one in parts]
    if any(one > _ID_MAX for one in found):
        raise NotFoundError
    return found


def _there(found: Sequence[int]) -> None:
    if not found:
        raise NotFoundError("There is no such link.")


def _back(visit: Visit, newsletter: Newsletter, done: str, link: int | None) -> Response:
    answer = visit.see(f"{HOME}/n/{newsletter.slug}/links", done=done)
    if link is not None:
        answer.headers["location"] += f"#link-{link}"
    return answer


DOORS = (
    Door("GET", INBOX, Right.WRITE, inbox),
    Door("POST", INBOX, Right.WRITE, add, "add link"),
    Door("POST", f"{INBOX}/order", Right.WRITE, order, "order links"),
    Door("POST", f"{INBOX}/{{link:int}}", Right.WRITE, change, "change link"),
)
