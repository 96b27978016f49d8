"""One wall clock for all who decide.

Every function that decides takes ``now``; only the edges ask a clock. The wall time is corrected
by the offset to PostgreSQL's clock, so that several machines share one time (SQLite: 0). Monotonic
time is for timeouts and token buckets only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class Clock:
    """Tells the time in UTC, corrected by ``offset`` to the database's clock."""

    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    monotonic = staticmethod(time.monotonic)
    """Seconds that never jump; only differences mean anything."""
