"""The relays mail was handed to, as rows that deliveries and attempts point at, and what we know.

That is the rate a relay bears and until when it wants to be left alone (``rules.backoff``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from digest.store.schema import relays
from digest.store.session import Session
from digest.store.types import insert, storable


@dataclass(frozen=True, slots=True)
class StoredRelay:
    """One relay. ``learned_rate``: messages a minute, None as configured; ``backoff_until``:
    nothing is sent before; the reply is the one that slowed it down last.
    """

    relay_id: int
    name: str  # host:port
    learned_rate: int | None
    backoff_until: datetime | None
    backoff_step: int
    reply_code: int | None
    reply_text: str | None
    replied_at: datetime | None
    first_sent_at: datetime | None


async def ensure_relay(session: Session, name: str) -> int:
    """The id of the relay called ``name`` (``host:port``), which is created where it is new."""
    await session.execute(
        insert(relays).values(name=name).on_conflict_do_nothing(index_elements=["name"])
    )
    relay_id: int = (
        await session.execute(select(relays.c.id).where(relays.c.name == name))
    ).scalar_one()
    return relay_id


async def get_relay(session: Session, relay_id: int) -> StoredRelay | None:
    """The relay with this id."""
    row = (await session.execute(select(relays).where(relays.c.id == relay_id))).one_or_none()
    return None if row is None else _relay(row)


async def list_relays(session: Session) -> list[StoredRelay]:
    """Every relay that was ever used, by name."""
    return [_relay(row) for row in await session.execute(select(relays).order_by(relays.c.name))]


async def backed_off(session: Session, now: datetime) -> list[StoredRelay]:
    """The relays that are left alone at ``now``, or sent to more slowly than was configured."""
    return [
        relay
        for relay in await list_relays(session)
        if relay.learned_rate is not None or (relay.backoff_until or now) > now
    ]


async def save_backoff(
    session: Session,
    relay_id: int,
    *,
    learned_rate: int | None,
    until: datetime | None,
    step: int,
    code: int | None,
    text: str | None,
    now: datetime,
) -> None:
    """Keep what was learned about a relay, so that a restart does not forget it.

    ``code`` and ``text`` are those of the reply it was learned from; without a code the last one
    stays, as when a rate is given back.
    """
    values: dict[str, Any] = {
        "learned_rate": learned_rate,
        "backoff_until": until,
        "backoff_step": step,
    }
    if code is not None:
        values |= {"reply_code": code, "reply_text": storable(text), "replied_at": now}
    await session.execute(update(relays).where(relays.c.id == relay_id).values(values))


def _relay(row: Any) -> StoredRelay:
    return StoredRelay(*row)  # the fields stand in the order of the columns
