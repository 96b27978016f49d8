"""Who got an issue, by the API: its receipt, its deliveries, and sending it once more."""

from __future__ import annotations

from digest.access.api_keys import Scope
from digest.delivery import control
from digest.delivery.receipt_data import delivery_data, receipt_data
from digest.errors import InputError
from digest.rules.delivery import DeliveryState, StateReason
from digest.store.delivery_rows import Which, delivery_list
from digest.store.receipts import destination_counts, receipt
from digest.store.reports import issue_totals
from digest.web.api.calls import Call, Operation
from digest.web.api.delivery_models import (
    Deliveries,
    Delivery,
    DeliveryFilter,
    IssueReceipt,
    ResendAsked,
    Resent,
)
from digest.web.api.issues import ONE, issue_of

_DESTINATIONS = 1_000


async def sums(call: Call) -> IssueReceipt:
    """What became of every delivery of an issue."""
    async with call.site.db.read() as session:
        _, issue = await issue_of(session, call)
        counted = await receipt(session, issue.id)
        totals = await issue_totals(session, issue.id)
        places = await destination_counts(session, issue.id, limit=_DESTINATIONS)
    return IssueReceipt.model_validate(receipt_data(issue, counted, totals, places))


async def list_some(call: Call) -> Deliveries:
    """A page of an issue's deliveries."""
    asked: DeliveryFilter = call.query
    which = Which(
        state=None if asked.state is None else DeliveryState(asked.state),
        reason=None if asked.reason is None else StateReason(asked.reason),
        missed=asked.missed == "true",
        destination=asked.destination,
    )
    async with call.site.db.read() as session:
        _, issue = await issue_of(session, call)
        found = await delivery_list(
            session, issue.id, which, after=int(asked.after) or None, limit=asked.limit + 1
        )
    shown = found[: asked.limit]
    return Deliveries(
        items=[Delivery.model_validate(delivery_data(one)) for one in shown],
        next=str(shown[-1].id) if len(found) > len(shown) else None,
    )


async def resend(call: Call) -> Resent:
    """Queue an issue once more for whom it did not reach, or for whom the call names."""
    asked: ResendAsked = call.body
    if asked.missed == bool(asked.to):
        raise InputError("Say who is to get it: either missed or to.", where="to")
    site = call.site
    async with site.db.read() as session:
        _, issue = await issue_of(session, call)
    now = site.clock.now()
    again = await control.resend(site.db, issue.id, to=asked.to or None, now=now)
    return Resent(
        issue=issue.name, queued=again.rows, refused=again.refused, addresses=again.addresses
    )


OPERATIONS = (
    Operation(
        "show_receipt",
        "GET",
        f"{ONE}/receipt",
        Scope.ISSUES_READ,
        sums,
        IssueReceipt,
        "What became of every delivery of an issue, in sums that add up",
        problems=(404,),
    ),
    Operation(
        "list_deliveries",
        "GET",
        f"{ONE}/deliveries",
        Scope.DELIVERIES_READ,
        list_some,
        Deliveries,
        "List who got an issue, or whom it missed, and why",
        query=DeliveryFilter,
        problems=(404,),
    ),
    Operation(
        "resend_issue",
        "POST",
        f"{ONE}/resend",
        Scope.DELIVERIES_WRITE,
        resend,
        Resent,
        "Queue an issue once more, for those it missed or for some addresses; nobody who left, is "
        "suppressed or was erased gets it",
        body=ResendAsked,
        problems=(404, 409),
    ),
)
