"""``digest api-key``: who may use the API, and for what."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from digest.access.api_keys import create_key, in_words, scopes_of
from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, Many, group
from digest.errors import InputError, NotFoundError
from digest.rules.rights import Role
from digest.store.api_keys import NewKey, list_keys, revoke_key

app = group("api-key")


@app.command
async def create(
    name: str,
    /,
    *,
    scope: Annotated[tuple[str, ...], Many] = (),
    role: Role | None = None,
    expires: date | None = None,
    as_json: Json = False,
) -> int:
    """Make a key. It is shown this once; only a hash of it is kept.

    Parameters
    ----------
    name
        What it is for, in a few words.
    scope
        What it opens: newsletters:read, readers:read, readers:write, signups:write,
        suppressions:read, issues:read, issues:write, issues:approve, issues:steer,
        deliveries:read, deliveries:write, links:read, links:write. None implies another; give each
        one it needs and no more.
    role
        Instead of scopes: whatever somebody in this role may do at the desk.
    expires
        The last day it opens anything (UTC), such as 2027-06-30; without it, until it is revoked.
    """
    if bool(scope) == (role is not None):
        raise InputError("Say what it opens.", where="--scope", fix="Either --scope or --role.")
    scopes = scope if role is None else scopes_of(role)
    end = datetime.combine(expires, time(), UTC) + timedelta(days=1) if expires else None
    async with connected() as found, found.db.begin() as session:
        new = NewKey(name, scopes, end)
        key_id, key = await create_key(session, new, found.clock.now())
    told = {"id": key_id, "key": key, "scopes": sorted(set(scopes)), "expires_at": end}
    output.result(told, as_json=as_json, text=key)
    if not as_json:
        output.note(f"This is key {key_id}. Keep it now: it is not shown again.")
    return 0


@app.command(name="list")
async def list_(*, as_json: Json = False) -> int:
    """List the keys there are and were, and the day each was last used on."""
    async with connected() as found:
        now = found.clock.now()
        async with found.db.read() as session:
            keys = await list_keys(session)
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "scopes": list(key.scopes),
            "state": in_words(key, now),
            "last_used": key.last_used_on,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        }
        for key in keys
    ]
    columns = ("id", "name", "scopes", "state", "last_used", "expires_at")
    output.rows(rows, as_json=as_json, columns=columns, empty="There is no key.")
    return 0


@app.command
async def revoke(key: int, /, *, as_json: Json = False) -> int:
    """Have a key open nothing any more, from the next call on. It cannot be undone.

    Parameters
    ----------
    key
        Its number, as `api-key list` shows it; it also stands in the key, after dgk_.
    """
    async with connected() as found, found.db.begin() as session:
        if not await revoke_key(session, key, found.clock.now()):
            raise NotFoundError("There is no such key, or it was revoked before.", where=str(key))
    output.result({"id": key, "revoked": True}, as_json=as_json, text=f"Key {key} is revoked.")
    return 0
