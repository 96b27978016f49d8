"""How workers share what a relay or a provider takes: whole units, equal parts, one after another.

A budget is so many units: connections, or messages in a second. Every worker that has something to
send holds a part of it for a few seconds and renews it. A part may grow only into what nobody
holds, so the sum is never above the budget, whoever comes, goes or dies. What a worker gives up of
a *rate* stays taken for as long as the window that the rate is counted in: the messages it let
through just before still count there.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from digest.rules.throttle import WHOLE_FROM

LEASE = timedelta(seconds=5)  # for which a part is held without being renewed
RENEWED = 1.0  # seconds after which it is
IDLE = 2.0  # seconds for which it is kept by who has nothing to send
_LATE = timedelta(seconds=0.25)  # between a message let through and the relay's look at it
_LONGEST_WINDOW = 60.0  # seconds, over which a rate holds


@dataclass(frozen=True, slots=True)
class Budget:
    """``units`` in all; what is given up is free again after ``window``."""

    units: int
    window: timedelta = timedelta(0)


def rate_budget(per_second: float) -> Budget:
    """A rate as a budget: the messages of a second, so that each part is whole messages as well,
    and rounding them up (``throttle.TokenBucket``) never makes the sum more than the rate.
    """
    if per_second < 1:
        return Budget(1, timedelta(seconds=min(1 / per_second, _LONGEST_WINDOW)) + _LATE)
    even = float(shared_rate(per_second)).is_integer()
    window = timedelta(seconds=1.0 if even else _LONGEST_WINDOW)
    return Budget(math.ceil(shared_rate(per_second)), window + _LATE)


def shared_rate(per_second: float) -> float:
    """What of a rate is shared out; the part of a worker is as much of it as it holds units."""
    return math.floor(per_second) if per_second >= WHOLE_FROM else per_second


def equal_part(units: int, workers: Collection[int], mine: int) -> int:
    """The part of worker ``mine`` of all ``workers``; what does not divide goes to the first."""
    order = sorted({*workers, mine})
    part, rest = divmod(units, len(order))
    return part + (order.index(mine) < rest)


def part_to_hold(budget: Budget, *, equal: int, taken: int, in_use: int) -> int:
    """What a worker may hold from now on, where others hold or still count ``taken``.

    Never less than it has ``in_use``: a connection counts until it is closed.
    """
    return max(in_use, min(equal, budget.units - taken), 0)
