"""What deliveries and notices share: owner, outcome, rescue. The fencing of all writes stands here.

A row is handed over by its owner only: an outcome is written ``WHERE owner = … AND state =
'sending' AND attempts = …``. A worker that was thought dead, lost its rows and wakes up again
writes nothing, and neither does its old outcome when it has claimed the same row anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Table, TextClause, bindparam, select, text, update

from digest.rules.delivery import OPEN_STATES, DeliveryState, StateReason
from digest.store.schema import deliveries, notices
from digest.store.session import Session
from digest.store.types import storable


class Outcome(NamedTuple):
    """What became of one claimed row; a tuple, for the same reason as ``Claimed``.

    ``attempts`` is the number the claim gave it. ``uncharged`` takes that attempt back: the row was
    claimed but no MAIL was sent for it. ``state`` is where it goes; ``not_before`` moves it ahead.
    """

    row_id: int
    attempts: int
    state: DeliveryState
    reason: StateReason | None = None
    not_before: datetime | None = None
    phase: str = ""  # "" writes no attempt
    blame: str | None = None
    code: int | None = None
    status: str | None = None
    text: str | None = None
    relay_id: int | None = None
    relay_message_id: str | None = None
    maybe_sent: bool = False
    uncharged: bool = False
    verdict: str | None = None  # rules.verdict.Reason, where the answer has one


# What an outcome brings along: its name in the statements, and PostgreSQL's type. A field that is
# not there is NULL.
_COLUMNS = {
    "row_id": "bigint",
    "number": "integer",
    "to_state": "text",
    "settled": "boolean",
    "to_reason": "text",
    "due_at": "timestamptz",
    "phase": "text",
    "blame": "text",
    "verdict": "text",
    "code": "integer",
    "status": "text",
    "words": "text",
    "relay": "bigint",
    "relay_message": "text",
    "doubt": "boolean",
    "uncharged": "boolean",
}

# CASE: rows are found by their ids alone. Were owner and state conditions of their own, PostgreSQL
# would think them met by one row or none, and compare each such row with each outcome: 85 ms a
# group instead of 7.
_FENCE = """{table}.id = o.row_id AND CASE WHEN {table}.owner = :owner
    AND {table}.state = 'sending' AND {table}.attempts = o.number THEN true ELSE false END"""

# Guarded by the same fence and before the row changes, so that a repeated group adds nothing.
_LOG_SQL = """
INSERT INTO attempts ({key}, number, relay_id, finished_at, phase, blame, verdict, code,
    status, text, relay_message_id)
SELECT o.row_id, o.number, o.relay, :now, o.phase, o.blame, o.verdict, o.code,
    o.status, o.words, o.relay_message
FROM {outcomes} WHERE EXISTS (SELECT 1 FROM {table} WHERE {fence})
"""

_WRITE_SQL = """
UPDATE {table} SET state = o.to_state, reason = o.to_reason, owner = NULL,
    not_before = COALESCE(o.due_at, {table}.not_before),
    settled_at = CASE WHEN o.settled THEN :now END,
    attempts = {table}.attempts - CASE WHEN o.uncharged THEN 1 ELSE 0 END,
    first_claimed_at = CASE WHEN o.uncharged AND {table}.attempts = 1 THEN NULL
        ELSE {table}.first_claimed_at END,
    maybe_sent = {table}.maybe_sent OR COALESCE(o.doubt, false),
    relay_id = COALESCE(o.relay, {table}.relay_id),
    relay_message_id = COALESCE(o.relay_message, {table}.relay_message_id),
    reply_code = CASE WHEN o.phase IS NULL THEN {table}.reply_code ELSE o.code END,
    reply_status = CASE WHEN o.phase IS NULL THEN {table}.reply_status ELSE o.status END,
    reply_text = CASE WHEN o.phase IS NULL THEN {table}.reply_text ELSE o.words END,
    verdict = CASE WHEN o.phase IS NULL THEN {table}.verdict ELSE o.verdict END,
    blame = CASE WHEN o.phase IS NULL THEN {table}.blame ELSE o.blame END
