"""Keys of programs: what each one may do, and whether a key somebody shows is one of ours.

A key is ``dgk_<id>_<secret>``: the id finds the row and may be shown, the secret has 256 random
bits and is kept as a SHA-256 only, as good as a slow hash for such a secret. RFC 6750 (bearer
tokens).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from digest.errors import InputError
from digest.mail.headers import clean_line
from digest.rules.rights import Right, Role, may
from digest.store.api_keys import NewKey, StoredKey, find_key, note_use, write_key
from digest.store.session import Session

_SECRET_BYTES = 32
_NAME_MAX = 100
_KEY = re.compile(r"dgk_([1-9][0-9]{0,17})_([A-Za-z0-9_-]{43})")
_NO_HASH = "0" * 64


class Scope(StrEnum):
    """What a key may open. None implies another."""

    NEWSLETTERS_READ = "newsletters:read"
    READERS_READ = "readers:read"  # with subscriptions and what was agreed to
    READERS_WRITE = "readers:write"  # name, sections, cadence; end a subscription
    SIGNUPS_WRITE = "signups:write"  # ask on somebody's behalf: they still have to confirm
    SUPPRESSIONS_READ = "suppressions:read"
    ISSUES_READ = "issues:read"  # with their texts, also before they are out
    ISSUES_WRITE = "issues:write"  # add a text, send a test
    ISSUES_APPROVE = "issues:approve"  # say what goes out, and when
    ISSUES_STEER = "issues:steer"  # start, pause, resume, cancel what is on its way
    DELIVERIES_READ = "deliveries:read"  # who got an issue, who did not, and why
    DELIVERIES_WRITE = "deliveries:write"  # send once more to those it did not reach
    LINKS_READ = "links:read"  # the inbox of links for the next issue
    LINKS_WRITE = "links:write"  # add to it, keep, drop and move what is in it


# What a key opens needs the same right as the page of the desk that does it.
RIGHT_OF: Final[Mapping[Scope, Right]] = {
    Scope.NEWSLETTERS_READ: Right.LOOK,
    Scope.READERS_READ: Right.READERS,
    Scope.READERS_WRITE: Right.READERS_CHANGE,
    Scope.SIGNUPS_WRITE: Right.READERS_CHANGE,
    Scope.SUPPRESSIONS_READ: Right.READERS,
    Scope.ISSUES_READ: Right.LOOK,
    Scope.ISSUES_WRITE: Right.WRITE,
    Scope.ISSUES_APPROVE: Right.APPROVE,
    Scope.ISSUES_STEER: Right.STEER,
    Scope.DELIVERIES_READ: Right.READERS,
    Scope.DELIVERIES_WRITE: Right.READERS_CHANGE,
    Scope.LINKS_READ: Right.WRITE,
    Scope.LINKS_WRITE: Right.WRITE,
}


def scopes_of(role: Role) -> tuple[str, ...]:
    """Everything a key may open that somebody in this role may do at the desk."""
    return tuple(scope.value for scope, right in RIGHT_OF.items() if may(role, right))


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was shown and is good."""

    id: int
    scopes: frozenset[str]
    used_today: bool


async def create_key(session: Session, new: NewKey, now: datetime) -> tuple[int, str]:
    """Make a key; its id, and its text, which is nowhere but in what this returns.

    Raises InputError for a name that is empty or too long, for a scope that is none, and for a
    time that has passed.
    """
    name = clean_line(new.name)
    if not name or len(name) > _NAME_MAX:
        raise InputError("Say in a few words what the key is for.", where="name")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    checked = NewKey(name, _scopes(new.scopes), _future(new.expires_at, now))
    key_id = await write_key(session, checked, _hash(secret), now)
    return key_id, f"dgk_{key_id}_{secret}"


def _scopes(names: Sequence[str]) -> list[str]:
    known = {scope.value for scope in Scope}
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise InputError(
            f"There is no scope {wrong[0]!r}." if wrong else "A key without a scope opens nothing.",
            where="--scope",
            fix=f"Choose of: {', '.join(sorted(known))}.",
        )
    return sorted(set(names))


def _future(when: datetime | None, now: datetime) -> datetime | None:
    if when is not None and when <= now:
        raise InputError("This key would have expired already.", where="--expires")
    return when


async def check_key(session: Session, shown: str, now: datetime) -> Key | None:
    """The key whose text was shown; None for a wrong, a revoked and an expired one alike."""
    match = _KEY.fullmatch(shown)
    if match is None:
        return None
    found = await find_key(session, int(match[1]))
    fits = hmac.compare_digest(_hash(match[2]), found.secret_hash if found else _NO_HASH)
    if found is None or not fits or not found.alive(now):
        return None
    return Key(found.id, frozenset(found.scopes), found.last_used_on == now.date())


async def mark_used(session: Session, key: Key, now: datetime) -> None:
    """Remember the day a key was used on."""
    await note_use(session, key.id, now.date())


def in_words(key: StoredKey, now: datetime) -> str:
    """The state of a key: active, expired or revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "active" if key.alive(now) else "expired"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
