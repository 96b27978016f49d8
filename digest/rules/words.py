"""What became of a delivery, in words: the one table for the command line, the pages and the mails.

A state and its reason have a line in a receipt, a verdict has a phrase that goes after a colon:
"not yet, it is tried again: the mailbox is full". The classes of replies are those of ``verdict``
(RFC 3463); a rejection about our address, domain, authentication or content is said to be ours.
"""

from __future__ import annotations

from digest.rules.brakes import POLICY_REASONS
from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.rules.verdict import Blame, Reason

Fate = tuple[DeliveryState, StateReason | None]

_S, _R = DeliveryState, StateReason

# In the order of a receipt. Every row of an issue is in exactly one of these lines.
FATES: dict[Fate, str] = {
    (_S.ACCEPTED, None): "accepted by the relay",
    (_S.REJECTED, None): "refused for good",
    (_S.EXPIRED, None): "given up after 48 hours of trying",
    (_S.EXPIRED, _R.SUPERSEDED): "overtaken by the next issue",
    (_S.CANCELLED, _R.LEFT): "left before their turn",
    (_S.CANCELLED, _R.STOPPED): "stopped by an operator",
    (_S.SUPPRESSED, None): "suppressed before their turn",
    (_S.SKIPPED, None): "wanted nothing of it, or take a rest",
    (_S.HELD, _R.IN_DOUBT): "perhaps sent, held for you to decide",
    (_S.HELD, _R.POISON): "held because its message breaks the sender",
    (_S.HELD, _R.BREAKER): "held by a brake",
    (_S.DEFERRED, None): "put off, to be tried again",
    (_S.SENDING, None): "being handed to the relay",
    (_S.QUEUED, None): "waiting for their turn",
}

VERDICTS: dict[Reason, str] = {
    Reason.USER_UNKNOWN: "the address does not exist",
    Reason.HAS_MOVED: "the reader has moved to another address",
    Reason.HOST_UNKNOWN: "the domain does not exist or takes no mail",
    Reason.SUSPENDED: "the mailbox is closed",
    Reason.NOT_ACCEPTING: "their server takes no mail",
    Reason.GREYLISTED: "their server asks strangers to come back later",
    Reason.SPEEDING: "too much at once for their server",
    Reason.FILTERED: "the mailbox does not take it",
    Reason.UNDEFINED: "no reason given",
    Reason.MAILBOX_FULL: "the mailbox is full",
    Reason.EXCEEDS_LIMIT: "over a limit of the mailbox",
    Reason.EXPIRED: "their server gave up waiting",
    Reason.NETWORK: "their server cannot be reached",
    Reason.SYSTEM: "their server is in trouble",
    Reason.SYSTEM_FULL: "their server has no room left",
    Reason.TOO_BIG: "the message is too big for them",
    Reason.NOT_ASCII: "a server on the way cannot write this address",
    Reason.SENDER: "the sender's address is not taken",
    Reason.LOGIN: "the relay does not take our login",
    Reason.NO_RELAYING: "the relay does not send for us",
    Reason.BLOCKED: "our server is on a block list",
    Reason.NO_PTR: "our server has no name in DNS that leads back to it",
    Reason.NO_AUTHENTICATION: "SPF, DKIM or DMARC does not hold",
    Reason.NO_TLS: "they take mail over TLS only",
    Reason.POLICY: "a rule over there is against it",
    Reason.SPAM: "taken for spam",
    Reason.VIRUS: "taken for a virus",
    Reason.CONTENT: "a form of content they do not take",
    Reason.SYNTAX: "something in it they could not read",
    Reason.PROTOCOL: "an answer that makes no sense",
    Reason.SILENCE: "no answer",
    Reason.INTERNAL: "an error of digest itself",
}

# Why a reader does not get an issue once more, by the word ``store.resend`` and
# ``delivery.control`` have for it.
REFUSALS: dict[str, str] = {
    "left": "they have left",
    "pending": "they have not confirmed yet",
    "paused": "they take a rest",
    "suppressed": "the address is suppressed",
    "under_way": "it is still being tried",
    "not_planned": "they were never planned for this issue",
    "unknown": "no reader has this address",
}

