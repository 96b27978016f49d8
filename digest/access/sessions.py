"""Who is signed in: a token in a cookie, its hash in a row; when the row goes, so does the session.

A token is made here at each sign-in and never taken from a request (no fixation). It ends after 36
hours without a visit and after 7 days whatever happens: a clock that is set a day ahead signs out
nobody who was there of late. What a form has to carry (CSRF) is derived from the token, so it is
good in that session alone. OWASP ASVS 5, chapter 7.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.mail.headers import clean_line
from digest.rules.rights import Right, may
from digest.store.session import Session
from digest.store.user_sessions import (
    end_session,
    find_session,
    forget_sessions,
    touch_session,
    write_session,
)
from digest.store.users import User

IDLE = timedelta(hours=36)
LONGEST = timedelta(days=7)
_NOTED_EVERY = timedelta(minutes=5)
_BYTES = 32
_TOKEN_MAX = 100  # characters


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in. ``form_token`` is what their forms carry."""

    user: User
    session_id: int
    form_token: str = field(repr=False)
    seen_at: datetime

    def may(self, right: Right) -> bool:
        """Whether they have this right."""
        return may(self.user.role, right)


async def begin_session(session: Session, user: User, *, browser: str, now: datetime) -> str:
    """Sign somebody in; the token, which is nowhere but in what this returns."""
    token = secrets.token_urlsafe(_BYTES)
    name = clean_line(browser)[:200]
    await write_session(session, user.id, _hash(token), browser=name, now=now)
    await forget_sessions(session, begun_before=now - LONGEST, seen_before=now - IDLE)
    return token


async def visitor_of(session: Session, token: str, now: datetime) -> Visitor | None:
    """Whose token this is; None for one that is none, or not any more."""
    if not token or len(token) > _TOKEN_MAX:
        return None
    found = await find_session(
        session, _hash(token), begun_after=now - LONGEST, seen_after=now - IDLE
    )
    if found is None:
        return None
    opened, user = found
    return Visitor(user, opened.id, form_token_of(token), opened.seen_at)


def form_token_of(token: str) -> str:
    """What the forms of a session carry."""
    return hmac.digest(token.encode(), b"form", "sha256").hex()


def is_due(visitor: Visitor, now: datetime) -> bool:
    """Whether it is time to write down that they are still there."""
    return now - visitor.seen_at >= _NOTED_EVERY


async def note_visit(session: Session, visitor: Visitor, now: datetime) -> None:
    """Write down that they are still there."""
    await touch_session(session, visitor.session_id, now)


async def sign_out(session: Session, visitor: Visitor) -> None:
    """End their session."""
    await end_session(session, visitor.session_id)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
