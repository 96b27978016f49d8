"""Brakes that listen to what comes back: for relays that take everything and bounce it later.

The thresholds are those of ``rules.brakes``. Refusals in our own sessions and bounces count
together; what is decided is written in the same transaction as what led to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from digest.rules import brakes
from digest.rules.brakes import Action, Decision, DestinationCounts, IssueCounts
from digest.rules.delivery import IssueState
from digest.rules.feedback import Bearing, Effect
from digest.rules.subscription import SuppressionReason
from digest.store import control, counts, feedback_counts
from digest.store.feedback import Subject
from digest.store.feedback_counts import Place, came_back
from digest.store.progress import issue_progress
from digest.store.suppressions import unsuppress

if TYPE_CHECKING:
    from digest.store.session import Session

Tell = Callable[["Session", int, Decision, datetime], Awaitable[None]]
Where = tuple[int, int]  # an issue and a destination
_LEAST: Mapping[Action, int] = {brake.action: brake.least for brake in brakes.DESTINATION_BRAKES}
_SHARE: Mapping[Action, int] = {brake.action: brake.share for brake in brakes.DESTINATION_BRAKES}
_OF_SHARE = [one for one in brakes.ISSUE_BRAKES if one.share]
_COMPLAINTS_LEAST, _COMPLAINTS_SHARE = _OF_SHARE[0].least, _OF_SHARE[0].share
_POLICY_LEAST = min(one.least for one in brakes.ISSUE_BRAKES if not one.share)
_EVERY = 20  # beyond 200, so many more are waited for until all that was answered is counted again


async def brake(
    session: Session,
    news: Collection[tuple[Subject, Bearing]],
    *,
    now: datetime,
    tell: Tell | None,
) -> frozenset[Where]:
    """Put on the brakes that what came back calls for; where nobody may be suppressed for it."""
    found = {(where_of(subject), bearing) for subject, bearing in news}
    held: set[Where] = set()
    issues: set[int] = set()
    for where, bearing in sorted((w, b) for w, b in found if w is not None):
        issue_id, destination_id = where
        if bearing is Bearing.HARD:
            place = await feedback_counts.place_of(session, destination_id)
            if await _hold(session, issue_id, place, now=now, tell=tell):
                held.add(where)
        elif bearing is Bearing.OURS:
            place = await feedback_counts.place_of(session, destination_id)
            await _stop_place(session, issue_id, place, now=now, tell=tell)
        if bearing in (Bearing.OURS, Bearing.COMPLAINT):
            issues.add(issue_id)
    for issue_id in sorted(issues):
        await _stop_issue(session, issue_id, now=now, tell=tell)
    return frozenset(held)


def where_of(subject: Subject) -> Where | None:
    """The issue and the destination something is about; None where it is about no issue."""
    if subject.issue_id is None or subject.destination_id is None:
        return None
    return subject.issue_id, subject.destination_id


async def _hold(
    session: Session, issue_id: int, place: Place, *, now: datetime, tell: Tell | None
) -> bool:
    """Whether so many are said to be dead there that nobody is believed to be."""
    if await feedback_counts.is_holding(session, issue_id, place):
        return True
    since = (await issue_progress(session, issue_id)).resumed_at
    hard = await came_back(session, issue_id, Bearing.HARD, since=since, place=place)
    if not _is_time(hard, Action.HOLD_SUPPRESSIONS):
        return False
    most = _enough(hard, _SHARE[Action.HOLD_SUPPRESSIONS])
    answered = await counts.answered(session, issue_id, place.ids, since, most=most)
    said = await feedback_counts.last_words(session, issue_id, Bearing.HARD, place)
    here = DestinationCounts(place.name, answered, hard=hard, reply=said)
    for decision in brakes.destination_brakes([here]):
        if decision.action is Action.HOLD_SUPPRESSIONS:
            await _give_back(session, issue_id, place, now)
            await _say(session, issue_id, decision, now, tell)
            return True
    return False


def _is_time(count: int, action: Action) -> bool:
    """Whether it is worth counting what was answered; in a flood not at every drop."""
    least = _LEAST[action]
    return count >= least and (count < 10 * least or count % _EVERY == 0)


def _enough(count: int, share: int) -> int:
    """So many answers make ``count`` less than ``share`` thousandths, however many more come."""
    return count * 1_000 // share + 1


async def _give_back(session: Session, issue_id: int, place: Place, now: datetime) -> None:
    """Hold, too, what was believed before there were that many."""
    dead = await feedback_counts.dead_of(session, issue_id, Effect.SUPPRESSED, place)
    for one in dead:
        await unsuppress(session, one.address_key, (SuppressionReason.BOUNCED,), now=now)
    ids = [one.feedback_id for one in dead]
    await feedback_counts.move_effect(session, ids, Effect.HELD)


async def _stop_issue(session: Session, issue_id: int, *, now: datetime, tell: Tell | None) -> None:
    progress = await issue_progress(session, issue_id)
    if progress.state is not IssueState.SENDING:
        return
    since = progress.resumed_at
    refused = [
        one
        for one in await counts.rejections(session, issue_id, since)
        if brakes.is_policy(one.as_verdict())
    ]
    ours = await came_back(session, issue_id, Bearing.OURS, since=since)
    complaints = await came_back(session, issue_id, Bearing.COMPLAINT, since=since)
    policy = sum(one.rows for one in refused) + ours
    if policy < _POLICY_LEAST and complaints < _COMPLAINTS_LEAST:
        return
    most = None if policy >= _POLICY_LEAST else _enough(complaints, _COMPLAINTS_SHARE)
    whole = IssueCounts(
        accepted=await counts.accepted(session, issue_id, since, most=most),
        policy=policy,
        complaints=complaints,
        reply=await feedback_counts.last_words(session, issue_id, Bearing.OURS),
    )
    for decision in brakes.issue_brakes(whole):
        if await control.pause_issue(session, issue_id, reason=decision.reason, now=now):
            await _say(session, issue_id, decision, now, tell)
        return


async def _stop_place(
    session: Session, issue_id: int, place: Place, *, now: datetime, tell: Tell | None
) -> None:
    since = (await issue_progress(session, issue_id)).resumed_at
    refused = [
        one
        for one in await counts.rejections(session, issue_id, since)
        if one.destination_id in place.ids and brakes.is_policy(one.as_verdict())
    ]
    ours = await came_back(session, issue_id, Bearing.OURS, since=since, place=place)
    policy = sum(one.rows for one in refused) + ours
    if not _is_time(policy, Action.PAUSE_DESTINATION):
        return
    most = _enough(policy, _SHARE[Action.PAUSE_DESTINATION])
    here = DestinationCounts(
        place.name,
        await counts.answered(session, issue_id, place.ids, since, most=most),
        policy=policy,
        reply=await feedback_counts.last_words(session, issue_id, Bearing.OURS, place),
    )
    for decision in brakes.destination_brakes([here]):
        if decision.action is Action.PAUSE_DESTINATION:
            await control.hold_destinations(session, issue_id, place.ids, now)
            await _say(session, issue_id, decision, now, tell)


async def _say(
    session: Session, issue_id: int, decision: Decision, now: datetime, tell: Tell | None
) -> None:
    if tell is not None:
        await tell(session, issue_id, decision, now)
