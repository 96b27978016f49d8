"""Two years of slots in five zones, by a clock that jumps about: each local slot fires once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from digest.rules.delivery import IssueState
from digest.rules.slots import SlotState
from digest.store import schema, slots
from digest.store.newsletters import set_newsletter
from digest.store.session import Database
from tests.build import a_newsletter, an_installation
from tests.delivery.test_slots import DAY, HOUR, KEYS, Scene

# Two years and the leap day after them; each schedule meets what its zone does to the clock.
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 3, 2, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def as_the_wall_shows(
    zone: str, fits: Callable[[datetime], bool]
) -> Iterator[tuple[datetime, datetime]]:
    """When, by a walk along the clock, a time that ``fits`` is first shown, or would have been."""
    wall, seen = ZoneInfo(zone), set[datetime]()
    moment, shown = START, START.astimezone(wall).replace(tzinfo=None)
    while moment < END:
        offset, last = shown - moment.replace(tzinfo=None), shown
        moment += QUARTER
        shown = moment.astimezone(wall).replace(tzinfo=None)
        left_out = [last + n * QUARTER for n in range(1, (shown - last) // QUARTER)]
        for local in (*left_out, shown):
            if fits(local) and local not in seen:
                seen.add(local)
                yield local, moment if local == shown else (local - offset).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "schedule", "fits"),
    [
        (
            "Europe/Berlin",
            "cron 30 2 29 * sun",  # no 02:30 in March, two in October, and a leap day
            lambda at: (at.day == 29 or at.weekday() == 6) and (at.hour, at.minute) == (2, 30),
        ),
        pytest.param(
            "America/New_York",
            "sun,thu 02:30",
            lambda at: at.weekday() in (6, 3) and (at.hour, at.minute) == (2, 30),
            marks=pytest.mark.long,
        ),
        (
            "Australia/Lord_Howe",  # where half an hour is repeated
            "sun 01:45",
            lambda at: at.weekday() == 6 and (at.hour, at.minute) == (1, 45),
        ),
        (
            "Asia/Kathmandu",  # 5:45 from UTC
            "monthly 31 09:00",
            lambda at: (at + DAY).day == 1 and (at.hour, at.minute) == (9, 0),
        ),
        (
            "America/Santiago",  # where the day of a change has no midnight
            "cron 30 0,23 * * sat,sun",
            lambda at: at.weekday() in (5, 6) and at.hour in (0, 23) and at.minute == 30,
        ),
    ],
)
async def test_in_two_years_every_local_slot_fires_exactly_once(
    sqlite_url: str, zone: str, schedule: str, fits: Callable[[datetime], bool]
) -> None:
    async with await Database.open(sqlite_url) as db:
        await an_installation(db, fingerprint=KEYS.fingerprint)
        newsletter = await a_newsletter(db, schedule=schedule, timezone=zone)
        async with db.begin() as session:
            await set_newsletter(session, newsletter.id, undo_window=0)
        scene = Scene(db, newsletter, "smtp://127.0.0.1:9?tls=none")
        issue = await scene.approved(183, now=START)
        assert await scene.tick(START) == []
        expected = list(as_the_wall_shows(zone, fits))
        for _, due in expected:
            for early in (due - HOUR, due - timedelta(seconds=1)):
                assert await scene.tick(early) == [], due
            assert await scene.tick(due) == ["fired", "started"], due
            async with db.begin() as session:  # as if it were the next one
                again = update(schema.issues).where(schema.issues.c.id == issue)
                await session.execute(again.values(state=IssueState.APPROVED, planned_at=None))
            for jump in (due + timedelta(seconds=5), due - HOUR):
                assert await scene.tick(jump) == [], due
        async with db.read() as session:
            taken = await slots.slots_of(session, newsletter.id, limit=1000)
    fired = [(one.local, one.due_at) for one in reversed(taken) if one.state is SlotState.FIRED]
    assert fired == expected
    assert len(taken) == len(fired) + 1  # and the next one
