"""When a deferred delivery is tried again, and when it is given up (RFC 5321 §4.5.4.1).

5, 10, 20, 40 … minutes, at most 4 hours, each moved by up to a fifth so that what failed together
does not come back together. Given up 48 hours after the first attempt, with one last try at the
end of that time. A time the server names is kept to.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from digest.mail.reply import RETRY_MAX
from digest.rules.verdict import Reason

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=4)
GIVEN_UP_AFTER = timedelta(hours=48)
JITTER = 0.2
_STEPS = 6  # 5 minutes doubled six times is past 4 hours


def wait(attempts: int, *, seed: int, reason: Reason | None = None) -> timedelta:
    """How long to wait after attempt number ``attempts`` (from 1).

    ``seed`` makes the jitter repeatable, for example the row's id. A greylisting server is asked
    again after 5 minutes, however often it was asked before: it waits for nothing else.
    """
    steps = 0 if reason is Reason.GREYLISTED else min(max(attempts, 1) - 1, _STEPS)
    plain = min(FIRST_WAIT * (1 << steps), LONGEST_WAIT)
    jitter: float = random.Random(f"{seed}/{attempts}").uniform(1 - JITTER, 1 + JITTER)
    return plain * jitter


def next_attempt(
    attempts: int,
    *,
    now: datetime,
    first_attempt_at: datetime,
    seed: int,
    reason: Reason | None = None,
    asked: timedelta | None = None,
) -> datetime | None:
    """When to try again, or None when it is given up. ``asked``: how long the server said to
    wait.
    """
    end = first_attempt_at + GIVEN_UP_AFTER
    if now >= end:
        return None
    pause = wait(attempts, seed=seed, reason=reason)
    if asked is not None:
        pause = max(pause, min(asked, RETRY_MAX))
    return min(now + pause, end)
