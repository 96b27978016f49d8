"""What sending processes tell each other of relays, every second, by the database.

That is how much each of them may use (``shares``), and what a relay has taught one of them: the
rate it bears and until when it wants to be left alone hold for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from digest.clock import Clock
from digest.delivery.gate import Learned, RelayGate
from digest.delivery.shares import Shares
from digest.errors import DatabaseError
from digest.store.relays import get_relay, save_backoff
from digest.store.session import Database, Session

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sharing:
    """One process's side of it."""

    db: Database
    clock: Clock
    gates: Sequence[RelayGate]
    shares: Shares

    async def begin(self) -> None:
        """Have a part of everything before the first claim."""
        for gate in self.gates:
            gate.want()
        await self.tell_and_hear()

    async def go_on(self) -> None:
        """Every second, and as soon as a part is asked for, until cancelled."""
        while True:
            await self.shares.until_due()
            await self.tell_and_hear()

    async def end(self) -> None:
        """Write what was learned, return what is left of quotas, and give up every part."""
        await self.tell_and_hear(give_up=True)

    async def tell_and_hear(self, *, give_up: bool = False) -> None:
        """Once. A database that is away is no reason to end: parts run out by themselves."""
        try:
            await self._relays(give_back=give_up)
            await self.shares.renew(give_up=give_up)
        except DatabaseError as error:
            log.warning("what a relay asked for is not kept", error=str(error))
        for gate in self.gates:
            gate.set_pace()

    async def _relays(self, *, give_back: bool) -> None:
        learned = [found for gate in self.gates if (found := gate.learned()) is not None]
        limited = [gate for gate in self.gates if gate.purse.limited] if give_back else []
        if learned or limited:
            async with self.db.begin() as session:
                for one in learned:
                    await self._keep(session, one)
                for gate in limited:
                    await gate.purse.give_back(session, gate.relay.relay_id)
        if not self.shares.alone and not give_back:
            async with self.db.read() as session:
                for gate in self.gates:
                    stored = await get_relay(session, gate.relay.relay_id)
                    if stored is not None:
                        gate.hear(
                            learned_rate=stored.learned_rate,
                            until=stored.backoff_until,
                            step=stored.backoff_step,
                        )

    async def _keep(self, session: Session, one: Learned) -> None:
        await save_backoff(
            session,
            one.relay_id,
            learned_rate=one.backoff.learned_rate,
            until=one.backoff.until,
            step=one.backoff.step,
            code=one.reply.code if one.reply else None,
            text=str(one.reply) if one.reply else None,
            now=self.clock.now(),
        )
