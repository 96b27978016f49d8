"""When a newsletter goes out, as its schedule says it."""

from __future__ import annotations

from datetime import datetime

import pytest

from digest.errors import InputError
from digest.rules.schedule import parse_schedule

THURSDAY = datetime(2026, 11, 26, 9, 0)


@pytest.mark.parametrize(
    ("schedule", "after", "slot"),
    [
        ("thu 09:00", datetime(2026, 11, 23, 12), THURSDAY),
        ("thu 09:00", THURSDAY, datetime(2026, 12, 3, 9)),
        ("MON,Thu 9:00", datetime(2026, 11, 27), datetime(2026, 11, 30, 9)),
        ("monthly 1 09:00", THURSDAY, datetime(2026, 12, 1, 9)),
        ("monthly 31 09:00", datetime(2027, 2, 1), datetime(2027, 2, 28, 9)),
        ("cron 0 9 * * thu", datetime(2026, 11, 23, 12), THURSDAY),
        ("cron 30 8,17 * * mon-fri", datetime(2026, 11, 27, 9), datetime(2026, 11, 27, 17, 30)),
        ("cron 0 9 1 jan *", THURSDAY, datetime(2027, 1, 1, 9)),
        ("cron 0 9 13 * fri", datetime(2026, 11, 23), datetime(2026, 11, 27, 9)),
        ("cron */20 0 * * *", datetime(2026, 11, 26, 0, 20), datetime(2026, 11, 26, 0, 40)),
        ("cron 0 9 29 feb *", THURSDAY, datetime(2028, 2, 29, 9)),
    ],
)
def test_the_next_slot_is_the_first_after_now(
    schedule: str, after: datetime, slot: datetime
) -> None:
    assert parse_schedule(schedule).next_after(after) == slot


def test_a_day_that_never_comes_has_no_slot() -> None:
    assert parse_schedule("cron 0 9 30 feb *").next_after(THURSDAY) is None


@pytest.mark.parametrize(
    "schedule",
    [
        *(
            "",
            "thu",
            "thursday 09:00",
            "thu 25:00",
            "thu 09:60",
            "thu,thu2 09:00",
            "monthly 0 09:00",
        ),
        *(
            "monthly 32 09:00",
            "cron 0 9 * *",
            "cron 0 9 * * 4",
            "cron 60 9 * * *",
            "cron 0 9 0 * *",
        ),
        *("cron 0 9 * * fri-mon", "cron */0 9 * * *", "cron 0 9 * 13 *", "cron ² 9 * * *"),
    ],
)
def test_what_is_no_schedule_is_told_with_an_example(schedule: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_schedule(schedule)
    assert "thu 09:00" in raised.value.fix
