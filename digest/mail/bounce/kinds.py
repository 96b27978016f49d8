"""What kind of mail it is: by its sender, its subject and the words of its text.

RFC 3834 (Auto-Submitted, how to answer automatically); the rest is what programs write.
Auto-Submitted alone decides nothing: "auto-replied" stands on a third of all real bounces.
"""

from __future__ import annotations

from digest.mail.bounce.kind_words import (
    ARRIVED,
    AUTOMATIC_HEADERS,
    AUTOMATIC_SUBJECTS,
    AUTOMATIC_TEXTS,
    CHALLENGES,
    DAEMONS,
    DELAYED,
    FAILED_SUBJECTS,
    FAILURES,
    GIVEN_UP,
    NO_MORE,
    NOT_YET,
    QUOTING,
)
from digest.mail.mime import Headers, Mail


def from_daemon(headers: Headers) -> bool:
    """Whether a mail system, no person, is named as the sender."""
    sender = headers.words("from").lower()
    if sender == "<>" or sender.endswith(" <>"):
        return True
    name = sender.rpartition("@")[0] or sender  # what domains are called says nothing
    if name and any(daemon in name for daemon in DAEMONS):
        return True
    return "mailer-daemon" in headers.get("return-path").lower()


def has_failed_subject(headers: Headers) -> bool:
    """Whether the subject is one of bounces or delay notices."""
    subject = headers.words("subject").lower()
    return any(phrase in subject for phrase in FAILED_SUBJECTS)


def is_delayed(text: str, subject: str) -> bool:
    """Whether a report (lower case) says that the server still tries."""
    told = any(phrase in text for phrase in DELAYED)
    # The subject of a bounce may quote one of ours, in which trains are delayed.
    told = told or (
        any(word in subject for word in NOT_YET) and not any(word in subject for word in QUOTING)
    )
    return told and not any(phrase in text for phrase in NO_MORE)


def has_arrived(text: str, subject: str) -> bool:
    """Whether a report (lower case) only says that a mail was delivered, or handed on."""
    told = any(phrase in text or phrase in subject for phrase in ARRIVED)
    return told and not any(phrase in text for phrase in (*GIVEN_UP, *DELAYED))


def is_automatic(headers: Headers, text: str) -> bool:
    """Whether a mail (text in lower case) is a person's automatic answer."""
    if any(name in headers for name in AUTOMATIC_HEADERS):
        return True
    if "auto_reply" in headers.get("precedence").lower():
        return True
    subject = headers.words("subject").lower().strip()
    failed = has_failed_subject(headers)
    if subject.startswith(AUTOMATIC_SUBJECTS):
        return True
    if not failed and any(phrase in subject for phrase in AUTOMATIC_SUBJECTS):
        return True
    daemon = from_daemon(headers)
    if daemon and tells_failure(text):
        return False
    if headers.get("auto-submitted").lower().startswith("auto-replied") and not daemon:
        return not failed
    answers = subject.startswith(("re:", "aw:", "sv:", "odp:")) or "in-reply-to" in headers
    return (answers or not failed) and any(phrase in text for phrase in AUTOMATIC_TEXTS)


def is_challenge(mail: Mail, text: str) -> bool:
    """Whether a mail (text in lower case) asks the sender to prove to be a person."""
    head = f"{mail.headers.get('from')} {mail.headers.words('subject')}".lower()
    return any(phrase in text or phrase in head for phrase in CHALLENGES)


def tells_failure(text: str) -> bool:
    """Whether a text (lower case) says that a mail did not arrive."""
    return any(phrase in text for phrase in (*GIVEN_UP, *FAILURES, *DELAYED))
