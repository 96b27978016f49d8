"""The issue that makes itself: what came since the last one, grouped, and never too much of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.collect.draft import draft_issue, per_source
from digest.collect.picking import Picked, pick
from digest.collect.upcoming import upcoming_issue
from digest.content.issue_format import Beginning
from digest.rules.automatic import AutomaticPolicy
from digest.rules.candidate import CandidateState
from digest.store.candidates import Candidate
from digest.store.issues import list_issues
from digest.store.newsletters import Newsletter
from digest.store.session import Session

__all__ = ["Made", "automatic_issue"]


@dataclass(frozen=True, slots=True)
class Made:
    """An issue's file, and what it was made of."""

    begun: Beginning
    picked: Picked
    text: str


async def automatic_issue(
    session: Session, newsletter: Newsletter, policy: AutomaticPolicy, *, now: datetime
) -> Made | None:
    """The next issue of what was kept and of what waits since the last issue went out.

    Dropped links stay out. None where there are fewer items than ``policy`` asks for.
    """
    begun = await upcoming_issue(session, newsletter, now=now)
    sent = [one.planned_at for one in await list_issues(session, newsletter.id) if one.planned_at]
    states = (CandidateState.KEPT, CandidateState.WAITING)
    found = await pick(session, newsletter, begun, states=states, since=max(sent, default=None))
    items = per_source(found.items, policy.per_source)
    items = sorted(items, key=_importance)[: policy.at_most]
    if len(items) < policy.at_least:
        return None
    picked = Picked(sorted(items, key=lambda one: one.id), found.sponsors)
    text = draft_issue(begun, picked.items, timezone=newsletter.timezone, sponsors=picked.sponsors)
    return Made(begun, picked, text)


def _importance(one: Candidate) -> tuple[bool, float]:
    """What was kept first, then the latest."""
    when = one.published_at or one.added_at
    return one.state is not CandidateState.KEPT, -when.timestamp()
