"""Several relays share messages by their weights, and none waits for one that cannot take any."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from digest.rules.balance import LEAD, PATIENCE, Balance


def joined(**weights: int) -> Balance:
    balance = Balance()
    for name, weight in weights.items():
        balance.join(name, weight)
        balance.set_able(name, 0.0, able=True)
    return balance


def share_out(balance: Balance, names: list[str], messages: int, *, now: float = 0.0) -> Counter:
    """Offer every message to each relay by turns, as connections ask."""
    got: Counter[str] = Counter()
    while got.total() < messages:
        for name in names:
            if balance.may_take(name, now):
                balance.took(name, now)
                got[name] += 1
    return got


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_shares_follow_the_weights(weights: list[int]) -> None:
    names = [f"relay{n}" for n in range(len(weights))]
    balance = joined(**dict(zip(names, weights, strict=True)))
    got = share_out(balance, names, 2_000)
    for name, weight in zip(names, weights, strict=True):
        fair = got.total() * weight / sum(weights)
        assert abs(got[name] - fair) <= LEAD * max(weights) + len(weights)


def test_a_relay_that_cannot_take_any_holds_nobody_back() -> None:
    balance = joined(one=1, two=1)
    balance.set_able("two", 0.0, able=False)
    assert share_out(balance, ["one"], 100)["one"] == 100


def test_one_that_hangs_is_not_waited_for() -> None:
    balance = joined(one=1, two=1)
    for _ in range(LEAD):
        balance.took("one", 0.0)
    assert not balance.may_take("one", PATIENCE / 2)
    assert balance.may_take("one", PATIENCE + 0.1)


def test_one_that_returns_starts_level_and_makes_up_for_nothing() -> None:
    balance = joined(one=1, two=1)
    balance.set_able("two", 0.0, able=False)
    share_out(balance, ["one"], 1_000)
    balance.set_able("two", 0.1, able=True)
    got = share_out(balance, ["one", "two"], 100, now=0.1)
    assert abs(got["one"] - got["two"]) <= 2 * LEAD


def test_a_relay_alone_takes_everything() -> None:
    assert share_out(joined(one=3), ["one"], 50)["one"] == 50
