"""What pages answered, kept in a file of the user's where there is no database to keep it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from digest.cli.files import write_text
from digest.errors import InputError
from digest.rules.link import LinkState, LinkStatus, still_counts

_MOST = 4 << 20  # bytes of a file that is worth reading


def cache_file() -> Path:
    """Where it lies, as the XDG base directory specification says."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return folder / "digest" / "links.json"


def read_cache(path: Path, *, now: datetime) -> dict[str, LinkStatus]:
    """What still counts, by canonical URL; nothing where the file is missing or broken."""
    try:
        if path.stat().st_size > _MOST:
            return {}
        rows = json.loads(path.read_text("utf-8"))
        found = {
            str(url): LinkStatus(
                LinkState(row["state"]),
                row["status"] if row["status"] is None else int(row["status"]),
                str(row["detail"]),
                datetime.fromisoformat(row["checked_at"]),
            )
            for url, row in rows.items()
        }
        return {url: status for url, status in found.items() if still_counts(status, now)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def write_cache(path: Path, statuses: Mapping[str, LinkStatus]) -> None:
    """Replace the file; where that cannot be done, pages are only asked again."""
    rows = {
        url: {
            "state": status.state,
            "status": status.status,
            "detail": status.detail,
            "checked_at": status.checked_at.isoformat(),
        }
        for url, status in statuses.items()
    }
    with suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(rows, indent=1) + "\n", mode=0o600)
