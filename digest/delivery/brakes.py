"""The brakes of the issues a process sends: counted at every answer, decided by the database.

What this process sees is only the alarm. Whether a brake is put on is asked of the rows, which know
the answers other processes got and those from before a restart; they count from the last time an
operator resumed the issue. Until that is known nothing more of it is begun than the brake allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from digest.clock import Clock
from digest.rules import brakes
from digest.rules.brakes import Action, Decision, DestinationCounts, IssueCounts
from digest.rules.delivery import DeliveryState
from digest.rules.verdict import Verdict
from digest.store import control, counts
from digest.store.counts import RejectionCount
from digest.store.deliveries import Claimed
from digest.store.progress import issue_progress
from digest.store.session import Session

log = structlog.get_logger(__name__)

Tell = Callable[[Session, int, Decision, datetime], Awaitable[None]]

_ISSUE_STOPS_AT = min(brake.least for brake in brakes.ISSUE_BRAKES if not brake.share)
_DESTINATION_FROM = min(brake.least for brake in brakes.DESTINATION_BRAKES)
_MOSTLY = 5  # with a policy rejection for every so many accepted, none too many is begun
_LOOK_AGAIN = 1.0  # seconds between two looks at the rows while an alarm lasts

Key = str | int  # a provider, else the id of a destination of its own


@dataclass(slots=True)
class _Watch:
    """One issue, as this process sees it."""

    since: datetime | None = None  # answers before that are not counted
    policy: int = 0
    accepted: int = 0
    under_way: int = 0
    rejected: Counter[tuple[Key, bool]] = field(default_factory=Counter)  # (where, whether policy)
    held: set[int] = field(default_factory=set)  # destinations
    told: set[tuple[Action, Key | None]] = field(default_factory=set)
    doubtful: set[Key] = field(default_factory=set)  # places whose rows have to be looked at first
    stopped: bool = False
    alarm: bool = False
    looked_at: float = 0.0

    @property
    def crowded(self) -> bool:
        """Whether one more message could be one rejection more than the issue may get."""
        return (
            self.policy * _MOSTLY >= self.accepted
            and self.policy + self.under_way >= _ISSUE_STOPS_AT
            and self.policy > 0
        )


class Brakes:
    """Of all issues this process sends. ``tell`` writes to the operator what was done."""

    def __init__(self, tell: Tell | None = None) -> None:
        self.providers: dict[int, str] = {}
        self._tell = tell
        self._watches: dict[int, _Watch] = {}

    # Asked and told for every message.

    def destination(self, row: Claimed) -> Key:
        """What answers to rows like this one are counted under."""
        return self.providers.get(row.destination_id, row.destination_id)

    def may_start(self, issue_id: int, row: Claimed) -> bool:
        """Whether a message of the issue may be begun."""
        watch = self._watches.get(issue_id)
        if watch is None:
            return True
        if watch.doubtful and self.destination(row) in watch.doubtful:
            return False
        return not (watch.stopped or watch.crowded or row.destination_id in watch.held)

    def is_held(self, issue_id: int, row: Claimed) -> bool:
        """Whether a brake holds the row's destination."""
        watch = self._watches.get(issue_id)
        return watch is not None and row.destination_id in watch.held

    def began(self, issue_id: int) -> None:
        """A message is under way."""
        self._watch(issue_id).under_way += 1

    def ended(self, issue_id: int, row: Claimed, verdict: Verdict | None) -> None:
        """What the relay answered; None where it did not."""
        watch = self._watch(issue_id)
        watch.under_way -= 1
        if verdict is None:
            return
        if verdict.state is DeliveryState.ACCEPTED:
            watch.accepted += 1
            return
        policy, hard = brakes.is_policy(verdict), brakes.is_hard(verdict)
        if policy or hard:
            where = self.destination(row)
            watch.rejected[where, policy] += 1
            watch.policy += policy
            if watch.rejected[where, policy] >= _DESTINATION_FROM:
                watch.alarm = True
                if policy:
                    watch.doubtful.add(where)
            watch.alarm |= watch.policy >= _ISSUE_STOPS_AT

    def _watch(self, issue_id: int) -> _Watch:
        watch = self._watches.get(issue_id)
        if watch is None:
            watch = self._watches[issue_id] = _Watch()
        return watch

    # With the database.

    async def open(self, session: Session, issue_id: int) -> None:
        """Know the issue as its rows do: at the start, and where other processes send it too."""
        if issue_id not in self._watches:  # it may have brought new destinations
            self.providers = await counts.providers(session)
        progress = await issue_progress(session, issue_id)
        watch = self._watch(issue_id)
        if watch.since != progress.resumed_at:  # begin again after an operator's resume
            watch = self._watches[issue_id] = _Watch(progress.resumed_at, under_way=watch.under_way)
        found = await counts.rejections(session, issue_id, watch.since)
        rejected: Counter[tuple[Key, bool]] = Counter()
        for one in found:
            policy, hard = _classes(one)
            if policy or hard:
                rejected[one.provider or one.destination_id, policy] += one.rows
        watch.rejected = rejected
        watch.policy = sum(rows for (_, policy), rows in rejected.items() if policy)
        watch.alarm = watch.policy >= _ISSUE_STOPS_AT or any(
            rows >= _DESTINATION_FROM for rows in rejected.values()
        )

    @property
    def alarmed(self) -> bool:
        """Whether ``act`` has something to decide now."""
        now = Clock.monotonic()
        return any(
            watch.alarm
            and not watch.stopped
            and (watch.crowded or watch.doubtful or now - watch.looked_at > _LOOK_AGAIN)
            for watch in self._watches.values()
        )

    async def act(self, session: Session, now: datetime) -> None:
        """Put on the brakes that the rows call for, in this transaction."""
        for issue_id, watch in self._watches.items():
            if watch.alarm and not watch.stopped:
                watch.alarm, watch.looked_at = False, Clock.monotonic()
                await self._decide(session, issue_id, watch, now)

    async def _decide(self, session: Session, issue_id: int, watch: _Watch, now: datetime) -> None:
        found = [
            (one, *_classes(one)) for one in await counts.rejections(session, issue_id, watch.since)
        ]
        policy = [one for one, is_policy, _ in found if is_policy]
        if sum(one.rows for one in policy) < watch.policy:
            watch.alarm = True  # answers under way into the database: look again with them
            return
        whole = IssueCounts(
            accepted=await counts.accepted(session, issue_id, watch.since),
            policy=sum(one.rows for one in policy),
            reply=_last_reply(policy),
        )
        for decision in brakes.issue_brakes(whole):
            watch.stopped = True
            if await control.pause_issue(session, issue_id, reason=decision.reason, now=now):
                await self._say(session, issue_id, decision, now)
            return
        for where in {one.provider or one.destination_id for one, _, _ in found}:
            here = [each for each in found if (each[0].provider or each[0].destination_id) == where]
            await self._decide_at(session, issue_id, watch, here, now)
        watch.doubtful.clear()

    async def _decide_at(
        self,
        session: Session,
        issue_id: int,
        watch: _Watch,
        found: list[tuple[RejectionCount, bool, bool]],
        now: datetime,
    ) -> None:
        policy = sum(one.rows for one, is_policy, _ in found if is_policy)
        hard = sum(one.rows for one, _, is_hard in found if is_hard)
        if max(policy, hard) < _DESTINATION_FROM:
            return
        name = found[0][0].provider or found[0][0].domain
        ids = {one.destination_id for one, _, _ in found}
        ids |= {key for key, provider in self.providers.items() if provider == name}
        here = DestinationCounts(
            destination=name,
            answered=await counts.answered(session, issue_id, sorted(ids), watch.since),
            policy=policy,
            hard=hard,
            reply=_last_reply(one for one, is_policy, is_hard in found if is_policy or is_hard),
        )
        for decision in brakes.destination_brakes([here]):
            if decision.action is Action.PAUSE_DESTINATION and not ids <= watch.held:
                watch.held |= ids
                await control.hold_destinations(session, issue_id, sorted(ids), now)
            if (decision.action, name) not in watch.told:
                watch.told.add((decision.action, name))
                await self._say(session, issue_id, decision, now)

    async def _say(
        self, session: Session, issue_id: int, decision: Decision, now: datetime
    ) -> None:
        log.warning(
            "a brake", issue_id=issue_id, action=decision.action.value, reason=decision.reason
        )
        if self._tell is not None:
            await self._tell(session, issue_id, decision, now)


def _classes(one: RejectionCount) -> tuple[bool, bool]:
    """Whether rejections of this class are about us, and whether they are hard."""
    verdict = one.as_verdict()
    return brakes.is_policy(verdict), brakes.is_hard(verdict)


def _last_reply(found: Iterable[RejectionCount]) -> str:
    return next((one.reply for one in found if one.reply), "")
