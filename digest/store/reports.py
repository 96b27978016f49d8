"""What an issue has come to: counts by state, which always add up to what was planned."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Select, and_, func, or_, select

from digest.rules.delivery import OPEN_STATES, DeliveryState, StateReason
from digest.store.rollup import rolled_up_count
from digest.store.rows import is_latest, is_resent
from digest.store.schema import attempts, deliveries, subscribers
from digest.store.session import Session


@dataclass(frozen=True, slots=True)
class Totals:
    """The rows of an issue by state, one per reader (the latest ordinal).

    ``in_doubt`` counts rows that may have been sent and are not settled, or are held for that; they
    are counted in their state too.
    """

    accepted: int = 0
    rejected: int = 0
    deferred: int = 0
    in_doubt: int = 0
    expired: int = 0
    cancelled: int = 0
    suppressed: int = 0
    skipped: int = 0
    held: int = 0
    queued: int = 0
    sending: int = 0

    @property
    def planned(self) -> int:
        """The sum of all states."""
        return sum(getattr(self, state.value) for state in DeliveryState)

    @property
    def waiting(self) -> int:
        """Rows that are not settled."""
        return self.queued + self.sending + self.deferred

    def by_state(self) -> list[tuple[str, int]]:
        """Every state and how many rows are in it; the numbers add up to ``planned``."""
        return [(state.value, getattr(self, state.value)) for state in DeliveryState]

    def as_dict(self) -> dict[str, int]:
        """The counts in the order the command line prints them."""
        return {"planned": self.planned, **asdict(self)}


async def issue_totals(session: Session, issue_id: int) -> Totals:
    """Count the rows of an issue; all zero where it was not planned yet."""
    query = _by_state(issue_id)
    if await is_resent(session, issue_id):
        query = query.where(is_latest())
    counts: dict[str, int] = {}
    in_doubt = 0
    for row in await session.execute(query):
        counts[row.state.value] = row.rows
        in_doubt += row.doubtful
    accepted = counts.pop(DeliveryState.ACCEPTED.value, 0)
    accepted += await rolled_up_count(session, issue_id)
    return Totals(accepted=accepted, in_doubt=in_doubt, **counts)


def _by_state(issue_id: int) -> Select[tuple[DeliveryState, int, int]]:
    doubtful = or_(
        and_(deliveries.c.maybe_sent, deliveries.c.state.in_(OPEN_STATES)),
        and_(
            deliveries.c.state == DeliveryState.HELD,
            deliveries.c.reason == StateReason.IN_DOUBT,
        ),
    )
    return (
        select(
            deliveries.c.state,
            func.count().label("rows"),
            func.count().filter(doubtful).label("doubtful"),
        )
        .where(deliveries.c.issue_id == issue_id)
        .group_by(deliveries.c.state)
    )


@dataclass(frozen=True, slots=True)
class ReplyCount:
    """How often an issue's attempts got the same answer."""

    phase: str
    blame: str
    code: int | None
    status: str | None
    text: str
    attempts: int


async def replies_of_issue(session: Session, issue_id: int, *, limit: int = 20) -> list[ReplyCount]:
    """The answers other than "accepted" an issue got, the most frequent first."""
    words = func.coalesce(attempts.c.text, "")
    key = (attempts.c.phase, attempts.c.blame, attempts.c.code, attempts.c.status, words)
    rows = await session.execute(
        select(*key, func.count().label("attempts"))
        .join_from(attempts, deliveries, deliveries.c.id == attempts.c.delivery_id)
        .where(deliveries.c.issue_id == issue_id)
        .group_by(*key)
        .order_by(func.count().desc(), words)
        .limit(limit)
    )
    return [
        ReplyCount(row.phase, row.blame, row.code, row.status, row[4], row.attempts) for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Missed:
    """A reader who did not get an issue, or not yet."""

    delivery_id: int
    address: str
    state: DeliveryState
    reason: StateReason | None
    reply_code: int | None
    reply_text: str | None
    verdict: str | None = None  # rules.verdict.Reason of the last answer


async def missed_readers(
    session: Session, issue_id: int, *, after: int = 0, limit: int = 1000
) -> list[Missed]:
    """Who did not get the issue: every state but accepted, the latest ordinal of each reader.

    Pages by reader: the next page comes with ``after`` the last delivery id of this one. By id, a
    page of an old issue would walk over the rows of all that came later.
    """
    query = (
        select(
            deliveries.c.id,
            subscribers.c.address,
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.reply_code,
            deliveries.c.reply_text,
            deliveries.c.verdict,
        )
        .join_from(deliveries, subscribers, subscribers.c.id == deliveries.c.subscriber_id)
        .where(
            deliveries.c.issue_id == issue_id,
            deliveries.c.state != DeliveryState.ACCEPTED,
            is_latest(),
        )
        .order_by(deliveries.c.subscriber_id)
        .limit(limit)
    )
    if after:
        last = deliveries.alias("last")
        reader = select(last.c.subscriber_id).where(last.c.id == after).scalar_subquery()
        query = query.where(deliveries.c.subscriber_id > reader)
    return [Missed(*row) for row in await session.execute(query)]
