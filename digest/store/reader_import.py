"""Many readers at once: one chunk of rows, one transaction, the same statements on both databases.

A chunk goes into a temporary table (COPY on PostgreSQL, executemany on SQLite); set statements do
the rest. Who left stays gone, who is suppressed is not even stored.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, text, update

from digest.rules.subscription import KEPT_OUT, Standing, SubscriptionState
from digest.rules.traits import Attributes
from digest.store import schema
from digest.store.destinations import DestinationMemo
from digest.store.session import Session
from digest.store.suppressions import (
    address_hash,
    any_suppression,
    read_pepper,
    suppress_many,
)
from digest.store.types import Id, UtcDateTime


@dataclass(frozen=True, slots=True)
class Brought:
    """What a tool's export knows of a reader beside address, name and standing.

    ``asked_net`` and ``confirmed_net`` are networks, never addresses of machines.
    """

    language: str | None = None
    tags: tuple[str, ...] = ()
    attributes: Attributes | None = None
    created_at: datetime | None = None
    asked_at: datetime | None = None
    confirmed_at: datetime | None = None
    paused_until: datetime | None = None
    left_at: datetime | None = None
    asked_net: str | None = None
    confirmed_net: str | None = None
    reason: str | None = None

    def proof(self) -> dict[str, str]:
        """What is kept for ever of how and when somebody agreed and left."""
        dates = ("created_at", "asked_at", "confirmed_at", "left_at")
        found = {
            one: when.isoformat(timespec="seconds")
            for one in dates
            if (when := getattr(self, one)) is not None
        }
        words = {"asked_net": self.asked_net, "reason": self.reason}
        return found | {one: value for one, value in words.items() if value}


class ImportedReader(NamedTuple):
    """A row of a file that can be used; ``key`` is its address_key, unique within a chunk."""

    address: str
    key: str
    domain: str
    name: str
    standing: Standing = Standing.ACTIVE
    brought: Brought | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """Where an import came from; ``source`` is what the operator says the readers agreed to."""

    source: str
    file_name: str | None
    file_sha256: str | None


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What became of a chunk's rows; ``again`` are those this very import had added before.

    ``kept_out`` are suppressed from now on. ``to_end``: subscriptions that an import had made
    active, and that have ended where they came from; they are counted in ``already``.
    """

    active: int = 0
    left: int = 0
    kept_out: int = 0
    already: int = 0
    again: int = 0
    ended: int = 0
    suppressed: int = 0
    to_end: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportBatch:
    """What all chunks of an import have in common."""

    id: int
    newsletter_id: int
    source: str
    destinations: DestinationMemo


async def open_batch(
    session: Session, newsletter_id: int, consent: Consent, *, now: datetime
) -> ImportBatch:
    """Write down the consent the readers of an import gave."""
    row = {
        "newsletter_id": newsletter_id,
        "source": consent.source,
        "file_name": consent.file_name,
        "file_sha256": consent.file_sha256,
        "created_at": now,
    }
    batches = schema.consent_batches
    done = await session.execute(insert(batches).values(row).returning(batches.c.id))
    return ImportBatch(done.scalar_one(), newsletter_id, consent.source, DestinationMemo())


async def import_chunk(
    session: Session, batch: ImportBatch, readers: Sequence[ImportedReader], *, now: datetime
) -> ChunkResult:
    """Add those of ``readers`` who may be added, keep out those to be kept out, count the rest."""
    keys = {one.key: KEPT_OUT[one.standing] for one in readers if one.standing in KEPT_OUT}
    kept_out = await suppress_many(session, keys, now=now)
    wanted = [one for one in readers if one.standing not in KEPT_OUT]
    counted = await _add(session, batch, wanted, now=now) if wanted else ChunkResult()
    return ChunkResult(
        active=counted.active,
        left=counted.left,
        kept_out=kept_out,
        already=counted.already,
        again=counted.again,
        ended=counted.ended,
        suppressed=counted.suppressed + len(keys) - kept_out,
        to_end=counted.to_end,
    )


async def _add(
    session: Session, batch: ImportBatch, readers: Sequence[ImportedReader], *, now: datetime
) -> ChunkResult:
    await _make_room(session)
    await _fill(session, batch, readers)
    suppressed = await _drop_suppressed(session, batch, readers)
    await session.execute(_ADD_SUBSCRIBERS, {"now": now})
    await session.execute(_FIND_SUBSCRIBERS)
    this = {"newsletter": batch.newsletter_id, "batch": batch.id}
    added = await session.execute(_ADD_SUBSCRIPTIONS, {**this, "now": now})
    states = Counter(added.scalars())
    imported = states.total()
    batches = schema.consent_batches
    total = update(batches).where(batches.c.id == batch.id)
    await session.execute(total.values(readers=batches.c.readers + imported))
    if any(one.brought is not None for one in readers):
        await _bring(session, batch, readers, now=now)
    rest = len(readers) - suppressed - imported
    again = ended = 0
    to_end: tuple[int, ...] = ()
    if rest:
        counted = (await session.execute(_COUNT, this)).one()
        again, ended = int(counted.ours) - imported, int(counted.ended)
        to_end = tuple(
            (await session.execute(_TO_END, {"newsletter": batch.newsletter_id})).scalars()
        )
    return ChunkResult(
        active=imported - states[SubscriptionState.ENDED],
        left=states[SubscriptionState.ENDED],
        already=rest - again - ended,
        again=again,
        ended=ended,
        suppressed=suppressed,
        to_end=to_end,
    )


