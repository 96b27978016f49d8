"""A newsletter whose issues are out, and what comes back of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from digest.audience.feedback import Claim, Feedback, FeedbackDesk, Taken
from digest.audience.leave import Leavers
from digest.delivery.alerts import tell_brake
from digest.mail.bounce import Kind, Reason
from digest.mail.tokens import TokenKind
from digest.rules.delivery import IssueState
from digest.rules.subscription import SubscriptionState
from digest.store.newsletters import Newsletter
from digest.store.preferences import end_pauses
from digest.store.schema import deliveries, feedback, issues, subscribers
from digest.store.session import Database
from digest.store.subscribers import find_reader
from tests.build import NOW, a_newsletter, an_installation, an_issue, plan_deliveries, readers
from tests.delivery.stage import KEYS, Watch


@dataclass
class Scene:
    """A newsletter whose issues are accepted, and what comes back of them."""

    db: Database
    newsletter: Newsletter
    clock: Watch
    desk: FeedbackDesk
    number: int = 181

    async def sent(self, *, state: str = "accepted", **values: Any) -> dict[str, int]:
        """The next issue, handed over to everyone a moment ago: delivery ids by address."""
        self.number += 1
        stored = await an_issue(self.db, self.newsletter, self.number)
        now = self.clock.now()
        async with self.db.begin() as session:
            await end_pauses(session, now)
            await plan_deliveries(
                session, issue_id=stored.issue.id, version_id=stored.version.id, now=now
            )
            change = update(issues).where(issues.c.id == stored.issue.id)
            await session.execute(
                change.values(state=IssueState.SENDING, canary_passed_at=now, planned_at=now)
            )
            settled = update(deliveries).where(deliveries.c.issue_id == stored.issue.id)
            await session.execute(
                settled.values(
                    **{"state": state, "settled_at": now, "attempts": 1, "first_claimed_at": now}
                    | values
                )
            )
            rows = await session.execute(
                select(subscribers.c.address, deliveries.c.id)
                .join_from(deliveries, subscribers, subscribers.c.id == deliveries.c.subscriber_id)
                .where(deliveries.c.issue_id == stored.issue.id)
            )
            return dict(tuple(row) for row in rows)

    async def bounce(self, delivery_id: int, reason: Reason, **values: Any) -> Taken:
        return await self.desk.take(a_bounce(delivery_id, reason, **values))

    async def state(self, address: str) -> tuple[bool, SubscriptionState]:
        """Whether an address is suppressed, and the state of its subscription."""
        async with self.db.read() as session:
            reader = await find_reader(session, address)
        assert reader is not None
        return reader.suppressed_at is not None, reader.subscriptions[0].state

    async def suppressed(self) -> set[str]:
        async with self.db.read() as session:
            query = select(subscribers.c.address).where(subscribers.c.suppressed_at.is_not(None))
            return set(await session.scalars(query))

    async def rows(self) -> list[Any]:
        async with self.db.read() as session:
            return list(await session.execute(select(feedback).order_by(feedback.c.id)))


def a_bounce(delivery_id: int, reason: Reason, **values: Any) -> Feedback:
    token = KEYS.sign(TokenKind.DELIVERY, delivery_id)
    given: dict[str, Any] = {
        "source": "mail",
        "kind": Kind.BOUNCE,
        "claim": Claim((token,)),
        "key": f"{delivery_id}{reason}",
        "reason": reason,
        "final": True,
        "evidence": "550 5.1.1 said so",
    }
    return Feedback(**(given | values))


def a_complaint(delivery_id: int, kind: str = "abuse") -> Feedback:
    return a_bounce(delivery_id, Reason.FEEDBACK, kind=Kind.COMPLAINT, complaint=kind, final=False)


async def a_scene(database: Database, count: int = 3) -> Scene:
    await an_installation(database, fingerprint=KEYS.fingerprint)
    newsletter = await a_newsletter(database)
    await readers(database, newsletter, count)
    clock = Watch(NOW - Watch().now())
    return Scene(
        database, newsletter, clock, FeedbackDesk(database, KEYS, clock, Leavers(), tell_brake)
    )


ANNE, BART, CRIS = "anne@example.org", "bart@example.net", "cris@example.com"
