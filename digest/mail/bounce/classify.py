"""Why a server refused: the class of a diagnosis by its codes, its words and the command refused.

RFC 3463 and the IANA registry of enhanced status codes, RFC 5321 §4.2.3, RFC 7372, RFC 7504, RFC
7505, RFC 8616.

Servers put 5.1.1 on blocked senders and 550 on full mailboxes, so the order is: words that
contradict codes whenever they are used (provider's own codes, full mailboxes, blocklists), the
enhanced code where it is exact, all other words, the enhanced code where it is vague, the basic
code. After the final dot "unknown user" does not say that the address is dead, unless the code says
it, too.
"""

from __future__ import annotations

import re
from enum import StrEnum

from digest.mail.bounce import provider_codes
from digest.mail.bounce.matching import Words
from digest.mail.bounce.reason import Reason
from digest.mail.bounce.reason_texts import DECISIVE, TEXTS

TEXT_MAX = 2_000  # characters of a diagnosis that are looked at


class Command(StrEnum):
    """The command of the SMTP session that was refused, where a report tells."""

    UNKNOWN = ""
    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"


# How reports name the command. The first row found wins; the earliest command is not always first.
_COMMANDS: tuple[tuple[Command, tuple[str, ...]], ...] = (
    (
        Command.RCPT,
        ("in reply to rcpt to", "after rcpt to", "after recipient command", "[rcpt_to]", "[rcpt]"),
    ),
    (
        Command.DATA,
        (
            *("in reply to end of data", "in reply to data", "in reply to bdat", "end of data"),
            *("after data", "after sending data block", "our final data", "did not like our data"),
            *("failed after i sent the message", "failed on data command", "after message content"),
            *(">>> data", "smtp command data", "[data]", "in response to the data command"),
        ),
    ),
    (
        Command.MAIL,
        (
            *("in reply to mail from", "after mail from", "after pipelined mail from"),
            *("did not like our mail from", "sender was rejected", "[mail_from]", "[mail]"),
        ),
    ),
    (
        Command.CONNECT,
        (
            *("while receiving the initial server greeting", "initial connection", "after connect"),
            *("in reply to ehlo", "in reply to helo", "in reply to starttls", "after ehlo"),
            *("after helo", "performing the helo handshake", "performing the ehlo handshake"),
            *("did not like our ehlo", "did not like our helo"),
            *("but greeting failed", "but my name was rejected"),
        ),
    ),
    (Command.RCPT, (">>> rcpt to", "in response to the rcpt to", "does not like recipient")),
    (Command.MAIL, (">>> mail from", "in response to the mail from", "mail from command")),
    (Command.RCPT, ("rcpt to", "rcpt command", ":rcpt", "after rcpt", "command rcpt")),
)

_GREETINGS = ("<<< 421", "<<< 554")  # RFC 5321 §4.3.2: what a server may open with but 220
_REFUSAL = re.compile(r"<<< [45]\d\d")
_SENT = {
    "rcpt": Command.RCPT,
    "mail": Command.MAIL,
    "data": Command.DATA,
    "ehlo": Command.CONNECT,
    "helo": Command.CONNECT,
}
_EXACT: dict[str, Reason] = {
    "1.1": Reason.USER_UNKNOWN,
    "1.2": Reason.HOST_UNKNOWN,
    "1.3": Reason.USER_UNKNOWN,
    "1.4": Reason.FILTERED,
    "1.6": Reason.HAS_MOVED,
    "1.7": Reason.REJECTED,
    "1.8": Reason.REJECTED,
    "1.9": Reason.SYSTEM_ERROR,
    "1.10": Reason.NOT_ACCEPT,
    "2.2": Reason.MAILBOX_FULL,
    "2.3": Reason.EXCEED_LIMIT,
    "2.4": Reason.FILTERED,
    "3.1": Reason.SYSTEM_FULL,
    "3.2": Reason.NOT_ACCEPT,
    "3.4": Reason.MESSAGE_TOO_BIG,
    "4.1": Reason.NETWORK_ERROR,
    "4.2": Reason.NETWORK_ERROR,
    "4.4": Reason.HOST_UNKNOWN,
    "4.5": Reason.SYSTEM_FULL,
    "4.6": Reason.NETWORK_ERROR,
    "4.7": Reason.EXPIRED,
    "5.3": Reason.SYNTAX_ERROR,
    "6.7": Reason.CONTENT_ERROR,
    "7.7": Reason.SECURITY_ERROR,
    "7.8": Reason.SECURITY_ERROR,
    "7.10": Reason.FAILED_STARTTLS,
    "7.13": Reason.SUSPEND,
    "7.17": Reason.HAS_MOVED,
    "7.18": Reason.HAS_MOVED,
    "7.20": Reason.AUTH_FAILURE,
    "7.21": Reason.AUTH_FAILURE,
    "7.22": Reason.AUTH_FAILURE,
    "7.23": Reason.AUTH_FAILURE,
    "7.24": Reason.AUTH_FAILURE,
    "7.25": Reason.REQUIRE_PTR,
    "7.26": Reason.AUTH_FAILURE,
    "7.27": Reason.REJECTED,
    "7.28": Reason.SPEEDING,
    "7.29": Reason.FAILED_STARTTLS,
    "7.30": Reason.AUTH_FAILURE,
}
_VAGUE: dict[str, Reason] = {
    "2.1": Reason.SUSPEND,
    "1": Reason.FILTERED,
    "2": Reason.FILTERED,
    "3": Reason.SYSTEM_ERROR,
    "4": Reason.NETWORK_ERROR,
    "5": Reason.SYNTAX_ERROR,
    "6": Reason.CONTENT_ERROR,
    "7": Reason.POLICY_VIOLATION,
}
_BASIC: dict[str, Reason] = {
    "421": Reason.EXPIRED,
    "450": Reason.ON_HOLD,
    "451": Reason.SYSTEM_ERROR,
    "452": Reason.SYSTEM_FULL,
    "500": Reason.SYNTAX_ERROR,
    "501": Reason.SYNTAX_ERROR,
    "502": Reason.SYNTAX_ERROR,
    "503": Reason.SYNTAX_ERROR,
    "504": Reason.SYNTAX_ERROR,
    "521": Reason.NOT_ACCEPT,
    "530": Reason.SECURITY_ERROR,
    "535": Reason.SECURITY_ERROR,
    "550": Reason.ON_HOLD,
    "551": Reason.HAS_MOVED,
    "552": Reason.EXCEED_LIMIT,
    "553": Reason.ON_HOLD,
    "554": Reason.ON_HOLD,
    "556": Reason.NOT_ACCEPT,
}

