"""What became of an issue, counted in one pass over its rows: the lines of a receipt add up.

One row per reader counts, the latest ordinal. Each number can be opened as a list with
``delivery_rows.Which``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, literal, select, union_all

from digest.rules.delivery import OPEN_STATES, DeliveryState, StateReason
from digest.rules.verdict import Blame, Reason
from digest.rules.words import FATES, Fate
from digest.store.delivery_rows import WHERE_TO, blame_of, of_issue, reason_of, reply_words
from digest.store.rollup import RolledUp, rolled_up_of
from digest.store.rows import in_state
from digest.store.schema import deliveries, destinations, relays, rolled_up, versions
from digest.store.session import Session

_TOLD_BY_A_REPLY = frozenset(
    {DeliveryState.REJECTED, DeliveryState.DEFERRED, DeliveryState.EXPIRED}
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why rows in one state are there: how many had an answer of one class, and one such answer.

    ``verdict`` is None where there was no answer, or one from before classes were kept; ``blame``
    is given for Reason.UNDEFINED only.
    """

    state: DeliveryState
    verdict: Reason | None
    blame: Blame | None
    rows: int
    reply: str


@dataclass(frozen=True, slots=True)
class VersionCount:
    """How many rows one version is for, and how many of them were accepted."""

    version_id: int
    ordinal: int
    hash: str
    planned: int
    accepted: int


