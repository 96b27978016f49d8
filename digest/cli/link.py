"""``digest link``: the inbox of links for the next issue."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

from cyclopts import Parameter

from digest.cli import link_remote, output
from digest.cli.connection import connected
from digest.cli.options import Json, Many, OfNewsletter, group
from digest.cli.remote import server
from digest.collect.asking import Asker
from digest.collect.inbox import Handed, heading, keep_link, look_for, rewrite_link
from digest.errors import InputError, NotFoundError
from digest.mail.address import parse_address
from digest.rules.candidate import CandidateState
from digest.settings import keyring
from digest.store.bookmarklets import open_bookmarklet, revoke_bookmarklets
from digest.store.candidates import (
    Candidate,
    linked_in,
    list_candidates,
    move_candidates,
    order_candidates,
    set_candidates,
)
from digest.store.newsletters import Newsletter, get_newsletter, people
from digest.store.session import Session
from digest.web.bookmarklet import bookmarklet_token

app = group("link")

Ids = Annotated[tuple[int, ...], Many]
_OPEN = (CandidateState.WAITING, CandidateState.KEPT)


@app.command
async def add(
    url: str,
    /,
    *,
    note: str = "",
    section: str = "",
    title: str = "",
    sponsor: bool = False,
    for_: Annotated[datetime | None, Parameter(name="--for")] = None,
    slug: OfNewsletter = None,
    offline: bool = False,
    as_json: Json = False,
) -> int:
    """Keep a link for the next issue; title, description, site and date are read from its page.

    The same page twice is one link, with both notes. Exit 1 where an issue has it already.

    Parameters
    ----------
    url
        The address of a page.
    note
        What is to be said about it, in your words; stands in the draft instead of its description.
    section
        The heading it goes under; proposed by what it is, when not given.
    title
        Its title, when not that of the page.
    sponsor
        It is a sponsor's, booked for the date of --for; the address stays as given.
    for_
        The date of the issue a sponsor is booked for.
    offline
        Do not ask the page.
    """
    if sponsor != (for_ is not None):
        raise InputError("--sponsor and --for DATE go together.", where="--for")
    day = for_.date() if for_ else None
    handed = Handed(url, note=note, section=section, title=title, day=day)
    if place := server():
        row = await link_remote.add(place, handed, slug=slug, offline=offline)
    else:
        row = await _add(handed, slug=slug, offline=offline)
    said = "Kept" if row["new"] else "Kept before; this adds to it"
    under = f" under {row['section']}" if row["section"] else ""
    output.result(row, as_json=as_json, text=output.printable(f"{said}: {row['title']}{under}"))
    if row["trouble"] and not as_json:
        output.note(f"Its page could not be read. {output.printable(row['trouble'])}")
    return 0


async def _add(handed: Handed, *, slug: str | None, offline: bool) -> dict[str, object]:
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        looked = await look_for(None if offline else Asker.of(found.settings), handed.url)
        async with found.db.begin() as session:
            now = found.clock.now()
            taken = await keep_link(session, newsletter, handed, looked.facts, now=now)
    return _row(taken.candidate) | {"new": taken.new, "trouble": looked.trouble or None}


@app.command(name="list")
async def list_(
    *,
    state: CandidateState | None = None,
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """List the links of the inbox: those kept and those waiting, and which issue has them by now.

    Parameters
    ----------
    state
        Only those that are waiting, kept or dropped.
    """
    if place := server():
        rows = await link_remote.list_all(place, state, slug=slug)
    else:
        rows = await _list(state, slug=slug)
    columns = ("id", "state", "section", "title", "site", "published_at", "issue")
    output.rows(rows, as_json=as_json, columns=columns, empty="The inbox is empty.")
    return 0


async def _list(state: CandidateState | None, *, slug: str | None) -> list[dict[str, object]]:
    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, slug)
        states = _OPEN if state is None else (state,)
        links = await list_candidates(session, newsletter.id, states=states)
        used = await linked_in(session, newsletter.id, [one.canonical_url for one in links])
    return [_row(one) | {"issue": used.get(one.canonical_url)} for one in links]


@app.command
async def keep(ids: Ids, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Have links in the next draft.

    Parameters
    ----------
    ids
        Their numbers, as `link list` shows them.
    """
    return await _set(ids, CandidateState.KEPT, slug=slug, as_json=as_json)


