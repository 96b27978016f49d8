"""What becomes of a send slot: one date and time of a newsletter's schedule, as its zone writes it.

Pure. The *local* time is what makes a slot the same slot, whoever computes it and however often: an
hour that a clock change repeats has one slot, and one that it leaves out has its slot at the moment
the clock would have shown it without the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from zoneinfo import ZoneInfo

from digest.errors import InputError
from digest.rules.schedule import parse_schedule

GRACE = timedelta(hours=6)  # a slot that is noticed later than this is held, not sent
GRACE_MAX = timedelta(days=7)
REMINDERS = (timedelta(hours=48), timedelta(hours=24), timedelta(hours=2))  # before a slot
AGAIN = timedelta(minutes=1)  # until what the gate refused is tried again


class SlotState(StrEnum):
    """Where a slot stands. ``open`` is the one that comes next."""

    OPEN = "open"
    FIRED = "fired"
    SKIPPED = "skipped"
    HELD = "held"


class SlotReason(StrEnum):
    """Why a slot is held or skipped."""

    NO_ISSUE = "no_issue"  # none was approved
    BREAK = "break"  # the newsletter makes one
    LATE = "late"  # nobody was there to see it in time
    OVERTAKEN = "overtaken"  # the next one was due as well when somebody was
    REFUSED = "refused"  # something stood in the way of its issue
    WITHDRAWN = "withdrawn"  # its issue was taken back before the first mail
    RESTORED = "restored"  # a backup was put back: it may have sent its issue


# Held for good: no approval lets such a slot send.
CLOSED = frozenset({SlotReason.LATE, SlotReason.RESTORED})


class Unready(StrEnum):
    """What a slot without an approved issue does: wait for an approval, or nothing."""

    HOLD = "hold"
    SKIP = "skip"


class CatchUp(StrEnum):
    """Which of several slots that were missed may still go out, within the grace."""

    LATEST = "latest"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class SlotPolicy:
    """How a newsletter wants its slots to be taken."""

    grace: timedelta = GRACE
    unready: Unready = Unready.HOLD
    catch_up: CatchUp = CatchUp.LATEST

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """What ``newsletters.settings`` says, and the usual where it says nothing: to wait for an
        approval, unless issues make themselves.
        """
        usual = Unready.HOLD if settings.get("automatic") is None else Unready.SKIP
        return cls(
            grace=timedelta(minutes=settings.get("grace_minutes", GRACE // timedelta(minutes=1))),
            unready=Unready(settings.get("unready", usual)),
            catch_up=CatchUp(settings.get("catch_up", CatchUp.LATEST)),
        )


@dataclass(frozen=True, slots=True)
class Due:
    """What is known about a slot whose time has come."""

    late: timedelta
    in_break: bool
    followed: bool  # the next slot is due as well
    ready: bool  # an issue is approved for it


def judge_slot(due: Due, policy: SlotPolicy) -> tuple[SlotState, SlotReason | None]:
    """What becomes of a slot that is due."""
    if due.in_break:
        return SlotState.SKIPPED, SlotReason.BREAK
    if due.late > policy.grace:
        return SlotState.HELD, SlotReason.LATE
    if due.followed and policy.catch_up is CatchUp.LATEST:
        return SlotState.SKIPPED, SlotReason.OVERTAKEN
    if due.ready:
        return SlotState.FIRED, None
    state = SlotState.HELD if policy.unready is Unready.HOLD else SlotState.SKIPPED
    return state, SlotReason.NO_ISSUE


def reminder_due(due_at: datetime, *, known_since: datetime, now: datetime) -> timedelta | None:
    """The reminder whose time has come: how long before the slot it is meant for.

    None while there is none; of several the last one. A slot that has been the next one for less
    time than that is reminded of later: who has just sent an issue knows about the next.
    """
    passed = [one for one in REMINDERS if known_since <= due_at - one <= now < due_at]
    return min(passed, default=None)


def slot_after(schedule: str, local: datetime) -> datetime | None:
    """The first slot after the naive ``local`` time; None: none in five years."""
    return parse_schedule(schedule).next_after(local)


def local_time(now: datetime, timezone: str) -> datetime:
    """What the clock on the wall shows, without its zone.

    In an hour that a clock change repeats it is the first time round for both, so that a slot which
    was taken in it is not found to be the next one again.
    """
    return now.astimezone(ZoneInfo(timezone)).replace(tzinfo=None, fold=0)


def instant(local: datetime, timezone: str) -> datetime:
    """The moment, in UTC, at which a wall in ``timezone`` shows the naive ``local``: the first such
    moment; where there is none, as if the clock had not been changed.
    """
    return local.replace(tzinfo=ZoneInfo(timezone), fold=0).astimezone(UTC)


def moment_of(given: datetime, timezone: str) -> datetime:
    """The moment, in UTC, that somebody wrote down: without a zone it is that of a newsletter."""
    return given.astimezone(UTC) if given.tzinfo else instant(given, timezone)


def next_slot(schedule: str | None, timezone: str, now: datetime) -> datetime | None:
    """When, in UTC, the next issue of a newsletter is due after ``now``; None: no schedule."""
    if not schedule:
        return None
    local = slot_after(schedule, local_time(now, timezone))
    return None if local is None else instant(local, timezone)


def is_last_of_month(schedule: str | None, timezone: str, now: datetime) -> bool:
    """Whether no other issue is due in the month, in the newsletter's zone, that ``now`` is in.

    Without a schedule nobody knows, and every issue may be the last one.
    """
    due = next_slot(schedule, timezone, now)
    if due is None:
        return True
    zone = ZoneInfo(timezone)
    here, there = now.astimezone(zone), due.astimezone(zone)
    return (here.year, here.month) != (there.year, there.month)


def written(local: datetime) -> str:
    """A slot's name: ``2026-11-26T09:00``."""
    return local.isoformat(timespec="minutes")


def read_span(text: str) -> tuple[date, date]:
    """``FROM..TO``, days of which both count, or one day; InputError."""
    first, dots, last = text.strip().partition("..")
    try:
        span = date.fromisoformat(first), date.fromisoformat(last if dots else first)
    except ValueError:
        span = None
    if span is None or span[1] < span[0]:
        raise InputError(
            f"{text!r} is no span of days.", where="FROM..TO", fix="Like 2026-12-24..2027-01-02."
        )
    return span
