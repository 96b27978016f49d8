"""The real rate is the configured one and never above it; a confirmation waits for no issue."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.rules.throttle import (
    ISSUE_SHARE,
    Lane,
    Pace,
    TokenBucket,
    connections_after,
    issue_connections,
)

ROUNDING = 1e-9  # seconds: what a float of some thousand seconds loses
RATES = st.floats(0.1, 300) | st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.5, 3.7, 10.0, 14.0, 99.9, 1e5])
GAPS = st.lists(st.floats(0, 3) | st.sampled_from([0.0, 1e-7, 0.001, 0.05, 1.0, 70.0]), max_size=60)


def most_within(times: Iterable[float], seconds: float) -> int:
    """The most times in any half-open window of ``seconds``."""
    window: deque[float] = deque()
    most = 0
    for at in times:
        window.append(at)
        while at - window[0] >= seconds - ROUNDING:
            window.popleft()
        most = max(most, len(window))
    return most


def greedy(take: Callable[[float], float], now: float, *, at_most: int = 400) -> list[float]:
    """Everything that may go at one instant."""
    gone: list[float] = []
    while len(gone) < at_most and not take(now):
        gone.append(now)
    return gone


def patient(take: Callable[[float], float], seconds: float, late: float = 0.0) -> list[float]:
    """Whoever always waits as told, and wakes up ``late``."""
    now, gone = 0.0, []
    while now < seconds:
        wait = take(now)
        if wait:
            now += wait + late
        else:
            gone.append(now)
    return gone


@given(RATES, GAPS, st.floats(0, 1e6))
@example(14.0, [0.0] * 3 + [0.9, 0.1, 0.9], 0.0)
@settings(max_examples=150, deadline=None)
def test_no_second_and_no_minute_holds_more_than_the_rate(rate, gaps, start):
    bucket = TokenBucket(rate)
    now, gone = start, []
    for gap in gaps:
        now += gap
        gone += greedy(bucket.take, now)

    assert most_within(gone, 1.0) <= math.ceil(rate)
    assert most_within(gone, 60.0) <= math.ceil(60 * rate)


@pytest.mark.parametrize("rate", [0.1, 0.4, 1, 1.5, 2.5, 3.7, 14, 99.9])
def test_over_a_minute_the_fraction_of_a_rate_counts_too(rate):
    gone = patient(TokenBucket(rate).take, 400)

    assert most_within(gone, 60.0) <= max(1, math.ceil(60 * rate))
    assert most_within(gone, 60.0) >= math.floor(60 * rate)


@pytest.mark.parametrize(
    "rate, seconds", [(0.1, 2000), (1, 300), (2.5, 300), (14, 300), (1000, 20), (100_000, 2)]
)
def test_who_waits_as_told_gets_the_rate(rate, seconds):
    gone = patient(TokenBucket(rate).take, seconds)

    assert len(gone) >= 0.998 * rate * seconds
    assert most_within(gone, 1.0) <= math.ceil(rate)


@pytest.mark.parametrize("rate", [14, 50, 1000, 20_000])
def test_a_clock_that_wakes_up_late_costs_its_lateness_once_a_second(rate):
    gone = patient(TokenBucket(rate).take, 20, late=0.002)

    assert len(gone) >= 0.99 * rate * 20
    assert most_within(gone, 1.0) <= rate


def test_after_a_long_silence_only_a_few_go_at_once():
    bucket = TokenBucket(100)
    greedy(bucket.take, 0.0)

    assert len(greedy(bucket.take, 1000.0)) <= 6


def test_waiting_the_time_that_was_told_is_enough():
    bucket = TokenBucket(3.7)
    now = 1e6 + 0.1
    for _ in range(500):
        assert not bucket.take(now)
        now += bucket.wait(now)


@given(st.lists(st.tuples(RATES, st.floats(0, 2)), min_size=2, max_size=20))
@example([(20.0, 0.0), (1.0, 0.5), (2.0, 0.0)])
@example([(100.0, 0.0), (1.0, 1.5), (3.0, 0.3), (3.0, 0.2)])
@example([(40.0, 0.0), (40.0, 0.9), (1.0, 0.15), (5.0, 0.0)])
@settings(max_examples=60, deadline=None)
def test_a_changed_rate_forgets_nothing_that_went_already(changes):
    bucket = TokenBucket(changes[0][0])
    now = 0.0
    gone: list[float] = []
    for rate, gap in changes:
        bucket.set_rate(rate)
        now += gap
        before = [at for at in gone if at > now - 1.0 + ROUNDING]
        went = greedy(bucket.take, now, at_most=200)
        assert not went or len(before) + len(went) <= math.ceil(rate)
        gone += went


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="above 0"):
        TokenBucket(rate)


def test_without_a_rate_everything_goes():
    pace = Pace(None)

    assert not any(pace.take(Lane.ISSUE, 0.0) for _ in range(1000))
    assert pace.rate is None


def test_a_rate_learned_later_holds_from_then_on():
    pace = Pace(None)
    pace.set_rate(2)
    first = greedy(lambda now: pace.take(Lane.OPERATOR, now), 5.0)
    pace.set_rate(None)

    assert len(first) <= 2
    assert pace.take(Lane.ISSUE, 5.0) == 0


# Lanes.


def simulate(
    rate: float, seconds: float, queued: dict[float, Lane], *, late: float = 0.002
) -> tuple[dict[float, float], list[float]]:
    """An issue without end at ``rate``, and others that come: when each of those started, and all
    starts. A fake clock; everybody waits as told and wakes up a little late.
    """
    pace = Pace(rate)
    started: dict[float, float] = {}
    everything: list[float] = []
    asks = {at: at for at in queued}  # queued at → asks next at
    issue_asks, now = 0.0, 0.0
    while now < seconds:
        now = min([issue_asks, *asks.values()])
        if issue_asks == now:  # the issue asks first: the worst order for the others
            wait = pace.take(Lane.ISSUE, now)
            issue_asks = now + wait + late if wait else now
            if not wait:
                everything.append(now)
        for at, asks_at in list(asks.items()):
            if asks_at != now:
                continue
            wait = pace.take(queued[at], now)
            if wait:
                asks[at] = now + wait + late
            else:
                started[at] = now
                everything.append(now)
                del asks[at]
    return started, everything


@pytest.mark.parametrize("rate, number", [(0.25, 20), (1, 20), (2.5, 20), (14, 20), (1000, 1)])
def test_a_confirmation_starts_within_five_seconds_while_an_issue_goes_out(rate, number):
    queued = {7.01 + 11.37 * nth: Lane.CONFIRMATION for nth in range(number)}
    started, everything = simulate(rate, 15 + 12 * number, queued)

    assert set(started) == set(queued)
    assert max(start - at for at, start in started.items()) <= 5.0
    assert most_within(everything, 1.0) <= math.ceil(rate)
    assert most_within(everything, 60.0) <= math.ceil(60 * rate)


def test_fifty_confirmations_at_once_all_start_within_five_seconds_at_14_a_second():
    queued = {10 + number / 1000: Lane.CONFIRMATION for number in range(50)}
    started, _ = simulate(14, 30, queued)

    assert len(started) == 50
    assert max(start - at for at, start in started.items()) <= 5.0


def test_an_issue_alone_leaves_five_percent_of_the_rate():
    _, everything = simulate(14, 600, {}, late=0.0)

    assert 0.98 * ISSUE_SHARE <= len(everything) / (14 * 600) <= ISSUE_SHARE


def test_upper_lanes_may_use_all_of_the_rate():
    pace = Pace(14)
    gone = patient(lambda now: pace.take(Lane.OPERATOR, now), 100)

    assert len(gone) >= 0.99 * 1400


def test_a_confirmation_goes_before_a_test_that_waited_longer():
    pace = Pace(1)
    assert pace.take(Lane.ISSUE, 0.0) == 0
    pace.take(Lane.OPERATOR, 0.1)
    pace.take(Lane.CONFIRMATION, 0.2)

    assert pace.take(Lane.OPERATOR, 1.01) > 0
    assert pace.take(Lane.ISSUE, 1.01) > 0
    assert pace.take(Lane.CONFIRMATION, 1.02) == 0


def test_once_a_confirmation_has_gone_the_issue_has_the_next_place():
    pace = Pace(14)
    greedy(lambda now: pace.take(Lane.ISSUE, now), 0.0)
    wait = pace.take(Lane.CONFIRMATION, 0.0)
    assert wait > 0
    assert pace.take(Lane.CONFIRMATION, wait) == 0

    assert pace.take(Lane.ISSUE, wait + 0.1) == 0


def test_a_confirmation_that_never_comes_back_stops_the_issue_for_a_moment_only():
    pace = Pace(1)
    assert pace.take(Lane.ISSUE, 0.0) == 0
    pace.take(Lane.CONFIRMATION, 0.1)
    gone = patient(lambda now: pace.take(Lane.ISSUE, now + 0.2), 5)

    assert gone
    assert gone[0] < 1.5


def test_one_connection_is_kept_from_two_up():
    assert [issue_connections(number) for number in (1, 2, 3, 16)] == [1, 1, 2, 15]


def test_a_relay_that_comes_back_is_met_with_a_few_connections():
    counts = [connections_after(accepted, 16) for accepted in range(200)]

    assert counts[0] == 2
    assert all(0 <= after - before <= 1 for before, after in pairwise(counts))
    assert connections_after(10**6, 16) == 16
    assert connections_after(0, 1) == 1
    # One more after as many messages as there are connections: 2, 2 + 3, 2 + 3 + 4, …
    assert [counts.index(number) for number in (3, 4, 5, 6)] == [2, 5, 9, 14]
