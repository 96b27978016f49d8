"""The sender: claim, compose, send, record, until every row of an issue is settled.

Transaction 1 claims a few rows and counts the attempt; then no transaction is open while the
message is composed and sent; outcomes are recorded in groups. Due notices go before rows of the
issue. Killed anywhere, it loses nothing: rows it held are found by the next sender, marked
``maybe_sent`` and sent again with the same Message-ID and Date.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from digest.audience.leave import Leavers
from digest.clock import Clock
from digest.delivery.alerts import tell_brake, tell_refusal
from digest.delivery.brakes import Tell
from digest.delivery.feeder import Errand
from digest.delivery.notices import NoticeLetters
from digest.delivery.outcomes import Relay
from digest.delivery.run import Means, Progress, SendingRun
from digest.delivery.signing import DkimSigning
from digest.delivery.tally import Tally
from digest.delivery.work import NoticeWriter
from digest.errors import DatabaseError, SettingsError
from digest.mail.tokens import KeyRing
from digest.rules.backoff import restore
from digest.rules.delivery import IssueState
from digest.rules.relay import SETTING, RelayConfig
from digest.settings import Settings
from digest.store.progress import issue_progress
from digest.store.relays import ensure_relay, get_relay
from digest.store.reports import Totals, issue_totals
from digest.store.session import Database, Session
from digest.store.workers import acquire_lease

__all__ = ["NoticeWriter", "Progress", "SendReport", "Sender"]

_DATABASE_PAUSE = 2.0  # seconds between two looks whether the database is back

ProgressCallback = Callable[[Progress], None]


class Installation(Protocol):
    """What a sender needs of a running installation (``runtime.Runtime``, which stands above)."""

    @property
    def settings(self) -> Settings: ...
    @property
    def db(self) -> Database: ...
    @property
    def keys(self) -> KeyRing: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def relays(self) -> tuple[RelayConfig, ...]: ...
    @property
    def leavers(self) -> Leavers: ...
    @property
    def tally(self) -> Tally: ...


@dataclass(frozen=True, slots=True)
class SendReport:
    """How an issue stands after a call of ``send_issue``, and how fast this call was."""

    totals: Totals
    issue_state: IssueState
    paused_reason: str | None
    seconds: float
    sent: int  # messages the relays accepted in this call
    no_retries: bool

    @property
    def messages_per_second(self) -> float:
        return round(self.sent / self.seconds, 1) if self.seconds > 0 else 0.0

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do (with ``no_retries``: nothing but retries)."""
        return self.totals.waiting - (self.totals.deferred if self.no_retries else 0) == 0

    @property
    def exit_code(self) -> int:
        """0 when all is settled and nothing is held, else 1."""
        return 0 if self.complete and not self.totals.held else 1

    def as_dict(self) -> dict[str, Any]:
        """What ``issue send --wait --json`` prints."""
        return {
            **self.totals.as_dict(),
            "seconds": round(self.seconds, 3),
            "messages_per_second": self.messages_per_second,
        }


