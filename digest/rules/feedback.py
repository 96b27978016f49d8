"""What comes back, and what it does to a reader: the only table of that.

What is told of an address suppresses it, what is told of a mailbox adds to a score that heals, and
what is told of us never counts against anybody (RFC 3463 classes; 5.7.x and content are ours). A
complaint (RFC 5965) suppresses for every newsletter of the sender, since that is what a provider
counts. Delay notices, receipts, answers of machines and challenges change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from digest.mail.bounce import Kind, Reason
from digest.rules.verdict import Counts

ACTS_FOR = timedelta(days=30)  # after a delivery is settled; later it is only written down
GOOD_AFTER = timedelta(days=5)  # an accepted delivery nothing came back of has arrived, we take it
PROBE_AFTER = timedelta(days=30)  # a paused reader gets one issue again
PAUSE_POINTS, PAUSE_ISSUES, PAUSE_SPAN = 5.0, 3, timedelta(days=14)
FORGOTTEN_AFTER = timedelta(days=30)  # or four issues, whichever is longer
FORGOTTEN_ISSUES = 4
ASK_HOST_AGAIN = timedelta(hours=1)
HOST_SURE = 2  # answers "there is no such domain" until it is believed


class Bearing(StrEnum):
    """Whom something that came back is about, and how much it weighs."""

    HARD = "hard"  # the address is dead
    HOST = "host"  # its domain is, if DNS says so too
    CLOSED = "closed"  # suspended, or takes no mail: believed the second time in a row
    SOFT = "soft"  # one point
    OURS = "ours"  # our address, domain or content was refused
    COMPLAINT = "complaint"
    OPT_OUT = "opt-out"  # a complaint that only asks to leave
    NOTHING = "nothing"


class Effect(StrEnum):
    """What was done about it."""

    NOTHING = "nothing"
    SUPPRESSED = "suppressed"
    HELD = "held"  # would suppress, but too many at once are said to be dead
    DROPPED = "dropped"  # was held, and the operator did not believe it
    SCORED = "scored"
    PAUSED = "paused"
    ASKING = "asking"  # DNS is asked whether the domain is gone
    LEFT = "left"
    FORWARDED = "forwarded"  # a person's answer, to the newsletter's Reply-To
    EXPIRED = "expired"  # its delivery is too long ago
    QUARANTINED = "quarantined"  # it carries no token of ours


_REASONS: Mapping[Bearing, tuple[Reason, ...]] = {
    Bearing.HARD: (Reason.USER_UNKNOWN, Reason.HAS_MOVED),
    Bearing.HOST: (Reason.HOST_UNKNOWN,),
    Bearing.CLOSED: (Reason.SUSPEND, Reason.NOT_ACCEPT, Reason.SUPPRESSED),
    Bearing.SOFT: (
        *(Reason.FILTERED, Reason.ON_HOLD, Reason.UNDEFINED, Reason.MAILER_ERROR),
        *(Reason.MAILBOX_FULL, Reason.EXCEED_LIMIT, Reason.EXPIRED, Reason.NETWORK_ERROR),
        *(Reason.SYSTEM_ERROR, Reason.SYSTEM_FULL),
    ),
    Bearing.OURS: (
        *(Reason.BLOCKED, Reason.BAD_REPUTATION, Reason.REQUIRE_PTR, Reason.AUTH_FAILURE),
        *(Reason.POLICY_VIOLATION, Reason.SPAM_DETECTED, Reason.VIRUS_DETECTED),
        *(Reason.SECURITY_ERROR, Reason.REJECTED, Reason.CONTENT_ERROR, Reason.NOT_COMPLIANT),
        *(Reason.NO_RELAYING, Reason.SYNTAX_ERROR, Reason.FAILED_STARTTLS),
        Reason.MESSAGE_TOO_BIG,
    ),
    Bearing.NOTHING: (
        *(Reason.SPEEDING, Reason.TOO_MANY_CONNECTIONS, Reason.DELIVERED, Reason.VACATION),
        Reason.FEEDBACK,
    ),
}
BEARINGS: Mapping[Reason, Bearing] = {
    reason: bearing for bearing, reasons in _REASONS.items() for reason in reasons
}
IN_SESSION: Mapping[Counts, Bearing] = {
    Counts.HARD: Bearing.HARD,
    Counts.HOST: Bearing.HOST,
    Counts.CLOSED: Bearing.CLOSED,
    Counts.SOFT: Bearing.SOFT,
    Counts.NOTHING: Bearing.NOTHING,
}
# By the Feedback-Type of the report; whatever is not listed is what most of them are: "abuse".
_COMPLAINTS: Mapping[str, Bearing] = {
    "opt-out": Bearing.OPT_OUT,
    "opt-out-list": Bearing.OPT_OUT,
    "not-spam": Bearing.NOTHING,
    "auth-failure": Bearing.OURS,
    "dmarc": Bearing.OURS,
    "dkim": Bearing.OURS,
}
ABOUT_READERS = frozenset({Bearing.HARD, Bearing.HOST, Bearing.CLOSED, Bearing.SOFT})
_NULL_MX_STATUS, _NULL_MX_REPLY = ".1.10", "556"  # RFC 7505


def bearing_of_bounce(reason: Reason, *, status: str, reply: str, final: bool) -> Bearing:
    """What a bounce is about; nothing as long as the other server has not given up."""
    if not final:
        return Bearing.NOTHING
    if reason is Reason.NOT_ACCEPT and (
        status.endswith(_NULL_MX_STATUS) or reply == _NULL_MX_REPLY
    ):
        return Bearing.HOST
    return BEARINGS[reason]


def bearing_of_complaint(feedback_type: str) -> Bearing:
    """What a complaint of this Feedback-Type is about."""
    return _COMPLAINTS.get(feedback_type.strip().lower(), Bearing.COMPLAINT)


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of one issue for one reader: something soft came back (``bad``), or nothing."""

    at: datetime
    issue_id: int
    bad: bool


