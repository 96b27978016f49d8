"""Suppressions a brake held back, settled by the operator: believed, or dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from digest.audience.suppression import Unwanted, stop_mailing
from digest.rules.feedback import Effect
from digest.rules.subscription import SuppressionReason
from digest.store.destinations import destination_ids
from digest.store.feedback_counts import Place, dead_of, move_effect

if TYPE_CHECKING:
    from digest.store.session import Session


@dataclass(frozen=True, slots=True)
class Held:
    """Which of them: of an issue, at one domain or at all."""

    issue_id: int
    domain: str | None = None


async def settle_held_suppressions(
    session: Session, held: Held, *, believe: bool, now: datetime
) -> int:
    """Suppress who is held, or let them be mailed as before; how many there were."""
    place = None
    if held.domain is not None:
        domain = held.domain.strip().lower()
        place = Place(domain, tuple((await destination_ids(session, [domain])).values()))
    dead = await dead_of(session, held.issue_id, Effect.HELD, place)
    for one in dead if believe else ():
        evidence = f"{one.evidence} (believed by the operator)"
        who = Unwanted(one.address_key, one.subscriber_id, SuppressionReason.BOUNCED, evidence)
        await stop_mailing(session, who, now)
    effect = Effect.SUPPRESSED if believe else Effect.DROPPED
    await move_effect(session, [one.feedback_id for one in dead], effect)
    return len(dead)
