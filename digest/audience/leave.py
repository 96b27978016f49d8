"""Leaving a newsletter: one transaction, and an answer only when no mail can start any more.

Promise 3: no MAIL command starts after an unsubscribe was acknowledged. A reader's rows that wait
are cancelled by the transaction itself. A row some sender holds as ``sending`` is not: this
process's sender asks ``Leavers`` right before MAIL; another process's sender gives a row back
when it was not begun within 2 s, so we wait until it left ``sending`` or was claimed more than
2.5 s ago, then it has begun or never will. RFC 8058 §3.2: the receiver of a one-click POST acts
on it before it answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from digest.store.preferences import person
from digest.store.subscribers import (
    Proof,
    activate_subscription,
    get_subscription,
    leave_subscription,
    leave_subscriptions,
    sending_claims,
)
from digest.store.suppressions import suppression_of

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.store.session import Database, Session

BEGUN_OR_NEVER = timedelta(seconds=2.5)  # a claim this old has begun its MAIL or was given back
PATIENCE = 3.0  # seconds a reader waits for the answer at most
_LOOK_AGAIN = 0.05  # seconds
_GROUP_MAX = 500  # of one transaction
_REMEMBER = 10.0  # seconds; a claim is never held longer than 2


@dataclass(slots=True)
class Leavers:
    """The subscriptions that ended in this process a moment ago.

    ``worker_id`` is the ``workers.id`` of the sender in this process, once there is one: it asks
    us before every MAIL, so nobody needs to wait for rows it holds.
    """

    worker_id: int | None = None
    monotonic: Callable[[], float] = time.monotonic
    _ended: dict[int, float] = field(default_factory=dict)

    def __contains__(self, subscription_id: object) -> bool:
        return subscription_id in self._ended

    def add(self, subscription_id: int) -> None:
        """Remember the end of ``subscription_id``, and forget those long past any claim."""
        now = self.monotonic()
        self._ended.pop(subscription_id, None)  # so that the oldest come first
        self._ended[subscription_id] = now
        while now - next(iter(self._ended.values())) > _REMEMBER:
            del self._ended[next(iter(self._ended))]

    def forget(self, subscription_id: int) -> None:
        """Take ``subscription_id`` back: its reader is subscribed again."""
        self._ended.pop(subscription_id, None)


async def leave(
    db: Database,
    subscription_id: int,
    *,
    source: str,
    clock: Clock,
    leavers: Leavers | None = None,
) -> bool:
    """End ``subscription_id`` and return once no message of it can start.

    ``source`` says by which door, for the record of consent. True when this call ended it, False
    when there was nothing to end. DatabaseError when it could not be done; then nothing has
    changed, or, when only the waiting failed, the reader has left already.
    """
    async with db.begin() as session:
        ended = await leave_subscription(session, subscription_id, clock.now(), source=source)
    if leavers is not None:
        leavers.add(subscription_id)
    own_worker = leavers.worker_id if leavers is not None else None
    await until_nothing_can_start(db, (subscription_id,), clock=clock, own_worker=own_worker)
    return ended


@dataclass(slots=True, eq=False)
class _Group:
    """Subscriptions that end together, by which door, and the task that ends them."""

    sources: dict[int, str] = field(default_factory=dict)
    task: asyncio.Task[set[int]] | None = None


class LeaveDesk:
    """Ends subscriptions in this process as ``leave`` does, those that come together in one
    transaction: after an issue many click at once, and each would wait for the disk by itself.
    """

    def __init__(self, db: Database, clock: Clock, leavers: Leavers) -> None:
        self._db = db
        self._clock = clock
        self._leavers = leavers
        self._open: _Group | None = None  # its transaction has not begun: others may join

    async def leave(self, subscription_id: int, *, source: str) -> bool:
        """As ``leave``; whoever asks for the same twice at once gets the same answer."""
        group = self._open
        if group is None or group.task is None or len(group.sources) >= _GROUP_MAX:
            group = self._open = _Group()
            group.task = asyncio.create_task(self._end(group))
        group.sources.setdefault(subscription_id, source)
        return subscription_id in await asyncio.shield(group.task)

    async def _end(self, group: _Group) -> set[int]:
        try:
            async with self._db.begin() as session:
                self._close(group)
                ended = await leave_subscriptions(session, group.sources, self._clock.now())
        finally:
            self._close(group)
        for one in group.sources:
            self._leavers.add(one)
        own_worker = self._leavers.worker_id
        await until_nothing_can_start(
            self._db, group.sources, clock=self._clock, own_worker=own_worker
        )
        return ended

    def _close(self, group: _Group) -> None:
        if self._open is group:
            self._open = None


async def undo_leave(
    session: Session, subscription_id: int, *, since: datetime, origin: str, now: datetime
) -> bool:
    """Take a leave back that came after ``since``; False where there is none, or no mail may be.

    What was cancelled of an issue stays cancelled: the next one comes.
    """
    mine = await get_subscription(session, subscription_id)
    if mine is None or mine.ended_at is None or mine.ended_at < since:
        return False
    reader = await person(session, mine.subscriber_id)
    if reader is None or reader.suppressed_at is not None:
        return False
    if await suppression_of(session, mine.newsletter_id, reader.key) is not None:
        return False
    proof = Proof(origin=origin)
    return await activate_subscription(
        session, mine.id, now, kind="undone", source="page", proof=proof
    )


async def until_nothing_can_start(
    db: Database, subscription_ids: Collection[int], *, clock: Clock, own_worker: int | None
) -> None:
    """Return once no message of them starts any more; ``own_worker`` asks ``Leavers``."""
    give_up = clock.monotonic() + PATIENCE
    while clock.monotonic() < give_up:
        async with db.read() as session:
            claims = await sending_claims(session, subscription_ids)
        if not any(_may_start(claim, clock.now(), own_worker) for claim in claims):
            return
        await asyncio.sleep(_LOOK_AGAIN)


def _may_start(claim: tuple[int, datetime], now: datetime, own_worker: int | None) -> bool:
    owner, claimed_at = claim
    return owner != own_worker and now - claimed_at <= BEGUN_OR_NEVER
