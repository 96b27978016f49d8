"""How many messages a relay may still be given this hour and today, and when the rest can be sent.

Quotas per hour and per day and the warm-up ramp of a new relay, counted from the rows of
``relay_usage`` (messages per UTC hour), so that a restart forgets nothing. An hour is a clock hour;
a day is this hour and the 23 before it, because providers count any 24 hours (Amazon SES: "in a
24-hour period") and a midnight between two sends must not double the quota. A sending day of the
ramp is a UTC day on which something was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from digest.errors import SettingsError
from digest.rules.throttle import ISSUE_SHARE

HOUR = timedelta(hours=1)
HORIZON = timedelta(days=400)  # an estimate beyond it is "never"
_HOURS_OF_A_DAY = 24
_SPREAD = 1e-9  # seconds: what a rate of "as fast as it goes" takes


@dataclass(frozen=True, slots=True)
class Quota:
    """What a relay may be given; None and () mean no limit."""

    per_hour: int | None = None
    per_day: int | None = None
    ramp: tuple[int, ...] = ()  # messages on each sending day of a warm-up, then no limit by it

    def for_issues(self) -> Quota:
        """What issues may use: 95 % of the hour and of the day, so that somebody who signs up when
        it is used up still gets a confirmation.
        """
        return replace(self, per_hour=_kept(self.per_hour), per_day=_kept(self.per_day))

    def for_upper_lanes(self) -> Quota:
        """What confirmations, sign-ins and tests may use: all, and a warm-up does not stop them."""
        return replace(self, ramp=())


def _kept(limit: int | None) -> int | None:
    return None if limit is None else max(1, int(limit * ISSUE_SHARE))


@dataclass(frozen=True, slots=True)
class Usage:
    """A row of ``relay_usage``: messages handed over in the UTC hour that began at ``hour_at``."""

    hour_at: datetime
    messages: int


@dataclass(frozen=True, slots=True)
class Room:
    """What may go now. ``next_at``: when there is more, where now is nothing."""

    messages: int | None  # None: no limit
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one relay can do for an estimate: its quota, what it has used, messages a second."""

    quota: Quota
    usage: tuple[Usage, ...] = ()
    rate: float | None = None


def parse_ramp(text: str, *, where: str = "ramp") -> tuple[int, ...]:
    """Read ``200,500,1k,2k,5k…``: how many messages on each sending day of a warm-up.

    SettingsError: not a list of numbers above 0 that never fall.
    """
    days: list[int] = []
    for day in text.strip().removesuffix("…").removesuffix("...").split(","):
        found = re.fullmatch(r"([0-9]{1,9})(k?)", day.strip(), re.IGNORECASE)
        number = int(found[1]) * (1000 if found[2] else 1) if found else 0
        if number == 0 or (days and number < days[-1]):
            raise SettingsError(
                f"{text[:80]!r} is no warm-up: a list of numbers, one a day, that never fall.",
                where=where,
                fix="Write ramp=200,500,1k,2k,5k.",
            )
        days.append(number)
    return tuple(days)


def room(quota: Quota, usage: Iterable[Usage], now: datetime) -> Room:
    """How many messages may go now, in UTC, and when there is more where none may.

    ``usage``: the rows of the last 24 hours, and all rows while a ramp is under way.
    """
    used = _Used(usage)
    here = used.room(quota, now)
    if here is None or here > 0:
        return Room(here)
    hour_at = _hour_of(now)
    for _ in range(_HOURS_OF_A_DAY):
        hour_at += HOUR
        later = used.room(quota, hour_at)
        if later is None or later > 0:
            return Room(0, hour_at)
    return Room(0, hour_at)  # rows of hours to come: the clock was set back; ask again then


def finish_time(left: int, relays: Sequence[Allowance], now: datetime) -> datetime | None:
    """When ``left`` messages would have been handed over to ``relays``; None: not within 400 days.

    An estimate: nothing fails, nothing else is sent, rates stay as they are.
    """
    if left <= 0:
        return now
    for hour in _forecast(relays, now):
        if hour.unlimited:
            return hour.start
        messages = hour.messages
        if messages >= left:
            return hour.start + timedelta(seconds=hour.seconds_for(left))
        left -= messages
    return None


def sendable_before(deadline: datetime, relays: Sequence[Allowance], now: datetime) -> int | None:
    """How many messages can be handed over to ``relays`` before ``deadline``; None: no limit."""
    total = 0
    for hour in _forecast(relays, now):
        if hour.start >= deadline:
            return total
        seconds = (min(deadline, hour.end) - hour.start).total_seconds()
        if hour.unlimited:
            return None
        total += hour.within(seconds)
    return total


