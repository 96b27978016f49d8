"""What a mail that came back says, as values, and the verdict on one recipient.

A report *claims*: anybody can write one. Whom it may concern is decided by signed tokens elsewhere;
``Report.returned`` holds the returned headers in which one may stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from digest.mail.bounce.classify import TEXT_MAX, Command, classify, is_hard
from digest.mail.bounce.reason import Reason
from digest.mail.mime import Headers, Mail
from digest.mail.scan import REPLY, STATUS

RECIPIENTS_MAX = 100
EVIDENCE_MAX = 300  # characters of a diagnosis that are kept

_PERHAPS = re.compile(r"\b(?:may|might|possibly|perhaps|probably)\b")
_WEAK = frozenset({Reason.UNDEFINED, Reason.ON_HOLD})


class Kind(StrEnum):
    """What a mail that came back is."""

    BOUNCE = "bounce"
    DELAYED = "delayed"
    COMPLAINT = "complaint"
    AUTOREPLY = "autoreply"
    CHALLENGE = "challenge"
    MDN = "mdn"
    SUCCESS = "success"
    NOT_BOUNCE = "not-bounce"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a report. ``status`` and ``reply`` are "" where the report tells none."""

    address: str
    status: str = ""  # enhanced status code
    reply: str = ""  # basic code
    reason: Reason = Reason.UNDEFINED
    final: bool = False  # the server has given up
    hard: bool = False  # the address, or its domain, is dead
    evidence: str = ""  # what was said, shortened


@dataclass(frozen=True, slots=True)
class Report:
    """What a mail says. ``source`` names the rung of the ladder, and the family of the report."""

    kind: Kind
    recipients: tuple[Recipient, ...]
    returned: Headers
    source: str = ""
    complaint: str = ""  # the kind of a complaint: "abuse", "opt-out", …


@dataclass(frozen=True, slots=True)
class Mailed:
    """A mail taken apart: what its rungs look at."""

    mail: Mail
    text: str  # the report for people
    lowered: str
    returned: Headers

    @property
    def headers(self) -> Headers:
        return self.mail.headers


def judged(
    address: str,
    said: str,
    *,
    status: str,
    final: bool,
    command: Command,
    more: Callable[[], str] | None = None,
) -> Recipient:
    """One recipient with its reason; ``more`` is the rest of the report, if ``said`` is vague."""
    said = said[:TEXT_MAX]
    code = reply_in(said)
    own = status_in(said)
    if not status or (status[2:] in ("0.0", "1.0", "5.0", "4.0", "7.0") and own):
        status = own or status
    reason = classify(said, status=status, reply=code, command=command)
    if more is not None and (reason in _WEAK or not said.strip()):
        rest = _certain(more()[:TEXT_MAX])
        # Without a diagnosis no other server was asked: what is told is the reporter's own.
        wider = classify(
            rest, status=status, reply=code or (said and reply_in(rest)), command=command
        )
        code = code or reply_in(rest)
        reason = wider if wider is not Reason.UNDEFINED else reason
    hard = final and is_hard(reason, status=status, reply=code)
    return Recipient(
        address, status, code, reason, final=final, hard=hard, evidence=shortened(said)
    )


def _certain(text: str) -> str:
    """``text`` without lines of what may have happened, which reports explain at length."""
    return "\n".join(line for line in text.split("\n") if not _PERHAPS.search(line))


def status_in(text: str) -> str:
    """The first enhanced status code in ``text`` that says something, or the first, or ""."""
    found = STATUS.findall(text[:TEXT_MAX])
    # A gateway's own "5.1.0" stands before the code of the server it quotes.
    return next((code for code in found if not code.endswith(".0")), found[0] if found else "")


def reply_in(text: str) -> str:
    """The first basic code of a refusal in ``text``, or ""."""
    found = REPLY.search(text[:TEXT_MAX])
    return found[1] if found else ""


def shortened(text: str) -> str:
    """``text`` on one line of at most 300 characters."""
    return " ".join(text[: 2 * EVIDENCE_MAX].split())[:EVIDENCE_MAX]
