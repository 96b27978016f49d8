"""Quotas and warm-up survive a restart, and say when a send would be through."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.errors import SettingsError
from digest.rules.ramp import (
    HOUR,
    Allowance,
    Quota,
    Room,
    Usage,
    finish_time,
    parse_ramp,
    refusal,
    room,
    sendable_before,
)

DAY = timedelta(days=1)
NINE = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def used(hours_ago: int, messages: int) -> Usage:
    return Usage(NINE - HOUR * hours_ago, messages)


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


@pytest.mark.parametrize(
    "text, days",
    [
        ("200,500,1k,2k,5k…", (200, 500, 1000, 2000, 5000)),
        ("200,500,1k,2k,5k...", (200, 500, 1000, 2000, 5000)),
        (" 50 , 50, 1K ", (50, 50, 1000)),
        ("7", (7,)),
    ],
)
def test_a_warm_up_is_read_as_it_is_written(text, days):
    assert parse_ramp(text) == days


@pytest.mark.parametrize(
    "text", ["", "…", "0", "200,,500", "1m", "-5", "200,100", "1.5k", "٣", "2k0", "k", "9" * 10]
)
def test_what_is_no_warm_up_is_refused_with_advice(text):
    with pytest.raises(SettingsError) as refused:
        parse_ramp(text, where="DIGEST_RELAY_URL")

    assert refused.value.where == "DIGEST_RELAY_URL"
    assert "200,500" in refused.value.fix


def test_without_limits_everything_may_go():
    assert room(Quota(), [used(0, 10**9)], NINE) == Room(None)


def test_what_this_hour_has_used_is_gone_until_the_next():
    quota = Quota(per_hour=100)
    now = NINE + timedelta(minutes=20)

    assert room(quota, [used(0, 60), used(1, 100)], now) == Room(40)
    assert room(quota, [used(0, 100)], now) == Room(0, NINE + HOUR)


def test_a_day_is_the_last_24_hours_so_that_midnight_doubles_nothing():
    quota = Quota(per_day=1000)
    evening = datetime(2026, 11, 26, 23, 0, tzinfo=UTC)
    usage = [Usage(evening, 1000)]

    assert room(quota, usage, evening + timedelta(minutes=90)) == Room(0, evening + DAY)


def test_the_same_quota_is_there_at_the_same_time_the_next_day():
    assert room(Quota(per_day=1000), [used(24, 1000)], NINE) == Room(1000)
    assert room(Quota(per_day=1000), [used(23, 1000)], NINE) == Room(0, NINE + HOUR)


def test_a_quota_that_was_lowered_below_what_is_used_leaves_nothing():
    assert room(Quota(per_hour=10, per_day=100), [used(2, 500)], NINE) == Room(0, NINE + HOUR * 22)


def test_times_of_any_zone_mean_the_same_hour():
    berlin = timezone(HOUR)

    assert room(Quota(per_hour=5), [used(0, 5)], NINE.astimezone(berlin)).messages == 0
    assert room(Quota(per_hour=5), [Usage(NINE.astimezone(berlin), 5)], NINE).messages == 0

    kolkata = timezone(timedelta(hours=5, minutes=30))
    assert room(Quota(per_hour=5), [used(0, 5)], NINE.astimezone(kolkata)) == Room(0, NINE + HOUR)


def test_a_clock_that_was_set_back_leaves_a_time_to_ask_again():
    assert room(Quota(per_day=5), [used(-3, 5), used(0, 5)], NINE) == Room(0, NINE + DAY)


def test_an_issue_leaves_a_twentieth_for_confirmations():
    quota = Quota(per_hour=100, per_day=1000, ramp=(200,))

    assert quota.for_issues() == Quota(per_hour=95, per_day=950, ramp=(200,))
    assert quota.for_upper_lanes() == Quota(per_hour=100, per_day=1000)
    assert Quota(per_hour=1).for_issues().per_hour == 1
    assert room(quota.for_upper_lanes(), [used(0, 95)], NINE) == Room(5)


def test_a_warm_up_goes_on_only_on_days_on_which_something_was_sent():
    quota = Quota(ramp=(200, 500, 1000))
    week = [used(24 * 7, 150), used(24 * 7 + 1, 50)]

    assert room(quota, [], NINE) == Room(200)
    assert room(quota, [used(1, 120)], NINE) == Room(80)
    assert room(quota, week, NINE) == Room(500)
    assert room(quota, [*week, used(24, 0)], NINE) == Room(500)
    assert room(quota, [*week, used(48, 1)], NINE) == Room(1000)
    assert room(quota, [*week, used(48, 1), used(1, 400)], NINE) == Room(600)
    assert room(quota, [*week, used(48, 1), used(30, 1)], NINE) == Room(None)


def test_two_steps_of_a_warm_up_do_not_meet_at_midnight():
    evening = datetime(2026, 11, 26, 23, 0, tzinfo=UTC)

    assert room(Quota(ramp=(200, 500)), [Usage(evening, 200)], evening + HOUR) == Room(300)


def test_a_used_up_step_goes_on_the_next_day():
    assert room(Quota(ramp=(200, 500)), [used(0, 200)], NINE) == Room(
        0, datetime(2026, 11, 27, tzinfo=UTC)
    )


QUOTAS = st.builds(
    Quota,
    per_hour=st.none() | st.integers(1, 50),
    per_day=st.none() | st.integers(1, 300),
    ramp=st.lists(st.integers(1, 100), max_size=4).map(lambda days: tuple(sorted(days))),
)


@given(
    quota=QUOTAS,
    steps=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 120)), min_size=1, max_size=80),
)
@settings(deadline=None)
def test_whoever_asks_each_time_never_goes_above_any_of_the_limits(quota, steps):
    now, hours = NINE, Counter[datetime]()
    for wanted, minutes in steps:
        now += timedelta(minutes=minutes)
        free = room(quota, [Usage(at, number) for at, number in hours.items()], now).messages
        hours[hour_of(now)] += wanted if free is None else min(wanted, free)

    days = Counter[datetime]()
    for at, number in hours.items():
        days[at.replace(hour=0)] += number
        assert quota.per_hour is None or number <= quota.per_hour
        last_24 = sum(hours[at - HOUR * back] for back in range(24))
        assert quota.per_day is None or last_24 <= quota.per_day
    sending = [days[day] for day in sorted(days) if days[day]]
    assert all(sent <= step for sent, step in zip(sending, quota.ramp, strict=False))


@given(
    quota=QUOTAS,
    hours=st.dictionaries(st.integers(0, 30), st.integers(0, 300), max_size=10),
    minute=st.integers(0, 59),
)
@settings(deadline=None)
def test_the_time_told_is_the_first_at_which_there_is_room(quota, hours, minute):
    usage = [used(ago, number) for ago, number in hours.items()]
    now = NINE + timedelta(minutes=minute)
    here = room(quota, usage, now)
    if here.messages is None or here.messages > 0:
        assert here.next_at is None
        return

    assert here.next_at is not None
    assert now < here.next_at <= now + DAY
    assert room(quota, usage, here.next_at).messages != 0
    assert room(quota, usage, here.next_at - timedelta(seconds=1)).messages == 0


# Estimates.


def test_a_rate_alone_says_when_an_issue_is_through():
    relay = Allowance(Quota(), rate=10.0)

    assert finish_time(0, [relay], NINE) == NINE
    estimate = finish_time(100_000, [relay], NINE)
    assert estimate is not None
    assert abs(estimate - (NINE + timedelta(seconds=10_000))) < timedelta(seconds=2)


def test_without_any_limit_it_is_through_at_once():
    assert finish_time(10**6, [Allowance(Quota())], NINE) == NINE
    assert sendable_before(NINE + HOUR, [Allowance(Quota())], NINE) is None
    assert refusal(10**6, [Allowance(Quota())], now=NINE, deadline=NINE + HOUR) is None


def test_no_relay_is_never_through():
    assert finish_time(1, [], NINE) is None


def test_an_hourly_quota_spreads_an_issue_over_hours():
    relay = Allowance(Quota(per_hour=100), (used(0, 40),))
    now = NINE + timedelta(minutes=30)

    assert finish_time(60, [relay], now) == now
    assert finish_time(61, [relay], now) == NINE + HOUR
    assert finish_time(260, [relay], now) == NINE + HOUR * 2


def test_a_warm_up_spreads_an_issue_over_days():
    relay = Allowance(Quota(ramp=parse_ramp("200,500,1k")))

    assert finish_time(200, [relay], NINE) == NINE
    assert finish_time(201, [relay], NINE) == datetime(2026, 11, 27, tzinfo=UTC)
    assert sendable_before(NINE + DAY, [relay], NINE) == 500


def test_two_relays_share_the_work():
    slow, quick = Allowance(Quota(), rate=1.0), Allowance(Quota(per_hour=3600), rate=3.0)
    estimate = finish_time(4000, [slow, quick], NINE)

    assert estimate is not None
    assert abs(estimate - (NINE + timedelta(seconds=1000))) < timedelta(seconds=2)


def test_an_issue_that_cannot_be_through_is_refused_in_words():
    relay = Allowance(Quota(per_day=10_000))
    words = refusal(50_000, [relay], now=NINE, deadline=NINE + DAY * 3)

    assert words is not None
    assert "30,000 of 50,000" in words
    assert "2026-11-29 at 09:00" in words  # the deadline
    assert "2026-11-30 at 09:00" in words  # the end
    assert "20,000 would expire" in words


def test_an_issue_that_will_be_through_is_not_refused():
    relay = Allowance(Quota(per_day=10_000))

    assert refusal(50_000, [relay], now=NINE, deadline=NINE + DAY * 4 + HOUR) is None


@given(
    quota=QUOTAS,
    rate=st.none() | st.floats(0.01, 50),
    left=st.integers(1, 300),
    hours=st.dictionaries(st.integers(0, 30), st.integers(0, 300), max_size=5),
)
@settings(max_examples=50, deadline=None)
def test_an_estimate_is_what_a_sender_that_keeps_to_the_limits_does(quota, rate, left, hours):
    usage = tuple(used(ago, number) for ago, number in hours.items())
    relay = Allowance(quota, usage, rate)
    estimate = finish_time(left, [relay], NINE)

    assert estimate is not None
    second = timedelta(seconds=1)
    enough = sendable_before(estimate + second, [relay], NINE)
    assert enough is None or enough >= left
    if estimate - second > NINE:
        before = sendable_before(estimate - second, [relay], NINE)
        assert before is not None
        assert before <= left + (rate or 0)
        assert before < left or rate is not None
