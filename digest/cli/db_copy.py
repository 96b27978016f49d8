"""``digest db copy``: the same installation in another database."""

from __future__ import annotations

import asyncio

from digest.backup.move import move
from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.options import Json
from digest.errors import InputError
from digest.settings import database_url_of


async def copy(*, to: str, as_json: Json = False) -> int:
    """Copy everything into another, empty database, and compare the copy with what was read.

    Stop `digest run` before. Afterwards set DIGEST_DATABASE_URL to the new one and start again; the
    old one sends nothing any more (unless started with --take-over).

    Parameters
    ----------
    to
        Its URL, as DIGEST_DATABASE_URL would have it. Leave a password out of it and give it in
        PGPASSWORD or ~/.pgpass: every user of this machine can read a command line.
    """
    settings = read_settings()
    target = database_url_of(to)
    if target == settings.database_url:
        raise InputError("This is the database it would be copied from.", where="--to")
    with output.progress_bar("Copy", quiet=as_json) as bar:
        moved = await asyncio.to_thread(move, settings.database_url, target, progress=bar)
    data = {"rows": sum(moved.rows.values()), "tables": moved.rows, "same": True}
    text = (
        f"{data['rows']:,} rows copied and compared: the same.\n"
        "Next: set DIGEST_DATABASE_URL to the new database, and start digest again."
    )
    output.result(data, as_json=as_json, text=text)
    return 0
