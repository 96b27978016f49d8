"""The connections to the relays: opened when there are rows, shared out, closed when idle.

A relay that cannot be reached, or loses a fresh connection at once, is left alone for a growing
while by all its connections together; rows stay in the database meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from digest.delivery.claims import ClaimQueue
from digest.delivery.gate import RelayGate
from digest.delivery.smtp import SmtpSession, Work, open_session
from digest.errors import RelayError
from digest.rules.throttle import issue_connections

_LOOK_AGAIN = 0.5  # seconds between two looks at a gate that is shut: it may open before its time


@dataclass(frozen=True, slots=True)
class _Place:
    """One connection to a relay: the how-manieth it is there, and what it is for."""

    number: int  # of all connections, from 0
    gate: RelayGate
    index: int  # of those of its relay, from 0
    upper: bool  # kept for notices


class Connections:
    """All connections of one sending process; ``work`` is what a session sends.

    From two connections up, one of each relay is kept for notices.
    """

    def __init__(
        self,
        gates: list[RelayGate],
        queue: ClaimQueue,
        work: Callable[..., Work],
        *,
        helo: str,
    ) -> None:
        self._queue = queue
        self._work = work
        self._helo = helo
        self._sessions: set[SmtpSession] = set()
        self._places = _shared_out(gates)
        self._open: Counter[str] = Counter()
        self.tasks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        """How many of them there are for issues."""
        return sum(not place.upper for place in self._places)

    def start(self, failed: Callable[[BaseException], None]) -> None:
        """Start every connection's task; ``failed`` is told of an error that ended one."""

        def done(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                failed(error)

        for place in self._places:
            task = asyncio.create_task(self._run(place))
            task.add_done_callback(done)
            self.tasks.append(task)

    async def _run(self, place: _Place) -> None:
        gate = place.gate
        while await self._queue.wanted(place.number, upper=place.upper):
            if gate.pause or not gate.may_serve(place.index, upper=place.upper):
                await self._queue.nap(min(gate.pause or _LOOK_AGAIN, _LOOK_AGAIN))
                continue
            gate.open += 1
            try:
                session = await open_session(gate.relay.config, helo=self._helo)
                await self._serve(session, place)
            except RelayError as error:
                gate.failed(error)
            finally:
                gate.open -= 1

    async def _serve(self, session: SmtpSession, place: _Place) -> None:
        self._sessions.add(session)
        self._count(place, +1)
        try:
            await session.run(self._work(session, place.gate, index=place.index, upper=place.upper))
        except asyncio.CancelledError:
            session.abort()
            raise
        finally:
            self._count(place, -1)
            self._sessions.discard(session)
            await session.quit()

    def _count(self, place: _Place, change: int) -> None:
        if place.upper:
            return
        self._queue.opened(change)
        name = place.gate.relay.config.name
        self._open[name] += change
        if not self._open[name]:
            place.gate.close()

    async def finish(self, grace: float) -> None:
        """Wait for every connection to end; after ``grace`` seconds cut those that still wait.

        The queue must be closed by now. A cut connection's message gets its outcome: silence.
        """
        _, late = await asyncio.wait(self.tasks, timeout=grace)
        if not late:
            return
        for session in list(self._sessions):
            session.abort()
        _, stuck = await asyncio.wait(late, timeout=1.0)
        for task in stuck:  # connecting, or waiting for the database
            task.cancel()
        if stuck:
            await asyncio.wait(stuck)


def _shared_out(gates: list[RelayGate]) -> list[_Place]:
    """A place for every connection, the relays by turns, so that the first few reach all of
    them; those kept for notices come last.
    """
    places: list[_Place] = []
    most = max((gate.relay.config.connections for gate in gates), default=0)
    for upper in (False, True):
        for index in range(most):
            for gate in gates:
                total = gate.relay.config.connections
                if index < total and upper == (index >= issue_connections(total)):
                    # The one for notices counts as the first: it may be opened at any time.
                    place = 0 if upper else index
                    places.append(_Place(len(places), gate, place, upper))
    return places
