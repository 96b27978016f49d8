"""Which links of the inbox go into an issue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.content.issue_format import Beginning
from digest.rules.candidate import CandidateState
from digest.store.candidates import Candidate, booked_sponsors, linked_in, list_candidates
from digest.store.newsletters import Newsletter
from digest.store.session import Session

__all__ = ["Picked", "pick"]


@dataclass(frozen=True, slots=True)
class Picked:
    """The items of an issue, and the sponsors booked for its date."""

    items: Sequence[Candidate]
    sponsors: Sequence[Candidate]


async def pick(
    session: Session,
    newsletter: Newsletter,
    begun: Beginning,
    *,
    states: Sequence[CandidateState] = (CandidateState.KEPT,),
    since: datetime | None = None,
) -> Picked:
    """The links in these states that no other issue has, and the sponsors of the issue's date."""
    found = await list_candidates(session, newsletter.id, states=states, since=since)
    links = [one for one in found if not one.sponsor_for]
    used = await linked_in(
        session, newsletter.id, [one.canonical_url for one in links], but=begun.number
    )
    sponsors: Sequence[Candidate] = ()
    if begun.date is not None:
        sponsors = await booked_sponsors(session, newsletter.id, begun.date.isoformat())
    return Picked([one for one in links if one.canonical_url not in used], sponsors)