@dataclass(frozen=True, slots=True)
class DestinationCount:
    """How an issue fares at one destination: a provider, or a domain of its own."""

    destination: str
    planned: int
    waiting: int  # queued or being sent
    accepted: int
    deferred: int
    rejected: int
    held: int

    @property
    def other(self) -> int:
        """Rows that are settled in any other way."""
        counted = self.waiting + self.accepted + self.deferred + self.rejected + self.held
        return self.planned - counted


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of every row of an issue.

    ``fates`` holds every line with rows in it, in the order of ``rules.words.FATES``; they add up
    to ``planned``. ``in_doubt`` and ``repeated`` are counted in their lines too: rows of which
    nobody knows yet whether they were sent, and rows that were accepted but may have been before.
    """

    fates: dict[Fate, int]
    in_doubt: int
    repeated: int
    causes: tuple[Cause, ...]
    versions: tuple[VersionCount, ...]
    relays: dict[str, int]  # accepted, by relay
    first_accepted_at: datetime | None
    last_accepted_at: datetime | None

    @property
    def planned(self) -> int:
        """The sum of all lines."""
        return sum(self.fates.values())

    @property
    def accepted(self) -> int:
        return self.in_state(DeliveryState.ACCEPTED)

    @property
    def waiting(self) -> int:
        """Rows that are not settled."""
        return self.in_state(*OPEN_STATES)

    def in_state(self, *states: DeliveryState) -> int:
        """How many rows are in one of ``states``."""
        return sum(rows for (state, _), rows in self.fates.items() if state in states)


_KEY = (
    *(deliveries.c.state, deliveries.c.reason, deliveries.c.verdict, deliveries.c.blame),
    *(deliveries.c.version_id, deliveries.c.relay_id, deliveries.c.maybe_sent),
)


async def receipt(session: Session, issue_id: int) -> Receipt:
    """Count every row of an issue; all of it empty where it was not planned yet.

    One pass over the rows of the issue: half again as long as ``reports.issue_totals`` takes.
    """
    query = select(
        *_KEY,
        func.count().label("rows"),
        func.min(deliveries.c.id).label("sample"),
        func.min(deliveries.c.settled_at).label("first_at"),
        func.max(deliveries.c.settled_at).label("last_at"),
    ).where(*await of_issue(session, issue_id))
    groups: list[Any] = list((await session.execute(query.group_by(*_KEY))).all())
    groups += [_Group(one) for one in await rolled_up_of(session, issue_id)]
    accepted = [row for row in groups if row.state is DeliveryState.ACCEPTED]
    return Receipt(
        fates=_fates(groups),
        in_doubt=sum(row.rows for row in groups if _doubtful(row)),
        repeated=sum(row.rows for row in accepted if row.maybe_sent),
        causes=await _causes(session, groups),
        versions=await _versions(session, groups),
        relays=await _relays(session, accepted),
        first_accepted_at=min((row.first_at for row in accepted if row.first_at), default=None),
        last_accepted_at=max((row.last_at for row in accepted if row.last_at), default=None),
    )


class _Group:
    """Rows that are counts by now, as the query gives those that are there."""

    state = DeliveryState.ACCEPTED
    reason = verdict = blame = sample = None

    def __init__(self, counted: RolledUp) -> None:
        self.version_id, self.relay_id = counted.version_id, counted.relay_id
        self.maybe_sent, self.rows = counted.maybe_sent, counted.rows
        self.first_at, self.last_at = counted.first_at, counted.last_at


def fate_of(state: DeliveryState, reason: StateReason | None) -> Fate:
    """The line of a receipt a row is counted in."""
    return (state, reason) if (state, reason) in FATES else (state, None)


def _fates(groups: Iterable[Any]) -> dict[Fate, int]:
    counts: Counter[Fate] = Counter()
    for row in groups:
        counts[fate_of(row.state, row.reason)] += row.rows
    order = [*FATES, *(fate for fate in counts if fate not in FATES)]
    return {fate: counts[fate] for fate in order if counts[fate]}


def _doubtful(row: Any) -> bool:
    if row.state is DeliveryState.HELD:
        return bool(row.reason is StateReason.IN_DOUBT)
    return bool(row.maybe_sent) and row.state in OPEN_STATES


async def _causes(session: Session, groups: Sequence[Any]) -> tuple[Cause, ...]:
    """The answers behind rows that were not accepted, the most frequent first."""
    told: dict[tuple[Any, ...], list[int]] = {}
    for row in groups:
        if row.state in _TOLD_BY_A_REPLY and row.reason is None:
            # Only where no reason was given does it matter at whose expense.
            blame = row.blame if row.verdict == Reason.UNDEFINED else None
            rows = told.setdefault((row.state, row.verdict, blame), [0, row.sample])
            rows[0] += row.rows
    samples = select(
        *(deliveries.c.id, deliveries.c.reply_code, deliveries.c.reply_status),
        deliveries.c.reply_text,
    ).where(deliveries.c.id.in_([sample for _, sample in told.values()]))
    replies = {
        row.id: reply_words(row.reply_code, row.reply_status, row.reply_text)
        for row in await session.execute(samples)
    }
    causes = [
        Cause(state, reason_of(verdict), blame_of(blame), rows, replies.get(sample, ""))
        for (state, verdict, blame), (rows, sample) in told.items()
    ]
    return tuple(sorted(causes, key=lambda one: (-one.rows, one.state, one.verdict or "")))


async def _versions(session: Session, groups: Iterable[Any]) -> tuple[VersionCount, ...]:
    planned: Counter[int] = Counter()
    accepted: Counter[int] = Counter()
    for row in groups:
        planned[row.version_id] += row.rows
        accepted[row.version_id] += row.rows * (row.state is DeliveryState.ACCEPTED)
    query = select(versions.c.id, versions.c.ordinal, versions.c.hash)
    rows = await session.execute(
        query.where(versions.c.id.in_(list(planned))).order_by(versions.c.ordinal)
    )
    return tuple(VersionCount(*row, planned[row.id], accepted[row.id]) for row in rows)


async def _relays(session: Session, accepted: Iterable[Any]) -> dict[str, int]:
    counts: Counter[int] = Counter()
    for row in accepted:
        if row.relay_id is not None:
            counts[row.relay_id] += row.rows
    query = select(relays.c.id, relays.c.name).where(relays.c.id.in_(list(counts)))
    names = {row.id: row.name for row in await session.execute(query)}
    return {names[one]: rows for one, rows in counts.most_common() if one in names}


async def destination_counts(
    session: Session, issue_id: int, *, limit: int = 20
) -> tuple[DestinationCount, ...]:
    """How an issue fares at its destinations, the largest first."""

    def rows_in(*states: DeliveryState) -> ColumnElement[int]:
        return func.count().filter(in_state(*states))

    rows = (
        select(
            deliveries.c.destination_id,
            func.count().label("planned"),
            rows_in(DeliveryState.QUEUED, DeliveryState.SENDING).label("waiting"),
            rows_in(DeliveryState.ACCEPTED).label("accepted"),
            rows_in(DeliveryState.DEFERRED).label("deferred"),
            rows_in(DeliveryState.REJECTED).label("rejected"),
            rows_in(DeliveryState.HELD).label("held"),
        )
        .where(*await of_issue(session, issue_id))
        .group_by(deliveries.c.destination_id)
    )
    none = literal(0)
    counted = select(
        *(rolled_up.c.destination_id, rolled_up.c.deliveries, none, rolled_up.c.deliveries),
        *(none, none, none),
    ).where(rolled_up.c.issue_id == issue_id)
    each = union_all(rows, counted).subquery()
    sums = [func.sum(column) for column in each.c if column is not each.c.destination_id]
    query = (
        select(WHERE_TO, *sums)
        .join_from(each, destinations, destinations.c.id == each.c.destination_id)
        .group_by(WHERE_TO)
        .order_by(func.sum(each.c.planned).desc(), WHERE_TO)
        .limit(limit)
    )
    # The driver of PostgreSQL gives sums as decimals.
    return tuple(
        DestinationCount(str(row[0]), *(int(number) for number in row[1:]))
        for row in await session.execute(query)
    )
