"""Claiming: rows that are due become a worker's own, committed before anything is sent of them.

A claim is bounded, counts the attempt and fixes the Date. PostgreSQL: ``FOR UPDATE SKIP LOCKED``,
so nobody waits for a row that another one holds; SQLite needs no lock, since there is one writer.

Of many workers only a few claim at the same time (``take_turn_to_claim``). What others have claimed
since a statement began still looks due to it: each such row is locked and found taken. A hundred
workers at once cost the database's processor twice as much a row.

This runs a hundred times a second, hence three things. Statements are text that is made once:
building one of expressions costs as much as claiming 200 rows by it. What is claimed comes back as
one value, JSON: PostgreSQL's driver takes four times as long for rows, SQLite's gives away and
takes back Python's lock for each of them. And no planner can choose badly, also right after an
import when it knows nothing about the tables: PostgreSQL looks readers up in subqueries, which it
never turns into joins, and SQLite joins in the order in which a CROSS JOIN is written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Integer, TextClause, bindparam, text

from digest.rules.delivery import REST_WAVE
from digest.store.schema import deliveries
from digest.store.session import Session
from digest.store.turns import take_turn


class Claimed(NamedTuple):
    """A row that is ours to send, with all that composing needs.

    A tuple: one is made for every message, and a frozen dataclass takes five times as long.
    """

    row_id: int
    version_id: int
    subscription_id: int
    destination_id: int
    maybe_sent: bool
    address: str
    name: str
    muted: tuple[str, ...]  # headings of sections this reader does not want
    attempts: int
    first_claimed_at: datetime


# ``deliveries.state IN …`` stands written out, not bound: only so does a planner see that the
# partial index of open rows serves. ``wave`` bounds the same index from above.
_WANTED = """due.state IN ('queued', 'deferred') AND due.issue_id = :issue_id
    AND due.not_before <= :due_at AND due.wave <= :wave {only}"""
_SENT = "state = 'sending' AND NOT overtaken"
_IN_ORDER = "ORDER BY due.wave, due.not_before, due.id LIMIT :limit"
_MOVE = """UPDATE deliveries SET state = 'sending', owner = :owner, claimed_at = :now,
    attempts = attempts + 1, first_claimed_at = COALESCE(first_claimed_at, :now),
    settled_at = NULL"""

# The issue is locked against a pause, which else could be acknowledged between what a claim has
# read and its commit. Senders do not wait for each other: they share the lock. ``OFFSET 0``: each
# reader is looked up once, by number.
_POSTGRESQL = f"""
WITH issue AS MATERIALIZED
    (SELECT id FROM issues WHERE id = :issue_id AND {_SENT} FOR SHARE),
chosen AS MATERIALIZED
    (SELECT due.id, due.version_id, due.subscription_id, due.destination_id, due.maybe_sent,
        reader.address, reader.name, subscription.muted, due.attempts, due.first_claimed_at
    FROM deliveries AS due
    CROSS JOIN LATERAL (SELECT state, muted FROM subscriptions
        WHERE id = due.subscription_id OFFSET 0) AS subscription
    CROSS JOIN LATERAL (SELECT address, name, suppressed_at FROM subscribers
        WHERE id = due.subscriber_id OFFSET 0) AS reader
    WHERE EXISTS (SELECT 1 FROM issue) AND {_WANTED}
        AND subscription.state = 'active' AND reader.suppressed_at IS NULL
    {_IN_ORDER} FOR UPDATE OF due SKIP LOCKED),
moved AS ({_MOVE} WHERE id = ANY(ARRAY(SELECT id FROM chosen)))
SELECT json_agg(json_build_array(id, version_id, subscription_id, destination_id, maybe_sent,
    address, name, muted, attempts + 1, first_claimed_at))
FROM chosen
"""  # noqa: S608 - our own pieces only

_SQLITE = f"""
SELECT json_group_array(json_array(id, version_id, subscription_id, destination_id, maybe_sent,
    address, name, json(muted), attempts + 1, first_claimed_at))
FROM (SELECT due.id, due.version_id, due.subscription_id, due.destination_id, due.maybe_sent,
        subscribers.address, subscribers.name, subscriptions.muted, due.attempts,
        due.first_claimed_at
    FROM deliveries AS due CROSS JOIN subscriptions CROSS JOIN subscribers
    WHERE {_WANTED} AND EXISTS (SELECT 1 FROM issues WHERE id = :issue_id AND {_SENT})
        AND subscriptions.id = due.subscription_id AND subscriptions.state = 'active'
        AND subscribers.id = due.subscriber_id AND subscribers.suppressed_at IS NULL
    {_IN_ORDER})
