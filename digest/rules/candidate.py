"""What becomes of a link in the inbox, and which section is proposed for it.

A link an editor adds is kept at once; what a feed brings waits until somebody keeps or drops it.
Dropped links stay known, so that a feed does not bring them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

__all__ = ["FORGET_AFTER", "CandidateState", "Topic", "propose_section"]

FORGET_AFTER: Final = timedelta(days=90)
"""How long a link that nobody kept is known after its feed has shown it for the last time."""


class CandidateState(StrEnum):
    """Whether a link in the inbox goes into the next draft."""

    WAITING = "waiting"
    KEPT = "kept"
    DROPPED = "dropped"


class Topic(StrEnum):
    """What a link is about, as far as its address tells."""

    CODE = "code"
    PAPER = "paper"
    VIDEO = "video"
    OTHER = "other"


# topic → words of which one stands in the heading of its section.
_HEADINGS: Final = {
    Topic.CODE: ("code", "repo", "repositories", "librar", "tool", "open source", "project"),
    Topic.PAPER: ("paper", "publication", "research", "science"),
    Topic.VIDEO: ("video", "watch", "talk"),
    Topic.OTHER: (),
}


def propose_section(topic: Topic, headings: Sequence[str], *, of_feed: str = "") -> str:
    """The section a link is proposed for: that of its feed, else one whose heading names its topic,
    else the first of the newsletter that names no other topic. Empty where nothing fits.
    """
    if of_feed:
        return of_feed
    fitting = (one for one in headings if _named(one, topic))
    neutral = (one for one in headings if not any(_named(one, other) for other in Topic))
    return next(fitting, None) or next(neutral, "")


def _named(heading: str, topic: Topic) -> bool:
    return any(word in heading.casefold() for word in _HEADINGS[topic])
