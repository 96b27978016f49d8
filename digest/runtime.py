"""The one place that picks implementations: what a running installation is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from digest.audience.feedback import FeedbackDesk
from digest.audience.leave import Leavers
from digest.clock import Clock
from digest.delivery.alerts import tell_brake
from digest.delivery.checks import Gate
from digest.delivery.tally import Tally
from digest.jobs.embedded import EmbeddedEngine
from digest.jobs.engine import Engines
from digest.mail.tokens import KeyRing
from digest.rules.doctor.checkup import Check
from digest.rules.relay import RelayConfig, parse_relays
from digest.settings import Settings, is_loopback, keyring
from digest.store.installation import ensure_installation
from digest.store.noting import aside
from digest.store.session import Database

if TYPE_CHECKING:
    from digest.delivery.doctor import Patient


@dataclass(frozen=True, slots=True)
class Runtime:
    """An open installation. The pages and the sender of this process share ``leavers`` and
    ``tally``.
    """

    settings: Settings
    db: Database
    keys: KeyRing
    clock: Clock
    relays: tuple[RelayConfig, ...]
    leavers: Leavers = field(default_factory=Leavers)
    tally: Tally = field(default_factory=Tally)

    @property
    def gate(self) -> Gate:
        """What must hold before an issue goes out."""
        outside = self._outside if self._mails_others else None
        return Gate(self.relays, self.keys, self.settings.public_url, outside)

    @property
    def _mails_others(self) -> bool:
        """Whether real mail leaves this machine, with links others can open."""
        away = any(not is_loopback(relay.host) for relay in self.relays)
        return away and self.settings.public_url.startswith("https://")

    async def _outside(self, from_address: str, return_path: str) -> Sequence[Check]:
        from digest.delivery.doctor import examine_outside  # 4 MB, which senders need not have

        sendings = self.patient.sendings(from_address, return_path)
        return await examine_outside(self.patient, sendings, now=self.clock.now())

    @property
    def patient(self) -> Patient:
        """What the doctor examines."""
        from digest.delivery.doctor import Patient  # as above

        return Patient(self.settings, self.relays, self.keys)

    @property
    def engines(self) -> Engines:
        """What runs the jobs of a scheduler: in this process, or once for all of them."""
        local = EmbeddedEngine()
        if self.db.dialect == "sqlite":
            return Engines(shared=local, local=local)
        from digest.jobs.postgres import ProcrastinateEngine  # its packages are an extra

        return Engines(shared=ProcrastinateEngine(self.db.conninfo), local=local)

    @property
    def feedback_desk(self) -> FeedbackDesk:
        """Where whatever comes back is taken in."""
        return FeedbackDesk(self.db, self.keys, self.clock, self.leavers, tell_brake)


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Open what ``settings`` describe; closed when the block ends.

    Raises SettingsError for a relay URL that cannot be read and for a key that is not this
    database's, DatabaseError where the database cannot be used or its migrations are not current.
    """
    relays = parse_relays(settings.relay_url)
    keys = keyring(settings)
    async with await Database.open(settings.database_url) as db:
        clock = Clock(await db.clock_offset())
        with aside():
            async with db.begin() as session:
                await ensure_installation(session, fingerprints=keys.fingerprints, now=clock.now())
        yield Runtime(settings, db, keys, clock, relays)