@app.command
async def drop(ids: Ids, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Leave links out; no feed brings them again.

    Parameters
    ----------
    ids
        Their numbers, as `link list` shows them.
    """
    return await _set(ids, CandidateState.DROPPED, slug=slug, as_json=as_json)


@app.command
async def move(
    ids: Ids, /, *, section: str, slug: OfNewsletter = None, as_json: Json = False
) -> int:
    """Put links under another heading.

    Parameters
    ----------
    ids
        Their numbers, as `link list` shows them.
    section
        The heading.
    """
    to = heading(section)
    if place := server():
        row = await link_remote.change(place, ids, slug=slug, section=to)
    else:
        async with connected() as found, found.db.begin() as session:
            newsletter = await get_newsletter(session, slug)
            changed = await move_candidates(session, newsletter.id, ids, to)
            _all_there(ids, changed)
        row = {"ids": changed, "section": to}
    text = f"{output.counted(len(row['ids']), 'link')} under {output.printable(to)}"
    output.result(row, as_json=as_json, text=text)
    return 0


@app.command
async def order(ids: Ids, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Have links come in this order in the next draft, each under its own heading.

    What is not named follows, as it came.

    Parameters
    ----------
    ids
        Their numbers, as `link list` shows them, the first one first.
    """
    async with connected() as found, found.db.begin() as session:
        newsletter = await get_newsletter(session, slug)
        _all_there(ids, await order_candidates(session, newsletter.id, ids))
    text = f"{output.counted(len(ids), 'link')} in this order"
    output.result({"ids": list(ids)}, as_json=as_json, text=text)
    return 0


@app.command
async def edit(
    id_: Annotated[int, Parameter(name="ID")],
    /,
    *,
    note: str | None = None,
    title: str | None = None,
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """Write another note to a link, or call it something else.

    Parameters
    ----------
    id_
        Its number, as `link list` shows it.
    note
        What is to be said about it. Empty: what its page says of itself.
    title
        Its title.
    """
    if note is None and title is None:
        raise InputError("Say what shall be different.", fix="Give --note, --title or both.")
    async with connected() as found, found.db.begin() as session:
        newsletter = await get_newsletter(session, slug)
        changed = await rewrite_link(session, newsletter, id_, note=note, title=title)
    text = output.printable(f"Changed: {changed.title}")
    output.result(_row(changed), as_json=as_json, text=text)
    return 0


@app.command
async def bookmarklet(
    *,
    for_: Annotated[str, Parameter(name="--for")],
    revoke: bool = False,
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """Print the address of an editor's own page, whose bookmarklet keeps the page they read.

    It works until it is revoked, or they have no part in the newsletter any more. Whoever has the
    address can add links, and do nothing else.

    Parameters
    ----------
    for_
        The address of an editor or operator of the newsletter.
    revoke
        Have it work no more; asked for again, there is a new one.
    """
    async with connected() as found:
        keys, now = keyring(found.settings), found.clock.now()
        async with found.db.begin() as session:
            newsletter = await get_newsletter(session, slug)
            address = await _of_people(session, newsletter, for_)
            if revoke:
                ended = await revoke_bookmarklets(session, newsletter.id, address, now=now)
            else:
                mine = await open_bookmarklet(session, newsletter.id, address, now=now)
    if revoke:
        text = f"The page of {address} works no more." if ended else f"{address} had no page."
        output.result({"address": address, "revoked": ended}, as_json=as_json, text=text)
        return 0
    url = f"{found.settings.public_url}/links/{bookmarklet_token(keys, mine.id)}"
    output.result({"address": address, "url": url}, as_json=as_json, text=url)
    return 0


async def _of_people(session: Session, newsletter: Newsletter, address: str) -> str:
    wanted = str(parse_address(address.strip()))
    for person in await people(session, newsletter.id):
        if person.address.lower() == wanted.lower():
            return person.address
    raise NotFoundError(
        f"{wanted} is neither editor nor operator of {newsletter.slug}.",
        where="--for",
        fix=f"Make them one: digest newsletter set {newsletter.slug} --editor {wanted}.",
    )


async def _set(
    ids: tuple[int, ...], state: CandidateState, *, slug: str | None, as_json: bool
) -> int:
    if place := server():
        row = await link_remote.change(place, ids, slug=slug, state=state.value)
    else:
        async with connected() as found, found.db.begin() as session:
            newsletter = await get_newsletter(session, slug)
            changed = await set_candidates(session, newsletter.id, ids, state)
            _all_there(ids, changed)
        row = {"ids": changed, "state": state.value}
    text = f"{output.counted(len(row['ids']), 'link')} {state}"
    output.result(row, as_json=as_json, text=text)
    return 0


def _all_there(ids: tuple[int, ...], changed: list[int]) -> None:
    """Nothing is changed where one number is wrong."""
    missing = sorted(set(ids) - set(changed))
    if missing:
        raise NotFoundError(
            "There is no such link.", where=str(missing[0]), fix="See: digest link list."
        )


def _row(one: Candidate) -> dict[str, object]:
    row = asdict(one)
    del row["canonical_url"]
    row["sponsor_for"] = date.fromisoformat(one.sponsor_for) if one.sponsor_for else None
    return row
