"""How fast something goes, from looks at how far it is, and when it will be through.

Only differences between looks count, so a watcher that comes late or goes away changes nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

LOOKS = 30  # the last so many: at one a second, half a minute


@dataclass(slots=True)
class Pace:
    """Takes looks, each a monotonic time in seconds and how much is done by then."""

    _looks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=LOOKS))

    def look(self, at: float, done: int) -> None:
        """Take one look. Where less is done than before, it began anew: so does the pace."""
        if self._looks and done < self._looks[-1][1]:
            self._looks.clear()
        self._looks.append((at, done))

    @property
    def per_second(self) -> float | None:
        """What was done per second over the looks taken; None before there are two."""
        if len(self._looks) < 2:
            return None
        (began, before), (at, done) = self._looks[0], self._looks[-1]
        return (done - before) / (at - began) if at > began else None

    def left(self, remaining: int) -> timedelta | None:
        """How long ``remaining`` more take at this pace; None where nothing moves."""
        pace = self.per_second
        if not remaining or not pace:
            return None
        return timedelta(seconds=remaining / pace)
