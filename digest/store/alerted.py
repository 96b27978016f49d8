"""What other programs are told: an alert URL which mails operators and editors got, each of them
once, and a heartbeat URL that a send slot went as it should.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from digest.store.schema import installation, newsletters, notices
from digest.store.session import Session

KINDS = ("alert", "receipt")
_MOST = 100


@dataclass(frozen=True, slots=True)
class ToTell:
    """An incident, however many addresses are mailed of it; ``last_id`` is its last notice."""

    last_id: int
    kind: str
    newsletter: str
    name: str
    language: str
    params: Mapping[str, Any]


async def to_tell(session: Session, now: datetime) -> list[ToTell]:
    """What nobody but the mailboxes was told yet, in the order in which it happened."""
    table = notices
    mark = (await session.execute(select(installation.c.alerted_id))).scalar() or 0
    query = (
        select(table.c.id, table.c.kind, table.c.language, table.c.params, table.c.dedupe_key)
        .add_columns(newsletters.c.slug, newsletters.c.name, table.c.address)
        .join(newsletters, newsletters.c.id == table.c.newsletter_id)
        .where(table.c.id > mark, table.c.kind.in_(KINDS))
        .where(table.c.expires_at.is_not(None), table.c.expires_at > now)
        .order_by(table.c.id)
        .limit(_MOST)
    )
    found: dict[str, ToTell] = {}
    for row in await session.execute(query):
        incident = (row.dedupe_key or str(row.id)).removesuffix(f":{row.address}")
        found[incident] = ToTell(row.id, row.kind, row.slug, row.name, row.language, row.params)
    return list(found.values())


async def told(session: Session, last_id: int) -> None:
    """Everything up to this notice was told; the mark is never lowered."""
    await session.execute(
        update(installation).where(installation.c.alerted_id < last_id).values(alerted_id=last_id)
    )


async def owe_heartbeat(session: Session, now: datetime) -> None:
    """A slot went as it should, which the heartbeat URL is to be told."""
    await session.execute(update(installation).values(heartbeat_owed_at=now))


async def heartbeat_owed(session: Session) -> datetime | None:
    """Since when a heartbeat is owed; None: none is."""
    since: datetime | None = (
        await session.execute(select(installation.c.heartbeat_owed_at))
    ).scalar()
    return since


async def heartbeat_paid(session: Session, since: datetime) -> None:
    """What was owed ``since`` is told; a slot that came meanwhile is not."""
    owed = installation.c.heartbeat_owed_at
    await session.execute(update(installation).where(owed == since).values(heartbeat_owed_at=None))