async def _bring(
    session: Session, batch: ImportBatch, readers: Sequence[ImportedReader], *, now: datetime
) -> None:
    """Write down what the other tool knew of the readers that were added, and their tags."""
    this = {"newsletter": batch.newsletter_id, "batch": batch.id}
    await session.execute(_ADD_PROOFS, {**this, "source": batch.source, "now": now})
    tagged = {one.key: one.brought.tags for one in readers if one.brought is not None}
    rows = [(key, tag) for key, tags in tagged.items() for tag in tags]
    if rows:
        await _make_table(session, "import_tags", _TAGS)
        await _put(session, "import_tags", ("address_key", "tag"), rows)
        await session.execute(_ADD_TAGS, this)


async def _make_room(session: Session) -> None:
    json_type = "TEXT" if session.dialect.name == "sqlite" else "JSONB"
    time_type = "TEXT" if session.dialect.name == "sqlite" else "TIMESTAMPTZ"
    await _make_table(session, "import_rows", _ROWS.format(json=json_type, time=time_type))


async def _make_table(session: Session, name: str, columns: str) -> None:
    """A temporary table with nothing in it."""
    table = f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({columns})"
    if session.dialect.name == "sqlite":
        await session.exec_driver_sql(table)
        await session.exec_driver_sql(f"DELETE FROM {name}")  # noqa: S608 - a name of this module
        return
    await session.exec_driver_sql(f"{table} ON COMMIT DELETE ROWS")


async def _fill(session: Session, batch: ImportBatch, readers: Sequence[ImportedReader]) -> None:
    ids = await batch.destinations.ids(session, {reader.domain for reader in readers})
    moment = _as_text if session.dialect.name == "sqlite" else _as_is
    rows = [
        (one.address, one.key, one.name, ids[one.domain], *_details(one, moment)) for one in readers
    ]
    await _put(session, "import_rows", _COLUMNS, rows)


def _details(one: ImportedReader, moment: Callable[[datetime | None], Any]) -> tuple[Any, ...]:
    """The rest of a row; what is None is filled in when it is stored."""
    state = _STATES[one.standing]
    brought = one.brought
    if brought is None:
        return (state, *_NO_DETAILS)
    since = brought.created_at or brought.asked_at or brought.confirmed_at
    proof = brought.proof()
    return (
        state,
        moment(since),
        moment(brought.confirmed_at or since),
        moment(brought.paused_until),
        moment(brought.left_at),
        brought.language,
        json.dumps(brought.attributes) if brought.attributes else None,
        brought.confirmed_net or brought.asked_net,
        json.dumps(proof) if proof else None,
    )


def _as_text(when: datetime | None) -> str | None:
    """As SQLAlchemy writes a time into SQLite; they are in UTC."""
    if when is None:
        return None
    return when.replace(tzinfo=None).isoformat(" ", "microseconds")


def _as_is(when: datetime | None) -> datetime | None:
    return when


