"""What relays answered the sender of this process since it started, for whoever watches.

Counters of the process, as Prometheus wants them: they start at 0 with it, and cost the database
nothing. A destination is counted under its provider's name, all others together, so that there are
never more counters than the tables of providers and of verdicts have rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from digest.store.handover import Outcome

OTHERS = "other"  # destinations of no provider that the table knows


@dataclass(frozen=True, slots=True)
class Line:
    """What is counted together. ``verdict`` is "" where the relay took the message."""

    lane: str  # issue, sign-up, operator
    destination: str
    outcome: str  # the state it led to
    verdict: str  # rules.verdict.Reason


@dataclass(slots=True)
class Tally:
    """How many answers of each kind there were."""

    lines: Counter[Line] = field(default_factory=Counter)

    def count(self, lane: str, provider: str | None, outcome: Outcome) -> None:
        """Count an outcome that is recorded; one for which no MAIL was sent is none."""
        if outcome.uncharged:
            return
        verdict = str(outcome.verdict or "")
        self.lines[Line(lane, provider or OTHERS, outcome.state.value, verdict)] += 1
