"""How fast something goes, from looks at how far it is."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from digest.rules.pace import LOOKS, Pace


def test_one_look_tells_no_pace() -> None:
    pace = Pace()
    assert pace.per_second is None
    pace.look(10.0, 500)
    assert pace.per_second is None
    assert pace.left(100) is None


def test_the_pace_is_what_was_done_between_the_looks() -> None:
    pace = Pace()
    pace.look(10.0, 500)
    pace.look(12.0, 700)
    assert pace.per_second == 100.0
    assert pace.left(1_000) == timedelta(seconds=10)
    assert pace.left(0) is None


def test_only_the_last_looks_count() -> None:
    pace = Pace()
    for second in range(100):
        pace.look(second, 0)
    for second in range(100, 100 + LOOKS):
        pace.look(second, 10 * (second - 99))
    assert pace.per_second == 10.0


def test_what_stands_still_is_never_through() -> None:
    pace = Pace()
    pace.look(1.0, 5)
    pace.look(1.0, 5)
    assert pace.per_second is None
    pace.look(9.0, 5)
    assert pace.per_second == 0.0
    assert pace.left(3) is None


def test_what_begins_anew_is_measured_anew() -> None:
    pace = Pace()
    pace.look(1.0, 900)
    pace.look(2.0, 1_000)
    pace.look(3.0, 10)  # readers were queued once more
    assert pace.per_second is None


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10**7)), max_size=50))
def test_a_pace_is_never_negative(looks: list[tuple[float, int]]) -> None:
    pace = Pace()
    for at, done in sorted(looks):
        pace.look(at, done)
    assert pace.per_second is None or pace.per_second >= 0
