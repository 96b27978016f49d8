"""``digest reader``: who reads, since when, and what they got."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from digest.audience.leave import leave as leave_newsletter
from digest.audience.transfer import ImportReport, import_readers
from digest.cli import output
from digest.cli.connection import Connection, connected
from digest.cli.files import open_file, unreadable
from digest.cli.options import Json, OfNewsletter, group
from digest.cli.reader_rights import consent, data, erase, export, resend_confirmation
from digest.errors import InputError, NotFoundError
from digest.rules.subscription import SubscriptionState
from digest.rules.words import why
from digest.store.delivery_rows import DeliveryRow, deliveries_of
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.subscribers import (
    Reader,
    add_reader,
    find_reader,
    list_readers,
)

app = group("reader")

PAGE = 1_000
LEFT_ELSEWHERE = "left before, elsewhere"
SHOWN_BAD_ROWS = 20  # for people; JSON has as many as the report keeps


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
        raise _without_consent("this reader")
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


@app.command(name="import")
async def import_file(
    file: Path,
    /,
    *,
    slug: OfNewsletter = None,
    consent: str = "",
    as_: Annotated[Literal["active", "ended"], Parameter(name="--as")] = "active",
    as_json: Json = False,
) -> int:
    """Import readers from a CSV file with a column "email" and, if there is one, "name".

    Rows that cannot be used are listed with their line and left out. Who left before is never
    brought back.

    Parameters
    ----------
    file
        A CSV file in UTF-8.
    consent
        How these readers agreed, such as 'asked for it at the fair in May'; it is kept.
    as_
        Import them as readers (active), or as people who left elsewhere (ended).
    """
    if as_ == "active" and not consent.strip():
        raise _without_consent("these readers")
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        agreed = consent or LEFT_ELSEWHERE
        report = await _import(
            found, newsletter, file, consent=agreed, state=SubscriptionState(as_)
        )
    output.result(_counts(newsletter, report), as_json=as_json, text=_in_words(report, file))
    return 0


def _without_consent(who: str) -> InputError:
    return InputError(
        f"It must be known how {who} agreed.",
        where="--consent",
        fix="Say it in a sentence: --consent 'asked for it at the fair in May'.",
    )


async def _import(
    found: Connection, newsletter: Newsletter, file: Path, *, consent: str, state: SubscriptionState
) -> ImportReport:
    try:
        with open_file(file) as data, output.progress_bar("Importing") as bar:
            return await import_readers(
                found.db,
                newsletter,
                data,
                path=str(file),
                consent=consent,
                state=state,
                now=found.clock.now(),
                progress=bar,
            )
    except OSError as error:
        raise unreadable(file, error) from None


def _counts(newsletter: Newsletter, report: ImportReport) -> dict[str, object]:
    return {
        "newsletter": newsletter.slug,
        "rows": report.rows,
        "imported": report.imported,
        "already": report.already,
        "duplicates": report.duplicates,
        "ended": report.ended,
        "suppressed": report.suppressed,
        "invalid_count": report.invalid_count,
        "invalid": [{"line": bad.line, "reason": bad.reason} for bad in report.invalid],
    }


def _in_words(report: ImportReport, file: Path) -> str:
    counts = {
        "imported": report.imported,
        "there already": report.already,
        "twice in the file": report.duplicates,
        "had left": report.ended,
        "suppressed": report.suppressed,
        "cannot be used": report.invalid_count,
    }
    told = ", ".join(f"{number:,} {words}" for words, number in counts.items() if number)
    lines = [f"{report.rows:,} rows: {told or 'nothing in them'}"]
    name = output.printable(file)
    shown = report.invalid[:SHOWN_BAD_ROWS]
    lines += [f"  {name}:{bad.line}: {output.printable(bad.reason)}" for bad in shown]
    if report.invalid_count > SHOWN_BAD_ROWS:
        lines.append(f"  and {report.invalid_count - SHOWN_BAD_ROWS:,} more; --json names them")
    return "\n".join(lines)


@app.command(name="list")
async def list_all(
    *,
    slug: OfNewsletter = None,
    state: SubscriptionState | None = None,
    as_json: Json = False,
) -> int:
    """List the readers of a newsletter.

    Parameters
    ----------
    state
        Only those who are pending, active, paused or ended.
    """
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        async for rows in _pages(found, newsletter, state):
            if as_json:
                output.rows(rows, as_json=True, columns=())
            else:
                for row in rows:
                    name = f"  {output.printable(row['name'])}" if row["name"] else ""
                    output.document(
                        f"{row['state']:<8}  {output.printable(row['address'])}{name}\n"
                    )
    return 0


async def _pages(
    found: Connection, newsletter: Newsletter, state: SubscriptionState | None
) -> AsyncIterator[list[dict[str, Any]]]:
    """Page by page: a million readers fit into no table and into no list."""
    after = 0
    while True:
        async with found.db.read() as session:
            page = await list_readers(session, newsletter.id, state=state, after=after, limit=PAGE)
        if not page:
            return
        after = page[-1].subscriber_id
        yield [
            {
                "address": row.address,
                "name": row.name,
                "state": row.state.value,
                "since": row.created_at,
            }
            for row in page
        ]


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
    data = {
        "address": reader.address,
        "name": reader.name,
        "suppressed": reader.suppressed_at is not None,
        "since": reader.created_at,
        "subscriptions": [
            {
                "newsletter": one.newsletter,
                "state": one.state,
                "since": one.created_at,
                "ended_at": one.ended_at,
            }
            for one in reader.subscriptions
        ],
        "deliveries": [_delivery(one) for one in deliveries],
    }
    if as_json:
        output.result(data, as_json=True)
    else:
        _show(reader, deliveries)
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


def _show(reader: Reader, deliveries: list[DeliveryRow]) -> None:
    name = f" ({output.printable(reader.name)})" if reader.name else ""
    output.document(f"{output.printable(reader.address)}{name}\n")
    if reader.suppressed_at is not None:
        output.document("  suppressed: no mail goes to this address\n")
    for one in reader.subscriptions:
        output.document(f"  {one.newsletter}: {one.state} since {one.created_at:%Y-%m-%d}\n")
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


for _verb in (consent, data, erase, export, resend_confirmation):
    app.command(_verb)
