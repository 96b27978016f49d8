"""Suppressions a brake held back, settled by the operator: believed, or dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from digest.rules.delivery import DeliveryState
from digest.rules.feedback import Effect
from digest.rules.subscription import SuppressionReason
from digest.store.destinations import destination_ids
from digest.store.feedback_counts import Place, dead_of, move_effect
from digest.store.mailbox_health import settle_waiting
from digest.store.suppressions import suppress

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
        await suppress(
            session,
            one.address_key,
            reason=SuppressionReason.BOUNCED,
            now=now,
            evidence=f"{one.evidence} (believed by the operator)",
        )
        await settle_waiting(session, one.subscriber_id, DeliveryState.SUPPRESSED, now)
    effect = Effect.SUPPRESSED if believe else Effect.DROPPED
    await move_effect(session, [one.feedback_id for one in dead], effect)
    return len(dead)