def refusal(
    left: int, relays: Sequence[Allowance], *, now: datetime, deadline: datetime
) -> str | None:
    """Why an issue with ``left`` readers must not start, in words for the operator: under its
    quota it would not be through when the next one is due. None: it will be.
    """
    sendable = sendable_before(deadline, relays, now)
    if sendable is None or sendable >= left:
        return None
    finish = finish_time(left, relays, now)
    end = f"on {finish:%Y-%m-%d at %H:%M} UTC" if finish else "never"
    return (
        f"Only {sendable:,} of {left:,} messages can be sent before the next issue is due on "
        f"{deadline:%Y-%m-%d at %H:%M} UTC; all would be out {end}. "
        f"The other {left - sendable:,} would expire."
    )


class _Used:
    """Messages by hour, and the days on which something was sent; both counted from 1970, because
    an estimate looks at thousands of hours.
    """

    def __init__(self, usage: Iterable[Usage]) -> None:
        self._hours: dict[int, int] = {}
        self._days: set[int] = set()
        for row in usage:
            self.add(row.hour_at, row.messages)

    def add(self, at: datetime, messages: int) -> None:
        if messages > 0:
            hour = _number_of(at)
            self._hours[hour] = self._hours.get(hour, 0) + messages
            self._days.add(hour // _HOURS_OF_A_DAY)

    def room(self, quota: Quota, now: datetime) -> int | None:
        """Messages that may go at ``now``; None: no limit."""
        hour = _number_of(now)
        rooms = []
        if quota.per_hour is not None:
            rooms.append(quota.per_hour - self._hours.get(hour, 0))
        step = self._step(quota.ramp, hour // _HOURS_OF_A_DAY)
        day = [limit for limit in (quota.per_day, step) if limit is not None]
        if day:
            used = sum(self._hours.get(hour - back, 0) for back in range(_HOURS_OF_A_DAY))
            rooms.append(min(day) - used)
        return max(0, min(rooms)) if rooms else None

    def _step(self, ramp: tuple[int, ...], today: int) -> int | None:
        if len(self._days) > len(ramp):  # one of them may be today
            return None
        before = sum(day < today for day in self._days)
        return ramp[before] if before < len(ramp) else None


@dataclass(frozen=True, slots=True)
class _Hour:
    """What can be handed over from ``start`` to ``end``: per relay, messages and at which rate."""

    start: datetime
    end: datetime
    flows: tuple[tuple[int | None, float | None], ...]

    @property
    def unlimited(self) -> bool:
        return any(messages is None and rate is None for messages, rate in self.flows)

    @property
    def messages(self) -> int:
        return self.within((self.end - self.start).total_seconds())

    def within(self, seconds: float) -> int:
        """Messages in the first ``seconds``."""
        return sum(_flow(messages, rate, seconds) for messages, rate in self.flows)

    def seconds_for(self, left: int) -> float:
        """When the ``left``-th message goes: by halving, as each relay ends at its own time."""
        low, high = 0.0, (self.end - self.start).total_seconds()
        if self.within(low) >= left:
            return low
        while high - low > 0.001:
            middle = (low + high) / 2
            low, high = (low, middle) if self.within(middle) >= left else (middle, high)
        return high


def _flow(messages: int | None, rate: float | None, seconds: float) -> int:
    by_rate = None if rate is None else int(rate * seconds + _SPREAD)
    return min(limit for limit in (messages, by_rate, 10**12) if limit is not None)


def _forecast(relays: Sequence[Allowance], now: datetime) -> Iterator[_Hour]:
    """Hour by hour what all relays together can take, each used as far as it goes."""
    used = [_Used(relay.usage) for relay in relays]
    start = now
    while start < now + HORIZON:
        end = _hour_of(start) + HOUR
        seconds = (end - start).total_seconds()
        rooms = [one.room(relay.quota, start) for one, relay in zip(used, relays, strict=True)]
        yield _Hour(
            start, end, tuple((free, relay.rate) for free, relay in zip(rooms, relays, strict=True))
        )
        for one, relay, free in zip(used, relays, rooms, strict=True):
            one.add(start, _flow(free, relay.rate, seconds))
        start = end


def _number_of(at: datetime) -> int:
    return int(at.timestamp()) // 3600


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
