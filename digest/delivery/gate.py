"""The gate before one relay: whether a message may go to it now, and what its answers change.

It is shut while the relay cannot be reached or asked us to be slower; it lets messages through at
the relay's rate, out of its quota, and by turns with other relays. All of it is decided right
before MAIL, by the connection that would send: a row that may not go yet stays in the queue.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from digest.clock import Clock
from digest.delivery.outcomes import Relay
from digest.delivery.quota import QuotaPurse
from digest.delivery.shares import Share, Shares
from digest.errors import RelayError
from digest.mail.reply import Reply, parse_reply
from digest.rules.backoff import Backoff, after_reply, measured, restore
from digest.rules.balance import Balance
from digest.rules.shares import Budget, rate_budget, shared_rate
from digest.rules.throttle import Lane, Pace, connections_after, issue_connections
from digest.rules.verdict import Phase

log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds a relay that fails is left alone
_PER_CONNECTION = 10.0  # messages a second: a tenth of a second for each
_TURN = 0.02  # seconds between two looks whether it is this relay's turn
_NO_PART = 0.5  # seconds between two looks whether this process has its part of the relay
_QUOTA = 1.0  # seconds between two looks whether there is more of a quota
_ADVICE = "is it running, and is DIGEST_RELAY_URL right? Nothing is lost meanwhile"
GIVE_UP_AFTER = 3  # failures in a row after which a relay counts as unreachable


class Rate:
    """Messages a second, smoothed over about a second."""

    def __init__(self) -> None:
        self._messages = 0
        self._since = Clock.monotonic()
        self._smoothed = 0.0

    def count(self, messages: int = 1) -> None:
        """So many more messages were sent."""
        self._messages += messages

    def per_second(self) -> float:
        """The rate of late; looks at the clock, and starts counting anew every 0.1 s."""
        elapsed = Clock.monotonic() - self._since
        if elapsed > 0.1:
            latest = self._messages / elapsed
            self._smoothed = latest if not self._smoothed else (self._smoothed + latest) / 2
            self._messages, self._since = 0, Clock.monotonic()
        return self._smoothed


@dataclass(frozen=True, slots=True)
class Learned:
    """What is to be kept of a relay's back-off, and the reply that taught it."""

    relay_id: int
    backoff: Backoff
    reply: Reply | None


