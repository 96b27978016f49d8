"""Relays and destinations at the desk: what was given to whom, who wants less, the last words.

A relay is shown by its name, never by its URL: that one holds a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from digest.delivery.status import reply_of
from digest.rules.relay import RelayConfig
from digest.rules.rights import Right
from digest.store.last_replies import LastReply, last_replies
from digest.store.relays import StoredRelay, list_relays
from digest.store.session import Session
from digest.store.usage import usage
from digest.web.desk.charts import Bars, bars
from digest.web.desk.doors import Door
from digest.web.desk.visit import HOME, Visit

PATH = f"{HOME}/relays"
_HOURS = 24


@dataclass(frozen=True, slots=True)
class Shown:
    """A relay: what is set up, what was learned, how much it was given hour by hour."""

    name: str
    config: RelayConfig | None
    limits: str
    until: datetime | None
    learned: int | None
    reply: str
    replied_at: datetime | None
    given: int
    hours: Bars


async def relays(visit: Visit) -> Response:
    """Show them."""
    now = visit.site.clock.now()
    configured = {one.name: one for one in visit.site.gate.relays} if visit.site.gate else {}
    async with visit.site.db.read() as session:
        stored = {one.name: one for one in await list_relays(session)}
        names = [*configured, *(name for name in stored if name not in configured)]
        shown = [
            await _shown(session, name, configured.get(name), stored.get(name), now)
            for name in names
        ]
        replies: list[LastReply] = await last_replies(session)
    values = {"relays": shown, "replies": replies, "now": now}
    return visit.page("relays.html", values, current="relays")


async def _shown(
    session: Session,
    name: str,
    config: RelayConfig | None,
    stored: StoredRelay | None,
    now: datetime,
) -> Shown:
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=_HOURS - 1)
    used = await usage(session, stored.relay_id, now, ramp_days=0) if stored else ()
    by_hour = {one.hour_at: one.messages for one in used}
    hours = [by_hour.get(first + timedelta(hours=back), 0) for back in range(_HOURS)]
    until = stored.backoff_until if stored else None
    return Shown(
        name=name,
        config=config,
        limits=_limits(config),
        until=until if until and until > now else None,
        learned=stored.learned_rate if stored else None,
        reply=(reply_of(stored) or "") if stored else "",
        replied_at=stored.replied_at if stored else None,
        given=sum(hours),
        hours=bars(hours),
    )


def _limits(config: RelayConfig | None) -> str:
    """What was set up, in words; "" where nothing limits it."""
    if config is None:
        return "Not set up any more"
    each = (
        (config.rate, "a second"),
        (config.per_hour, "an hour"),
        (config.per_day, "a day"),
    )
    parts = [f"{number:,g} {word}" for number, word in each if number]
    parts.append(f"{config.connections} connections")
    return f"Set up: {', '.join(parts)}"


DOORS = (Door("GET", PATH, Right.SYSTEM, relays),)
