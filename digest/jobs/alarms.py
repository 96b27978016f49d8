"""Telling others beside the mail: an alert URL what happened, a heartbeat URL that all is well.

The relay may be what failed, so what operators are mailed is posted to ``DIGEST_ALERT_URL`` too,
each incident once and in order; while nobody answers there, it is tried again for three days.
``DIGEST_HEARTBEAT_URL`` is asked for after each send slot that went as it should: a monitor calls
when it hears nothing. That it is owed is written with the slot, so a process that is killed leaves
it to the next one. Both go through the guard (``net.guard``), as webhooks do.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network

import structlog

from digest.clock import Clock
from digest.content.notice import NoticeLook, render_notice
from digest.content.theme import load_theme
from digest.errors import FetchError
from digest.jobs.engine import Engines
from digest.net.fetch import Fetcher, Limits
from digest.net.guard import Guard
from digest.rules.webhooks import heard
from digest.settings import Settings
from digest.store.alerted import ToTell, heartbeat_owed, heartbeat_paid, to_tell, told
from digest.store.session import Database

log = structlog.get_logger(__name__)

LOOK = 10.0  # seconds between two looks at what there is to tell
_SECONDS = 10.0  # for an answer
_JSON = {"content-type": "application/json"}


@dataclass(slots=True)
class Alarms:
    """Tells one alert URL and one heartbeat URL; an empty one is told nothing."""

    db: Database
    clock: Clock
    fetcher: Fetcher
    home: str
    alert_url: str = ""
    heartbeat_url: str = ""

    async def tell_well(self) -> None:
        """Ask for the heartbeat URL, when that is owed; without one nothing stays owed."""
        async with self.db.read() as session:
            since = await heartbeat_owed(session)
        if since is not None and (not self.heartbeat_url or await self._asked()):
            async with self.db.begin() as session:
                await heartbeat_paid(session, since)

    async def tell(self) -> None:
        """Tell the alert URL what there is to tell."""
        if not self.alert_url:
            return
        async with self.db.read() as session:
            waiting = await to_tell(session, self.clock.now())
        for one in waiting:
            if not await self._posted(one):
                return
            async with self.db.begin() as session:
                await told(session, one.last_id)

    async def _posted(self, one: ToTell) -> bool:
        body = json.dumps(_said(one, self.home), ensure_ascii=False).encode()
        try:
            status = await self.fetcher.post(self.alert_url, body, _JSON)
        except FetchError as error:
            log.warning("the alert URL cannot be reached", reason=error.message)
            return False
        if not heard(status):
            log.warning("the alert URL did not take it", status=status)
        return heard(status)

    async def _asked(self) -> bool:
        try:
            answer = await self.fetcher.fetch(self.heartbeat_url)
        except FetchError as error:
            log.warning("the heartbeat URL cannot be reached", reason=error.message)
            return False
        return heard(answer.status)


def _said(one: ToTell, home: str) -> dict[str, str]:
    look = NoticeLook(name=one.name, home=home, theme=load_theme())
    shown = render_notice(one.kind, one.params, look=look, language=one.language)
    return {
        "text": shown.subject,
        "incident": str(one.params.get("incident", "issue_finished")),
        "newsletter": one.newsletter,
        "reason": str(one.params.get("reason", "")),
    }


@asynccontextmanager
async def alarmed(
    engines: Engines, db: Database, clock: Clock, settings: Settings, *, every: float = LOOK
) -> AsyncIterator[Alarms]:
    """Tell what ``settings`` say; gives what takes heartbeats. The block outlives the engines."""
    open_to = tuple(ip_network(name, strict=False) for name in settings.webhooks.allow.split())
    limits = Limits(seconds=_SECONDS, pause=0.0)
    async with Fetcher("digest (alerts)", guard=Guard(allow=open_to), limits=limits) as fetcher:
        alarms = Alarms(
            db,
            clock,
            fetcher,
            settings.public_url,
            settings.alert_url.get_secret_value(),
            settings.heartbeat_url.get_secret_value(),
        )
        engines.shared.register("alarms", alarms.tell)
        engines.shared.every(every, "alarms")
        engines.shared.register("heartbeat", alarms.tell_well)
        engines.shared.every(every, "heartbeat")
        yield alarms
        # A clean end leaves nothing owed: the monitor would call somebody for nothing.
        await alarms.tell_well()
