"""How an issue is doing at one moment, for whoever watches: on the command line or at the desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from digest.delivery.readiness import when_it_goes
from digest.rules.delivery import IssueState
from digest.rules.pace import Pace
from digest.store.counts import canary_counts
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.newsletters import newsletter_by_id
from digest.store.receipts import DestinationCount, destination_counts
from digest.store.relays import StoredRelay, backed_off
from digest.store.reports import Totals, issue_totals
from digest.store.session import Database

WATCH = 1.0  # seconds between two looks
SPARE = 10  # times as long as a look takes: a watcher never slows down what it watches
DESTINATIONS = 8  # the largest that are shown
OVER = frozenset({IssueState.FINISHED, IssueState.CANCELLED, IssueState.PAUSED})


@dataclass(frozen=True, slots=True)
class Look:
    """An issue as of one moment. ``canary_waiting`` are those of the first few that are not
    answered, None where the rest may follow.
    """

    issue: StoredIssue
    totals: Totals
    destinations: tuple[DestinationCount, ...]
    relays: tuple[StoredRelay, ...]
    canary_waiting: int | None
    now: datetime
    next: str | None = None  # when it goes out, while it is approved

    @property
    def settled(self) -> int:
        """Rows that need nothing more."""
        return self.totals.planned - self.totals.waiting

    @property
    def percent(self) -> float:
        """How much of the issue is settled; 100 only when all of it is."""
        share = 100 * self.settled / max(1, self.totals.planned)
        return min(round(share, 1), 99.9) if self.totals.waiting else round(share, 1)


async def look_at_issue(db: Database, issue_id: int, now: datetime) -> Look:
    """Look once."""
    async with db.read() as session:
        issue = await issue_by_id(session, issue_id)
        totals = await issue_totals(session, issue_id)
        destinations = await destination_counts(session, issue_id, limit=DESTINATIONS)
        relays = await backed_off(session, now)
        waiting = None
        if issue.state in (IssueState.SENDING, IssueState.PAUSED) and not issue.canary_passed_at:
            waiting = (await canary_counts(session, issue_id)).waiting
        coming = None
        if issue.state is IssueState.APPROVED:
            newsletter = await newsletter_by_id(session, issue.newsletter_id)
            coming = await when_it_goes(session, newsletter, issue, now)
    return Look(issue, totals, tuple(destinations), tuple(relays), waiting, now, coming)


def as_dict(look: Look, pace: Pace) -> dict[str, Any]:
    """What a look says, as ``issue status --json`` prints it."""
    rate, left = pace.per_second, pace.left(look.totals.waiting)
    return {
        "issue": look.issue.name,
        "state": look.issue.state,
        "paused_reason": look.issue.paused_reason,
        **look.totals.as_dict(),
        "next": look.next,
        "percent": look.percent,
        "messages_per_second": None if rate is None else round(rate, 1),
        "seconds_left": None if left is None else round(left.total_seconds()),
        "canary_waiting": look.canary_waiting,
        "planning": look.issue.planning,
        "destinations": [
            {
                "destination": one.destination,
                "waiting": one.waiting,
                "accepted": one.accepted,
                "deferred": one.deferred,
                "rejected": one.rejected,
                "held": one.held,
            }
            for one in look.destinations
        ],
        "relays": [
            {
                "relay": one.name,
                "until": _end_of_pause(one, look.now),
                "messages_per_minute": one.learned_rate,
                "reply": reply_of(one),
            }
            for one in look.relays
        ],
    }


def _end_of_pause(relay: StoredRelay, now: datetime) -> datetime | None:
    until = relay.backoff_until
    return until if until is not None and until > now else None


def reply_of(relay: StoredRelay) -> str | None:
    """What a relay said last when it slowed us down."""
    return f"{relay.reply_code} {relay.reply_text or ''}".strip() if relay.reply_code else None


def duration(left: timedelta) -> str:
    """``40 s``, ``3 min``, ``2 h 5 min``: as exact as a guess deserves."""
    seconds = round(left.total_seconds())
    if seconds < 90:
        return f"{max(1, seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{round(hours / 24)} days"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
