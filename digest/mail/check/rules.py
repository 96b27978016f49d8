"""What can be wrong with a message: one row a code, with the rule that says so and what to do.

Codes are stable: scripts and ``docs/reference/message-check.md`` name them. An error breaks a
standard, or makes a large receiver refuse or hide the message; a warning costs reputation or
readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Errors make ``digest message check`` end with 1."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table. ``why`` names the standard or the receiver."""

    code: str
    severity: Severity
    why: str
    fix: str


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing to look at, in ``line`` (from 1) of the file."""

    line: int
    code: str
    message: str

    @property
    def rule(self) -> Rule:
        """The row of the table behind it."""
        return RULES[self.code]


_E, _W = Severity.ERROR, Severity.WARNING
_ONE_CLICK = "RFC 8058 §3.1; Gmail and Yahoo ask for it from 5,000 messages a day on"

_TABLE = (
    # The wire.
    Rule("not-a-message", _E, "RFC 5322 §2.1", "Give one message as it is sent, with its header."),
    Rule(
        "lf-only", _W, "RFC 5321 §2.3.8", "Nothing, if only this file was saved so: mail has CRLF."
    ),
    Rule(
        "bare-lf",
        _E,
        "RFC 5321 §2.3.8; servers refuse it since SMTP smuggling",
        "End lines in CRLF.",
    ),
    Rule("bare-cr", _E, "RFC 5321 §2.3.8", "End lines in CRLF, and encode a CR that is content."),
    Rule("nul", _E, "RFC 5322 §4 (obsolete, must not be generated)", "Encode the part as base64."),
    Rule("line-length", _E, "RFC 5322 §2.1.1: 998 octets", "Encode the part as quoted-printable."),
    Rule("header-line-length", _W, "RFC 5322 §2.1.1: 78 characters", "Fold at a blank."),
    Rule("eight-bit-header", _E, "RFC 5322 §2.2", "Write an encoded-word (RFC 2047)."),
    Rule("smtputf8", _W, "RFC 6531 §3.4", "Send it only through relays that announce SMTPUTF8."),
    Rule("eight-bit-body", _E, "RFC 2045 §2.8, RFC 6152", "Encode the part, or say 8bit."),
    Rule("eight-bit-mime", _W, "RFC 6152: not every server takes 8bit", "Use quoted-printable."),
    Rule("final-line-end", _E, "RFC 5321 §4.1.1.4", "End the last line in CRLF."),
    # Fields.
    Rule(
        "field-syntax", _E, "RFC 5322 §2.2", "Write NAME: value, without a blank before the colon."
    ),
    Rule(
        "missing-field",
        _E,
        "RFC 5322 §3.6; Gmail refuses mail without Message-ID",
        "Add it.",
    ),
    Rule("missing-to", _W, "RFC 5322 §3.6.3; filters count it against you", "Name the one reader."),
    Rule("duplicate-field", _E, "RFC 5322 §3.6; Gmail refuses it", "Keep one."),
    Rule("from-mailboxes", _E, "RFC 9989: DMARC needs one From domain", "Name one sender."),
    Rule("address-syntax", _E, "RFC 5322 §3.4, RFC 5321 §4.1.2", "Write Name <local@domain>."),
    Rule(
        "idn-domain", _E, "RFC 5890: U-labels only with SMTPUTF8", "Write the domain in A-labels."
    ),
    Rule("bcc", _E, "RFC 5322 §3.6.3: shows every reader the others", "Leave it out."),
    Rule("many-recipients", _W, "One message for each reader keeps them secret", "Send one each."),
    Rule("date-syntax", _E, "RFC 5322 §3.3", "Like Thu, 26 Nov 2026 08:00:00 +0000."),
    Rule("message-id-syntax", _E, "RFC 5322 §3.6.4", "Like <unique@your.domain>."),
    Rule(
        "personal-data", _E, "Ids end up in logs of others", "Use a token instead of the address."
    ),
    Rule("empty-subject", _W, "SpamAssassin MISSING_SUBJECT", "Say what it is about."),
    Rule("encoded-word", _E, "RFC 2047 §2, §5", "Encode whole characters, 75 at most a word."),
    Rule(
        "encoded-word-place", _E, "RFC 2047 §5: never in an address or a URI", "Write it as ASCII."
    ),
    # Lists.
    Rule("no-list-unsubscribe", _W, _ONE_CLICK, "Add it, unless this is no bulk mail."),
    Rule("list-unsubscribe-missing", _E, _ONE_CLICK, "Add List-Unsubscribe: <https://…>."),
    Rule(
        "list-unsubscribe-syntax", _E, "RFC 2369 §2", "Write <https://…>, <mailto:…> and no more."
    ),
    Rule("list-unsubscribe-https", _E, _ONE_CLICK, "Give exactly one https: URI."),
    Rule("list-unsubscribe-post", _E, _ONE_CLICK, "Write List-Unsubscribe=One-Click, no more."),
    Rule("one-click-missing", _W, _ONE_CLICK, "Add List-Unsubscribe-Post."),
    Rule("list-id-syntax", _E, "RFC 2919 §3", "Like A Weekly <weekly.news.example.org>."),
    Rule(
        "feedback-id",
        _W,
        "Gmail's feedback loop: a:b:c:sender",
        "Four fields, the last of 5 to 15.",
    ),
    # MIME.
    Rule("mime-version", _E, "RFC 2045 §4", "Add MIME-Version: 1.0."),
    Rule("content-type", _E, "RFC 2045 §5.1", "Like text/plain; charset=utf-8."),
    Rule("boundary-missing", _E, "RFC 2046 §5.1.1", "Name a boundary and write it between parts."),
    Rule("boundary-open", _E, "RFC 2046 §5.1.1", "End with the line --BOUNDARY--."),
    Rule("too-deep", _E, "Parsers give up", "Nest parts less."),
    Rule(
        "transfer-encoding",
        _E,
        "RFC 2045 §6",
        "7bit, quoted-printable or base64; a multipart 7bit.",
    ),
    Rule(
        "quoted-printable",
        _E,
        "RFC 2045 §6.7",
        "Encode anew: =XX, lines of 76, no blank at an end.",
    ),
    Rule("base64", _E, "RFC 2045 §6.8", "Encode anew, in lines of 76."),
    Rule("charset", _E, "RFC 2046 §4.1.2", "Say utf-8 and write UTF-8."),
    Rule("text-after-html", _E, "RFC 2046 §5.1.4: the last part wins", "Put text/plain first."),
    Rule("html-only", _W, "SpamAssassin MIME_HTML_ONLY", "Add a text part."),
    Rule("empty-text", _W, "SpamAssassin MPART_ALT_DIFF", "Say in text what the HTML says."),
    Rule("link-not-in-text", _W, "Readers of the text cannot follow it", "Write it into the text."),
    Rule("size", _E, "Gmail cuts at about 102 KB, the footer first", "Leave things out: 90 KB."),
    Rule("size-warning", _W, "Gmail cuts at about 102 KB, the footer first", "Stay under 70 KB."),
    # DKIM.
    Rule("dkim-syntax", _E, "RFC 6376 §3.5", "Sign anew."),
    Rule("dkim-body", _E, "RFC 6376 §3.7: the body was changed", "Sign last, and change nothing."),
    Rule("dkim-algorithm", _E, "RFC 8301 §3.1", "Sign with rsa-sha256."),
    Rule("dkim-from", _E, "RFC 6376 §5.4", "Cover From."),
    Rule(
        "dkim-one-click", _E, "RFC 8058 §3.1", "Cover List-Unsubscribe and List-Unsubscribe-Post."
    ),
    Rule("dkim-alignment", _E, "RFC 9989: d= must be of From's domain", "Sign for From's domain."),
    Rule("dkim-length", _W, "RFC 6376 §8.2: l= lets text be added", "Sign without l=."),
)

RULES: Mapping[str, Rule] = {rule.code: rule for rule in _TABLE}
