"""``digest db``: bring the database up to date, or look at it."""

from __future__ import annotations

from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.options import Json, group
from digest.errors import RefusedError
from digest.store.session import Database, Patience, RevisionState, revision_state, upgrade

app = group("db")
_VERBS = {
    "db_backup": {
        "backup": "Write everything into one encrypted file, also while the service runs.",
        "restore": "Put a backup back into an empty database; sends nothing.",
        "verify": "Read all of a backup and say whether it is whole, and what it holds.",
    },
    "db_copy": {
        "copy": "Move to another database: from SQLite to PostgreSQL, or back.",
    },
}
for _module, _verbs in _VERBS.items():
    for _verb, _help in _verbs.items():
        app.command(f"digest.cli.{_module}:{_verb}", name=_verb, help=_help)

_MEANINGS = {
    RevisionState.CURRENT: "The tables are up to date.",
    RevisionState.BEHIND: "The tables are those of an older version. Run: digest db upgrade.",
    RevisionState.NEWER: "A newer version of digest has changed this database.",
    RevisionState.EMPTY: "There are no tables yet. Run: digest db upgrade.",
}


@app.command(name="upgrade")
async def upgrade_database(*, timeout: float = 30, as_json: Json = False) -> int:
    """Create the tables, or bring them up to date. Does nothing where they are.

    Safe to run on every machine at once: one works, the others wait. On PostgreSQL readers and
    senders go on meanwhile: a table that somebody holds is waited for briefly, again and again.

    Parameters
    ----------
    timeout
        Minutes that one step may take (PostgreSQL).
    """
    settings = read_settings()
    before = await revision_state(settings.database_url)
    await upgrade(settings.database_url, Patience(step=timeout * 60))
    changed = before is not RevisionState.CURRENT
    text = "The tables are up to date." if changed else "Nothing to do: the tables are up to date."
    output.result(
        {"state": "current", "was": before, "changed": changed}, as_json=as_json, text=text
    )
    return 0


@app.command
async def check(*, as_json: Json = False) -> int:
    """Say whether the database can be used and its tables are up to date (exit 1: they are not)."""
    settings = read_settings()
    state = await revision_state(settings.database_url)
    if state is RevisionState.CURRENT:
        async with await Database.open(settings.database_url):
            pass
    output.result({"state": state}, as_json=as_json, text=_MEANINGS[state])
    return 0 if state is RevisionState.CURRENT else RefusedError.exit_code
