"""``digest reader``: who reads, since when, and what they got."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from digest.audience.leave import leave as leave_newsletter
from digest.cli import output
from digest.cli.connection import Connection, connected
from digest.cli.options import Json, OfNewsletter, group
from digest.cli.reader_check import check
from digest.cli.reader_export import export
from digest.cli.reader_import import import_file, without_consent
from digest.cli.reader_rights import consent, data, erase, resend_confirmation
from digest.cli.reader_tags import change, list_tags
from digest.errors import NotFoundError
from digest.rules.subscription import SubscriptionState
from digest.rules.words import why
from digest.store.delivery_rows import DeliveryRow, deliveries_of
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.reader_list import ReaderRow, list_readers
from digest.store.subscribers import Reader, add_reader, find_reader
from digest.store.tags import tags_of

app = group("reader")


@app.command
async def add(
    address: str,
    /,
    *,
    slug: OfNewsletter = None,
    name: str = "",
    consent: str = "added by the operator",
    as_json: Json = False,
) -> int:
    """Subscribe one reader who agreed to it.

    Parameters
    ----------
    address
        Their address.
    name
        Their name.
    consent
        How they agreed; it is kept.
    """
    if not consent.strip():
        raise without_consent("this reader")
    async with connected() as found, found.db.begin() as session:
        newsletter = await get_newsletter(session, slug)
        added = await add_reader(
            session,
            newsletter.id,
            address=address,
            name=name,
            source=consent,
            now=found.clock.now(),
        )
    data = {"newsletter": newsletter.slug, "address": address, "state": "active", "new": added.new}
    text = "Subscribed." if added.new else "Was subscribed already."
    output.result(data, as_json=as_json, text=text)
    return 0


@app.command(name="list")
async def list_all(
    *,
    slug: OfNewsletter = None,
    state: SubscriptionState | None = None,
    tag: str | None = None,
    as_json: Json = False,
) -> int:
    """List the readers of a newsletter.

    Parameters
    ----------
    state
        Only those who are pending, active, paused or ended.
    tag
        Only those with this tag.
    """
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        async for page in _pages(found, newsletter, state, tag):
            if as_json:
                output.rows([_row(row) for row in page], as_json=True, columns=())
            else:
                output.document("".join(_line(row) for row in page))
    return 0


async def _pages(
    found: Connection, newsletter: Newsletter, state: SubscriptionState | None, tag: str | None
) -> AsyncIterator[list[ReaderRow]]:
    """Page by page: a million readers fit into no table and into no list."""
    after = 0
    while True:
        async with found.db.read() as session:
            page = await list_readers(session, newsletter.id, state=state, tag=tag, after=after)
        if not page:
            return
        after = page[-1].subscriber_id
        yield page


def _row(row: ReaderRow) -> dict[str, Any]:
    return {
        "address": row.address,
        "name": row.name,
        "state": row.state.value,
        "since": row.created_at,
        "tags": row.tags,
    }


def _line(row: ReaderRow) -> str:
    name = f"  {output.printable(row.name)}" if row.name else ""
    tags = f"  [{output.printable(', '.join(row.tags))}]" if row.tags else ""
    return f"{row.state.value:<8}  {output.printable(row.address)}{name}{tags}\n"


@app.command
async def show(address: str, /, *, as_json: Json = False) -> int:
    """Show a reader's subscriptions and their last ten deliveries.

    Parameters
    ----------
    address
        Their address, however its local part is spelt.
    """
    async with connected() as found, found.db.read() as session:
        reader = await _found(await find_reader(session, address), address)
        deliveries = await deliveries_of(session, reader.id)
        tags = await tags_of(session, [one.id for one in reader.subscriptions])
    data = {
        "address": reader.address,
        "name": reader.name,
        "suppressed": reader.suppressed_at is not None,
        "since": reader.created_at,
        "attributes": reader.attributes,
        "subscriptions": [
            {
                "newsletter": one.newsletter,
                "state": one.state,
                "since": one.created_at,
                "ended_at": one.ended_at,
                "tags": tags.get(one.id, ()),
            }
            for one in reader.subscriptions
        ],
        "deliveries": [_delivery(one) for one in deliveries],
    }
    if as_json:
        output.result(data, as_json=True)
    else:
        _show(reader, deliveries, tags)
    return 0


async def _found(reader: Reader | None, address: str) -> Reader:
    if reader is None:
        raise NotFoundError("There is no reader with this address.", where=address)
    return reader


def _delivery(row: DeliveryRow) -> dict[str, object]:
    return {
        "newsletter": row.newsletter,
        "issue": row.issue,
        "state": row.state,
        "reason": row.reason,
        "at": row.settled_at or row.first_claimed_at,
        "words": _words(row),
    }


def _words(row: DeliveryRow) -> str:
    again = " (sent again on purpose)" if row.ordinal else ""
    words = why(row.state, row.reason, row.verdict, blame=row.blame)
    reply = f' "{row.reply}"' if row.reply else ""
    return f"Issue {row.issue}{again}: {words}{reply}"


def _show(reader: Reader, deliveries: list[DeliveryRow], tags: Mapping[int, Sequence[str]]) -> None:
    name = f" ({output.printable(reader.name)})" if reader.name else ""
    output.document(f"{output.printable(reader.address)}{name}\n")
    if reader.suppressed_at is not None:
        output.document("  suppressed: no mail goes to this address\n")
    for name, value in reader.attributes.items():
        output.document(f"  {output.printable(name)}: {output.printable(value)}\n")
    for one in reader.subscriptions:
        mine = output.printable(", ".join(tags.get(one.id, ())))
        tagged = f"  [{mine}]" if mine else ""
        since = f"{one.state} since {one.created_at:%Y-%m-%d}"
        output.document(f"  {one.newsletter}: {since}{tagged}\n")
    for delivery in deliveries:
        when = delivery.settled_at or delivery.first_claimed_at
        day = f"{when:%Y-%m-%d %H:%M}" if when else "–"
        output.document(f"    {day}  {output.printable(_words(delivery))}\n")


@app.command
async def leave(address: str, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """End a reader's subscription; when this returns, no message to them starts any more.

    Parameters
    ----------
    address
        Their address.
    """
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
            reader = await _found(await find_reader(session, address), address)
        mine = [one for one in reader.subscriptions if one.newsletter_id == newsletter.id]
        if not mine:
            raise NotFoundError("This reader does not get this newsletter.", where=address)
        ended = await leave_newsletter(found.db, mine[0].id, source="operator", clock=found.clock)
    data = {
        "newsletter": newsletter.slug,
        "address": reader.address,
        "state": "ended",
        "ended": ended,
    }
    output.result(data, as_json=as_json, text="Left." if ended else "Had left already.")
    return 0


app.command(import_file, name="import")
app.command(change, name="set")
app.command(list_tags, name="tags")
for _verb in (check, consent, data, erase, export, resend_confirmation):
    app.command(_verb)
