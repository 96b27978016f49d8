"""What a reply of an SMTP server means for one delivery: state, blame, reason, and what it counts.

One table; the first row that fits wins. The enhanced code decides before the basic code, the text
comes last (RFC 3463, RFC 2034; codes of RFC 7372, RFC 7504, RFC 7505, RFC 8616 and of receivers). A
5.x.x in a 4xx reply stays temporary, and a 4.x.x in a 5xx reply makes it so: doubt never counts
against a reader. Rejections about our address, domain, authentication or content blame the
destination, the message or the relay and count nothing. After the final dot only an explicit
5.1.1, 5.1.2, 5.1.3, 5.1.6 or 5.1.10 blames the recipient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from digest.mail.reply import Reply
from digest.rules.delivery import DeliveryState


class Phase(StrEnum):
    """How far a transaction had come when the reply, or the silence, came."""

    COMPOSE = "compose"
    CONNECT = "connect"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class Blame(StrEnum):
    """Whose fault it is, so who is to be spared or slowed down."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    DESTINATION = "destination"
    RELAY = "relay"


class Counts(StrEnum):
    """What a final failure with this reason does to the reader."""

    HARD = "hard"  # suppress at once
    HOST = "host"  # the domain: suppress when DNS says so twice, else soft
    CLOSED = "closed"  # suspended: suppress at the second issue in a row
    SOFT = "soft"  # one point of the score
    NOTHING = "nothing"  # our fault, not theirs