"""  # noqa: S608 - our own pieces only
_SQLITE_MOVE = f"{_MOVE} WHERE id IN (SELECT value FROM json_each(:ids))"  # noqa: S608 - as above

_TYPES = {
    "issue_id": deliveries.c.issue_id.type,
    "owner": deliveries.c.owner.type,
    "wave": deliveries.c.wave.type,
    "limit": Integer(),
    "due_at": deliveries.c.not_before.type,
    "retry_at": deliveries.c.not_before.type,
    "now": deliveries.c.claimed_at.type,
}


_TURNS = 2  # one chooses while another is written to the disk
_TURN = 0x64696765_636C6D00  # "digeclm": the first of them


async def take_turn_to_claim(session: Session, worker_id: int) -> None:
    """Wait until this worker may claim; for the rest of the transaction."""
    await take_turn(session, _TURN + worker_id % _TURNS)


async def claim_deliveries(
    session: Session,
    *,
    worker_id: int,
    issue_id: int,
    limit: int,
    now: datetime,
    retry_at: datetime | None = None,
    wave: int | None = None,
    row_ids: Sequence[int] | None = None,
) -> list[Claimed]:
    """Take up to ``limit`` rows that are due for ``worker_id``.

    By wave (up to ``wave``), then by ``not_before``. Nothing where the issue is not ``sending`` or
    was overtaken, and no row of a reader who is not subscribed any more. ``retry_at``: what was
    deferred only if it was due by then; ``row_ids``: only of these. The attempt is counted here,
    before any connection is made.
    """
    if limit < 1:
        return []
    given: dict[str, Any] = {
        "issue_id": issue_id,
        "due_at": now,
        "wave": REST_WAVE if wave is None else wave,
        "limit": limit,
    }
    moved: dict[str, Any] = {"owner": worker_id, "now": now}
    if row_ids is not None:
        given["row_ids"] = json.dumps(list(row_ids))
    if retry_at is not None:
        given["retry_at"] = retry_at
    only = _only(session, row_ids, retry_at)
    if session.dialect.name == "postgresql":
        claim = _statement(_POSTGRESQL.format(only=only))
        return _claimed((await session.execute(claim, given | moved)).scalar_one() or [], now)
    # Nobody can write between the two statements.
    choice = _statement(_SQLITE.format(only=only))
    found = json.loads((await session.execute(choice, given)).scalar_one())
    if found:
        moved["ids"] = json.dumps([row[0] for row in found])
        await session.execute(_statement(_SQLITE_MOVE), moved)
    return _claimed(found, now)


_ONLY = {
    "postgresql": """AND due.id = ANY(ARRAY(
        SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(:row_ids AS json))))""",
    "sqlite": "AND due.id IN (SELECT value FROM json_each(:row_ids))",
}


_TRIED = "AND (due.state = 'queued' OR due.not_before <= :retry_at)"


def _only(session: Session, row_ids: Sequence[int] | None, retry_at: datetime | None) -> str:
    these = "" if row_ids is None else _ONLY[session.dialect.name]
    return these if retry_at is None else f"{these} {_TRIED}"


@lru_cache
def _statement(sql: str) -> TextClause:
    binds = [bindparam(name, type_=kind) for name, kind in _TYPES.items() if f":{name}" in sql]
    return text(sql).bindparams(*binds)


def _claimed(found: Sequence[list[Any]], now: datetime) -> list[Claimed]:
    """What both statements bring, in the order of ``Claimed``, made such as it says."""
    for row in found:
        row[_MAYBE_SENT] = bool(row[_MAYBE_SENT])
        row[_MUTED] = tuple(row[_MUTED] or ())
        row[_FIRST] = _moment(row[_FIRST]) if row[_FIRST] else now
    return [Claimed._make(row) for row in found]


_MAYBE_SENT, _MUTED, _FIRST = map(
    Claimed._fields.index, ("maybe_sent", "muted", "first_claimed_at")
)


def _moment(written: str) -> datetime:
    moment = datetime.fromisoformat(written)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