@dataclass(frozen=True, slots=True)
class Score:
    """How ill a mailbox is: points, of how many issues, from when to when."""

    points: float = 0.0
    issues: int = 0
    span: timedelta = timedelta(0)

    @property
    def pauses(self) -> bool:
        """Whether sending to it is paused."""
        enough = self.points >= PAUSE_POINTS and self.issues >= PAUSE_ISSUES
        return enough and self.span >= PAUSE_SPAN


def score(marks: Sequence[Mark], *, memory: timedelta) -> Score:
    """One point per issue and per day at most; an issue that arrived halves what there is.

    Everything is forgotten after ``memory`` without a bad one: 30 days or four issues' time.
    """
    points = 0.0
    issues: set[int] = set()
    days: set[date] = set()
    first = last = None
    for mark in sorted(marks, key=lambda mark: mark.at):
        if last is not None and mark.at - last > memory:
            points, first, last = 0.0, None, None
            issues.clear()
        if not mark.bad:
            points /= 2
        elif mark.issue_id not in issues and mark.at.date() not in days:
            points += 1
            issues.add(mark.issue_id)
            days.add(mark.at.date())
            first, last = first or mark.at, mark.at
    return Score(points, len(issues), last - first if first and last else timedelta(0))


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a reader when something comes back.

    ``closed_before``: the issue before came back as closed, too. ``on_probe``: sending was paused
    for a score, and nothing has arrived since. Both count what came back up to now.
    """

    score: Score = Score()
    closed_before: bool = False
    on_probe: bool = False


def effect_of(bearing: Bearing, history: History) -> Effect:
    """What is done about something that came back; the first row that fits."""
    if bearing in (Bearing.HARD, Bearing.COMPLAINT):
        return Effect.SUPPRESSED
    if bearing is Bearing.OPT_OUT:
        return Effect.LEFT
    if bearing not in ABOUT_READERS:
        return Effect.NOTHING
    if history.on_probe:
        return Effect.SUPPRESSED
    if bearing is Bearing.HOST:
        return Effect.ASKING
    if bearing is Bearing.CLOSED:
        return Effect.SUPPRESSED if history.closed_before else Effect.NOTHING
    return Effect.PAUSED if history.score.pauses else Effect.SCORED


# What kind of mail may do anything at all.
# A whole subject, or the first line of an answer, of somebody who wants nothing more.
_LEAVE_WORDS = frozenset(
    {
        *("unsubscribe", "unsubscribe me", "please unsubscribe me", "remove me", "stop"),
        *("abmelden", "abbestellen", "bitte abmelden", "bitte abbestellen"),
        *("désabonner", "me désabonner", "désabonnement", "désinscription"),
        *("baja", "darme de baja", "cancelar suscripción", "إلغاء الاشتراك"),
    }
)


def asks_to_leave(text: str) -> bool:
    """Whether ``text`` says that and nothing else; a sentence about leaving is for a person."""
    return " ".join(text.split()).strip(" .!").casefold() in _LEAVE_WORDS


ACTING_KINDS = frozenset({Kind.BOUNCE, Kind.COMPLAINT})