# After a number of readers.
IN_DOUBT = (
    "may have it although we do not know it: they were being sent when a process or a connection "
    "died. They are tried again with the same Message-ID, or held where that is set."
)
REPEATED = (
    "were accepted, but may have been accepted before, when a process or a connection died: they "
    "may have two copies, with the same Message-ID."
)

OURS = "our own fault"  # how a rejection that is none of the reader's begins


def fate(state: DeliveryState, reason: StateReason | None) -> str:
    """The line of a receipt that a row in this state belongs to."""
    return FATES.get((state, reason)) or FATES.get((state, None)) or state.value


def verdict_words(verdict: Reason | None, *, blame: Blame | None = None) -> str:
    """Why a reply said no; "" where nothing is known."""
    if verdict is None:
        return ""
    unexplained = verdict is Reason.UNDEFINED and blame is Blame.MESSAGE
    ours = verdict in POLICY_REASONS or unexplained
    return f"{OURS}: {VERDICTS[verdict]}" if ours else VERDICTS[verdict]


# What is said of one reader. A verdict is added where the state comes from a reply.
_OF_ONE: dict[Fate, str] = {
    (_S.ACCEPTED, None): "accepted by the relay",
    (_S.REJECTED, None): "refused",
    (_S.EXPIRED, None): "given up after 48 hours",
    (_S.EXPIRED, _R.SUPERSEDED): "overtaken by the next issue",
    (_S.CANCELLED, _R.LEFT): "left before their turn",
    (_S.CANCELLED, _R.STOPPED): "stopped by an operator",
    (_S.SUPPRESSED, None): "suppressed before their turn",
    (_S.SKIPPED, None): "wanted nothing of it, or takes a rest",
    (_S.HELD, _R.IN_DOUBT): "perhaps sent; waits for you to decide",
    (_S.HELD, _R.POISON): "its message breaks the sender; waits for you to decide",
    (_S.HELD, _R.BREAKER): "held by a brake until you resume",
    (_S.DEFERRED, None): "not yet, it is tried again",
    (_S.SENDING, None): "being handed to the relay",
    (_S.QUEUED, None): "waits for its turn",
}
_FROM_A_REPLY = frozenset({_S.REJECTED, _S.EXPIRED, _S.DEFERRED})


def why(
    state: DeliveryState,
    reason: StateReason | None,
    verdict: Reason | None = None,
    *,
    blame: Blame | None = None,
) -> str:
    """What became of one delivery, with the class of the last reply where that is the cause."""
    said = _OF_ONE.get((state, reason)) or _OF_ONE.get((state, None)) or state.value
    cause = verdict_words(verdict, blame=blame) if state in _FROM_A_REPLY else ""
    if not cause:
        return said
    if state is DeliveryState.REJECTED:
        return f"refused for {cause}" if cause.startswith(OURS) else cause
    return f"{said}: {cause}"


def attempt_words(
    verdict: Reason | None, *, blame: Blame | None = None, accepted: bool = False
) -> str:
    """What one attempt came to."""
    if accepted:
        return "accepted"
    return verdict_words(verdict, blame=blame) or "not accepted"


def receipt_sentence(state: IssueState, accepted: int, planned: int) -> str:
    """The first sentence of a receipt."""
    if not planned:
        return "nobody was planned for it yet."
    everybody = accepted == planned
    noun = "reader" if planned == 1 else "readers"
    have = f"{accepted:,} of {planned:,} {noun}"
    if everybody:
        have = "its only reader" if planned == 1 else f"all {planned:,} readers"
    said = f"it was accepted by the relay for {have}"
    if everybody or state is IssueState.FINISHED:
        return f"{said}."
    if state is IssueState.SENDING:
        return f"so far {said}."
    return f"{said} before it was {state}."
