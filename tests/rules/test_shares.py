"""Equal parts, and never more than there is."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.rules.shares import Budget, equal_part, part_to_hold, rate_budget, shared_rate
from digest.rules.throttle import TokenBucket

WORKERS = st.sets(st.integers(1, 1000), min_size=1, max_size=40)


@given(st.integers(1, 500), WORKERS)
def test_equal_parts_add_up_and_differ_by_one_at_most(units: int, workers: set[int]) -> None:
    parts = [equal_part(units, workers, one) for one in workers]
    assert sum(parts) == units
    assert max(parts) - min(parts) <= 1


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60),
)
def test_whoever_comes_and_goes_the_sum_is_never_more_than_the_budget(
    units: int, steps: list[tuple[int, bool]]
) -> None:
    held: dict[int, int] = {}
    budget = Budget(units)
    for worker, stays in steps:
        if stays:
            taken = sum(part for other, part in held.items() if other != worker)
            equal = equal_part(units, held.keys(), worker)
            held[worker] = part_to_hold(budget, equal=equal, taken=taken, in_use=0)
        else:
            held.pop(worker, None)
        assert sum(held.values()) <= units


def test_what_is_in_use_is_held_until_it_is_closed() -> None:
    assert part_to_hold(Budget(6), equal=2, taken=0, in_use=5) == 5


@given(
    st.floats(0.01, 300) | st.integers(1, 300).map(float),
    st.integers(1, 12),
)
def test_the_parts_of_a_rate_together_let_no_more_through_than_the_rate(
    rate: float, workers: int
) -> None:
    budget = rate_budget(rate)
    parts = [equal_part(budget.units, range(workers), one) for one in range(workers)]
    buckets = [TokenBucket(shared_rate(rate) * part / budget.units) for part in parts if part]
    assert most_in(buckets, 1.0) <= math.ceil(rate)
    if rate < 1:
        assert len(buckets) == 1


def most_in(buckets: list[TokenBucket], seconds: float) -> int:
    """How many messages they let through in the first such seconds, when all are asked."""
    passed = 0
    for bucket in buckets:
        now = 1000.0
        while now < 1000.0 + seconds:
            wait = bucket.take(now)
            passed += not wait
            now += wait
    return passed


@pytest.mark.parametrize(
    ("rate", "units", "window"), [(40, 40, 1), (1.5, 2, 60), (0.5, 1, 2), (150.7, 150, 1)]
)
def test_what_is_given_up_of_a_rate_counts_for_as_long_as_the_rate_is_counted(
    rate: float, units: int, window: int
) -> None:
    budget = rate_budget(rate)
    assert budget.units == units
    assert timedelta(0) < budget.window - timedelta(seconds=window) < timedelta(seconds=1)
