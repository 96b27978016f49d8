"""Many readers at once: one chunk of rows, one transaction, the same statements on both databases.

A chunk goes into a temporary table (COPY on PostgreSQL, executemany on SQLite); set statements do
the rest. Who left stays gone, who is suppressed is not even stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, text, update

from digest.rules.subscription import SubscriptionState
from digest.store import schema
from digest.store.destinations import DestinationMemo
from digest.store.session import Session
from digest.store.suppressions import address_hash, any_suppression, read_pepper
from digest.store.types import EnumText, Id, UtcDateTime


@dataclass(frozen=True, slots=True)
class ImportedReader:
    """A row of a file that can be used; ``key`` is its address_key, unique within a chunk."""

    address: str
    key: str
    domain: str
    name: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Where an import came from; ``source`` is what the operator says the readers agreed to."""

    source: str
    file_name: str | None
    file_sha256: str | None


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What became of a chunk's rows; ``again`` are those this very import had added before."""

    imported: int = 0
    already: int = 0
    again: int = 0
    ended: int = 0
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class ImportBatch:
    """What all chunks of an import have in common."""

    id: int
    newsletter_id: int
    state: SubscriptionState
    destinations: DestinationMemo


async def open_batch(
    session: Session,
    newsletter_id: int,
    consent: Consent,
    *,
    state: SubscriptionState,
    now: datetime,
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
    return ImportBatch(done.scalar_one(), newsletter_id, state, DestinationMemo())


async def import_chunk(
    session: Session, batch: ImportBatch, readers: Sequence[ImportedReader], *, now: datetime
) -> ChunkResult:
    """Add those of ``readers`` who may be added; the rest is counted."""
    await _make_room(session)
    await _fill(session, batch, readers)
    suppressed = await _drop_suppressed(session, batch, readers)
    await session.execute(_ADD_SUBSCRIBERS, {"now": now})
    await session.execute(_FIND_SUBSCRIBERS)
    imported = await _subscribe(session, batch, now=now)
    rest = len(readers) - suppressed - imported
    again = ended = 0
    if rest:
        this = {"newsletter": batch.newsletter_id, "batch": batch.id}
        counted = (await session.execute(_COUNT, this)).one()
        again, ended = int(counted.ours) - imported, int(counted.ended)
    return ChunkResult(imported, rest - again - ended, again, ended, suppressed)


async def _subscribe(session: Session, batch: ImportBatch, *, now: datetime) -> int:
    values = {
        "newsletter": batch.newsletter_id,
        "batch": batch.id,
        "state": batch.state,
        "now": now,
        "confirmed_at": now if batch.state is SubscriptionState.ACTIVE else None,
        "ended_at": now if batch.state is SubscriptionState.ENDED else None,
    }
    imported = (await session.execute(_ADD_SUBSCRIPTIONS, values)).rowcount
    batches = schema.consent_batches
    total = update(batches).where(batches.c.id == batch.id)
    await session.execute(total.values(readers=batches.c.readers + imported))
    return imported


async def _make_room(session: Session) -> None:
    if session.dialect.name == "sqlite":
        await session.exec_driver_sql(_TABLE)
        await session.exec_driver_sql("DELETE FROM import_rows")
        return
    await session.exec_driver_sql(f"{_TABLE} ON COMMIT DELETE ROWS")


async def _fill(session: Session, batch: ImportBatch, readers: Sequence[ImportedReader]) -> None:
    ids = await batch.destinations.ids(session, {reader.domain for reader in readers})
    rows = [(one.address, one.key, one.name, ids[one.domain]) for one in readers]
    raw = await session.get_raw_connection()
    driver: Any = raw.driver_connection
    if session.dialect.name == "sqlite":
        fill = "INSERT INTO import_rows (address, address_key, name, destination_id)"
        await driver.executemany(f"{fill} VALUES (?, ?, ?, ?)", rows)
        return
    fill = "COPY import_rows (address, address_key, name, destination_id) FROM STDIN"
    async with driver.cursor() as cursor, cursor.copy(fill) as copy:
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


_TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS import_rows (
    address_key VARCHAR(320) PRIMARY KEY,
    address VARCHAR(320) NOT NULL,
    name VARCHAR(200) NOT NULL,
    destination_id BIGINT NOT NULL,
    address_hash VARCHAR(64),
    subscriber_id BIGINT
)
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
# In the order of the keys: two imports at the same time lock rows in the same order.
_ADD_SUBSCRIBERS = text("""
INSERT INTO subscribers (address, address_key, name, destination_id, created_at)
SELECT address, address_key, name, destination_id, :now FROM import_rows
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
    confirmed_at, ended_at)
SELECT subscriber_id, :newsletter, :state, :batch, :now, :confirmed_at, :ended_at
FROM import_rows WHERE true ORDER BY address_key
ON CONFLICT (subscriber_id, newsletter_id) DO NOTHING
""").bindparams(
    _NOW,
    bindparam("newsletter", type_=Id),
    bindparam("batch", type_=Id),
    bindparam("state", type_=EnumText(SubscriptionState)),
    bindparam("confirmed_at", type_=UtcDateTime),
    bindparam("ended_at", type_=UtcDateTime),
)
_MINE = """
FROM subscriptions t WHERE t.subscriber_id = r.subscriber_id AND t.newsletter_id = :newsletter
"""
_COUNT = text(f"""
SELECT
    SUM((SELECT COUNT(*) {_MINE} AND t.consent_batch_id = :batch)) AS ours,
    SUM((SELECT COUNT(*) {_MINE} AND t.state = 'ended'
        AND (t.consent_batch_id IS NULL OR t.consent_batch_id <> :batch))) AS ended
FROM import_rows r
""")  # noqa: S608 - joined from constants of this module.bindparams(bindparam("newsletter", type_=Id), bindparam("batch", type_=Id))
