"""What has to be forgotten or taken up again from time to time: once an hour is often enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from digest.rules.signup import CONFIRM_WITHIN
from digest.store.growth import count_readers, keep_counts
from digest.store.notices import forget_links
from digest.store.passes import forget_passes
from digest.store.preferences import end_pauses
from digest.store.signups import expire_pending, forget_signups

if TYPE_CHECKING:
    from digest.store.session import Database


@dataclass(frozen=True, slots=True)
class Upkept:
    """How many rows there were of each."""

    pauses_ended: int
    pending_expired: int
    links_forgotten: int
    signups_forgotten: int
    newsletters_counted: int


async def upkeep(db: Database, now: datetime) -> Upkept:
    """End pauses that are over, forget who never confirmed, and what no cap looks back to."""
    async with db.read() as session:  # it may take a second, in which others write
        counted = await count_readers(session, now)
    async with db.begin() as session:
        await keep_counts(session, counted)
        return Upkept(
            pauses_ended=await end_pauses(session, now),
            pending_expired=await expire_pending(session, now - CONFIRM_WITHIN),
            links_forgotten=await forget_passes(session, now) + await forget_links(session),
            signups_forgotten=await forget_signups(session, now),
            newsletters_counted=len(counted),
        )
