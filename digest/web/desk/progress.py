"""How far an issue is, as a page shows it: a look comes in, values for a template come out."""

from __future__ import annotations

from dataclasses import dataclass

from digest.delivery.status import Look, duration, reply_of
from digest.rules import words
from digest.rules.delivery import DeliveryState, IssueState
from digest.rules.pace import Pace
from digest.web.receipt_sheet import kind_of

_ORDER = (
    DeliveryState.ACCEPTED,
    DeliveryState.REJECTED,
    DeliveryState.EXPIRED,
    DeliveryState.CANCELLED,
    DeliveryState.SUPPRESSED,
    DeliveryState.SKIPPED,
    DeliveryState.HELD,
    DeliveryState.DEFERRED,
    DeliveryState.SENDING,
    DeliveryState.QUEUED,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the bar: where it starts and how long it is, in percent."""

    words: str
    number: int
    start: float
    width: float
    kind: str


@dataclass(frozen=True, slots=True)
class Place:
    """A destination, and its numbers."""

    name: str
    numbers: tuple[int, ...]
    percent: float


@dataclass(frozen=True, slots=True)
class Progress:
    """A look, ready to be shown."""

    state: IssueState
    paused: str
    percent: float
    planned: int
    accepted: int
    waiting: int
    parts: tuple[Part, ...]
    rate: str
    left: str
    holds: tuple[str, ...]
    places: tuple[Place, ...]
    columns: tuple[str, ...] = ("waiting", "accepted", "put off", "refused", "held")


def progress_of(look: Look, pace: Pace | None = None) -> Progress:
    """A look as a page shows it; without a pace, how fast it goes is not said."""
    totals = look.totals
    moving = look.issue.state is IssueState.SENDING and totals.waiting > 0
    rate = pace.per_second if pace and moving else None
    left = pace.left(totals.waiting) if pace and moving else None
    return Progress(
        state=look.issue.state,
        paused=look.issue.paused_reason or "",
        percent=look.percent,
        planned=totals.planned,
        accepted=totals.accepted,
        waiting=totals.waiting,
        parts=_parts(look),
        rate="" if rate is None else f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}",
        left=duration(left) if left is not None else "",
        holds=tuple(_holds(look)),
        places=tuple(_places(look)),
    )


def _parts(look: Look) -> tuple[Part, ...]:
    counts = dict(look.totals.by_state())
    parts, start = [], 0.0
    for state in _ORDER:
        number = counts[state.value]
        if number:
            width = 100 * number / look.totals.planned
            parts.append(Part(words.fate(state, None), number, start, width, kind_of(state)))
            start += width
    return tuple(parts)


def _holds(look: Look) -> list[str]:
    """What keeps it from going on."""
    said = []
    if look.issue.planning:
        said.append("These are the first few; everybody else is being planned.")
    if look.canary_waiting is not None:
        said.append(f"The first few go ahead: {look.canary_waiting:,} are not answered yet.")
    for relay in look.relays:
        reply = reply_of(relay)
        because = f": “{reply}”" if reply else ""
        if relay.backoff_until and relay.backoff_until > look.now:
            said.append(
                f"{relay.name} is left alone until {relay.backoff_until:%H:%M:%S} UTC{because}"
            )
        elif relay.learned_rate is not None:
            said.append(f"{relay.name} is given {relay.learned_rate:,} a minute{because}")
    return said


def _places(look: Look) -> list[Place]:
    if len(look.destinations) < 2 and not any(one.held for one in look.destinations):
        return []
    return [
        Place(
            one.destination,
            (one.waiting, one.accepted, one.deferred, one.rejected, one.held),
            100 * (one.planned - one.waiting - one.deferred) / max(1, one.planned),
        )
        for one in look.destinations
    ]