class Reason(StrEnum):
    """The class of a reply; the words are the field's (bounce reasons of RFC 3463 and Sisimai)."""

    USER_UNKNOWN = "userunknown"
    HAS_MOVED = "hasmoved"
    HOST_UNKNOWN = "hostunknown"
    SUSPENDED = "suspend"
    NOT_ACCEPTING = "notaccept"
    GREYLISTED = "greylist"
    SPEEDING = "speeding"
    FILTERED = "filtered"
    UNDEFINED = "undefined"
    MAILBOX_FULL = "mailboxfull"
    EXCEEDS_LIMIT = "exceedlimit"
    EXPIRED = "expired"
    NETWORK = "networkerror"
    SYSTEM = "systemerror"
    SYSTEM_FULL = "systemfull"
    TOO_BIG = "mesgtoobig"
    NOT_ASCII = "notascii"
    SENDER = "rejected"
    LOGIN = "login"  # the relay wants other credentials: nothing to do with any reader
    NO_RELAYING = "norelaying"
    BLOCKED = "blocked"
    NO_PTR = "requireptr"
    NO_AUTHENTICATION = "authfailure"
    NO_TLS = "failedstarttls"
    POLICY = "policyviolation"
    SPAM = "spamdetected"
    VIRUS = "virusdetected"
    CONTENT = "contenterror"
    SYNTAX = "syntaxerror"
    PROTOCOL = "notcompliantrfc"
    SILENCE = "silence"  # no reply at all
    INTERNAL = "internal"  # an error of ours before anything was sent


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to write into the row, and what it means beyond it."""

    state: DeliveryState
    blame: Blame | None = None  # None: accepted
    reason: Reason | None = None
    counts: Counts = Counts.NOTHING

    @property
    def throttles(self) -> bool:
        """Whether the destination asks us to slow down."""
        return self.reason in (Reason.SPEEDING, Reason.GREYLISTED)


@dataclass(frozen=True, slots=True)
class Row:
    """One class of replies. Every condition that is given must hold."""

    reason: Reason
    blame: Blame
    counts: Counts = Counts.NOTHING
    statuses: tuple[str, ...] = ()  # "5.1.1"; "x" stands for any class, "*" for any detail
    codes: frozenset[int] = frozenset()
    words: re.Pattern[str] | None = None
    temporary: bool = False  # to be tried again, whatever the code says

    def fits(self, reply: Reply, status: str | None) -> bool:
        if self.statuses and not any(_same(pattern, status) for pattern in self.statuses):
            return False
        if self.codes and reply.code not in self.codes:
            return False
        return self.words is None or self.words.search(reply.text) is not None


def _same(pattern: str, status: str | None) -> bool:
    if status is None:
        return False
    wanted, found = pattern.split("."), status.split(".")
    return all(w in ("x", "*") or w == f for w, f in zip(wanted, found, strict=True))


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_GREYLIST = _words(r"gr[ae]y.?list", r"first (contact|attempt)", r"try again (later|in)\b")
_BLOCKED = _words(
    r"\bspamhaus\b|spamcop|barracuda|sorbs|\bRBL\b|DNSBL|\bSBL\b|\[BL\d*|\[TSS\d+\]|\[IPTS\d+\]",
    r"(black|block|deny|reject).?list|listed (at|by|in|on)\b|\bblocked\b|\bbanned\b",
    r"\breputation\b|poor sender|unsolicited|\b(JunkMail|bulk mail) rejected\b",
)
_AUTHENTICATION = _words(
    r"\bDMARC\b|\bDKIM\b|\bSPF\b|does not meet the required authentication|unauthenticated",
)
_NO_PTR = _words(r"\bPTR\b|reverse (DNS|lookup|hostname)|does not resolve|\bFCrDNS\b")
_SPAM = _words(r"\bspam\b|\bjunk\b|content (rejected|filter)")
_VIRUS = _words(r"\bvirus|malware|infected")
_RELAYING = _words(r"relay(ing)? (access )?(denied|not permitted|not allowed|prohibited)")
_RELAYING_TOO = _words(r"(unable|not (allowed|permitted)) to relay|do(es)? not relay|no relay")
_NO_USER = _words(
    r"(user|recipient|mailbox|account|address|alias)\b.{0,40}\b(unknown|not found|not exist|"
    r"doesn.t exist|does not have|invalid|unavailable|not valid|not known|not listed)",
    r"(unknown|invalid|no such|non.?existent|bad|undeliverable) "
    r"(local |virtual |destination )?(user|recipient|mailbox|account|address|alias|person)",
    r"no mailbox (here )?by that name|does not exist( here)?\b|no longer (valid|exists)",
)
_SUSPENDED = _words(r"(suspended|disabled|deactivated|inactive|locked|closed)\b")
_FULL = _words(r"(mailbox|inbox|quota|storage)\b.{0,30}\b(full|exceeded|over)|over ?quota|full\b")
_TOO_BIG = _words(r"(message|size)\b.{0,30}\b(too (big|large)|exceeds|limit)")
_NOT_ASCII = _words(r"SMTPUTF8|non.?ascii|internationali[sz]ed")
_NO_HOST = _words(r"(host|domain)\b.{0,20}\b(not found|unknown|does not exist)|null ?MX|\bnullMX")
# Who asks a server of ours about the sender, or looks at our name, may say "no such user" of it.
_OUR_SENDER = _words(
    r"\bsender\b.{0,30}\b(verif|not verified|rejected|denied|unknown|not found|not exist|invalid)",
    r"\b(verify|verifying|verification of|unknown|invalid|bad|forged) (the |your )?(sender|return)",
    r"\bsender (address )?doesn.t exist|\bcall-?(back|out)\b|\breverse.?path\b|\bMAIL FROM\b",
    r"\b(HELO|EHLO)\b|\byour (domain|host|mail server|server)\b|too many (invalid|unknown) ",
    r"does not exist.{0,20}\bsender\b|\bfrom unknown host\b",
)
_LISTED = _words(
    r"spamhaus|spamcop|\bRBL\b|DNSBL|(black|block|deny).?list|client host\b.{0,40}block"
)
_OVER_QUOTA = _words(r"over ?quota|quota exceeded|(mailbox|inbox) (is )?full")
_RATE = _words(r"too many|rate (limit|of)|unusual rate|temporarily deferred|slow down|throttl")

_R, _M, _D, _RELAY = Blame.RECIPIENT, Blame.MESSAGE, Blame.DESTINATION, Blame.RELAY
_TRY_LATER = frozenset({450, 451})
_REFUSED = frozenset({550, 551, 553, 554})

TABLE: tuple[Row, ...] = (
    # Words that nobody writes of a dead address, whatever the code beside them says.
    Row(Reason.BLOCKED, _D, statuses=("x.1.1",), words=_LISTED),
    Row(Reason.SENDER, _RELAY, statuses=("x.1.1", "x.1.2"), words=_OUR_SENDER),
    Row(Reason.MAILBOX_FULL, _R, Counts.SOFT, statuses=("x.1.1",), words=_OVER_QUOTA),
    # By enhanced code: about the address, then about speed, then about the system, then about us.
    Row(Reason.USER_UNKNOWN, _R, Counts.HARD, ("x.1.1", "x.1.3", "x.7.17")),
    Row(Reason.HAS_MOVED, _R, Counts.HARD, ("x.1.6",)),
    Row(Reason.HOST_UNKNOWN, _R, Counts.HOST, ("x.1.2", "x.1.10", "x.4.4")),
    Row(Reason.SENDER, _RELAY, statuses=("x.1.7", "x.1.8")),
    Row(Reason.SUSPENDED, _R, Counts.CLOSED, ("5.2.1", "5.7.13")),
    Row(Reason.NOT_ACCEPTING, _R, Counts.CLOSED, ("5.3.2",)),
    Row(Reason.LOGIN, _RELAY, statuses=("x.7.*",), codes=frozenset({454, 530, 534, 535, 538})),
    Row(Reason.GREYLISTED, _D, statuses=("4.7.*", "4.2.0"), codes=_TRY_LATER, words=_GREYLIST),
    # These exact codes stand before the wider 4.3.* and 4.4.* below, which would swallow them.
    Row(Reason.SPEEDING, _D, statuses=("4.7.*", "4.2.1", "4.3.2", "4.4.5", "4.5.3")),
    Row(Reason.MAILBOX_FULL, _R, Counts.SOFT, ("x.2.2",)),
    Row(Reason.EXCEEDS_LIMIT, _R, Counts.SOFT, ("x.2.3",)),
    Row(Reason.FILTERED, _R, Counts.SOFT, ("x.2.*",)),
    Row(Reason.TOO_BIG, _M, statuses=("x.3.4",)),
    Row(Reason.SYSTEM_FULL, _D, Counts.SOFT, ("x.3.1",)),
    Row(Reason.SYSTEM, _D, Counts.SOFT, ("x.3.*",)),
    Row(Reason.EXPIRED, _D, Counts.SOFT, ("x.4.7",)),
    Row(Reason.NETWORK, _D, Counts.SOFT, ("x.4.*",)),
    Row(Reason.NO_PTR, _D, statuses=("x.7.25",)),
    Row(Reason.NO_AUTHENTICATION, _D, statuses=tuple(f"x.7.{n}" for n in (20, 21, 22, 23, 24))),
    Row(Reason.NO_AUTHENTICATION, _D, statuses=("x.7.26", "x.7.27", "x.7.30", "x.7.515")),
    Row(Reason.NO_TLS, _D, statuses=("x.7.10", "x.7.29")),
    Row(Reason.NO_RELAYING, _RELAY, statuses=("x.7.*",), words=_RELAYING),
    Row(Reason.VIRUS, _M, statuses=("x.7.*",), words=_VIRUS),
    Row(Reason.BLOCKED, _D, statuses=("x.7.*",), words=_BLOCKED),
    Row(Reason.NO_AUTHENTICATION, _D, statuses=("x.7.*",), words=_AUTHENTICATION),
    Row(Reason.SPAM, _M, statuses=("x.7.*",), words=_SPAM),
    Row(Reason.POLICY, _D, statuses=("x.7.*",)),
    Row(Reason.NOT_ASCII, _R, statuses=("x.6.7",)),
    Row(Reason.CONTENT, _M, statuses=("x.6.*",)),
    Row(Reason.SYNTAX, _M, statuses=("x.5.*",)),
    # By basic code.
    Row(Reason.LOGIN, _RELAY, codes=frozenset({454, 530, 534, 535, 538}), temporary=True),
    Row(Reason.HOST_UNKNOWN, _R, Counts.HOST, codes=frozenset({556})),
    Row(Reason.NOT_ACCEPTING, _R, Counts.CLOSED, codes=frozenset({521})),
    Row(Reason.GREYLISTED, _D, codes=_TRY_LATER, words=_GREYLIST),
    Row(Reason.SPEEDING, _RELAY, codes=frozenset({421})),
    Row(Reason.SYNTAX, _M, codes=frozenset({500, 501, 502, 503, 504, 555})),
    # By text: what blames us comes first, so that doubt never counts against a reader.
    Row(Reason.VIRUS, _M, words=_VIRUS),
    Row(Reason.NO_PTR, _D, words=_NO_PTR),
    Row(Reason.NO_AUTHENTICATION, _D, words=_AUTHENTICATION),
    Row(Reason.BLOCKED, _D, words=_BLOCKED),
    Row(Reason.SENDER, _RELAY, codes=_REFUSED, words=_OUR_SENDER),
    Row(Reason.NO_RELAYING, _RELAY, words=_RELAYING),
    Row(Reason.NO_RELAYING, _RELAY, words=_RELAYING_TOO),
    Row(Reason.SPAM, _M, words=_SPAM),
    Row(Reason.SPEEDING, _D, codes=frozenset({450, 451, 452}), words=_RATE),
    Row(Reason.NOT_ASCII, _R, codes=frozenset({550, 553}), words=_NOT_ASCII),
    Row(Reason.TOO_BIG, _M, codes=frozenset({552, 554}), words=_TOO_BIG),
    Row(Reason.MAILBOX_FULL, _R, Counts.SOFT, words=_FULL),
    Row(Reason.HOST_UNKNOWN, _R, Counts.HOST, codes=_REFUSED, words=_NO_HOST),
    Row(Reason.SUSPENDED, _R, Counts.CLOSED, codes=_REFUSED, words=_SUSPENDED),
    Row(Reason.USER_UNKNOWN, _R, Counts.HARD, codes=_REFUSED, words=_NO_USER),
    # RFC 5321 §4.5.3.1.10: 552 counts as temporary.
    Row(Reason.EXCEEDS_LIMIT, _R, Counts.SOFT, codes=frozenset({552}), temporary=True),
    Row(Reason.UNDEFINED, _R, Counts.SOFT, codes=_REFUSED),
)
_NO_ROW_TEMPORARY = Row(Reason.SYSTEM, _D, Counts.SOFT)
_NO_ROW = Row(Reason.UNDEFINED, _R, Counts.SOFT)
_ACCEPTED = Verdict(DeliveryState.ACCEPTED)
_NO_SENSE = Verdict(DeliveryState.DEFERRED, Blame.RELAY, Reason.PROTOCOL)
_ABOUT_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
_AFTER_RCPT = frozenset({Phase.DATA, Phase.DOT})


def judge(reply: Reply, phase: Phase) -> Verdict:
    """The verdict on ``reply``, which ended the transaction in ``phase``.

    A positive reply means accepted after the final dot and makes no sense elsewhere: such a
    transaction is tried again, at the relay's expense.
    """
    if reply.positive and phase is Phase.DOT:
        return _ACCEPTED
    if not 400 <= reply.code <= 599:
        return _NO_SENSE
    temporary = reply.code < 500 or (reply.status or "").startswith("4")
    row = _find(reply, temporary=temporary)
    temporary = temporary or row.temporary
    blame, counts = row.blame, row.counts
    if phase is Phase.MAIL and blame is Blame.RECIPIENT:
        blame = Blame.RELAY  # no recipient was named yet: it is our sender that is refused
    elif phase in _AFTER_RCPT:
        blame = _blame_after_rcpt(reply, blame, temporary=temporary)
    if blame is not row.blame:
        counts = Counts.NOTHING
    state = DeliveryState.DEFERRED if temporary else DeliveryState.REJECTED
    return Verdict(state, blame, row.reason, counts)


def _find(reply: Reply, *, temporary: bool) -> Row:
    status = reply.status
    if status is not None:
        status = ("4" if temporary else "5") + status[1:]
        if status.endswith(".0.0"):
            status = None  # "other, undefined": says nothing the basic code and the text do not
    for row in TABLE:
        if row.fits(reply, status):
            return row
    return _NO_ROW_TEMPORARY if temporary else _NO_ROW


def _blame_after_rcpt(reply: Reply, blame: Blame, *, temporary: bool) -> Blame:
    if reply.status in _ABOUT_ADDRESS and not temporary:
        return blame
    if temporary and blame is not Blame.RECIPIENT:
        return blame
    return Blame.MESSAGE
