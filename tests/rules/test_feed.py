"""Promises of when a feed is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest.rules.feed import FeedState, after_answer, after_trouble

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "asked", "hours"),
    [
        (200, "", 1),
        (304, "86400", 1),
        (429, "7200", 2),
        (429, "1", 1),  # never sooner than usual
        (429, "99999999999999", 7 * 24),
        (503, "Thu, 26 Nov 2026 14:00:00 GMT", 5),
        (503, "Thu, 26 Nov 2020 14:00:00 GMT", 1),
        (429, "soon", 1),
        (429, "-5", 1),
        (429, "\u0664", 1),
        (500, "", 1),
        (404, "", 1),
    ],
)
def test_an_answer_says_when_to_come_again(status: int, asked: str, hours: int) -> None:
    following = after_answer(status, {"retry-after": asked}, failures=0, now=NOW)
    assert following.pull_at == NOW + hours * HOUR
    assert following.state is FeedState.ACTIVE
    assert following.failures == (0 if status in (200, 304) else 1)


def test_gone_is_for_good_and_failures_are_counted() -> None:
    assert after_answer(410, {}, failures=3, now=NOW).state is FeedState.GONE
    waits = [after_trouble("x", failures=n, now=NOW).pull_at - NOW for n in (0, 1, 4, 5, 10_000)]
    assert waits == [HOUR, 2 * HOUR, 16 * HOUR, 24 * HOUR, 24 * HOUR]
