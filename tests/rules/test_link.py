"""Promises about links: which answers are a fault, which are none of ours, how long they hold."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.rules.link import (
    Hop,
    LinkState,
    LinkStatus,
    Trouble,
    holds,
    judge_answer,
    judge_trouble,
    still_counts,
)
from tests.build import NOW

THERE, LOGIN = "https://example.org/there", "https://example.org/login"


@pytest.mark.parametrize(
    "status, state",
    [
        (200, LinkState.OK),
        (204, LinkState.OK),
        (304, LinkState.OK),
        (400, LinkState.DEAD),
        (404, LinkState.DEAD),
        (410, LinkState.DEAD),
        (418, LinkState.DEAD),
        (500, LinkState.DEAD),
        (503, LinkState.DEAD),
        (401, LinkState.UNASKED),
        (403, LinkState.UNASKED),
        (429, LinkState.UNASKED),
        (451, LinkState.UNASKED),
        (999, LinkState.UNASKED),
    ],
)
def test_a_page_is_judged_by_what_it_answers(status: int, state: LinkState) -> None:
    assert judge_answer(status, (), seconds=0.1, now=NOW).state is state


@pytest.mark.parametrize(
    "hops, target",
    [
        ([Hop(301, THERE)], THERE),
        ([Hop(308, "https://example.org/b"), Hop(301, THERE)], THERE),
        ([Hop(301, THERE), Hop(302, LOGIN)], THERE),  # what is behind it changes
        ([Hop(302, LOGIN)], ""),
        ([Hop(307, LOGIN), Hop(301, THERE)], ""),
        ([], ""),
    ],
)
def test_only_what_moved_for_good_has_moved(hops: list[Hop], target: str) -> None:
    status = judge_answer(200, hops, seconds=0.1, now=NOW)
    assert (status.state is LinkState.MOVED, status.detail) == (bool(target), target)


def test_a_page_that_moved_and_is_gone_is_gone() -> None:
    assert judge_answer(404, [Hop(301, THERE)], seconds=1, now=NOW).state is LinkState.DEAD


def test_a_page_that_lets_readers_wait_is_slow() -> None:
    assert judge_answer(200, (), seconds=5.1, now=NOW).state is LinkState.SLOW
    assert judge_answer(200, (), seconds=4.9, now=NOW).state is LinkState.OK


def test_our_own_troubles_are_not_the_links() -> None:
    ours = {Trouble.RESOLVER, Trouble.NETWORK, Trouble.PORT, Trouble.SIZE}
    for trouble in Trouble:
        state = judge_trouble(trouble, "words", now=NOW).state
        assert state is (LinkState.UNASKED if trouble in ours else LinkState.DEAD)


@pytest.mark.parametrize(
    "state, minutes",
    [(LinkState.OK, 1440), (LinkState.MOVED, 1440), (LinkState.UNASKED, 60), (LinkState.DEAD, 10)],
)
def test_an_answer_holds_for_a_while(state: LinkState, minutes: int) -> None:
    status = LinkStatus(state, None, "", NOW)
    assert holds(status, NOW + timedelta(minutes=minutes - 1))
    assert not holds(status, NOW + timedelta(minutes=minutes))
    assert not holds(status, NOW - timedelta(minutes=1))  # of a clock that was wrong
    assert still_counts(status, NOW + timedelta(hours=23))
    assert not still_counts(status, NOW + timedelta(hours=24))