FROM {outcomes} WHERE {fence}
"""

# Nearly all rows are accepted and have nothing else to say: a third of the cost of ``_WRITE_SQL``.
_ACCEPT_SQL = """
UPDATE {table} SET state = 'accepted', reason = NULL, owner = NULL, settled_at = :now,
    relay_id = COALESCE(o.relay, {table}.relay_id),
    relay_message_id = COALESCE(o.relay_message, {table}.relay_message_id),
    reply_code = o.code, reply_status = o.status, reply_text = o.words,
    verdict = NULL, blame = NULL
FROM {accepted} WHERE {fence}
"""
_ACCEPTED = ("row_id", "number", "relay", "relay_message", "code", "status", "words")


def _outcomes_sql(dialect: str) -> str:
    """All outcomes of a group as one table ``o``, made from one value: JSON.

    Measured: arrays cost PostgreSQL's driver twice as much; SQLite's, given row by row, takes and
    gives back Python's lock for every one, for which a busy sender lets it wait.
    """
    if dialect == "postgresql":
        types = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        return f"json_to_recordset(CAST(:outcomes AS json)) AS o({types})"
    columns = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in _COLUMNS)
    return f"(SELECT {columns} FROM json_each(:outcomes)) AS o"  # noqa: S608 - our own names only


def _accepted_sql(dialect: str) -> str:
    """The accepted of a group as one table ``o``, made of one JSON array of arrays.

    Arrays, since names are longer than most values: written and read in half the time.
    """
    if dialect == "postgresql":
        columns = ", ".join(
            f"CAST(value ->> {at} AS {_COLUMNS[name]}) AS {name}"
            for at, name in enumerate(_ACCEPTED)
        )
        source = "jsonb_array_elements(CAST(:outcomes AS jsonb)) AS value"
    else:
        columns = ", ".join(
            f"json_extract(value, '$[{at}]') AS {name}" for at, name in enumerate(_ACCEPTED)
        )
        source = "json_each(:outcomes)"
    return f"(SELECT {columns} FROM {source}) AS o"  # noqa: S608 - our own names only


def _statement(template: str, table: Table, dialect: str) -> TextClause:
    sql = template.replace("{fence}", _FENCE).format(
        table=table.name,
        key="delivery_id" if table is deliveries else "notice_id",
        outcomes=_outcomes_sql(dialect),
        accepted=_accepted_sql(dialect),
    )
    statement = text(sql).bindparams(bindparam("owner", type_=deliveries.c.owner.type))
    if ":now" in sql:
        statement = statement.bindparams(bindparam("now", type_=deliveries.c.settled_at.type))
    return statement


_TABLES = (deliveries, notices)
_DIALECTS = ("postgresql", "sqlite")
_LOG = {(t, d): _statement(_LOG_SQL, t, d) for t in _TABLES for d in _DIALECTS}
_ACCEPT = {(t, d): _statement(_ACCEPT_SQL, t, d) for t in _TABLES for d in _DIALECTS}
_WRITE = {(t, d): _statement(_WRITE_SQL, t, d) for t in _TABLES for d in _DIALECTS}


async def record(
    session: Session,
    table: Table,
    *,
    worker_id: int,
    outcomes: Sequence[Outcome],
    now: datetime,
) -> int:
    """Write ``outcomes`` of rows that ``worker_id`` still holds; how many rows that were.

    Accepted rows keep their last reply themselves; every other attempt gets a row of its own.
    """
    dialect = session.dialect.name
    accepted, others = [], []
    for outcome in outcomes:
        if _is_plain(outcome):
            accepted.append(_accepted(outcome))
        else:
            others.append(outcome)
    tried = [outcome for outcome in others if _is_logged(outcome)]
    written = 0
    for statement, given in (
        (_LOG, _as_json(tried, dialect) if tried else ""),
        (_ACCEPT, json.dumps(accepted) if accepted else ""),
        (_WRITE, _as_json(others, dialect) if others else ""),
    ):
        if given:
            values = {"outcomes": given, "owner": worker_id, "now": now}
            done = await session.execute(statement[table, dialect], values)
            written += done.rowcount if statement is not _LOG else 0
    return written


def _is_plain(outcome: Outcome) -> bool:
    """Whether the relay took it, and that is all there is to write."""
    return (
        outcome.state is DeliveryState.ACCEPTED
        and bool(outcome.phase)
        and not (outcome.maybe_sent or outcome.uncharged)
        and not (outcome.reason or outcome.not_before or outcome.verdict)
    )


def _accepted(outcome: Outcome) -> tuple[int | str | None, ...]:
    """The values of ``_ACCEPTED``."""
    return (
        outcome.row_id,
        outcome.attempts,
        outcome.relay_id,
        storable(outcome.relay_message_id),
        outcome.code,
        outcome.status,
        storable(outcome.text),
    )


def _as_json(outcomes: Sequence[Outcome], dialect: str) -> str:
    rows = [_fields(outcome) for outcome in outcomes]
    return json.dumps(rows, default=datetime.isoformat if dialect != "sqlite" else _as_sqlite_time)


def _as_sqlite_time(value: datetime) -> str:
    """As ``types.UtcDateTime`` writes it."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _is_logged(outcome: Outcome) -> bool:
    return bool(outcome.phase) and outcome.state is not DeliveryState.ACCEPTED


