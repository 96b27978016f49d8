"""What brakes and the canary go by, counted from the rows: the same in every process.

Rejections are few and have an index; what was answered at a destination is counted for those alone
where a brake is in question.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, text, update

from digest.rules.brakes import CanaryCounts
from digest.rules.delivery import CANARY_WAVE, DeliveryState
from digest.rules.verdict import TABLE, Blame, Counts, Reason, Verdict
from digest.store.rows import among, in_state
from digest.store.schema import deliveries, destinations, issues
from digest.store.session import Session

_REJECTED = in_state(DeliveryState.REJECTED)
_CANARY = text(f"deliveries.wave = {CANARY_WAVE}")  # written out, so that its index serves
# A reason counts against a reader only with the blame the table gives it.
_COUNTS: dict[tuple[Reason | None, Blame | None], Counts] = {
    (row.reason, row.blame): row.counts for row in TABLE
}

COUNTING = [pair for pair, counts in _COUNTS.items() if counts is not Counts.NOTHING]


@dataclass(frozen=True, slots=True)
class RejectionCount:
    """How many rows one domain rejected for one reason; ``reply`` is the last such answer."""

    destination_id: int
    domain: str
    provider: str | None
    verdict: str | None  # rules.verdict.Reason; None: a row of before verdicts were kept
    rows: int
    reply: str
    blame: str | None = None

    def as_verdict(self) -> Verdict:
        """As ``rules.brakes.is_policy`` and ``is_hard`` take it."""
        blame = Blame(self.blame) if self.blame else None
        reason = Reason(self.verdict) if self.verdict else None
        counts = counts_of(self.verdict, self.blame)
        return Verdict(DeliveryState.REJECTED, blame, reason, counts)


def counts_of(verdict: str | None, blame: str | None) -> Counts:
    """What an answer that was kept as these two words does to the reader."""
    if verdict is None or blame is None:
        return Counts.NOTHING
    return _COUNTS.get((Reason(verdict), Blame(blame)), Counts.NOTHING)


async def rejections(
    session: Session, issue_id: int, since: datetime | None
) -> list[RejectionCount]:
    """What was rejected of an issue from ``since`` on, by domain, reason and blame; most first."""
    key = (deliveries.c.destination_id, deliveries.c.verdict, deliveries.c.blame)
    latest_first = (deliveries.c.settled_at.desc(), deliveries.c.id.desc())
    ranked = (
        select(
            *key,
            *(deliveries.c.reply_code, deliveries.c.reply_status, deliveries.c.reply_text),
            func.count().over(partition_by=key).label("rows"),
            func.row_number().over(partition_by=key, order_by=latest_first).label("place"),
        )
        .where(_REJECTED, deliveries.c.issue_id == issue_id, *_since(since))
        .subquery()
    )
    rows = await session.execute(
        select(ranked, destinations.c.domain, destinations.c.provider)
        .join_from(ranked, destinations, destinations.c.id == ranked.c.destination_id)
        .where(ranked.c.place == 1)
        .order_by(ranked.c.rows.desc(), destinations.c.domain, ranked.c.verdict, ranked.c.blame)
    )
    return [
        RejectionCount(
            destination_id=row.destination_id,
            domain=row.domain,
            provider=row.provider,
            verdict=row.verdict,
            rows=row.rows,
            reply=_reply(row.reply_code, row.reply_status, row.reply_text),
            blame=row.blame,
        )
        for row in rows
    ]


def _reply(code: int | None, status: str | None, words: str | None) -> str:
    return " ".join(str(part) for part in (code, status, words) if part)


def _since(since: datetime | None) -> list[ColumnElement[bool]]:
    return [] if since is None else [deliveries.c.settled_at >= since]


async def answered(
    session: Session,
    issue_id: int,
    destination_ids: Collection[int],
    since: datetime | None,
    *,
    most: int | None = None,
) -> int:
    """How many rows for these destinations have a final answer since then: accepted or rejected.

    Stops counting at ``most``: 20 rejections are below 3 % of 667, however many more there are.
    Without it this looks at every row of the issue, a million in about half a second.
    """
    found = select(deliveries.c.id).where(
        deliveries.c.issue_id == issue_id,
        among(session, deliveries.c.destination_id, destination_ids),
        in_state(DeliveryState.ACCEPTED, DeliveryState.REJECTED),
        *_since(since),
    )
    counted = select(func.count()).select_from(found.limit(most).subquery())
    return int((await session.execute(counted)).scalar_one())


async def accepted(
    session: Session, issue_id: int, since: datetime | None, *, most: int | None = None
) -> int:
    """How many rows of an issue were accepted since then; stops counting at ``most``."""
    found = select(deliveries.c.id).where(
        deliveries.c.issue_id == issue_id, in_state(DeliveryState.ACCEPTED), *_since(since)
    )
    counted = select(func.count()).select_from(found.limit(most).subquery())
    return int((await session.execute(counted)).scalar_one())


async def canary_counts(session: Session, issue_id: int) -> CanaryCounts:
    """How the first few fare; those who left before their turn are not waited for."""
    canary = (deliveries.c.issue_id == issue_id, _CANARY)
    waiting = func.count().filter(in_state(DeliveryState.QUEUED, DeliveryState.SENDING))
    # A deferred row keeps no time of its answer; that of its claim is at most seconds earlier.
    answered_at = func.coalesce(deliveries.c.settled_at, deliveries.c.claimed_at)
    last_at = func.max(answered_at).filter(deliveries.c.attempts > 0)
    row = (await session.execute(select(waiting, last_at).where(*canary))).one()
    return CanaryCounts(waiting=row[0], last_at=row[1])


async def pass_canary(session: Session, issue_id: int, now: datetime) -> bool:
    """Let the rest of an issue follow; whether it was this call that did it."""
    passed = await session.execute(
        update(issues)
        .where(issues.c.id == issue_id, issues.c.canary_passed_at.is_(None))
        .values(canary_passed_at=now)
    )
    return passed.rowcount == 1


async def providers(session: Session) -> dict[int, str]:
    """The provider of every destination that has one, by the destination's id."""
    query = select(destinations.c.id, destinations.c.provider)
    rows = await session.execute(query.where(destinations.c.provider.is_not(None)))
    return {row.id: row.provider for row in rows}
