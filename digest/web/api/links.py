"""The link inbox for editors without a shell on the server: add, list, keep, drop, move.

The page of a link is asked by the server, through the guard, as by the command line there.
"""

from __future__ import annotations

from digest.access.api_keys import Scope
from digest.collect.inbox import Handed, heading, keep_link, look_for
from digest.errors import InputError, NotFoundError, RefusedError
from digest.rules.candidate import CandidateState
from digest.store.candidates import linked_in, list_candidates, move_candidates, set_candidates
from digest.web.api.calls import Call, Operation, RefusalError
from digest.web.api.link_models import (
    LinkChange,
    LinkList,
    LinksAsked,
    LinksChanged,
    LinkTaken,
    ListedLink,
    NewLink,
)
from digest.web.api.newsletters import newsletter_called

_PATH = "/newsletters/{newsletter}/links"
_OPEN = (CandidateState.WAITING, CandidateState.KEPT)


async def list_all(call: Call) -> LinkList:
    """The links that wait or are kept, or those in another state."""
    asked: LinksAsked = call.query
    states = _OPEN if asked.state is None else (CandidateState(asked.state),)
    async with call.site.db.read() as session:
        newsletter = await newsletter_called(session, call.path["newsletter"])
        found = await list_candidates(session, newsletter.id, states=states)
        used = await linked_in(session, newsletter.id, [one.canonical_url for one in found])
    return LinkList(items=[ListedLink.of(one, issue=used.get(one.canonical_url)) for one in found])


async def add(call: Call) -> LinkTaken:
    """Keep a link for the next issue."""
    asked: NewLink = call.body
    handed = Handed(
        asked.url, note=asked.note, section=asked.section, title=asked.title, day=asked.sponsor_for
    )
    async with call.site.db.read() as session:
        newsletter = await newsletter_called(session, call.path["newsletter"])
    try:
        looked = await look_for(None if asked.offline else call.site.asker, asked.url)
        async with call.site.db.begin() as session:
            now = call.site.clock.now()
            taken = await keep_link(session, newsletter, handed, looked.facts, now=now)
    except InputError as error:
        field = "section" if error.where == "--section" else "url"
        raise InputError(error.message, where=field) from error
    except RefusedError as error:
        raise RefusalError(409, error) from error
    return LinkTaken.of(taken.candidate, new=taken.new, trouble=looked.trouble or None)


async def change(call: Call) -> LinksChanged:
    """Keep or drop links, put them under another heading, or both."""
    asked: LinkChange = call.body
    if asked.state is None and asked.section is None:
        raise InputError("Say what shall become of them.", where="state")
    to = heading(asked.section) if asked.section is not None else None
    ids = set(asked.ids)
    if max(ids) >= 1 << 63:  # no column holds it
        raise NotFoundError
    async with call.site.db.begin() as session:
        newsletter = await newsletter_called(session, call.path["newsletter"])
        if to is not None and ids - set(await move_candidates(session, newsletter.id, ids, to)):
            raise NotFoundError
        if asked.state is not None:
            state = CandidateState(asked.state)
            if ids - set(await set_candidates(session, newsletter.id, ids, state)):
                raise NotFoundError
    return LinksChanged(ids=sorted(ids))


OPERATIONS = (
    Operation(
        "list_links",
        "GET",
        _PATH,
        Scope.LINKS_READ,
        list_all,
        LinkList,
        "List the inbox of links for the next issue",
        query=LinksAsked,
        problems=(404,),
    ),
    Operation(
        "add_link",
        "POST",
        _PATH,
        Scope.LINKS_WRITE,
        add,
        LinkTaken,
        "Keep a link for the next issue; its title, description and date are read from its page",
        body=NewLink,
        problems=(404, 409),
    ),
    Operation(
        "change_links",
        "PATCH",
        _PATH,
        Scope.LINKS_WRITE,
        change,
        LinksChanged,
        "Keep links, drop them or put them under another heading",
        body=LinkChange,
        problems=(404,),
    ),
)
