"""Users: added with a link that sets their password, let in by it, reset, removed.

Nobody chooses a password for somebody else, and none is ever mailed or shown. Whoever gets another
password or role is signed out everywhere.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from digest.access.codes import step_of
from digest.access.passwords import check_new, hash_password, is_password
from digest.errors import AddressError, ConflictError, InputError, NotFoundError, RefusedError
from digest.mail.address import clean_name, parse_address
from digest.rules.admission import Way
from digest.rules.rights import Role
from digest.store.session import Database, Session
from digest.store.user_identities import allow_identity, forbid_identity, unbind_identity
from digest.store.user_sessions import end_sessions
from digest.store.users import (
    Link,
    User,
    any_user,
    change_user,
    count_owners,
    delete_links,
    delete_user,
    find_link,
    find_user,
    take_code_step,
    use_link,
    user_by_id,
    write_link,
    write_user,
)

LINK_LASTS = timedelta(days=3)
_FIRST_LASTS = timedelta(days=1)
_SECRET_BYTES = 32
_SECRET_MAX = 100  # characters


async def add_user(
    session: Session, address: str, *, role: Role, name: str = "", now: datetime
) -> str:
    """Add somebody; the secret of the link with which they set their password.

    Raises InputError for what is no address, ConflictError where they are here already.
    """
    user_id = await _added(session, address, role=role, name=name, now=now)
    return await _new_link(session, user_id, now, LINK_LASTS)


async def expect_user(
    session: Session, address: str, *, role: Role, name: str = "", now: datetime
) -> None:
    """Add somebody who comes in by the provider of identities; raises as ``add_user``."""
    user_id = await _added(session, address, role=role, name=name, now=now)
    await allow_identity(session, user_id, Way.ADDED, now)


async def _added(session: Session, address: str, *, role: Role, name: str, now: datetime) -> int:
    clean = _address(address)
    user_id = await write_user(session, clean, name=clean_name(name), role=role, now=now)
    if user_id is None:
        raise ConflictError(
            f"{clean} is here already.", where="address", fix="Another link: digest user reset."
        )
    await delete_links(session, None)  # nobody else becomes the first one
    return user_id


async def reset_user(session: Session, user: User, now: datetime) -> str:
    """Take the password and the codes away and sign out everywhere; the secret of a new link.

    Where a provider of identities lets them in, it is as before they first came.
    """
    await change_user(session, user.id, password_hash=None, code_secret=None, code_step=None)
    await unbind_identity(session, user.id)
    await end_sessions(session, user.id)
    return await _new_link(session, user.id, now, LINK_LASTS)


async def set_identity(session: Session, user: User, *, may: bool, now: datetime) -> None:
    """Let somebody come in by the provider of identities (whoever proves their address next), or
    not any more; they are signed out everywhere.
    """
    if may:
        await allow_identity(session, user.id, Way.ADDED, now)
    else:
        await forbid_identity(session, user.id)
    await end_sessions(session, user.id)


async def set_role(session: Session, user: User, role: Role) -> None:
    """Give somebody another role and sign them out; RefusedError for the last owner."""
    if role is not Role.OWNER:
        await _keep_an_owner(session, user)
    await change_user(session, user.id, role=role)
    await end_sessions(session, user.id)


async def remove_user(session: Session, user: User) -> None:
    """Remove somebody, at once; RefusedError for the last owner."""
    await _keep_an_owner(session, user)
    await delete_user(session, user.id)


async def _keep_an_owner(session: Session, user: User) -> None:
    if user.role is Role.OWNER and await count_owners(session) < 2:
        raise RefusedError(
            f"{user.address} is the only owner.",
            where="role",
            fix="Make somebody else an owner first.",
        )


async def get_user(session: Session, address: str) -> User:
    """The user with this address; NotFoundError."""
    user = await find_user(session, _address(address))
    if user is None:
        raise NotFoundError("Nobody with this address works here.", where=address)
    return user


async def first_link(session: Session, now: datetime) -> str | None:
    """The secret of a link that makes the first user, an owner; None where there is anybody."""
    if await any_user(session):
        return None
    return await _new_link(session, None, now, _FIRST_LASTS)


async def link_of(session: Session, secret: str, now: datetime) -> tuple[Link, User | None] | None:
    """The link with this secret and whose it is; None where it opens nothing any more."""
    if len(secret) > _SECRET_MAX:
        return None
    link = await find_link(session, _hash(secret), now)
    if link is None:
        return None
    if link.user_id is None:
        return None if await any_user(session) else (link, None)
    user = await user_by_id(session, link.user_id)
    return None if user is None else (link, user)


async def follow_link(
    db: Database,
    secret: str,
    *,
    password: str | None,
    address: str = "",
    name: str = "",
    now: datetime,
) -> User:
    """Set a password by a link, once; signed out everywhere else. None: passwords let nobody in.

    ``address`` and ``name`` are for the first user. Raises NotFoundError for a link that opens
    nothing any more, InputError for a password that is too easily guessed.
    """
    async with db.read() as session:
        found = await link_of(session, secret, now)
    if found is None:
        raise NotFoundError
    link, user = found
    wanted = user.address if user else _address(address)
    hashed = None
    if password is not None:
        check_new(password, address=wanted)
        hashed = await hash_password(password)
    async with db.begin() as session:
        if not await use_link(session, link.id):
            raise NotFoundError
        user_id = user.id if user else await _first(session, wanted, name, now)
        await change_user(session, user_id, password_hash=hashed)
        if user is None and password is None:
            await allow_identity(session, user_id, Way.ADDED, now)
        await end_sessions(session, user_id)
        changed = await user_by_id(session, user_id)
    assert changed is not None  # in the same transaction
    return changed


async def _first(session: Session, address: str, name: str, now: datetime) -> int:
    if await any_user(session):
        raise NotFoundError
    made = await write_user(session, address, name=clean_name(name), role=Role.OWNER, now=now)
    assert made is not None  # there was nobody
    return made


async def known_user(
    db: Database, address: str, password: str, *, code: str, now: datetime
) -> User | None:
    """Who signs in with this; None for whatever is wrong, after as long a time.

    Where one-time codes are asked for, each is good once.
    """
    try:
        clean = _address(address)
    except InputError:
        clean = ""
    async with db.read() as session:
        user = await find_user(session, clean) if clean else None
    if not await is_password(password, user.password_hash if user else None) or user is None:
        return None
    if user.code_secret is None:
        return user
    step = step_of(user.code_secret, code, now)
    if step is None:
        return None
    async with db.begin() as session:
        return user if await take_code_step(session, user.id, step) else None


async def change_password(db: Database, user: User, *, old: str, new: str, session_id: int) -> None:
    """Set another password and sign out every other browser; InputError names the field."""
    if not await is_password(old, user.password_hash):
        raise InputError("This is not your password.", where="old")
    check_new(new, address=user.address)
    hashed = await hash_password(new)
    async with db.begin() as session:
        await change_user(session, user.id, password_hash=hashed)
        await end_sessions(session, user.id, but=session_id)


async def ask_for_codes(
    db: Database, user: User, *, secret: str, code: str, session_id: int, now: datetime
) -> None:
    """Have somebody give a one-time code at each sign-in from now on; InputError."""
    step = step_of(secret, code, now)
    if step is None:
        raise InputError("This is not the code of now.", where="code", fix="Type it in again.")
    async with db.begin() as session:
        await change_user(session, user.id, code_secret=secret, code_step=step)
        await end_sessions(session, user.id, but=session_id)


async def ask_for_no_codes(db: Database, user: User, *, password: str) -> None:
    """Let the password do again; InputError for a wrong one."""
    if not await is_password(password, user.password_hash):
        raise InputError("This is not your password.", where="old")
    async with db.begin() as session:
        await change_user(session, user.id, code_secret=None, code_step=None)


async def _new_link(session: Session, user_id: int | None, now: datetime, lasts: timedelta) -> str:
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    await write_link(session, user_id, _hash(secret), now=now, expires_at=now + lasts)
    return secret


def _address(text: str) -> str:
    try:
        return str(parse_address(text.strip())).lower()
    except AddressError as error:
        raise InputError(error.message, where="address", fix=error.fix) from error


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
