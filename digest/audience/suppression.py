"""Mailing somebody no more: the address, what waits for it, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from digest.rules.delivery import DeliveryState
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.rules.webhooks import WebhookEvent
from digest.store.mailbox_health import settle_waiting
from digest.store.subscribers import list_subscriptions
from digest.store.suppressions import suppress
from digest.store.webhooks import announce

if TYPE_CHECKING:
    from digest.store.session import Session

_EVENTS: Mapping[SuppressionReason, WebhookEvent] = {
    SuppressionReason.BOUNCED: WebhookEvent.BOUNCED,
    SuppressionReason.COMPLAINED: WebhookEvent.COMPLAINED,
}


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Whom not to mail; ``subscriber_id`` is None where nobody with this address is known."""

    address_key: str
    subscriber_id: int | None
    reason: SuppressionReason
    evidence: str


async def stop_mailing(session: Session, who: Unwanted, now: datetime) -> list[int]:
    """Suppress an address and settle what waits for it; the subscriptions this stops.

    Other programs are told once, for every newsletter the reader still had.
    """
    new = await suppress(
        session, who.address_key, reason=who.reason, now=now, evidence=who.evidence
    )
    if who.subscriber_id is None:
        return []
    await settle_waiting(session, who.subscriber_id, DeliveryState.SUPPRESSED, now)
    mine = await list_subscriptions(session, who.subscriber_id)
    event = _EVENTS.get(who.reason) if new else None
    if event is not None:
        for one in mine:
            if one.state is not SubscriptionState.ENDED:
                here, whom = one.newsletter_id, [who.subscriber_id]
                await announce(session, event, newsletter_id=here, subscriber_ids=whom, now=now)
    return [one.id for one in mine]
