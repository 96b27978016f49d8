"""``digest delivery``: the rows of issues, one per reader: listed, followed, settled by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from digest.cli import output
from digest.cli.connection import Connection, connected
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, OfNewsletter, group
from digest.delivery.receipt_data import delivery_data
from digest.errors import InputError, NotFoundError
from digest.rules.delivery import DeliveryState, StateReason
from digest.rules.verdict import Reason
from digest.rules.words import attempt_words, why
from digest.store.control import HeldAction, settle_held
from digest.store.delivery_rows import (
    Attempt,
    DeliveryRow,
    Which,
    deliveries_of,
    delivery_history,
    delivery_list,
    get_delivery,
)
from digest.store.issues import StoredIssue, list_issues
from digest.store.newsletters import get_newsletter
from digest.store.subscribers import find_reader

app = group("delivery")

PAGE = 1_000
_LAST = 10  # of a reader
_ID_DIGITS = 18
_VERSIONS = 1_000_000  # more texts of one issue nobody writes


@app.command(name="list")
async def list_all(
    *,
    slug: OfNewsletter = None,
    issue: str | None = None,
    state: DeliveryState | None = None,
    reason: StateReason | None = None,
    verdict: str | None = None,
    destination: str | None = None,
    version: Annotated[int | None, Parameter(validator=Number(gte=1, lte=_VERSIONS))] = None,
    in_doubt: bool = False,
    repeated: bool = False,
    as_json: Json = False,
) -> int:
    """List deliveries, one per reader and issue: the latest.

    Parameters
    ----------
    issue
        Those of this issue, by number or slug; of every issue, when not given.
    state
        Those in this state.
    reason
        Those that are cancelled, held or expired for this reason.
    verdict
        Those whose last answer was of this class, like mailboxfull.
    destination
        Those at this provider or domain.
    version
        Those of this text of their issue.
    in_doubt
        Those that may have been sent although nobody knows it.
    repeated
        Those that were accepted, but may have been before.
    """
    which = Which(
        state=state,
        reason=reason,
        verdict=None if verdict is None else _verdict(verdict),
        destination=destination,
        version=version,
        doubtful=in_doubt,
        repeated=repeated,
    )
    listed = 0
    async with connected() as found:
        for one in await _issues(found, slug, issue):
            async for row in rows_of(found, one, which):
                listed += 1
                output.result(delivery_data(row), as_json=as_json, text=_line(row))
    if not listed and not as_json:
        output.note("There are none.")
    return 0


def _verdict(text: str) -> Reason:
    try:
        return Reason(text.lower())
    except ValueError:
        raise InputError(
            f"There is no class of answers called {text!r}.",
            where="--verdict",
            fix=f"There are: {', '.join(Reason)}.",
        ) from None


async def _issues(found: Connection, slug: str | None, name: str | None) -> list[StoredIssue]:
    """The issue called ``name``, or every issue that is planned."""
    async with found.db.read() as session:
        if name is not None:
            return [await find_issue(session, slug, name)]
        newsletter = await get_newsletter(session, slug)
        return [one for one in await list_issues(session, newsletter.id) if one.planned]


async def rows_of(
    found: Connection, issue: StoredIssue, which: Which
) -> AsyncIterator[DeliveryRow]:
    """The rows of an issue, page by page: a million fit into no list."""
    after = None
    while True:
        async with found.db.read() as session:
            page = await delivery_list(session, issue.id, which, after=after, limit=PAGE)
        if not page:
            return
        after = page[-1].id
        for row in page:
            yield row


def _line(row: DeliveryRow) -> str:
    words = why(row.state, row.reason, row.verdict, blame=row.blame)
    reply = f' "{row.reply}"' if row.reply and row.state is not DeliveryState.ACCEPTED else ""
    return output.printable(f"{row.id}  issue {row.issue}  {row.address}  {words}{reply}")


@app.command
async def show(
    which: Annotated[str, Parameter(name="ADDRESS|ID")], /, *, as_json: Json = False
) -> int:
    """Show a delivery, or the last ones of a reader, attempt by attempt.

    Parameters
    ----------
    which
        A reader's address, or the number of a delivery as `delivery list` prints it.
    """
    async with connected() as found, found.db.read() as session:
        if which.isascii() and which.isdigit() and len(which) <= _ID_DIGITS:
            one = await get_delivery(session, int(which))
            rows = [one] if one else []
        else:
            reader = await find_reader(session, which)
            rows = await deliveries_of(session, reader.id, limit=_LAST) if reader else []
        if not rows:
            raise NotFoundError("There is no such delivery.", where=which, fix=_SEE_LIST)
        for row in rows:
            attempts = await delivery_history(session, row.id)
            data = delivery_data(row) | {"log": [_attempt(one) for one in attempts]}
            output.result(data, as_json=as_json, text="\n".join(_told(row, attempts)))
    return 0


_SEE_LIST = "See: digest delivery list."


def _attempt(one: Attempt) -> dict[str, Any]:
    return {
        "number": one.number,
        "at": one.at,
        "phase": one.phase,
        "verdict": one.verdict,
        "blame": one.blame,
        "words": attempt_words(one.verdict, blame=one.blame, accepted=one.accepted),
        "reply": one.reply or None,
        "relay": one.relay,
    }


def _told(row: DeliveryRow, attempts: list[Attempt]) -> list[str]:
    lines = [_line(row)]
    for one in attempts:
        words = attempt_words(one.verdict, blame=one.blame, accepted=one.accepted)
        when = f"{one.at:%Y-%m-%d %H:%M:%S} UTC" if one.at else "–"
        relay = f" at {one.relay}" if one.relay else ""
        reply = f'  "{one.reply}"' if one.reply else ""
        lines.append(
            output.printable(f"  {one.number}. {when}  {words} ({one.phase}{relay}){reply}")
        )
    if row.state is DeliveryState.DEFERRED:
        lines.append(f"  Tried again from {row.not_before:%Y-%m-%d %H:%M:%S} UTC on.")
    if row.state is DeliveryState.HELD:
        lines.append(f"  Decide: digest delivery reconcile accept|resend|drop {row.id}")
    return lines


_DONE = {
    HeldAction.ACCEPT: "taken as sent",
    HeldAction.RESEND: "queued again",
    HeldAction.DROP: "never sent",
}


@app.command
async def reconcile(
    action: HeldAction,
    ids: Annotated[tuple[int, ...], Parameter(name="ID", consume_multiple=True)] = (),
    /,
    *,
    slug: OfNewsletter = None,
    issue: str | None = None,
    as_json: Json = False,
) -> int:
    """Settle deliveries that are held for you to decide.

    Exit 1: none of those named could be settled so.

    Parameters
    ----------
    action
        accept: it was sent, count it so. resend: send it (a second copy has the same Message-ID).
        drop: never send it.
    ids
        The numbers of deliveries, as `delivery list --state held` prints them.
    issue
        Instead of numbers: all that are held of this issue.
    """
    if bool(ids) == (issue is not None):
        raise InputError(
            "Say which deliveries are meant.",
            where="--issue",
            fix="Give their numbers, or --issue ISSUE for all that are held of it.",
        )
    async with connected() as found, found.db.begin() as session:
        stored = None if issue is None else await find_issue(session, slug, issue)
        settled = await settle_held(
            session,
            issue_id=None if stored is None else stored.id,
            row_ids=list(ids) if ids else None,
            action=action,
            now=found.clock.now(),
        )
    data = {"action": action, "settled": settled}
    noun = "delivery" if settled == 1 else "deliveries"
    text = f"{settled:,} {noun} {_DONE[action]}."
    output.result(data, as_json=as_json, text=text)
    return 0 if settled else 1
