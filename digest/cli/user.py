"""``digest user``: who may sign in at the desk, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from digest.access.issuer_settings import issuer_of
from digest.access.users import (
    add_user,
    expect_user,
    first_link,
    get_user,
    remove_user,
    reset_user,
    set_identity,
    set_role,
)
from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, group
from digest.errors import InputError, NotFoundError, SettingsError
from digest.rules.rights import Role
from digest.settings import Settings
from digest.store.user_identities import Identity, list_identities
from digest.store.user_sessions import end_session, end_sessions, list_sessions
from digest.store.users import list_users

if TYPE_CHECKING:
    from digest.runtime import Runtime

app = group("user")

_SEEN = ("id", "address", "browser", "created_at", "seen_at")


@app.command
async def add(
    address: str, /, *, role: Role, name: str = "", oidc: bool = False, as_json: Json = False
) -> int:
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
    oidc
        They sign in by the provider of DIGEST_OIDC__ISSUER, which has to say that this address is
        theirs; no link is made. So does everybody where passwords let nobody in.
    """
    async with connected() as found, found.db.begin() as session:
        now, given = found.clock.now(), found.settings.oidc
        oidc = oidc or (bool(given.issuer) and not given.passwords)
        if oidc:
            label = _label(found.settings)
            await expect_user(session, address, role=role, name=name, now=now)
        else:
            secret = await add_user(session, address, role=role, name=name, now=now)
    if oidc:
        page = f"{found.settings.public_url}/desk"
        text = f"{address} signs in with {label} at {page}"
        data = {"address": address, "role": role, "link": None, "page": page}
        output.result(data, as_json=as_json, text=text)
        return 0
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
    link = welcome_url(found.settings, secret)
    output.result({"address": address, "link": link}, as_json=as_json, text=link)
    return 0


@app.command(name="set")
async def change(
    address: str,
    /,
    *,
    role: Role | None = None,
    oidc: Annotated[bool | None, Parameter(negative="--no-oidc")] = None,
    as_json: Json = False,
) -> int:
    """Give somebody another role, or another way in; they sign in again.

    Parameters
    ----------
    address
        Whose.
    role
        owner, operator, editor or viewer.
    oidc
        Whether they sign in by the provider of DIGEST_OIDC__ISSUER: whoever it says has this
        address, from the next sign-in on.
    """
    if role is None and oidc is None:
        raise InputError("Nothing is to be changed.", fix="Give --role, --oidc or --no-oidc.")
    async with connected() as found, found.db.begin() as session:
        user, now = await get_user(session, address), found.clock.now()
        if role is not None:
            await set_role(session, user, role)
        if oidc is not None:
            label = _label(found.settings) if oidc else ""
            await set_identity(session, user, may=oidc, now=now)
            said = f"by {label}" if oidc else "by no provider"
    lines = [f"{address} is {role} now."] if role is not None else []
    if oidc is not None:
        lines.append(f"{address} signs in {said}.")
    data = {"address": address, "role": role or user.role, "oidc": oidc}
    output.result(data, as_json=as_json, text="\n".join(lines))
    return 0


def _label(settings: Settings) -> str:
    """What people call the provider; SettingsError where there is none."""
    issuer = issuer_of(settings)
    if issuer is None:
        raise SettingsError(
            "No provider of sign-ins is set.",
            where="DIGEST_OIDC__ISSUER",
            fix="See docs/how-to/sign-in-with-a-provider.md.",
        )
    return issuer.client.label


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
    data = {"address": address, "removed": True}
    output.result(data, as_json=as_json, text=f"{address} is removed and signed out.")
    return 0


@app.command(name="list")
async def list_all(*, as_json: Json = False) -> int:
    """List who may sign in."""
    async with connected() as found, found.db.read() as session:
        identities = await list_identities(session)
        rows: list[output.Row] = [
            {
                "address": one.address,
                "name": one.name,
                "role": one.role,
                "password": one.password_hash is not None,
                "codes": one.code_secret is not None,
                "oidc": _in_words(identities.get(one.id)),
                "created_at": one.created_at,
            }
            for one in await list_users(session)
        ]
    columns = ("address", "name", "role", "password", "codes", "oidc")
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


def _in_words(identity: Identity | None) -> str | None:
    """How somebody comes in by a provider: expected until they have; then added or granted."""
    if identity is None:
        return None
    return identity.way.value if identity.subject is not None else "expected"


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
