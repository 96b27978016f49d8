"""What a relay's "slower, please" does to its rate: halved at once, given back bit by bit.

Additive increase, multiplicative decrease (Chiu and Jain, 1989; RFC 5681 §3.1): the one rule under
which senders that share a relay and know nothing of each other end up with fair shares. A slow-down
halves the rate and pauses the relay for a time that doubles; each minute's worth of accepted
messages gives back a tenth. Which replies ask for it is ``SLOWING``; a reply about one recipient
only counts where more than a tenth of the replies are such (Page's cumulative sum, 1954), and
greylisting never does: it asks one recipient's mail to come again, not less of it.

The state is a value; the columns of ``relays`` hold what must outlive a restart of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digest.mail.reply import Reply, retry_after
from digest.rules.verdict import Phase, Reason, judge

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)
JITTER = 0.2  # of the pause, only ever added: an asked-for time is kept to
GIVEN_BACK = 10  # a tenth of the full rate at a time
MOST_STEPS = 30
ENOUGH = 5.0  # pressure at which the rate is halved
RELIEF = 1 / 9  # of pressure per accepted message: it grows when over a tenth ask to slow down


@dataclass(frozen=True, slots=True)
class Slowing:
    """One class of replies that ask to slow down, and how much one of them weighs."""

    weight: float
    reasons: frozenset[Reason]
    codes: frozenset[int] = frozenset()
    phases: frozenset[Phase] = frozenset()


_BEFORE_RCPT = frozenset({Phase.CONNECT, Phase.EHLO, Phase.TLS, Phase.AUTH, Phase.MAIL})
_BUSY = frozenset({Reason.SPEEDING})

# The first row that fits decides; none: the reply has nothing to do with speed.
SLOWING: tuple[Slowing, ...] = (
    Slowing(0.0, frozenset({Reason.GREYLISTED})),
    Slowing(ENOUGH, _BUSY, codes=frozenset({421})),  # it closes the connection: that is plain
    Slowing(ENOUGH, _BUSY, phases=_BEFORE_RCPT),  # nobody was named: all of us are meant
    Slowing(1.0, _BUSY),  # 450, 451, 452 with 4.7.x and the like, about one recipient
    Slowing(ENOUGH, frozenset({Reason.LOGIN}), codes=frozenset({454})),  # RFC 4954 §6: 4.7.0
    Slowing(1.0, frozenset({Reason.SYSTEM}), codes=frozenset({450})),
)
# A relay that ends a connection after so many messages asks for a new one, not for less mail.
_CONNECTION_FULL = re.compile(
    r"max\S* (number of )?(messages?|recipients|transactions) (per|in this) (connection|session)"
    r"|too many messages (in|for) (this|one) (connection|session)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Backoff:
    """What was learned about one relay. Rates are whole messages a minute."""

    full_rate: int | None = None  # as configured; without that, as measured
    learned_rate: int | None = None  # None: nothing learned, the full rate holds
    until: datetime | None = None  # nothing is sent before
    step: int = 0  # slow-downs that were not made up for
    accepted: int = 0  # since the rate last changed
    pressure: float = 0.0  # of weak requests

    def pause_left(self, now: datetime) -> timedelta:
        """For how long nothing is sent to the relay."""
        return max(self.until - now, timedelta(0)) if self.until else timedelta(0)

    def rate(self, configured: float | None) -> float | None:
        """Messages a second now, given the configured rate; None: no limit."""
        if self.learned_rate is None:
            return configured
        learned = self.learned_rate / 60
        return learned if configured is None else min(learned, configured)


def restore(
    *, configured: float | None, learned_rate: int | None, until: datetime | None, step: int
) -> Backoff:
    """The state of a relay after a restart, from its row in ``relays``.

    ``configured``: messages a second. Without one the full rate is taken as the learned one
    doubled ``step`` times.
    """
    full = _per_minute(configured) if configured is not None else None
    if full is None and learned_rate is not None:
        full = learned_rate * 2 ** min(max(step, 1), 10)
    if full is not None and learned_rate is not None and learned_rate >= full:
        learned_rate = None  # the setting was lowered below what was learned
    return Backoff(full, learned_rate, until, step)


def measured(state: Backoff, rate: float) -> Backoff:
    """Note the rate in messages a second that a relay without a configured one is being sent at;
    it is what the first slow-down halves.
    """
    if state.learned_rate is not None:
        return state
    return replace(state, full_rate=_per_minute(rate))


def after_reply(
    state: Backoff, reply: Reply, phase: Phase, *, now: datetime, jitter: float
) -> Backoff:
    """The state after one reply. ``jitter``: a random number from 0 to 1.

    Replies that come while the relay is paused are those of messages already under way: they do
    not halve the rate again, but a longer time asked for is kept to.
    """
    if reply.positive:
        return _accepted(state)
    weight = weight_of(reply, phase)
    if not weight:
        return state
    if state.pause_left(now):
        return _asked_again(state, reply, now)
    pressure = state.pressure + weight
    if pressure < ENOUGH:
        return replace(state, pressure=pressure)
    return _slowed(state, reply, now=now, jitter=jitter)


def weight_of(reply: Reply, phase: Phase) -> float:
    """How strongly a reply asks us to slow down, from 0 to ``ENOUGH``."""
    if not reply.transient or _CONNECTION_FULL.search(reply.text):
        return 0.0
    reason = judge(reply, phase).reason
    for row in SLOWING:
        if (
            reason in row.reasons
            and (not row.codes or reply.code in row.codes)
            and (not row.phases or phase in row.phases)
        ):
            return row.weight
    return 0.0


def _accepted(state: Backoff) -> Backoff:
    pressure = max(0.0, state.pressure - RELIEF)
    if state.learned_rate is None or state.full_rate is None:
        return state if pressure == state.pressure else replace(state, pressure=pressure)
    accepted = state.accepted + 1
    if accepted < state.learned_rate:
        return replace(state, accepted=accepted, pressure=pressure)
    rate = state.learned_rate + max(1, state.full_rate // GIVEN_BACK)
    if rate >= state.full_rate:
        return Backoff(state.full_rate, pressure=pressure)
    return replace(
        state, learned_rate=rate, step=max(1, state.step - 1), accepted=0, pressure=pressure
    )


def _slowed(state: Backoff, reply: Reply, *, now: datetime, jitter: float) -> Backoff:
    pause = min(FIRST_PAUSE * 2 ** min(state.step, MOST_STEPS), LONGEST_PAUSE)
    pause = max(pause, _asked(reply))
    rate = state.full_rate if state.learned_rate is None else state.learned_rate
    return Backoff(
        full_rate=state.full_rate,
        learned_rate=None if rate is None else max(1, rate // 2),
        until=now + pause * (1 + JITTER * jitter),
        step=min(state.step + 1, MOST_STEPS),
    )


def _asked_again(state: Backoff, reply: Reply, now: datetime) -> Backoff:
    until = now + _asked(reply)
    return state if state.until is None or until <= state.until else replace(state, until=until)


def _asked(reply: Reply) -> timedelta:
    return retry_after(reply) or timedelta(0)


def _per_minute(rate: float) -> int:
    return max(1, round(rate * 60))
