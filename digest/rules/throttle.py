"""How fast a relay is fed: a token bucket that keeps to its rate, and lanes that share it.

A plain token bucket with room for *b* messages lets rate × T + b of them through in T seconds,
which is above the rate for any b. This one asks two things before it lets a message go: the bucket
(as the generic cell rate algorithm, ITU-T I.371), so that messages come evenly, and a log of the
last messages, so that no second and no minute ever holds more than it may. What is lost is only the
lateness of whoever sleeps, once a second: 1 ms late costs 0.1 % of the rate.

Time is monotonic seconds, given by the caller and never going back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from enum import IntEnum

SLACK = 0.05  # seconds a late message is made up for; so many seconds' worth may come at once
GRAIN = 1e-6  # seconds; a wait below it is none, and each window is longer by it
WHOLE_FROM = 100  # messages a second from which on a fraction of one is dropped (under 1 %)
ISSUE_SHARE = 0.95  # of a relay's rate; the rest is kept for the upper lanes
PATIENCE = 0.25  # seconds beyond its wait for which the turn of an upper lane is kept


class Lane(IntEnum):
    """What goes first; also the value of ``notices.lane``."""

    CONFIRMATION = 0  # and sign-in: somebody sits there and waits
    OPERATOR = 1  # and tests
    ISSUE = 2


class TokenBucket:
    """Lets at most ``rate`` messages a second go: ⌈rate⌉ in any second, ⌈60 rate⌉ in any minute.

    Seconds are half-open: two messages exactly one second apart are in different ones.
    """

    __slots__ = ("_due", "_gap", "_logs", "rate")

    def __init__(self, rate: float) -> None:
        self._due = -math.inf  # when the next message would go if all came evenly
        self._logs: list[_Log] = []
        self.set_rate(rate)

    def set_rate(self, rate: float) -> None:
        """Change the rate; what went in the last second still counts. ValueError: not above 0."""
        if not 0 < rate < math.inf:
            raise ValueError(f"a rate is above 0, not {rate!r}")
        gone = max((log.times for log in self._logs), key=len, default=())
        self.rate = float(math.floor(rate) if rate >= WHOLE_FROM else rate)
        self._gap = 1 / self.rate
        self._logs = [_Log(count, span, gone) for count, span in _windows(self.rate)]

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0: now. Takes nothing."""
        at = self._due - SLACK
        for log in self._logs:
            if len(log.times) >= log.count:
                at = max(at, log.times[-log.count] + log.span)
        return at - now if at - now > GRAIN else 0.0

    def spend(self, now: float) -> None:
        """A message goes now."""
        self._due = max(self._due, now) + self._gap
        for log in self._logs:
            log.add(now)

    def take(self, now: float) -> float:
        """Let a message go now and return 0, or return the seconds to wait before asking again."""
        wait = self.wait(now)
        if not wait:
            self.spend(now)
        return wait


class _Log:
    """The times of the last messages: at most ``count`` may lie within ``span`` seconds."""

    __slots__ = ("count", "span", "times")

    def __init__(self, count: int, span: float, gone: Iterable[float]) -> None:
        self.count = count
        self.span = span + GRAIN
        self.times = deque(gone)

    def add(self, now: float) -> None:
        # After a change there may be more than ``count``; until one more may go they all matter.
        self.times.append(now)
        while len(self.times) > self.count:
            self.times.popleft()


def _windows(rate: float) -> list[tuple[int, float]]:
    """So many messages in so many seconds, at most."""
    if rate < 1:
        return [(1, 1 / rate)]
    windows = [(math.ceil(rate), 1.0)]
    if not rate.is_integer():  # the second alone would let a fraction too many through
        windows.append((math.floor(rate * 60), 60.0))
    return windows


class Pace:
    """One relay's rate, shared by the lanes.

    An issue uses 95 % of it at most, the upper lanes may use all of it, and one that waits goes
    before everything below it. ``rate`` is in messages a second; None: as fast as it goes.
    """

    __slots__ = ("_all", "_issue", "_turns")

    def __init__(self, rate: float | None) -> None:
        self._all: TokenBucket | None = None
        self._issue: TokenBucket | None = None
        self._turns: dict[Lane, float] = {}  # upper lanes that wait, and until when that holds
        self.set_rate(rate)

    @property
    def rate(self) -> float | None:
        """The rate in force, of all lanes together."""
        return self._all.rate if self._all else None

    def set_rate(self, rate: float | None) -> None:
        """Change the rate, as it is learned; what went already still counts."""
        if rate is None:
            self._all = self._issue = None
        elif self._all is None or self._issue is None:
            self._all, self._issue = TokenBucket(rate), TokenBucket(rate * ISSUE_SHARE)
        else:
            self._all.set_rate(rate)
            self._issue.set_rate(rate * ISSUE_SHARE)

    def peek(self, lane: Lane, now: float) -> float:
        """Seconds until a message of ``lane`` could go by the rate alone. Takes nothing."""
        if self._all is None or self._issue is None:
            return 0.0
        return max(self._all.wait(now), self._issue.wait(now) if lane is Lane.ISSUE else 0.0)

    def take(self, lane: Lane, now: float) -> float:
        """Let a message of ``lane`` go now and return 0, or return the seconds to wait.

        Whoever is told to wait asks again after that time; nothing is reserved but the turn.
        """
        if self._all is None or self._issue is None:
            return 0.0
        wait = self._all.wait(now)
        if lane is Lane.ISSUE:
            wait = max(wait, self._issue.wait(now))
        turn = self._turn_above(lane, now)
        if turn:
            return max(wait, min(turn, wait + 1 / self._all.rate))
        if wait:
            if lane is not Lane.ISSUE:
                self._turns[lane] = now + wait + PATIENCE
            return wait
        self._turns.pop(lane, None)
        self._all.spend(now)
        if lane is Lane.ISSUE:
            self._issue.spend(now)
        return 0.0

    def _turn_above(self, lane: Lane, now: float) -> float:
        """For how long a lane above this one may still claim its turn."""
        ends = [end for above, end in self._turns.items() if above < lane]
        return max(max(ends) - now, 0.0) if ends else 0.0


def issue_connections(connections: int) -> int:
    """How many of a relay's connections an issue may use: from two up, one is kept for the upper
    lanes; with one they go next.
    """
    return max(1, connections - 1)


def connections_after(accepted: int, limit: int) -> int:
    """How many connections to a relay that has just come back, after ``accepted`` messages.

    Two at first; one more each time as many messages as there are connections were accepted, as
    Postfix raises the concurrency of a destination (its SCHEDULER_README), so that a
    queue of a whole day does not come down on it at once.
    """
    # 2 + 3 + … + (n - 1) accepted messages make n connections.
    return min(limit, (1 + math.isqrt(8 * (max(accepted, 0) + 1) + 1)) // 2)
