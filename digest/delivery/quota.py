"""What a process may still hand to a relay under its quota: reserved in the database beforehand.

So the quota holds for all processes together and across a crash: what was reserved and not used is
given back, and what a killed process had reserved counts as used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.rules.ramp import Quota
from digest.rules.relay import RelayConfig
from digest.rules.throttle import Lane
from digest.store import usage
from digest.store.session import Session

_HOUR = timedelta(hours=1)


@dataclass(slots=True)
class _Pot:
    """Messages of one clock hour that were reserved and not sent yet."""

    quota: Quota
    messages: int = 0
    hour_at: datetime | None = None
    next_at: datetime | None = None  # when there is more, where there was nothing

    async def fill(self, session: Session, relay_id: int, most: int, now: datetime) -> None:
        if self.hour_at is not None and now - self.hour_at >= _HOUR:
            await self.empty(session, relay_id)  # of an hour that is over
        if self.messages >= most or (self.next_at is not None and now < self.next_at):
            return
        got = await usage.reserve(session, relay_id, self.quota, want=most - self.messages, now=now)
        self.messages += got.messages
        self.hour_at, self.next_at = got.hour_at, got.next_at

    async def empty(self, session: Session, relay_id: int) -> None:
        if self.messages and self.hour_at is not None:
            await usage.give_back(session, relay_id, self.hour_at, self.messages)
        self.messages, self.hour_at, self.next_at = 0, None, None


@dataclass(slots=True)
class QuotaPurse:
    """What was reserved of one relay's quota, for issues and for what goes before them."""

    config: RelayConfig
    limited: bool = False
    _issues: _Pot = field(init=False)
    _upper: _Pot = field(init=False)

    def __post_init__(self) -> None:
        quota = Quota(self.config.per_hour, self.config.per_day, self.config.ramp)
        self.limited = quota != Quota()
        self._issues, self._upper = _Pot(quota.for_issues()), _Pot(quota.for_upper_lanes())

    def _pot(self, lane: Lane) -> _Pot:
        return self._issues if lane is Lane.ISSUE else self._upper

    def empty(self, lane: Lane) -> bool:
        """Whether nothing more may go in this lane now."""
        return self.limited and self._pot(lane).messages < 1

    def room(self, lane: Lane) -> int | None:
        """How many messages may go in this lane; None: no limit."""
        return self._pot(lane).messages if self.limited else None

    def next_at(self, lane: Lane) -> datetime | None:
        """When there is more for this lane, where there is nothing now."""
        return self._pot(lane).next_at

    def spend(self, lane: Lane) -> None:
        """A message goes."""
        if self.limited:
            self._pot(lane).messages -= 1

    async def fill(
        self, session: Session, relay_id: int, *, lane: Lane, most: int, now: datetime
    ) -> None:
        """Have up to ``most`` messages at hand for ``lane``; commits with the session."""
        if self.limited:
            await self._pot(lane).fill(session, relay_id, most, now)

    async def give_back(self, session: Session, relay_id: int) -> None:
        """Return what is left."""
        for pot in (self._issues, self._upper):
            await pot.empty(session, relay_id)
