"""The schedule of retries: 5 minutes doubling to 4 hours, given up after 48."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from digest.rules.retry import FIRST_WAIT, GIVEN_UP_AFTER, JITTER, LONGEST_WAIT, next_attempt, wait
from digest.rules.verdict import Reason

FIRST = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@given(attempts=st.integers(1, 10_000), seed=st.integers())
def test_each_wait_lies_within_a_fifth_of_the_schedule(attempts: int, seed: int) -> None:
    plain = min(FIRST_WAIT * 2 ** min(attempts - 1, 20), LONGEST_WAIT)
    second = timedelta(microseconds=1)
    pause = wait(attempts, seed=seed)
    assert plain * (1 - JITTER) - second <= pause <= plain * (1 + JITTER) + second


def test_the_jitter_is_the_same_for_the_same_row_and_spreads_the_others() -> None:
    assert wait(3, seed=7) == wait(3, seed=7)
    assert len({wait(1, seed=seed) for seed in range(100)}) > 90


def test_a_greylisting_server_is_asked_again_after_five_minutes_every_time() -> None:
    assert wait(6, seed=1, reason=Reason.GREYLISTED) <= FIRST_WAIT * (1 + JITTER)


def test_what_the_server_asks_for_is_kept_to() -> None:
    def due(asked: timedelta) -> timedelta:
        at = next_attempt(1, now=FIRST, first_attempt_at=FIRST, seed=1, asked=asked)
        assert at is not None
        return at - FIRST

    assert due(timedelta(hours=1)) == timedelta(hours=1)
    assert due(timedelta(seconds=1)) >= FIRST_WAIT * (1 - JITTER)
    assert due(timedelta(days=30)) <= timedelta(hours=24)


def test_a_last_try_comes_at_the_end_and_then_it_is_given_up() -> None:
    end = FIRST + GIVEN_UP_AFTER
    late = end - MINUTE
    assert next_attempt(20, now=late, first_attempt_at=FIRST, seed=1) == end
    assert next_attempt(21, now=end, first_attempt_at=FIRST, seed=1) is None


@given(seed=st.integers())
def test_the_schedule_ends_after_a_bounded_number_of_tries(seed: int) -> None:
    now, tries = FIRST, 1
    while (at := next_attempt(tries, now=now, first_attempt_at=FIRST, seed=seed)) is not None:
        assert at > now
        now, tries = at, tries + 1
    assert 14 <= tries <= 24
    assert now == FIRST + GIVEN_UP_AFTER