async def _put(
    session: Session, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    raw = await session.get_raw_connection()
    driver: Any = raw.driver_connection
    names = ", ".join(columns)
    if session.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        await driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608 - names of this module
        return
    async with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            await copy.write_row(row)


async def _drop_suppressed(
    session: Session, batch: ImportBatch, readers: Sequence[ImportedReader]
) -> int:
    """Take suppressed addresses out; the hashes cost nothing where there is no suppression."""
    if not await any_suppression(session, batch.newsletter_id):
        return 0
    pepper = await read_pepper(session)
    hashes = [
        {"address_key": reader.key, "hash": address_hash(pepper, reader.key)} for reader in readers
    ]
    await session.execute(text(_SET_HASH), hashes)
    dropped = await session.execute(text(_DROP_SUPPRESSED), {"newsletter": batch.newsletter_id})
    return dropped.rowcount


_STATES = {
    Standing.ACTIVE: SubscriptionState.ACTIVE,
    Standing.PAUSED: SubscriptionState.PAUSED,
    Standing.ENDED: SubscriptionState.ENDED,
}
_DETAILS = (
    *("state", "created_at", "confirmed_at", "paused_until", "ended_at"),
    *("language", "attributes", "origin", "proof"),
)
_COLUMNS = ("address", "address_key", "name", "destination_id", *_DETAILS)
_NO_DETAILS = (None,) * (len(_DETAILS) - 1)
_ROWS = """
    address_key VARCHAR(320) PRIMARY KEY,
    address VARCHAR(320) NOT NULL,
    name VARCHAR(200) NOT NULL,
    destination_id BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL,
    created_at {time},
    confirmed_at {time},
    paused_until {time},
    ended_at {time},
    language VARCHAR(16),
    attributes {json},
    origin VARCHAR(64),
    proof {json},
    address_hash VARCHAR(64),
    subscriber_id BIGINT
"""
_TAGS = """
    address_key VARCHAR(320) NOT NULL,
    tag VARCHAR(64) NOT NULL,
    PRIMARY KEY (address_key, tag)
"""
_SET_HASH = "UPDATE import_rows SET address_hash = :hash WHERE address_key = :address_key"
_DROP_SUPPRESSED = """
DELETE FROM import_rows WHERE EXISTS (
    SELECT 1 FROM suppressions p
    WHERE p.address_hash = import_rows.address_hash AND p.lifted_at IS NULL
    AND (p.newsletter_id IS NULL OR p.newsletter_id = :newsletter)
)
"""
_NOW = bindparam("now", type_=UtcDateTime)
_THIS = (bindparam("newsletter", type_=Id), bindparam("batch", type_=Id))
# In the order of the keys: two imports at the same time lock rows in the same order.
_ADD_SUBSCRIBERS = text("""
INSERT INTO subscribers (address, address_key, name, destination_id, language, attributes,
    created_at)
SELECT address, address_key, name, destination_id, language, attributes, :now FROM import_rows
WHERE true ORDER BY address_key
ON CONFLICT (address_key) DO NOTHING
""").bindparams(_NOW)
# A subquery, not a join: one look into the index per row, whatever a planner without statistics
# would think of a join with a million readers.
_FIND_SUBSCRIBERS = text("""
UPDATE import_rows SET subscriber_id =
    (SELECT s.id FROM subscribers s WHERE s.address_key = import_rows.address_key)
""")
_ADD_SUBSCRIPTIONS = text("""
INSERT INTO subscriptions (subscriber_id, newsletter_id, state, consent_batch_id, created_at,
    confirmed_at, paused_until, ended_at)
SELECT subscriber_id, :newsletter, state, :batch, COALESCE(created_at, :now),
    CASE WHEN state = 'ended' THEN confirmed_at ELSE COALESCE(confirmed_at, :now) END,
    CASE WHEN state = 'paused' THEN COALESCE(paused_until, :now) END,
    CASE WHEN state = 'ended' THEN COALESCE(ended_at, :now) END
FROM import_rows WHERE true ORDER BY address_key
ON CONFLICT (subscriber_id, newsletter_id) DO NOTHING
RETURNING state
""").bindparams(_NOW, *_THIS)
_ADDED = """
FROM import_rows r JOIN subscriptions t ON t.subscriber_id = r.subscriber_id
    AND t.newsletter_id = :newsletter AND t.consent_batch_id = :batch
"""
_ADD_PROOFS = text(f"""
INSERT INTO consent_events (subscription_id, kind, source, origin, detail, at)
SELECT t.id, 'brought', :source, r.origin, r.proof, :now {_ADDED}
WHERE r.proof IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM consent_events e WHERE e.subscription_id = t.id AND e.kind = 'brought'
) ORDER BY t.id
""").bindparams(_NOW, *_THIS)  # noqa: S608 - joined from constants of this module
_ADD_TAGS = text(f"""
INSERT INTO subscription_tags (subscription_id, tag)
SELECT t.id, g.tag {_ADDED} JOIN import_tags g ON g.address_key = r.address_key
WHERE true ORDER BY t.id, g.tag
ON CONFLICT (subscription_id, tag) DO NOTHING
""").bindparams(*_THIS)
_MINE = """
FROM subscriptions t WHERE t.subscriber_id = r.subscriber_id AND t.newsletter_id = :newsletter
"""
_COUNT = text(f"""
SELECT
    SUM((SELECT COUNT(*) {_MINE} AND t.consent_batch_id = :batch)) AS ours,
    SUM((SELECT COUNT(*) {_MINE} AND t.state = 'ended'
        AND (t.consent_batch_id IS NULL OR t.consent_batch_id <> :batch))) AS ended
FROM import_rows r
""").bindparams(*_THIS)  # noqa: S608 - joined from constants of this module
# Who signed up here in person stays, whatever they did elsewhere.
_TO_END = text("""
SELECT t.id FROM import_rows r JOIN subscriptions t ON t.subscriber_id = r.subscriber_id
WHERE r.state = 'ended' AND t.newsletter_id = :newsletter AND t.state <> 'ended'
AND t.consent_batch_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM consent_events e
    WHERE e.subscription_id = t.id AND e.kind IN ('confirmed', 'undone')
) ORDER BY t.id
""").bindparams(bindparam("newsletter", type_=Id))
