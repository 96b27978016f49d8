"""Letting in whom a provider of identities has named: with their user, bound or made where the
rules say so (``rules.admission``).
"""

from __future__ import annotations

from datetime import datetime

from digest.errors import RefusedError
from digest.rules.admission import Act, Namesake, Policy, Said, Verdict, admit
from digest.rules.rights import Role
from digest.store.session import Session
from digest.store.user_identities import (
    Identity,
    bind_identity,
    find_identity,
    identity_of,
    make_identity,
)
from digest.store.user_sessions import end_sessions
from digest.store.users import User, change_user, delete_links, find_user, user_by_id, write_user


async def let_in(session: Session, said: Said, policy: Policy, now: datetime) -> User:
    """The user whom ``said`` names; RefusedError says why there is none."""
    known = await find_identity(session, issuer=said.issuer, subject=said.subject)
    namesake = await find_user(session, said.address) if said.address else None
    verdict = admit(said, known.way if known else None, await _namesake(session, namesake), policy)
    if verdict.act is Act.REFUSE:
        raise RefusedError(verdict.why, where="oidc")
    user_id = await _entering(session, said, verdict, known=known, namesake=namesake, now=now)
    user = await user_by_id(session, user_id)
    assert user is not None  # in the same transaction
    if verdict.act is Act.MAKE or verdict.role in (None, user.role):
        return user
    return await _with_role(session, user, verdict.role)


async def _namesake(session: Session, user: User | None) -> Namesake | None:
    if user is None:
        return None
    theirs = await identity_of(session, user.id)
    if theirs is None:
        return Namesake(None, bound=False)
    return Namesake(theirs.way, bound=theirs.subject is not None)


async def _entering(
    session: Session,
    said: Said,
    verdict: Verdict,
    *,
    known: Identity | None,
    namesake: User | None,
    now: datetime,
) -> int:
    """The id of who enters; RefusedError for the later of two who come at once."""
    if verdict.act is Act.ENTER and known is not None:
        return known.user_id
    by = {"issuer": said.issuer, "subject": said.subject}
    if verdict.act is Act.BIND and namesake is not None:
        if await bind_identity(session, namesake.id, **by):
            return namesake.id
    elif verdict.role is not None:
        made = await write_user(session, said.address, name=said.name, role=verdict.role, now=now)
        if made is not None and await make_identity(session, made, **by, now=now):
            await delete_links(session, None)  # nobody else becomes the first one
            return made
    raise RefusedError("somebody else came at the same moment", where="oidc")


async def _with_role(session: Session, user: User, role: Role | None) -> User:
    """The user with the role the provider gives them by now; signed out wherever they were.

    Also the last owner's: who may say who works here is the provider's to say, and the command
    line's.
    """
    await change_user(session, user.id, role=role)
    await end_sessions(session, user.id)
    changed = await user_by_id(session, user.id)
    assert changed is not None
    return changed