@dataclass(slots=True)
class Sender:
    """Sends issues and notices from one database through its relays."""

    db: Database
    keys: KeyRing
    clock: Clock
    relays: tuple[RelayConfig, ...]
    public_url: str
    unrecorded: int = 500
    unrecorded_ms: int = 200
    grace: float = 30.0
    hold_in_doubt: bool = False
    leavers: Leavers = field(default_factory=Leavers)
    write_notice: NoticeWriter | None = None  # without one, notices wait
    tell: Tell | None = None  # the operator, of brakes
    signing: DkimSigning = field(default_factory=DkimSigning)
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, runtime: Installation) -> Self:
        """The sender of a running installation."""
        settings = runtime.settings.sender
        return cls(
            db=runtime.db,
            keys=runtime.keys,
            clock=runtime.clock,
            relays=runtime.relays,
            public_url=runtime.settings.public_url,
            unrecorded=settings.unrecorded,
            unrecorded_ms=settings.unrecorded_ms,
            grace=settings.grace,
            hold_in_doubt=settings.in_doubt == "hold",
            leavers=runtime.leavers,
            write_notice=NoticeLetters(
                runtime.db,
                runtime.keys,
                public_url=runtime.settings.public_url,
                themes=runtime.settings.themes,
            ),
            tell=tell_brake,
            signing=DkimSigning.of(runtime.settings, runtime.relays),
            tally=runtime.tally,
        )

    @property
    def helo(self) -> str:
        """The name we give the relay: that of our pages, else an address literal (RFC 5321
        §4.1.3).
        """
        host = urlsplit(self.public_url).hostname or ""
        return host if "." in host and not host.replace(".", "").isdigit() else "[127.0.0.1]"

    async def send_issue(
        self,
        issue_id: int,
        *,
        no_retries: bool = False,
        progress: ProgressCallback | None = None,
        stop: asyncio.Event | None = None,
    ) -> SendReport:
        """Send until every row is settled (``no_retries``: until each was tried once).

        The issue must have been started (``plan.start_issue``). ``stop`` ends it early: no new
        message is begun, answers are awaited for ``grace`` seconds. Raises SettingsError where a
        relay refuses us as we are set up, RefusedError where another process sends on SQLite.
        """
        began = self.clock.monotonic()
        errand = Errand(issue_id, no_retries=no_retries)
        sent = await self._send(errand, stop or asyncio.Event(), progress)
        async with self.db.read() as session:
            totals = await issue_totals(session, issue_id)
            now = await issue_progress(session, issue_id)
        return SendReport(
            totals=totals,
            issue_state=now.state,
            paused_reason=now.paused_reason,
            seconds=self.clock.monotonic() - began,
            sent=sent,
            no_retries=no_retries,
        )

    async def send_notices(self, *, stop: asyncio.Event | None = None) -> int:
        """Send every notice that is due now; how many were accepted."""
        return await self._send(Errand(issues=False, no_retries=True), stop or asyncio.Event())

    async def serve(self, stop: asyncio.Event) -> int:
        """Send whatever comes, of every issue on its way and every notice, until ``stop``.

        Raises as ``send_issue``; how many messages were accepted.
        """
        return await self._send(Errand(forever=True), stop)

    async def _send(
        self, errand: Errand, stop: asyncio.Event, progress: ProgressCallback | None = None
    ) -> int:
        """One run, and another under a new lease each time the database was away."""
        sent = 0
        while True:
            run = await self._run(errand, stop, progress)
            sent += run.sent
            if run.fatal is not None:
                await self._tell(run.fatal)
                raise run.fatal
            if not run.lease_lost or stop.is_set():
                return sent
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _DATABASE_PAUSE)
                try:
                    async with self.db.read():
                        break
                except DatabaseError:
                    if stop.is_set():
                        return sent

    async def _tell(self, fatal: BaseException) -> None:
        """The operator, where it is a relay that shuts us out."""
        if self.tell is not None and isinstance(fatal, SettingsError):
            with suppress(DatabaseError):  # what ended the run matters more
                async with self.db.begin() as session:
                    await tell_refusal(session, self.relays, fatal, self.clock.now())

    async def _run(
        self, errand: Errand, stop: asyncio.Event, progress: ProgressCallback | None
    ) -> SendingRun:
        relays = await self._known_relays()
        lease = await acquire_lease(self.db, self.clock)
        self.leavers.worker_id = lease.worker_id
        try:
            run = SendingRun(self._means(), lease=lease, relays=relays, errand=errand)
            run.progress = progress
            await run.until_done(stop)
        finally:
            self.leavers.worker_id = None
            await lease.release()
        return run

    def _means(self) -> Means:
        return Means(
            db=self.db,
            keys=self.keys,
            clock=self.clock,
            leavers=self.leavers,
            helo=self.helo,
            unrecorded=self.unrecorded,
            unrecorded_ms=self.unrecorded_ms,
            grace=self.grace,
            hold_in_doubt=self.hold_in_doubt,
            write_notice=self.write_notice,
            tell=self.tell,
            signing=self.signing,
            tally=self.tally,
        )

    async def _known_relays(self) -> list[Relay]:
        if not self.relays:
            raise SettingsError(
                "No relay is set, so nothing can be sent.",
                where=SETTING,
                fix="Set it to smtp://user:password@smtp.example.org:587.",
            )
        async with self.db.begin() as session:
            return [await _known(session, relay) for relay in self.relays]


async def _known(session: Session, config: RelayConfig) -> Relay:
    """A relay with what was learned about it."""
    relay_id = await ensure_relay(session, config.name)
    stored = await get_relay(session, relay_id)
    if stored is None:
        return Relay(config, relay_id)
    backoff = restore(
        configured=config.rate,
        learned_rate=stored.learned_rate,
        until=stored.backoff_until,
        step=stored.backoff_step,
    )
    return Relay(config, relay_id, backoff)
