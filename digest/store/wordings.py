"""What readers were asked, word for word, by the version a consent names."""

from __future__ import annotations

import hashlib
from datetime import datetime

from digest.store import schema
from digest.store.session import Session
from digest.store.types import insert

_t = schema.wordings


async def keep_wording(session: Session, language: str, text: str, *, now: datetime) -> str:
    """Keep ``text`` unless it is kept; its version, which changes with any word of it."""
    version = f"{language}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    row = {"version": version, "language": language, "text": text, "first_used_at": now}
    await session.execute(insert(_t).values(row).on_conflict_do_nothing())
    return version
