"""A receipt as a page shows it: sentences, sums, and where each number leads.

Pure: what was counted comes in, values for the template come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from digest.rules import words
from digest.rules.delivery import DeliveryState, IssueState
from digest.store.issues import StoredIssue
from digest.store.newsletters import Newsletter
from digest.store.receipts import DestinationCount, Receipt

DESTINATIONS = 12  # that are shown


@dataclass(frozen=True, slots=True)
class Line:
    """One outcome: where its bar starts and how long it is, in percent; the list it opens."""

    words: str
    number: int
    start: float
    width: float
    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of readers with what is said of them, and the list it opens."""

    words: str
    number: int
    path: str
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value; ``more`` is said in a lower voice."""

    name: str
    value: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version and how many readers it is for."""

    ordinal: int
    hash: str
    planned: int
    accepted: int
    path: str


@dataclass(frozen=True, slots=True)
class DestinationLine:
    """A destination and its numbers, in the order of ``Sheet.destination_columns``."""

    name: str
    numbers: tuple[int, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A receipt, ready to be shown."""

    newsletter: str
    issue: str
    path: str
    sentence: str
    held_up: str
    lines: tuple[Line, ...]
    planned: int
    sum: str
    facts: tuple[Fact, ...]
    doubts: tuple[Counted, ...]
    causes: tuple[Counted, ...]
    versions: tuple[VersionLine, ...]
    destinations: tuple[DestinationLine, ...]
    more_destinations: int
    destination_columns: tuple[str, ...] = (
        *("planned", "accepted", "refused"),
        *("put off", "waiting", "held"),
    )


# How a state looks: its colour in the strip, and of its dot.
_KINDS = {
    DeliveryState.ACCEPTED: "accepted",
    DeliveryState.REJECTED: "rejected",
    DeliveryState.DEFERRED: "deferred",
    DeliveryState.HELD: "held",
    DeliveryState.QUEUED: "open",
    DeliveryState.SENDING: "open",
}


def kind_of(state: DeliveryState) -> str:
    """The name of the look of a state in the style sheet."""
    return _KINDS.get(state, "other")


def sheet_of(
    newsletter: Newsletter,
    issue: StoredIssue,
    counted: Receipt,
    places: tuple[DestinationCount, ...],
    *,
    path: str,
) -> Sheet:
    """A receipt as a page shows it."""
    lines = _lines(counted, path)
    sentence = words.receipt_sentence(issue.state, counted.accepted, counted.planned)
    paused = issue.state is IssueState.PAUSED
    return Sheet(
        newsletter=newsletter.name,
        issue=str(issue.name),
        path=path,
        sentence=sentence[:1].upper() + sentence[1:],
        held_up=f"It is paused: {issue.paused_reason or 'nobody said why'}" if paused else "",
        lines=lines,
        planned=counted.planned,
        sum=f"{' + '.join(f'{line.number:,}' for line in lines)} = {counted.planned:,}",
        facts=_facts(issue, counted),
        doubts=_doubts(counted, path),
        causes=_causes(counted, path),
        versions=tuple(
            VersionLine(
                *(one.ordinal, one.hash[:12], one.planned, one.accepted),
                f"{path}/all?{urlencode({'version': one.ordinal})}",
            )
            for one in counted.versions
        ),
        destinations=tuple(
            DestinationLine(
                one.destination,
                (one.planned, one.accepted, one.rejected, one.deferred, one.waiting, one.held),
                f"{path}/all?{urlencode({'destination': one.destination})}",
            )
            for one in places[:DESTINATIONS]
        ),
        more_destinations=len(places) - DESTINATIONS if len(places) > DESTINATIONS else 0,
    )


def _lines(counted: Receipt, path: str) -> tuple[Line, ...]:
    lines, start = [], 0.0
    for (state, reason), number in counted.fates.items():
        width = 100 * number / counted.planned
        target = f"{path}/{state}" + (f"/{reason}" if reason else "")
        lines.append(Line(words.fate(state, reason), number, start, width, kind_of(state), target))
        start += width
    return tuple(lines)


def _facts(issue: StoredIssue, counted: Receipt) -> tuple[Fact, ...]:
    facts = [Fact("Title", issue.title), Fact("State", issue.state.value)]
    if issue.planned_at:
        facts.append(Fact("Planned", moment(issue.planned_at)))
    first, last = counted.first_accepted_at, counted.last_accepted_at
    if first and last:
        took = (last - first).total_seconds()
        rate = f"{counted.accepted / took:,.0f} a second" if took >= 1 else ""
        facts += [Fact("First accepted", moment(first)), Fact("Last accepted", moment(last), rate)]
    if len(counted.versions) == 1:
        one = counted.versions[0]
        facts.append(Fact("Text", f"version {one.ordinal}", one.hash[:12]))
    for name, number in counted.relays.items():
        facts.append(Fact("Relay", name, f"took {number:,}"))
    return tuple(facts)


def moment(when: datetime) -> str:
    """``26 November 2026, 09:00:07 UTC``."""
    return f"{when.day} {when:%B %Y, %H:%M:%S} UTC"


def short_moment(when: datetime | None) -> str:
    """``26 Nov, 09:00:07``; "" where nothing has happened yet."""
    return f"{when.day} {when:%b, %H:%M:%S}" if when else ""


def _doubts(counted: Receipt, path: str) -> tuple[Counted, ...]:
    doubts = []
    if counted.in_doubt:
        doubts.append(Counted(words.IN_DOUBT, counted.in_doubt, f"{path}/in-doubt"))
    if counted.repeated:
        doubts.append(Counted(words.REPEATED, counted.repeated, f"{path}/repeated"))
    return tuple(doubts)


def _causes(counted: Receipt, path: str) -> tuple[Counted, ...]:
    causes = []
    for one in counted.causes:
        query = {"verdict": one.verdict.value if one.verdict else "none"}
        if one.blame:
            query["blame"] = one.blame.value
        said = words.why(one.state, None, one.verdict, blame=one.blame)
        target = f"{path}/{one.state}?{urlencode(query)}"
        causes.append(Counted(said, one.rows, target, one.reply))
    return tuple(causes)
