"""Brakes that listen to what comes back: for relays that take everything and bounce it later.

The thresholds are those of ``rules.brakes``. Refusals in our own sessions and bounces count
together; what is decided is written in the same transaction as what led to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from digest.rules import brakes
from digest.rules.brakes import Action, Decision, DestinationCounts, IssueCounts
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
_HARD_FROM = min(
    brake.least for brake in brakes.DESTINATION_BRAKES if brake.action is Action.HOLD_SUPPRESSIONS
)


async def brake(
    session: Session, subject: Subject, bearing: Bearing, *, now: datetime, tell: Tell | None
) -> bool:
    """Put on the brakes something that came back calls for; whether it may suppress nobody."""
    issue_id, destination_id = subject.issue_id, subject.destination_id
    if issue_id is None or destination_id is None:
        return False
    if bearing is Bearing.HARD:
        place = await feedback_counts.place_of(session, destination_id)
        return await _hold(session, issue_id, place, now=now, tell=tell)
    if bearing in (Bearing.OURS, Bearing.COMPLAINT):
        await _stop_issue(session, issue_id, now=now, tell=tell)
    if bearing is Bearing.OURS:
        place = await feedback_counts.place_of(session, destination_id)
        await _stop_place(session, issue_id, place, now=now, tell=tell)
    return False


async def _hold(
    session: Session, issue_id: int, place: Place, *, now: datetime, tell: Tell | None
) -> bool:
    """Whether so many are said to be dead there that nobody is believed to be."""
    if await feedback_counts.is_holding(session, issue_id, place):
        return True
    since = (await issue_progress(session, issue_id)).resumed_at
    hard = await came_back(session, issue_id, Bearing.HARD, since=since, place=place)
    if hard < _HARD_FROM:
        return False
    said = await feedback_counts.last_words(session, issue_id, Bearing.HARD, place)
    answered = await counts.answered(session, issue_id, place.ids, since)
    here = DestinationCounts(place.name, answered, hard=hard, reply=said)
    for decision in brakes.destination_brakes([here]):
        if decision.action is Action.HOLD_SUPPRESSIONS:
            await _give_back(session, issue_id, place, now)
            await _say(session, issue_id, decision, now, tell)
            return True
    return False


async def _give_back(session: Session, issue_id: int, place: Place, now: datetime) -> None:
    """Hold, too, what was believed before there were that many."""
    dead = await feedback_counts.dead_of(session, issue_id, Effect.SUPPRESSED, place)
    for one in dead:
        await unsuppress(session, one.address_key, (SuppressionReason.BOUNCED,), now=now)
    ids = [one.feedback_id for one in dead]
    await feedback_counts.move_effect(session, ids, Effect.HELD)


async def _stop_issue(session: Session, issue_id: int, *, now: datetime, tell: Tell | None) -> None:
    since = (await issue_progress(session, issue_id)).resumed_at
    refused = [
        one
        for one in await counts.rejections(session, issue_id, since)
        if brakes.is_policy(one.as_verdict())
    ]
    ours = await came_back(session, issue_id, Bearing.OURS, since=since)
    whole = IssueCounts(
        accepted=await counts.accepted(session, issue_id, since),
        policy=sum(one.rows for one in refused) + ours,
        complaints=await came_back(session, issue_id, Bearing.COMPLAINT, since=since),
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
    here = DestinationCounts(
        place.name,
        await counts.answered(session, issue_id, place.ids, since),
        policy=sum(one.rows for one in refused) + ours,
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
