"""A test mail of doctor's: a notice as any other, to somebody, or to a mailbox nobody has."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from digest.store.newsletters import Newsletter
from digest.store.notices import OPERATOR_LANE, Notice, write_notice
from digest.store.session import Session

KIND = "checkup"
_USEFUL = timedelta(hours=1)


async def write_checkup(
    session: Session, newsletter: Newsletter, address: str, *, bounce: bool, now: datetime
) -> int:
    """Put one in the queue; its id. Nobody needs it after an hour."""
    notice = Notice(
        kind=KIND,
        lane=OPERATOR_LANE,
        address=address,
        language=newsletter.language,
        params={"bounce": bounce},
        newsletter_id=newsletter.id,
        dedupe_key=f"{KIND}:{secrets.token_hex(16)}",
        expires_at=now + _USEFUL,
    )
    written = await write_notice(session, notice, now)
    assert written is not None  # its key is new
    return written


def nobody_at(domain: str) -> str:
    """An address of ``domain`` that nobody has."""
    return f"digest-doctor-{secrets.token_hex(6)}@{domain}"
