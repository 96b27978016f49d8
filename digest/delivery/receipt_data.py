"""A receipt and its rows as programs get them: from the command line and from the API, the same."""

from __future__ import annotations

from typing import Any

from digest.rules import words
from digest.rules.delivery import DeliveryState
from digest.store.delivery_rows import DeliveryRow
from digest.store.issues import StoredIssue
from digest.store.receipts import DestinationCount, Receipt
from digest.store.reports import Totals


def receipt_data(
    issue: StoredIssue, counted: Receipt, totals: Totals, places: tuple[DestinationCount, ...]
) -> dict[str, Any]:
    """The sums of an issue. ``lines`` add up to ``planned``."""
    return {
        "issue": issue.name,
        "title": issue.title,
        "state": issue.state,
        "paused_reason": issue.paused_reason,
        "planned_at": issue.planned_at,
        "finished_at": issue.finished_at,
        "first_accepted_at": counted.first_accepted_at,
        "last_accepted_at": counted.last_accepted_at,
        **totals.as_dict(),
        "repeated": counted.repeated,
        "lines": [
            {
                "state": state,
                "reason": reason,
                "words": words.fate(state, reason),
                "deliveries": rows,
            }
            for (state, reason), rows in counted.fates.items()
        ],
        "causes": [
            {
                "state": one.state,
                "verdict": one.verdict,
                "words": words.verdict_words(one.verdict, blame=one.blame) or None,
                "deliveries": one.rows,
                "reply": one.reply or None,
            }
            for one in counted.causes
        ],
        "versions": [
            {
                "version": one.ordinal,
                "hash": one.hash,
                "planned": one.planned,
                "accepted": one.accepted,
            }
            for one in counted.versions
        ],
        "destinations": [
            {
                "destination": one.destination,
                "planned": one.planned,
                "accepted": one.accepted,
                "rejected": one.rejected,
                "deferred": one.deferred,
                "waiting": one.waiting,
                "held": one.held,
            }
            for one in places
        ],
        "relays": [{"relay": name, "accepted": rows} for name, rows in counted.relays.items()],
    }


def delivery_data(row: DeliveryRow) -> dict[str, Any]:
    """One delivery."""
    return {
        "id": row.id,
        "newsletter": row.newsletter,
        "issue": row.issue,
        "address": row.address,
        "ordinal": row.ordinal,
        "version": row.version,
        "destination": row.destination,
        "state": row.state,
        "reason": row.reason,
        "verdict": row.verdict,
        "blame": row.blame,
        "words": words.why(row.state, row.reason, row.verdict, blame=row.blame),
        "reply": row.reply or None,
        "attempts": row.attempts,
        "maybe_sent": row.maybe_sent,
        "relay": row.relay,
        "not_before": row.not_before if row.state is DeliveryState.DEFERRED else None,
        "first_claimed_at": row.first_claimed_at,
        "settled_at": row.settled_at,
    }
