"""Readers: list, find, show, rename."""

from __future__ import annotations

from digest.access.api_keys import Scope
from digest.errors import NotFoundError
from digest.mail.address import clean_name
from digest.rules.subscription import SubscriptionState
from digest.rules.traits import clean_tag
from digest.store.preferences import rename
from digest.store.reader_pages import WhichReaders, reader_by_id, reader_page
from digest.store.session import Session
from digest.store.subscribers import Reader as StoredReader
from digest.store.subscribers import find_reader
from digest.store.tags import change_attributes, tags_of
from digest.web.api.calls import Call, Operation
from digest.web.api.models import Reader, ReaderChange, ReaderFilter, Readers, WhoseAddress
from digest.web.api.newsletters import newsletter_called


async def list_some(call: Call) -> Readers:
    """A page of readers."""
    asked: ReaderFilter = call.query
    async with call.site.db.read() as session:
        newsletter_id = None
        if asked.newsletter is not None:
            newsletter_id = (await newsletter_called(session, asked.newsletter)).id
        state = SubscriptionState(asked.state) if asked.state is not None else None
        tag = None if asked.tag is None else clean_tag(asked.tag)
        which = WhichReaders(newsletter_id, state, tag)
        found = await reader_page(session, which, after=int(asked.after), limit=asked.limit + 1)
        shown = found[: asked.limit]
        tags = await tags_of(session, [mine.id for one in shown for mine in one.subscriptions])
    more = str(shown[-1].id) if len(found) > len(shown) else None
    return Readers(items=[Reader.of(one, tags) for one in shown], next=more)


async def find(call: Call) -> Reader:
    """Who reads at an address, however its local part is spelt."""
    asked: WhoseAddress = call.body
    async with call.site.db.read() as session:
        found = await find_reader(session, asked.address)
        if found is None:
            raise NotFoundError
        return await _shown(session, found)


async def show(call: Call) -> Reader:
    """One reader."""
    async with call.site.db.read() as session:
        return await _shown(session, await _reader(session, call.number("reader")))


async def change(call: Call) -> Reader:
    """Have a reader called something else, or keep something else about them."""
    asked: ReaderChange = call.body
    async with call.site.db.begin() as session:
        found = await _reader(session, call.number("reader"))
        if asked.name is not None:
            await rename(session, found.id, clean_name(asked.name))
        if asked.attributes is not None:
            await change_attributes(session, found.id, asked.attributes)
        return await _shown(session, await _reader(session, found.id))


async def _shown(session: Session, found: StoredReader) -> Reader:
    return Reader.of(found, await tags_of(session, [one.id for one in found.subscriptions]))


async def _reader(session: Session, reader_id: int) -> StoredReader:
    found = await reader_by_id(session, reader_id)
    if found is None:
        raise NotFoundError
    return found


OPERATIONS = (
    Operation(
        "list_readers",
        "GET",
        "/readers",
        Scope.READERS_READ,
        list_some,
        Readers,
        "List readers with their subscriptions, in the order in which they came",
        query=ReaderFilter,
        problems=(404,),
    ),
    Operation(
        "find_reader",
        "POST",
        "/readers/find",
        Scope.READERS_READ,
        find,
        Reader,
        "Find the reader at an address. It is a POST since addresses in paths end up in logs.",
        body=WhoseAddress,
        problems=(404,),
        looks=True,
    ),
    Operation(
        "show_reader",
        "GET",
        "/readers/{reader}",
        Scope.READERS_READ,
        show,
        Reader,
        "Show a reader",
        problems=(404,),
    ),
    Operation(
        "change_reader",
        "PATCH",
        "/readers/{reader}",
        Scope.READERS_WRITE,
        change,
        Reader,
        "Change a reader's name or attributes",
        body=ReaderChange,
        problems=(404,),
    ),
)
