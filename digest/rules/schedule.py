"""When a newsletter goes out, as its schedule says it: weekdays, a day of the month, or cron.

Pure: the answer is a *local* time in the newsletter's zone; what a clock change does to it is for
whoever turns it into an instant. Weekdays are names and never numbers, because cron's Sunday is 0
for some and 7 for others, and APScheduler's 1 is Tuesday.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from digest.errors import InputError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = tuple(name.lower() for name in calendar.month_abbr[1:])
HORIZON = timedelta(days=366 * 5)  # 29 February comes at least so often, but for 2100
_EXAMPLES = "Write 'thu 09:00', 'mon,thu 09:00', 'monthly 1 09:00' or 'cron 0 9 * * thu'."
_WEEKLY = re.compile(
    r"((?:mon|tue|wed|thu|fri|sat|sun)(?:,(?:mon|tue|wed|thu|fri|sat|sun))*) (\S+)"
)
_MONTHLY = re.compile(r"monthly ([1-9]|[12]\d|3[01]) (\S+)")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Schedule:
    """The days on which something goes out, and the times of such a day in order."""

    fits: Callable[[datetime], bool]
    times: tuple[time, ...]

    def next_after(self, local: datetime) -> datetime | None:
        """The first slot after the naive local time ``local``; None: none in five years."""
        day = local.replace(hour=0, minute=0, second=0, microsecond=0)
        end = day + HORIZON
        while day < end:
            if self.fits(day):
                for at in self.times:
                    slot = datetime.combine(day, at)
                    if slot > local:
                        return slot
            day += timedelta(days=1)
        return None


def parse_schedule(text: str) -> Schedule:
    """Read a schedule; InputError says how one is written."""
    words = " ".join(text.lower().split())
    if match := _WEEKLY.fullmatch(words):
        days = {WEEKDAYS.index(name) for name in match[1].split(",")}
        return Schedule(lambda day: day.weekday() in days, (_time(match[2], text),))
    if match := _MONTHLY.fullmatch(words):
        return Schedule(_monthly(int(match[1])), (_time(match[2], text),))
    if words.startswith("cron "):
        return _cron(words.split()[1:], text)
    raise _unreadable(text)


def _unreadable(text: str) -> InputError:
    return InputError(f"{text!r} is no schedule.", where="schedule", fix=_EXAMPLES)


def _time(written: str, text: str) -> time:
    match = _TIME.fullmatch(written)
    if match is None:
        raise _unreadable(text)
    return time(int(match[1]), int(match[2]))


def _monthly(number: int) -> Callable[[datetime], bool]:
    """The day ``number`` of each month, or its last day where it is shorter."""

    def fits(day: datetime) -> bool:
        return day.day == min(number, calendar.monthrange(day.year, day.month)[1])

    return fits


def _cron(fields: list[str], text: str) -> Schedule:
    if len(fields) != 5:
        raise _unreadable(text)
    minutes = _values(fields[0], range(60), (), text)
    hours = _values(fields[1], range(24), (), text)
    days = _values(fields[2], range(1, 32), (), text)
    months = _values(fields[3], range(1, 13), MONTHS, text)
    weekdays = _values(fields[4], range(7), WEEKDAYS, text, numbers=False)
    # POSIX crontab: where both days are restricted, either is enough.
    either = fields[2] != "*" and fields[4] != "*"

    def fits(day: datetime) -> bool:
        by_date, by_weekday = day.day in days, day.weekday() in weekdays
        return day.month in months and (
            (by_date or by_weekday) if either else (by_date and by_weekday)
        )

    return Schedule(fits, tuple(time(hour, minute) for hour in hours for minute in minutes))


def _values(
    field: str, allowed: range, names: tuple[str, ...], text: str, *, numbers: bool = True
) -> list[int]:
    """The values of one cron field: ``*``, names, numbers, ranges, steps, lists of them."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if step and (not step.isascii() or not step.isdigit() or int(step) == 0):
            raise _unreadable(text)
        if span == "*":
            start, stop = allowed[0], allowed[-1]
        else:
            start = _value(first, allowed, names, text, numbers=numbers)
            stop = _value(last, allowed, names, text, numbers=numbers) if last else start
            stop = allowed[-1] if step and not last else stop
        if stop < start:
            raise _unreadable(text)
        found.update(range(start, stop + 1, int(step or 1)))
    return sorted(found)


def _value(
    written: str, allowed: range, names: tuple[str, ...], text: str, *, numbers: bool
) -> int:
    if written in names:
        return allowed[names.index(written)]
    if numbers and written.isascii() and written.isdigit() and int(written) in allowed:
        return int(written)
    raise _unreadable(text)