HARD = frozenset({Reason.USER_UNKNOWN, Reason.HOST_UNKNOWN, Reason.HAS_MOVED})
_VAGUE_AT_CONNECT = frozenset({Reason.ON_HOLD, Reason.SECURITY_ERROR})
_OF_RECIPIENTS = HARD | {Reason.SUSPEND, Reason.FILTERED, Reason.MAILBOX_FULL}


def classify(text: str, *, status: str = "", reply: str = "", command: Command) -> Reason:
    """The class of a diagnosis: its ``text``, its enhanced ``status``, its basic ``reply`` code."""
    words = Words(diagnosis(text))
    detail = status[2:]
    told = words.first_match(provider_codes.PROVIDER_CODES)
    if told is not None:
        return told
    found = (
        words.first_match(DECISIVE)
        or _EXACT.get(detail)
        or words.first_match(TEXTS)
        or _VAGUE.get(detail)
        or (None if detail.startswith("0") else _VAGUE.get(detail.partition(".")[0]))
    )
    if found is None:
        found = _BASIC.get(reply, Reason.ON_HOLD if status or reply else Reason.UNDEFINED)
    return _at_command(found, status=status, reply=reply, command=command)


def _at_command(found: Reason, *, status: str, reply: str, command: Command) -> Reason:
    """``found``, as far as a server can mean it at ``command``."""
    if command is Command.MAIL and found in _OF_RECIPIENTS:
        return Reason.REJECTED  # nobody was named yet: it is the sender that was refused
    if command is Command.CONNECT and (found in _OF_RECIPIENTS or found in _VAGUE_AT_CONNECT):
        return Reason.BLOCKED
    if found is Reason.USER_UNKNOWN and _EXACT.get(status[2:]) is not found:
        vague = status[2:] in ("0.0", "5.0") or status[2:4] == "1."
        # After the final dot, or where no command is told, "unknown user" of another server does
        # not say that the address is dead: some answer so to senders they do not like.
        if command is Command.DATA or (reply and command is not Command.RCPT and not vague):
            return Reason.FILTERED
    if found is Reason.HOST_UNKNOWN and reply and command is Command.DATA:
        return Reason.REJECTED  # a server that was reached means the sender's domain
    if found is Reason.HOST_UNKNOWN and status[:1] == "4":
        return Reason.NETWORK_ERROR  # DNS had no answer this time
    return found


def is_hard(reason: Reason, *, status: str, reply: str) -> bool:
    """Whether ``reason`` means that the address, or its whole domain, takes no mail any more."""
    if reason is Reason.NOT_ACCEPT:
        return status[:1] != "4" and reply[:1] != "4"
    return reason in HARD


def command_of(text: str) -> Command:
    """The command that was refused, as ``text`` (lower case) tells it."""
    text = " ".join(text.split())  # the words of "in reply to RCPT TO" may stand on two lines
    refused = _REFUSAL.search(text)
    sent = text.rfind(">>> ", 0, refused.start()) if refused else -1
    if sent >= 0:
        # A transcript goes on after the refusal (">>> DATA", "503 need RCPT").
        return _SENT.get(text[sent + 4 : sent + 8], Command.UNKNOWN)
    if refused and refused[0] in _GREETINGS and "while talking to" in text[: refused.start()]:
        return Command.CONNECT  # it was refused before anything was said
    for command, told in _COMMANDS:
        if any(phrase in text for phrase in told):
            return command
    return Command.UNKNOWN


def diagnosis(text: str) -> str:
    """``text`` in lower case on one line, without addresses: a local part decides nothing."""
    words = text[:TEXT_MAX].lower().split()
    return " ".join(word if "@" not in word else _tail(word) for word in words)


def _tail(word: str) -> str:
    if ">" in word:
        return "<>" + word.rpartition(">")[2]
    return word if "://" in word else "<>"
