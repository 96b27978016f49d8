"""``digest log``: what was done, at the desk, by programs and by commands."""

from __future__ import annotations

from dataclasses import asdict

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, Limit
from digest.store.audit import list_deeds

_COLUMNS = ("at", "who", "action", "subject", "result")


async def log(*, limit: Limit = 100, as_json: Json = False) -> int:
    """List what was done at the desk, by programs and by commands, the newest first."""
    async with connected() as found, found.db.read() as session:
        rows = [asdict(one) for one in await list_deeds(session, limit=limit)]
    output.rows(rows, as_json=as_json, columns=_COLUMNS, empty="Nothing was done yet.")
    return 0
