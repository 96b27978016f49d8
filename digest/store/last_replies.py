"""What servers answered lately that was no 250, by destination: the end of the log of attempts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from digest.rules.verdict import Blame, Reason
from digest.store.delivery_rows import WHERE_TO, blame_of, reason_of, reply_words
from digest.store.schema import attempts, deliveries, destinations, relays
from digest.store.session import Session

_LOOKED_AT = 500  # attempts, whatever their age: nothing that grows is counted


@dataclass(frozen=True, slots=True)
class LastReply:
    """An answer of one destination through one relay, how often it came lately, and when last."""

    destination: str
    relay: str
    verdict: Reason | None
    blame: Blame | None
    reply: str
    at: datetime
    times: int = 1


async def last_replies(session: Session, *, limit: int = 25) -> list[LastReply]:
    """The latest answers, one line for those of the same code and status; the newest first."""
    lately = select(attempts).order_by(attempts.c.id.desc()).limit(_LOOKED_AT).subquery()
    query = (
        select(lately, WHERE_TO.label("place"), relays.c.name.label("relay"))
        .join_from(lately, deliveries, deliveries.c.id == lately.c.delivery_id)
        .join(destinations, destinations.c.id == deliveries.c.destination_id)
        .outerjoin(relays, relays.c.id == lately.c.relay_id)
        .order_by(lately.c.id.desc())
    )
    found: dict[tuple[object, ...], LastReply] = {}
    for row in await session.execute(query):
        key = (row.place, row.relay, row.code, row.status, row.verdict)
        if key in found:
            found[key] = replace(found[key], times=found[key].times + 1)
            continue
        found[key] = LastReply(
            destination=str(row.place),
            relay=row.relay or "",
            verdict=reason_of(row.verdict),
            blame=blame_of(row.blame),
            reply=reply_words(row.code, row.status, row.text),
            at=row.finished_at,
        )
    return list(found.values())[:limit]
