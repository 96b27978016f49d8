"""The words for why a mail came back: those of Sisimai, which the field knows.

Most of them are classes of RFC 3463; what each does to a reader is decided elsewhere.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a mail came back, or did not arrive: 36 words."""

    AUTH_FAILURE = "authfailure"
    BAD_REPUTATION = "badreputation"
    BLOCKED = "blocked"
    CONTENT_ERROR = "contenterror"
    DELIVERED = "delivered"
    EXCEED_LIMIT = "exceedlimit"
    EXPIRED = "expired"
    FAILED_STARTTLS = "failedstarttls"
    FEEDBACK = "feedback"
    FILTERED = "filtered"
    HAS_MOVED = "hasmoved"
    HOST_UNKNOWN = "hostunknown"
    MAILBOX_FULL = "mailboxfull"
    MAILER_ERROR = "mailererror"
    MESSAGE_TOO_BIG = "mesgtoobig"
    NETWORK_ERROR = "networkerror"
    NO_RELAYING = "norelaying"
    NOT_ACCEPT = "notaccept"
    NOT_COMPLIANT = "notcompliantrfc"
    ON_HOLD = "onhold"
    POLICY_VIOLATION = "policyviolation"
    REJECTED = "rejected"
    REQUIRE_PTR = "requireptr"
    SECURITY_ERROR = "securityerror"
    SPAM_DETECTED = "spamdetected"
    SPEEDING = "speeding"
    SUPPRESSED = "suppressed"
    SUSPEND = "suspend"
    SYNTAX_ERROR = "syntaxerror"
    SYSTEM_ERROR = "systemerror"
    SYSTEM_FULL = "systemfull"
    TOO_MANY_CONNECTIONS = "toomanyconn"
    UNDEFINED = "undefined"
    USER_UNKNOWN = "userunknown"
    VACATION = "vacation"
    VIRUS_DETECTED = "virusdetected"


# A table of reasons: each with its phrases, parted by bars; the first phrase that fits wins.
Rows = tuple[tuple[Reason, str], ...]
