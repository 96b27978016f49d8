"""Rows of deliveries: found by an index, and moved only as the table of moves allows.

Conditions on states are written out, not bound: only so does a planner see that a partial index
serves. A move is one UPDATE with its old states as a condition; PostgreSQL asks it again of a row
that somebody changed meanwhile, so of two who want a row one gets it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    TableValuedAlias,
    TextClause,
    Update,
    and_,
    any_,
    column,
    exists,
    func,
    literal,
    select,
    text,
    update,
)

from digest.rules.delivery import (
    DELIVERY_MOVES,
    OPEN_STATES,
    DeliveryState,
    IssueState,
    StateReason,
)
from digest.rules.subscription import SubscriptionState
from digest.store.schema import deliveries, issues, subscribers, subscriptions
from digest.store.session import Session

_LAST = "\U0010ffff"  # behind every text that begins the same way
WAITING = (DeliveryState.QUEUED, DeliveryState.DEFERRED)  # in the order of the indexes


def in_state(*states: DeliveryState, name: str = "deliveries") -> TextClause:
    """The rows of table or alias ``name`` that are in one of ``states``."""
    if len(states) == 1:
        return text(f"{name}.state = '{states[0].value}'")
    listed = ", ".join(f"'{state.value}'" for state in states)
    return text(f"{name}.state IN ({listed})")


def sending_of(issue_id: int) -> ColumnElement[bool]:
    """The rows of an issue that some worker holds, found among all that are held.

    The sum keeps planners from the index that has every row of the issue.
    """
    return and_(in_state(DeliveryState.SENDING), deliveries.c.issue_id + 0 == issue_id)


def among(session: Session, of: ColumnElement[Any], ids: Collection[int]) -> ColumnElement[bool]:
    """Whether ``of`` is one of ``ids``, however many they are: they travel as one value."""
    if session.dialect.name == "postgresql":
        return of == any_(literal(sorted(ids), ARRAY(BigInteger)))
    values = func.json_each(json.dumps(sorted(ids)))
    return of.in_(select(column("value")).select_from(values))


def not_among(
    session: Session, of: ColumnElement[Any], ids: Collection[int]
) -> ColumnElement[bool]:
    """Whether ``of`` is none of ``ids``, however many they are, asked of a table as large.

    PostgreSQL makes a hash join of it, which may be larger than its memory, unlike that of NOT IN;
    SQLite would go through all of them for each row, and makes an index for NOT IN.
    """
    each = each_of(session, ids)
    if session.dialect.name == "postgresql":
        return ~exists().where(each.c.value == of)
    return of.not_in(select(each.c.value))


def each_of(session: Session, numbers: Collection[int]) -> TableValuedAlias:
    """These numbers as rows, with a column ``value``, however many they are."""
    if session.dialect.name == "postgresql":
        given = func.unnest(literal(sorted(numbers), ARRAY(BigInteger)))
        return given.table_valued(column("value", BigInteger)).render_derived()
    return func.json_each(json.dumps(sorted(numbers))).table_valued(column("value", BigInteger))


def begins(session: Session, of: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Whether ``of`` begins like that, by an index (``index_of_beginnings``).

    SQLite follows its own for a range of characters, and none for LIKE.
    """
    if session.dialect.name == "sqlite":
        return (of >= prefix) & (of < prefix + _LAST)
    return of.startswith(prefix, autoescape=True)


def entitled(rows: FromClause = deliveries) -> ColumnElement[bool]:
    """Whether the reader of a row is subscribed and not suppressed, as of now.

    Looked up row by row: a subquery that is a value is never turned into a join.
    """
    state = select(subscriptions.c.state).where(subscriptions.c.id == rows.c.subscription_id)
    suppressed_at = select(subscribers.c.suppressed_at).where(
        subscribers.c.id == rows.c.subscriber_id
    )
    return and_(
        state.scalar_subquery() == SubscriptionState.ACTIVE,
        suppressed_at.scalar_subquery().is_(None),
    )


def is_latest(rows: FromClause = deliveries) -> ColumnElement[bool]:
    """Whether a row is the last one of its reader in its issue."""
    later = deliveries.alias("later")
    return ~exists().where(
        later.c.issue_id == rows.c.issue_id,
        later.c.subscriber_id == rows.c.subscriber_id,
        later.c.ordinal > rows.c.ordinal,
    )


async def is_resent(session: Session, issue_id: int) -> bool:
    """Whether any reader has a second row in an issue: only then is it a question which counts."""
    again = exists().where(deliveries.c.issue_id == issue_id, text("deliveries.ordinal > 0"))
    return bool((await session.execute(select(again))).scalar())


def move_rows(
    *states: DeliveryState,
    to: DeliveryState,
    now: datetime,
    reason: StateReason | None = None,
) -> Update:
    """An UPDATE of rows in ``states``, to be narrowed down by who uses it.

    ValueError where the table of moves does not allow it.
    """
    for state in states:
        if to not in DELIVERY_MOVES.get(state, ()):
            raise ValueError(f"a delivery never goes from {state} to {to}")
    settled_at = None if to in OPEN_STATES else now
    values = {"state": to, "reason": reason, "owner": None, "settled_at": settled_at}
    return update(deliveries).where(in_state(*states)).values(values)


async def lock_issue(session: Session, issue_id: int) -> IssueState | None:
    """The state of an issue, which nobody changes before this transaction ends; None: no such.

    What a later statement finds is then as of a moment after it (READ COMMITTED). Whoever puts
    rows back and whoever asks whether all are settled take it both.
    """
    query = select(issues.c.state).where(issues.c.id == issue_id).with_for_update(key_share=True)
    state: IssueState | None = (await session.execute(query)).scalar()
    return state
