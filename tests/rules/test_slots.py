"""What becomes of a send slot, and when a slot is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from digest.errors import InputError
from digest.rules.slots import (
    GRACE,
    CatchUp,
    Due,
    SlotPolicy,
    SlotReason,
    SlotState,
    Unready,
    instant,
    judge_slot,
    local_time,
    read_span,
    reminder_due,
)

FIRED, SKIPPED, HELD = SlotState.FIRED, SlotState.SKIPPED, SlotState.HELD
IN_TIME, LATE = timedelta(seconds=5), GRACE + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("late", "in_break", "followed", "ready", "outcome"),
    [
        (IN_TIME, False, False, True, (FIRED, None)),
        (GRACE, False, False, True, (FIRED, None)),
        (IN_TIME, False, False, False, (HELD, SlotReason.NO_ISSUE)),
        (IN_TIME, True, False, True, (SKIPPED, SlotReason.BREAK)),
        (LATE, True, False, True, (SKIPPED, SlotReason.BREAK)),
        (LATE, False, False, True, (HELD, SlotReason.LATE)),
        (LATE, False, True, True, (HELD, SlotReason.LATE)),
        (IN_TIME, False, True, True, (SKIPPED, SlotReason.OVERTAKEN)),
    ],
)
def test_a_slot_that_is_due(
    late: timedelta,
    in_break: bool,
    followed: bool,
    ready: bool,
    outcome: tuple[SlotState, SlotReason | None],
) -> None:
    due = Due(late=late, in_break=in_break, followed=followed, ready=ready)
    assert judge_slot(due, SlotPolicy()) == outcome


def test_a_newsletter_may_want_it_otherwise() -> None:
    policy = SlotPolicy.of({"grace_minutes": 30, "unready": "skip", "catch_up": "all"})
    assert policy == SlotPolicy(timedelta(minutes=30), Unready.SKIP, CatchUp.ALL)
    nothing = Due(late=IN_TIME, in_break=False, followed=False, ready=False)
    assert judge_slot(nothing, policy) == (SKIPPED, SlotReason.NO_ISSUE)
    followed = Due(late=IN_TIME, in_break=False, followed=True, ready=True)
    assert judge_slot(followed, policy) == (FIRED, None)
    assert SlotPolicy.of({}) == SlotPolicy()


def test_where_issues_make_themselves_a_slot_without_one_is_skipped_unless_it_is_to_wait() -> None:
    assert SlotPolicy.of({"automatic": {}}).unready is Unready.SKIP
    assert SlotPolicy.of({"automatic": {}, "unready": "hold"}).unready is Unready.HOLD
    assert SlotPolicy.of({"automatic": None}).unready is Unready.HOLD


SLOT = datetime(2026, 11, 26, 9, tzinfo=UTC)
LONG_AGO = SLOT - timedelta(days=7)


@pytest.mark.parametrize(
    ("hours_left", "reminder"),
    [(49, None), (48, 48), (30, 48), (24, 24), (3, 24), (2, 2), (0.1, 2), (0, None), (-1, None)],
)
def test_editors_are_reminded_two_days_one_day_and_two_hours_before(
    hours_left: float, reminder: int | None
) -> None:
    now = SLOT - timedelta(hours=hours_left)
    expected = None if reminder is None else timedelta(hours=reminder)
    assert reminder_due(SLOT, known_since=LONG_AGO, now=now) == expected


def test_who_has_just_sent_an_issue_is_not_reminded_of_the_next() -> None:
    yesterday = SLOT - timedelta(days=1) + timedelta(seconds=5)
    assert reminder_due(SLOT, known_since=yesterday, now=yesterday) is None
    assert reminder_due(SLOT, known_since=yesterday, now=SLOT - timedelta(hours=1)) == timedelta(
        hours=2
    )


def test_a_repeated_hour_has_one_slot_and_one_that_is_left_out_has_its_own() -> None:
    repeated, left_out = datetime(2026, 10, 25, 2, 30), datetime(2026, 3, 29, 2, 30)
    assert instant(repeated, "Europe/Berlin") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant(left_out, "Europe/Berlin") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    second_time = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert local_time(second_time, "Europe/Berlin") == repeated


def test_a_span_of_days_is_written_like_this() -> None:
    assert read_span("2026-12-24..2027-01-02") == (date(2026, 12, 24), date(2027, 1, 2))
    assert read_span("2026-12-24") == (date(2026, 12, 24),) * 2


@pytest.mark.parametrize("text", ["", "..", "2026-12-24..", "tomorrow", "2026-12-24..2026-12-23"])
def test_what_is_no_span_is_told(text: str) -> None:
    with pytest.raises(InputError, match="no span"):
        read_span(text)