def _fields(outcome: Outcome) -> dict[str, Any]:
    """Those of ``_COLUMNS`` that are not NULL, or say nothing."""
    fields: dict[str, Any] = {
        "row_id": outcome.row_id,
        "number": outcome.attempts,
        "to_state": outcome.state.value,
    }
    if outcome.state not in OPEN_STATES:
        fields["settled"] = True
    if outcome.phase:
        fields |= {
            "phase": outcome.phase,
            "verdict": outcome.verdict,
            "code": outcome.code,
            "status": outcome.status,
            "words": storable(outcome.text),
            "relay_message": storable(outcome.relay_message_id),
        }
    if _is_logged(outcome):
        fields["blame"] = outcome.blame or "relay"
    if outcome.relay_id is not None:
        fields["relay"] = outcome.relay_id
    if outcome.reason:
        fields["to_reason"] = outcome.reason.value
    if outcome.not_before:
        fields["due_at"] = outcome.not_before
    if outcome.maybe_sent:
        fields["doubt"] = True
    if outcome.uncharged:
        fields["uncharged"] = True
    return fields


async def owners(session: Session) -> set[int]:
    """Every worker that some row says is sending it."""
    found: set[int] = set()
    for table in _TABLES:
        held = select(table.c.owner).where(_SENDING[table]).distinct()
        found.update(await session.scalars(held))
    return found


async def rescue(
    session: Session, dead: Collection[int], *, now: datetime, hold: bool = False
) -> int:
    """Take back the rows of workers that are ``dead``; how many there were.

    Whether they reached the relay nobody knows (RFC 1047): they are marked ``maybe_sent`` and go
    back to ``queued``, or wait for the operator as ``held`` where ``hold`` is asked for.
    """
    if not dead:
        return 0
    values: dict[str, Any] = {"owner": None, "maybe_sent": True, "state": DeliveryState.QUEUED}
    if hold:
        values |= {
            "state": DeliveryState.HELD,
            "reason": StateReason.IN_DOUBT,
            "settled_at": now,
        }
    rescued = 0
    for table in _TABLES:
        statement = update(table).where(_SENDING[table], table.c.owner.in_(sorted(dead)))
        rescued += (await session.execute(statement.values(values))).rowcount
    return rescued


# Written out, not bound: only so does the planner see that the partial index on owners serves.
_SENDING = {table: text(f"{table.name}.state = 'sending'") for table in _TABLES}
