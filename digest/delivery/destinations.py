"""Destinations that answer late, and how many of a relay's connections they may hold meanwhile.

A relay may ask a destination while we wait: it passes mail on, verifies recipients, or has a filter
that is slow for some. What is answered at once is gone at once, so mail to a destination that is
not would soon stand on every connection. As in Postfix's queue manager, a destination gets less
concurrency when it does badly; here only while mail to others waits, and measured against what is
usual just now: a relay that is slow to everybody is no destination's fault.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from digest.clock import Clock
from digest.delivery.brakes import Key

_LATE = 2.0  # seconds from MAIL to the last reply
_TIMES_USUAL = 4  # as long as that, too, to be late
_PART = 4  # so much of the connections may wait for a destination that does not answer
_SILENT = 3  # times the usual time without any answer of it,
_LEAST_SILENCE = 0.25  # seconds at least: also what answers at once hesitates now and then
_STEP = 1.05  # by which the usual time follows each answer: half of them are quicker
# For which a row is put off: until a first answer comes, until the next one, at most.
_MOMENT, _SOON, _LONGEST = (timedelta(seconds=seconds) for seconds in (0.1, 0.5, 30))


@dataclass(slots=True)
class _Destination:
    under_way: int = 0  # messages
    unanswered: int = 0  # of them, begun since its last answer
    since: float = 0.0  # when that was, or the first of them was begun
    answered: bool = False
    late: float = 0.0  # seconds its last answer took, where that was late
    turns_until: float = 0.0  # until when rows were put off
    large: bool = False  # it has had two messages under way
    told: bool = False  # it was late once; that may come and go


class Destinations:
    """Those this process has mail under way to, and what is known of the large and the late."""

    def __init__(self) -> None:
        self._known: dict[Key, _Destination] = {}
        self._under_way = 0  # messages to all of them
        self._usual = 0.5  # seconds
        self._quick_at = 0.0  # when one was answered in time
        self._late_ones: deque[tuple[Key, float]] = deque(maxlen=64)  # and when

    def under_way(self, key: Key) -> int:
        """Messages that are under way to it."""
        known = self._known.get(key)
        return 0 if known is None else known.under_way

    def began(self, key: Key) -> None:
        """MAIL of a message to it was written."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Destination()
        if known.under_way:
            known.large = True
        else:
            known.since = Clock.monotonic()
        known.under_way += 1
        known.unanswered += 1
        self._under_way += 1

    def ended(self, key: Key, seconds: float) -> bool:
        """It was answered, or never will be, so long after the relay could turn to it.

        Whether its destination is late and was not before, which is worth telling once.
        """
        known, usual, now = self._known[key], self._usual, Clock.monotonic()
        self._under_way -= 1
        known.under_way -= 1
        known.unanswered, known.since, known.answered = 0, now, True
        if seconds <= max(_LATE, _TIMES_USUAL * usual):
            self._quick_at, known.late = now, 0.0
        else:
            known.late = 0.0 if self._all_stood_still(key, now - seconds) else seconds
            self._late_ones.append((key, now))
        self._usual = usual * _STEP if seconds > usual else max(usual / _STEP, 0.001)
        news = known.late > 0 and not known.told
        known.told |= news
        if not (known.told or known.large or known.under_way):
            del self._known[key]
        return news

    def _all_stood_still(self, key: Key, since: float) -> bool:
        """Whether others waited as well, and nobody was answered: it was the relay, or we slept."""
        waiting = self._under_way > self._known[key].under_way
        waited = any(other != key and at > since for other, at in self._late_ones)
        return (waiting or waited) and self._quick_at <= since + _LATE

    def crowds(self, key: Key, connections: int, others_wait: Callable[[], bool]) -> bool:
        """Whether one more message to it could take one of so many connections from others.

        ``others_wait``: whether a row of another destination is at hand.
        """
        known = self._known.get(key)
        if known is None:
            return False
        if known.late:  # all others go first, whether they are at hand or not
            return known.under_way > 0 and self._under_way >= connections // 2
        if known.unanswered < max(2, connections // _PART):
            return False
        silence = Clock.monotonic() - known.since
        silent = silence > max(_SILENT * self._usual, _LEAST_SILENCE)
        return (silent or not known.answered) and others_wait()

    def put_off(self, key: Key, connections: int) -> timedelta:
        """For how long a row is put off that would crowd. Rows that never were come before it.

        Once there are no others, late ones come as fast as half of the connections can take them.
        """
        known, now = self._known[key], Clock.monotonic()
        if not known.late:
            return _SOON if known.answered else _MOMENT
        turn = max(now, known.turns_until) + known.late / max(1, connections // 2)
        known.turns_until = min(turn, now + _LONGEST.total_seconds())
        return timedelta(seconds=known.turns_until - now)
