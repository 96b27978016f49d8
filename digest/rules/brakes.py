"""When an issue goes to a few readers first, and what stops it, a destination or its suppressions.

The thresholds are a table. Shares are of what was answered so far, so a brake works at the start of
an issue and not when it is through; they are counted in thousandths, in whole numbers. Counters
begin again when an operator resumes what a brake stopped, else it would stop at once again.

A rejection about our address, domain, authentication or content is ours and never a reader's
(RFC 7372 and 5.7.x of RFC 3463); a provider in trouble has answered "no such user" for living
accounts before, so many hard bounces at one destination are not believed; a complaint rate of 0.3 %
is where Google and Yahoo stop taking mail (their sender guidelines of 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from digest.rules.delivery import DeliveryState
from digest.rules.verdict import Blame, Counts, Reason, Verdict

CANARY_FROM = 1_000  # readers
CANARY_LEAST = 200
CANARY_ONE_IN = 100

# Rejections that say something about us: bounces.md's table, "our fault, not theirs".
POLICY_REASONS = frozenset(
    {
        Reason.BLOCKED,
        Reason.NO_PTR,
        Reason.NO_AUTHENTICATION,
        Reason.NO_TLS,
        Reason.POLICY,
        Reason.SPAM,
        Reason.VIRUS,
        Reason.CONTENT,
        Reason.SYNTAX,
        Reason.PROTOCOL,
        Reason.NO_RELAYING,
        Reason.SENDER,
        Reason.LOGIN,
        Reason.TOO_BIG,
    }
)


class Action(StrEnum):
    """What a brake does."""

    PAUSE_DESTINATION = "pause_destination"
    PAUSE_ISSUE = "pause_issue"
    HOLD_SUPPRESSIONS = "hold_suppressions"
    HOLD_MESSAGE = "hold_message"


@dataclass(frozen=True, slots=True)
class Decision:
    """A brake that is to be put on, and why, in words for the operator."""

    action: Action
    reason: str
    destination: str | None = None  # None: the issue as a whole


@dataclass(frozen=True, slots=True)
class DestinationCounts:
    """How an issue fares at one destination (a provider, or a domain of its own)."""

    destination: str
    answered: int  # recipients with a final answer: accepted or rejected, bounces included
    policy: int = 0  # rejections for which ``is_policy`` holds
    hard: int = 0  # rejections and bounces for which ``is_hard`` holds
    reply: str = ""  # the last such reply, for the operator


@dataclass(frozen=True, slots=True)
class IssueCounts:
    """How an issue fares as a whole."""

    accepted: int
    policy: int = 0
    complaints: int = 0
    reply: str = ""  # the last policy rejection


_C = TypeVar("_C", DestinationCounts, IssueCounts)


@dataclass(frozen=True, slots=True)
class Brake(Generic[_C]):
    """At least ``least`` of ``count``, which are also ``share`` thousandths of ``of``."""

    action: Action
    what: str
    count: Callable[[_C], int]
    of: Callable[[_C], int]
    least: int
    share: int = 0  # thousandths; 0: no share is asked
    above: bool = False  # more than the share, not just as much
    then: str = ""

    def holds(self, counts: _C) -> bool:
        """Whether the brake is to be put on."""
        count = self.count(counts)
        part, whole = count * 1000, self.share * self.of(counts)
        return count >= self.least and (part > whole if self.above else part >= whole)


DESTINATION_BRAKES: tuple[Brake[DestinationCounts], ...] = (
    Brake(
        Action.PAUSE_DESTINATION,
        "rejections that are about us, not about the readers",
        count=lambda counts: counts.policy,
        of=lambda counts: counts.answered,
        least=20,
        share=30,
        then="Nothing more goes there until it is resumed; no reader is counted out.",
    ),
    Brake(
        Action.HOLD_SUPPRESSIONS,
        "addresses said not to exist",
        count=lambda counts: counts.hard,
        of=lambda counts: counts.answered,
        least=20,
        share=50,
        above=True,
        then="That may be a fault over there: their suppressions wait for you.",
    ),
)
ISSUE_BRAKES: tuple[Brake[IssueCounts], ...] = (
    Brake(
        Action.PAUSE_ISSUE,
        "rejections that are about us, not about the readers",
        count=lambda counts: counts.policy,
        of=lambda counts: counts.accepted,
        least=50,
        then="The issue is paused; no reader is counted out.",
    ),
    Brake(
        Action.PAUSE_ISSUE,
        "complaints",
        count=lambda counts: counts.complaints,
        of=lambda counts: counts.accepted,
        least=5,
        share=3,
        then="The issue is paused.",
    ),
)


def destination_brakes(destinations: Iterable[DestinationCounts]) -> tuple[Decision, ...]:
    """The brakes to put on at each of the destinations of one issue."""
    return tuple(
        Decision(brake.action, _words(brake, counts, counts.destination), counts.destination)
        for counts in destinations
        for brake in DESTINATION_BRAKES
        if brake.holds(counts)
    )


def issue_brakes(counts: IssueCounts) -> tuple[Decision, ...]:
    """The brakes to put on for the issue as a whole."""
    return tuple(
        Decision(brake.action, _words(brake, counts, None))
        for brake in ISSUE_BRAKES
        if brake.holds(counts)
    )


def _words(brake: Brake[_C], counts: _C, destination: str | None) -> str:
    count, of = brake.count(counts), brake.of(counts)
    place = f"{destination}: " if destination else ""
    measure = "answered" if destination else "accepted"
    quoted = f' The last: "{counts.reply}".' if counts.reply and brake.what != "complaints" else ""
    return f"{place}{count:,} {brake.what} beside {of:,} {measure}.{quoted} {brake.then}"


def is_policy(verdict: Verdict) -> bool:
    """Whether a verdict is a rejection about us: it stops the sending, not the reader.

    A rejection after the final dot that gives no reason is one too: the content was read by then.
    """
    if verdict.state is not DeliveryState.REJECTED:
        return False
    unexplained = verdict.reason is Reason.UNDEFINED and verdict.blame is Blame.MESSAGE
    return verdict.reason in POLICY_REASONS or unexplained


def is_hard(verdict: Verdict) -> bool:
    """Whether a verdict would suppress the reader at once."""
    return verdict.state is DeliveryState.REJECTED and verdict.counts is Counts.HARD


@dataclass(frozen=True, slots=True)
class CanaryCounts:
    """How the first few fare."""

    waiting: int  # queued or sending; a deferred row has been tried and is waited for no longer
    last_at: datetime | None = None  # when the last of the others was answered


@dataclass(frozen=True, slots=True)
class Canary:
    """Whether the rest may follow; if not, since ``at`` or, where that is open, why not yet."""

    follow: bool
    reason: str
    at: datetime | None = None


def canary_size(audience: int) -> int:
    """How many readers get the issue first: 1 % of 1,000 and more, at least 200; 0: no canary."""
    if audience < CANARY_FROM:
        return 0
    return max(CANARY_LEAST, -(-audience // CANARY_ONE_IN))


def canary(counts: CanaryCounts, *, wait: timedelta, now: datetime) -> Canary:
    """Whether the rest of the issue may follow its canary.

    ``wait``: the newsletter's ``canary_wait``, counted from the last answer; behind a relay that
    only queues, bounces and complaints come after it.
    """
    if counts.waiting:
        return Canary(follow=False, reason=f"{counts.waiting:,} of the first readers are under way")
    at = counts.last_at + wait if counts.last_at else now  # None: all had left before their turn
    if now < at:
        return Canary(
            follow=False,
            reason=f"the first readers have it; bounces are waited for until {at:%H:%M} UTC",
            at=at,
        )
    return Canary(follow=True, reason="the first readers have it")
