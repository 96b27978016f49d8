"""The connections to the relays: opened when there are rows, shared out, closed when idle.

A relay that cannot be reached, or loses a fresh connection at once, is left alone for a growing
while by all its connections together; rows stay in the database meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from digest.clock import Clock
from digest.delivery.claims import ClaimQueue
from digest.delivery.outcomes import Relay
from digest.delivery.smtp import SmtpSession, Work, open_session
from digest.errors import RelayError

log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds a relay is left alone
_ADVICE = "is it running, and is DIGEST_RELAY_URL right? Nothing is lost meanwhile"
GIVE_UP_AFTER = 3  # failures in a row after which a relay counts as unreachable


class RelayGate:
    """Shut for a while when the relay fails."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.failures = 0  # in a row
        self.error: RelayError | None = None
        self._shut_until = 0.0

    @property
    def unreachable(self) -> bool:
        """Whether the last few tries all failed."""
        return self.failures >= GIVE_UP_AFTER

    def failed(self, error: RelayError) -> None:
        """The relay could not be used: wait before anyone tries again."""
        if Clock.monotonic() < self._shut_until:
            return  # several connections saw the same failure
        self.failures += 1
        self.error = error
        pause = min(_FIRST_PAUSE * 2 ** (self.failures - 1), _LONGEST_PAUSE)
        self._shut_until = Clock.monotonic() + pause
        log.warning(
            "relay failed",
            relay=self.relay.config.name,
            error=str(error),
            pause=pause,
            advice=_ADVICE,
        )

    def worked(self) -> None:
        """The relay took or refused a message: it is there."""
        self.failures = 0
        self._shut_until = 0.0

    @property
    def pause(self) -> float:
        """Seconds until the relay may be tried again."""
        return max(0.0, self._shut_until - Clock.monotonic())


class Connections:
    """All connections of one sending process; ``work`` is what a session sends."""

    def __init__(
        self,
        gates: list[RelayGate],
        queue: ClaimQueue,
        work: Callable[[SmtpSession, RelayGate], Work],
        *,
        helo: str,
    ) -> None:
        self._queue = queue
        self._work = work
        self._helo = helo
        self._sessions: set[SmtpSession] = set()
        self._plan = _shared_out(gates)
        self.tasks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        return len(self._plan)

    def start(self, failed: Callable[[BaseException], None]) -> None:
        """Start every connection's task; ``failed`` is told of an error that ended one."""

        def done(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                failed(error)

        for number, gate in enumerate(self._plan):
            task = asyncio.create_task(self._run(number, gate))
            task.add_done_callback(done)
            self.tasks.append(task)

    async def _run(self, number: int, gate: RelayGate) -> None:
        while await self._queue.wanted(number):
            if gate.pause:
                await asyncio.sleep(min(gate.pause, 0.5))  # looks up now and then: it may be over
                continue
            try:
                session = await open_session(gate.relay.config, helo=self._helo)
            except RelayError as error:
                gate.failed(error)
                continue
            await self._serve(session, gate)

    async def _serve(self, session: SmtpSession, gate: RelayGate) -> None:
        self._sessions.add(session)
        self._queue.opened(+1)
        try:
            await session.run(self._work(session, gate))
        except asyncio.CancelledError:
            session.abort()
            raise
        finally:
            self._queue.opened(-1)
            self._sessions.discard(session)
            await session.quit()

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


def _shared_out(gates: list[RelayGate]) -> list[RelayGate]:
    """One entry per connection, the relays by turns, so that the first few reach all of them."""
    left = {gate.relay.config.name: gate.relay.config.connections for gate in gates}
    plan: list[RelayGate] = []
    while any(left.values()):
        for gate in gates:
            if left[gate.relay.config.name]:
                left[gate.relay.config.name] -= 1
                plan.append(gate)
    return plan