class RelayGate:
    """What one process knows of one relay, and its part of what the relay takes."""

    def __init__(self, relay: Relay, *, clock: Clock, balance: Balance, shares: Shares) -> None:
        self.relay = relay
        self.failures = 0  # in a row
        self.error: RelayError | None = None
        self.purse = QuotaPurse(relay.config)
        self.open = 0  # connections that are open, or being opened or closed
        self.pace = Pace(None)
        self._paced: float | None = None
        self._shares = shares
        self._connections = shares.of(
            f"relay {relay.relay_id}: connections",
            Budget(relay.config.connections),
            lambda: self.open,
        )
        self._share: Share | None = None  # of the rate, where there is one
        self._stored = (relay.backoff.learned_rate, relay.backoff.until, relay.backoff.step)
        self._clock = clock
        self._backoff = relay.backoff
        self._quiet_until = self._end_of_pause(relay.backoff)
        self._learned: Learned | None = None
        self._rate = Rate()
        self._shut_until = 0.0
        self._returned: int | None = None  # messages answered since it came back
        self._balance = balance
        self._turns: Mapping[Lane, asyncio.Lock] = {lane: asyncio.Lock() for lane in Lane}
        balance.join(relay.config.name, relay.config.weight)
        self._alone = True
        self.set_pace()

    # This process's part.

    def want(self) -> None:
        """There is something to send: ask for a part, and keep it."""
        if not self._connections.wanted:
            self._shares.ask()
        self._connections.want()
        if self._share is not None:
            self._share.want()

    def set_pace(self) -> None:
        """Send at this process's part of the relay's rate; after the parts were renewed."""
        rate = self._backoff.rate(self.relay.config.rate)
        if rate is None:
            self._share = self._paced = None
            self.pace.set_rate(None)
            return
        share = self._shares.of(f"relay {self.relay.relay_id}: rate", rate_budget(rate))
        if self._share is None:
            self._share = share
            share.want()
        # A rate that was learned just now is not shared out yet: all have equal parts meanwhile.
        part = share.fraction if share.granted else 1 / self._connections.workers
        if part and shared_rate(rate) * part != self._paced:
            self._paced = shared_rate(rate) * part
            self.pace.set_rate(self._paced)

    @property
    def hands(self) -> int:
        """How many connections this process may have to the relay."""
        return self._connections.units

    @property
    def _has_part(self) -> bool:
        share = self._share
        if not self._connections.held:
            return False
        if share is None or (self.relay.config.rate is None and not share.granted):
            return True  # no rate is known, or it was learned just now
        return share.units > 0

    def may_serve(self, index: int, *, upper: bool) -> bool:
        """Whether its ``index``-th connection may be open; ``upper``: the one kept for notices."""
        if upper:
            return self.hands > 1
        return index < min(self.connections, issue_connections(self.hands))

    # Whether a message may go.

    @property
    def unreachable(self) -> bool:
        """Whether the last few tries all failed."""
        return self.failures >= GIVE_UP_AFTER

    @property
    def pause(self) -> float:
        """Seconds until the relay may be used at all."""
        shut = self._shut_until - Clock.monotonic() if self._shut_until else 0.0
        if self._backoff.until is not None:
            left = self._backoff.pause_left(self._clock.now()).total_seconds()
            shut = max(shut, min(left, self._quiet_until - Clock.monotonic()))
        if not self._has_part:
            shut = max(shut, _NO_PART)
        return max(0.0, shut)

    @property
    def connections(self) -> int:
        """How many connections it may have now: few at first after it came back."""
        most = self.hands
        return most if self._returned is None else connections_after(self._returned, most)

    @property
    def _usual_rate(self) -> float:
        """Messages a second a relay is thought to take where too few were sent to know."""
        return _PER_CONNECTION * self.relay.config.connections

    def turn(self, lane: Lane) -> asyncio.Lock:
        """To be held while waiting for ``take``: of those who wait in a lane, one asks."""
        return self._turns[lane]

    def share_with_others(self) -> None:
        """There are other relays: take turns by weight from now on."""
        self._alone = False

    def take(self, lane: Lane) -> float:
        """Let a message of ``lane`` go now and return 0, or return the seconds to wait."""
        now = Clock.monotonic()
        wait = self._wait(lane, now)
        if not self._alone:
            self._balance.set_able(self.relay.config.name, now, able=not wait)
            if not wait and lane is Lane.ISSUE:
                if not self._balance.may_take(self.relay.config.name, now):
                    return _TURN
                self._balance.took(self.relay.config.name, now)
        if not wait:
            wait = self.pace.take(lane, now)
        if not wait:
            self.purse.spend(lane)
            self._rate.count()
        return wait

    def _wait(self, lane: Lane, now: float) -> float:
        if self._shut_until > now or self._backoff.until is not None or not self._has_part:
            pause = self.pause
            if pause:
                return pause
        if self.purse.empty(lane):
            return _QUOTA
        return self.pace.peek(lane, now) if not self._alone else 0.0

    def close(self) -> None:
        """No connection is open: others need not wait for its turn."""
        if not self._alone:
            self._balance.set_able(self.relay.config.name, Clock.monotonic(), able=False)

    # What the relay says.

    def failed(self, error: RelayError) -> None:
        """The relay could not be used: wait before anyone tries again."""
        self.asked(error)
        if Clock.monotonic() < self._shut_until:
            return  # several connections saw the same failure
        self.failures += 1
        self.error = error
        self._returned = 0
        pause = min(_FIRST_PAUSE * 2 ** (self.failures - 1), _LONGEST_PAUSE)
        self._shut_until = Clock.monotonic() + pause
        name = self.relay.config.name
        log.warning("relay failed", relay=name, error=str(error), pause=pause, advice=_ADVICE)

    def asked(self, error: RelayError) -> None:
        """What it said instead of an answer may ask us to be slower."""
        if error.code is not None and 400 <= error.code < 500:
            words = error.message.removeprefix(str(error.code)).strip()
            self._learn(parse_reply(error.code, words), Phase(error.phase))

    def replied(self, reply: Reply, phase: Phase) -> None:
        """The relay took, put off or refused a message: it is there; learn what it says."""
        self.failures, self._shut_until = 0, 0.0
        if self._returned is not None:
            self._returned += 1
            if self.connections == self.hands:
                self._returned = None
        self._learn(reply, phase)

    def _learn(self, reply: Reply, phase: Phase) -> None:
        before = self._backoff
        if reply.positive and before.learned_rate is None and not before.pressure:
            return
        if Clock.monotonic() >= self._quiet_until:
            before = replace(before, until=None)
        if reply.transient and self.relay.config.rate is None:
            ours = self._rate.per_second() * self._connections.workers  # others send as much
            before = measured(before, max(ours, self._usual_rate))
        after = after_reply(
            before,
            reply,
            phase,
            now=self._clock.now(),
            jitter=random.random(),
        )
        self._set(after)
        if _kept(after) != _kept(before):
            self.set_pace()
            self._learned = Learned(self.relay.relay_id, after, None if reply.positive else reply)
            if not reply.positive:
                _tell(self.relay.config.name, after, reply)

    def learned(self) -> Learned | None:
        """What changed since the last call and is to be kept in the database."""
        learned, self._learned = self._learned, None
        if learned is not None:
            self._stored = _kept(learned.backoff)
        return learned

    def hear(self, *, learned_rate: int | None, until: datetime | None, step: int) -> None:
        """What the database has of the relay: another process may have learned something."""
        found = (learned_rate, until, step)
        if found == self._stored:
            return
        self._stored = found
        self._set(
            restore(
                configured=self.relay.config.rate, learned_rate=learned_rate, until=until, step=step
            )
        )
        self.set_pace()

    def _set(self, backoff: Backoff) -> None:
        if backoff.until != self._backoff.until:
            self._quiet_until = self._end_of_pause(backoff)
        self._backoff = backoff

    def _end_of_pause(self, backoff: Backoff) -> float:
        """When a pause is over by the clock that nobody sets; what is kept is by the other one."""
        return Clock.monotonic() + backoff.pause_left(self._clock.now()).total_seconds()


def _kept(backoff: Backoff) -> tuple[int | None, datetime | None, int]:
    return backoff.learned_rate, backoff.until, backoff.step


def _tell(name: str, backoff: Backoff, reply: Reply) -> None:
    log.warning(
        "the relay asks to be slower",
        relay=name,
        reply=str(reply),
        per_minute=backoff.learned_rate,
        until=backoff.until.isoformat() if backoff.until else None,
    )
