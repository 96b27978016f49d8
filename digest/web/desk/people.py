"""Who works here, for owners: add, another role, a new link, remove; and what everybody did."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.access.users import (
    add_user,
    expect_user,
    remove_user,
    reset_user,
    set_identity,
    set_role,
)
from digest.errors import InputError, RefusedError
from digest.rules.rights import Right, Role
from digest.store.audit import list_deeds
from digest.store.session import Session
from digest.store.user_identities import list_identities
from digest.store.user_sessions import list_sessions
from digest.store.users import User, list_users, user_by_id
from digest.web.desk.doors import Door
from digest.web.desk.visit import HOME, Visit

PEOPLE = f"{HOME}/people"
_PER_PAGE = 50
_MEANING = {
    Role.OWNER: "everything, and who works here",
    Role.OPERATOR: "what is on its way, readers, relays",
    Role.EDITOR: "texts, approvals, what is on its way",
    Role.VIEWER: "looks, and changes nothing",
}


async def people(visit: Visit) -> Response:
    """Show who works here."""
    return await _people(visit)


async def _people(visit: Visit, *, link: str = "", whose: str = "") -> Response:
    async with visit.site.db.read() as session:
        found = await list_users(session)
        opened = await list_sessions(session)
        identities = await list_identities(session)
    signed_in = {one.user_id for one in opened}
    values = {
        "users": found,
        "signed_in": signed_in,
        "identities": identities,
        "label": visit.site.issuer.client.label if visit.site.issuer else "",
        "passwords": visit.site.passwords,
        "roles": _MEANING,
        "link": link,
        "whose": whose,
    }
    return visit.page("people.html", values, current="people")


async def add(visit: Visit) -> Response:
    """Add somebody; the link is shown this once. Who comes in by the provider needs none."""
    address, site = visit.form.one("address"), visit.site
    by_provider = site.issuer is not None and bool(visit.form.one("oidc") or not site.passwords)
    role, name, now = _role(visit), visit.form.one("name"), site.clock.now()
    async with visit.site.db.begin() as session:
        if by_provider:
            await expect_user(session, address, role=role, name=name, now=now)
        else:
            secret = await add_user(session, address, role=role, name=name, now=now)
    if by_provider:
        return visit.see(PEOPLE, done="expected")
    return await _people(visit, link=_link(visit, secret), whose=address)


async def reset(visit: Visit) -> Response:
    """Take a password away; the link that sets another is shown this once."""
    async with visit.site.db.begin() as session:
        user = await _user(session, visit)
        secret = await reset_user(session, user, visit.site.clock.now())
    return await _people(visit, link=_link(visit, secret), whose=user.address)


async def role(visit: Visit) -> Response:
    """Give somebody another role."""
    async with visit.site.db.begin() as session:
        await set_role(session, await _user(session, visit), _role(visit))
    return visit.see(PEOPLE, done="role")


async def provider(visit: Visit) -> Response:
    """Let somebody sign in by the provider of identities, or not any more."""
    may = visit.form.one("may") == "1"
    if may and visit.site.issuer is None:
        raise RefusedError("No provider of sign-ins is set.", where="DIGEST_OIDC__ISSUER")
    async with visit.site.db.begin() as session:
        user = await _user(session, visit)
        await set_identity(session, user, may=may, now=visit.site.clock.now())
    return visit.see(PEOPLE, done="provider" if may else "no-provider")


async def remove(visit: Visit) -> Response:
    """Let somebody in no more."""
    async with visit.site.db.begin() as session:
        await remove_user(session, await _user(session, visit))
    return visit.see(PEOPLE, done="removed")


async def log(visit: Visit) -> Response:
    """Show what everybody did, the latest first."""
    before = visit.number("before")
    async with visit.site.db.read() as session:
        found = await list_deeds(session, before=before, limit=_PER_PAGE + 1)
    more = found[_PER_PAGE - 1].id if len(found) > _PER_PAGE else None
    values = {"deeds": found[:_PER_PAGE], "more": more}
    return visit.page("log.html", values, current="people")


async def _user(session: Session, visit: Visit) -> User:
    user = await user_by_id(session, int(visit.part("user")))
    if user is None:
        raise HTTPException(404)
    return user


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.form.one("role"))
    except ValueError:
        raise InputError("There is no such role.", where="role") from None


def _link(visit: Visit, secret: str) -> str:
    return f"{visit.site.public_url}{HOME}/welcome/{secret}"


_ONE = f"{PEOPLE}/{{user:int}}"
DOORS = (
    Door("GET", PEOPLE, Right.PEOPLE, people),
    Door("POST", PEOPLE, Right.PEOPLE, add, "add user"),
    Door("POST", f"{_ONE}/reset", Right.PEOPLE, reset, "reset user"),
    Door("POST", f"{_ONE}/role", Right.PEOPLE, role, "set role"),
    Door("POST", f"{_ONE}/oidc", Right.PEOPLE, provider, "set sign-in"),
    Door("POST", f"{_ONE}/remove", Right.PEOPLE, remove, "remove user"),
    Door("GET", f"{HOME}/log", Right.PEOPLE, log),
)
