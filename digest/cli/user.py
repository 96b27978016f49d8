"""``digest user``: who may sign in at the desk, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digest.access.users import add_user, first_link, get_user, remove_user, reset_user, set_role
from digest.cli import output
from digest.cli.connection import connected
from digest.cli.issue_publish import who_calls
from digest.cli.options import Json, group
from digest.errors import NotFoundError
from digest.rules.rights import Role
from digest.settings import Settings
from digest.store.audit import write_down
from digest.store.user_sessions import end_session, end_sessions, list_sessions
from digest.store.users import list_users

if TYPE_CHECKING:
    from digest.runtime import Runtime

app = group("user")

_SEEN = ("id", "address", "browser", "created_at", "seen_at")


@app.command
async def add(address: str, /, *, role: Role, name: str = "", as_json: Json = False) -> int:
    """Let somebody work at the desk. Prints a link with which they set their password, once.

    Parameters
    ----------
    address
        Theirs; they sign in with it.
    role
        owner (everything), operator (what is on its way, readers, relays), editor (texts and
        approvals), viewer (looks).
    name
        Their name.
    """
    async with connected() as found, found.db.begin() as session:
        now = found.clock.now()
        secret = await add_user(session, address, role=role, name=name, now=now)
        await write_down(session, _me(), "add user", subject=address, now=now)
    link = welcome_url(found.settings, secret)
    data = {"address": address, "role": role, "link": link}
    output.result(data, as_json=as_json, text=link)
    if not as_json:
        output.note("Give them this link: it works once, for three days.")
    return 0


@app.command
async def reset(address: str, /, *, as_json: Json = False) -> int:
    """Take a password away and sign out everywhere. Prints a link that sets a new one.

    Parameters
    ----------
    address
        Whose.
    """
    async with connected() as found, found.db.begin() as session:
        now = found.clock.now()
        secret = await reset_user(session, await get_user(session, address), now)
        await write_down(session, _me(), "reset user", subject=address, now=now)
    link = welcome_url(found.settings, secret)
    output.result({"address": address, "link": link}, as_json=as_json, text=link)
    return 0


@app.command(name="set")
async def change(address: str, /, *, role: Role, as_json: Json = False) -> int:
    """Give somebody another role; they sign in again.

    Parameters
    ----------
    address
        Whose.
    role
        owner, operator, editor or viewer.
    """
    async with connected() as found, found.db.begin() as session:
        await set_role(session, await get_user(session, address), role)
        now = found.clock.now()
        await write_down(session, _me(), "set role", subject=address, result=role, now=now)
    text = f"{address} is {role} now."
    output.result({"address": address, "role": role}, as_json=as_json, text=text)
    return 0


@app.command
async def remove(address: str, /, *, as_json: Json = False) -> int:
    """Let somebody in no more, from this moment on.

    Parameters
    ----------
    address
        Whom.
    """
    async with connected() as found, found.db.begin() as session:
        await remove_user(session, await get_user(session, address))
        await write_down(session, _me(), "remove user", subject=address, now=found.clock.now())
    data = {"address": address, "removed": True}
    output.result(data, as_json=as_json, text=f"{address} is removed and signed out.")
    return 0


@app.command(name="list")
async def list_all(*, as_json: Json = False) -> int:
    """List who may sign in."""
    async with connected() as found, found.db.read() as session:
        rows: list[output.Row] = [
            {
                "address": one.address,
                "name": one.name,
                "role": one.role,
                "password": one.password_hash is not None,
                "codes": one.code_secret is not None,
                "created_at": one.created_at,
            }
            for one in await list_users(session)
        ]
    columns = ("address", "name", "role", "password", "codes")
    output.rows(rows, as_json=as_json, columns=columns, empty="Nobody can sign in yet.")
    return 0


@app.command
async def sessions(
    address: str | None = None,
    /,
    *,
    end: int | None = None,
    end_all: bool = False,
    as_json: Json = False,
) -> int:
    """List who is signed in, or sign browsers out.

    Parameters
    ----------
    address
        Only theirs.
    end
        Sign this one out, by its id.
    end_all
        Sign out all of that user's.
    """
    async with connected() as found, found.db.begin() as session:
        user = await get_user(session, address) if address else None
        if end_all and user is None:
            raise NotFoundError("Whose sessions?", where="ADDRESS", fix="Name an address.")
        if end is not None and not await end_session(session, end):
            raise NotFoundError("There is no such session.", where=str(end))
        if end_all and user is not None:
            await end_sessions(session, user.id)
        if end is not None or end_all:
            now = found.clock.now()
            await write_down(session, _me(), "sign out", subject=address or str(end), now=now)
        names = {one.id: one.address for one in await list_users(session)}
        opened = await list_sessions(session, user.id if user else None)
    rows: list[output.Row] = [
        {
            "id": one.id,
            "address": names[one.user_id],
            "browser": one.browser,
            "created_at": one.created_at,
            "seen_at": one.seen_at,
        }
        for one in opened
    ]
    output.rows(rows, as_json=as_json, columns=_SEEN, empty="Nobody is signed in.")
    return 0


def welcome_url(settings: Settings, secret: str) -> str:
    """The address of a link that sets a password."""
    return f"{settings.public_url}/desk/welcome/{secret}"


async def tell_served(runtime: Runtime, data: output.Row, *, as_json: bool, text: str) -> None:
    """Say that pages are served; and, where nobody works here yet, how the first one gets in."""
    async with runtime.db.begin() as session:
        secret = await first_link(session, runtime.clock.now())
    if secret is not None:
        link = welcome_url(runtime.settings, secret)
        data = {**data, "first_owner": link}
        text += f"\nNobody can sign in yet. Begin at {link}"
    output.tell_started(data, as_json=as_json, text=text)


def _me() -> str:
    return f"{who_calls()} (command line)"
