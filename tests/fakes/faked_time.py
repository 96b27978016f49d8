"""The wall clock of other processes, set by a file they look at: libfaketime.

Monotonic time stays what it is: timeouts and event loops go on as always, as when an operator or an
NTP server sets the clock of a real machine.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tests.conftest import missing


class FakedTime:
    """A time that processes with ``environment`` see: the real one, until it is set."""

    def __init__(self, file: Path) -> None:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        if not found:
            missing("no libfaketime is installed")
        self._file = file
        file.write_text("+0\n")
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
            "TZ": "UTC",
        }

    def shift(self, by: timedelta) -> None:
        """Let processes see the real time, so much later or earlier."""
        self._file.write_text(f"{by.total_seconds():+.0f}\n")

    def set(self, moment: datetime) -> None:
        """Let processes jump to ``moment`` (UTC) within a second; there their clocks go on."""
        self._file.write_text(f"@{moment:%Y-%m-%d %H:%M:%S}\n")
