"""The relays mail was handed to, as rows that deliveries and attempts point at."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from digest.store.schema import relays
from digest.store.session import Session


async def ensure_relay(session: Session, name: str) -> int:
    """The id of the relay called ``name`` (``host:port``), which is created where it is new."""
    dialect = postgresql if session.dialect.name == "postgresql" else sqlite
    await session.execute(
        dialect.insert(relays).values(name=name).on_conflict_do_nothing(index_elements=["name"])
    )
    relay_id: int = (
        await session.execute(select(relays.c.id).where(relays.c.name == name))
    ).scalar_one()
    return relay_id
