"""A mail that came in: a report, somebody who leaves, or a person's answer; then what follows.

The envelope's recipient is asked for a token first (VERP), then the recipients a mailbox wrote down
(``Delivered-To``, ``X-Original-To``, To, the
``for`` of Received), then the returned headers (Message-ID, List-Unsubscribe)
and tags of providers. Out-of-office mail goes to the envelope sender, so a token alone is no
bounce. A person's answer that only says "unsubscribe" ends the subscription it answers; any other
is handed on to the newsletter's Reply-To, never to whom it came from;
mail from the null sender, from machines (RFC 3834) and from lists (RFC 2919) is never handed on, so
no loop can begin. Everything else of ours is written down; ordinary mail without a token is not.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from digest.audience.feedback import Claim, Feedback, FeedbackDesk, Taken
from digest.audience.leave import leave
from digest.mail.bounce import Kind, Reason, Recipient, Report, read_report
from digest.mail.mime import READ_MAX, Headers, Mail, read_mail, split_mbox
from digest.mail.scan import clean_address
from digest.mail.tokens import TOKEN_LENGTH, TokenKind
from digest.rules.feedback import Effect, asks_to_leave
from digest.store.feedback_rules import taught

_TOKEN = re.compile(rf"(?<![a-zA-Z2-7])[a-zA-Z2-7]{{{TOKEN_LENGTH}}}(?![a-zA-Z2-7])")
_TOKENS_MAX = 20
_TRACES = 5  # Received headers that are looked at
_RECIPIENTS = ("x-original-to", "delivered-to", "envelope-to", "x-envelope-to", "to")
_RETURNED = ("return-path", "message-id", "x-original-message-id", "list-unsubscribe")
# Where the profiles of rules.relay put our token.
_TAGS = ("x-ses-message-tags", "x-pm-metadata-digest", "x-mailgun-variables", "x-smtpapi")
_LEAVING = (TokenKind.LEAVE,)
_LISTS = ("list-id", "list-unsubscribe", "list-post", "feedback-id")
_LINES_MAX = 400  # of a person's answer that are handed on


@dataclass(frozen=True, slots=True)
class Read:
    """One mail, read: its report, its own headers, and the tokens in it, best first."""

    report: Report
    mail: Mail
    to: tuple[str, ...]  # tokens it was sent to
    inside: tuple[str, ...]  # tokens in what it returns
    digest: str  # the same bytes are the same mail

    @property
    def by_machine(self) -> bool:
        """Whether no person wrote it, or none who should be answered."""
        headers = self.mail.headers
        sender = headers.get("return-path").strip()
        submitted = headers.get("auto-submitted").strip().lower()
        precedence = headers.get("precedence").strip().lower()
        return (
            sender == "<>"
            or submitted not in ("", "no")
            or precedence in ("bulk", "list", "junk", "auto_reply")
            or any(name in headers for name in _LISTS)
        )


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of a mail. ``known`` is false for ordinary mail that is not about us."""

    kind: str
    effect: Effect
    known: bool = True
    new: bool = True


def read_mails(data: bytes, *, recipients: Sequence[str] = ()) -> list[Read]:
    """The mails in ``data`` (a file of mailbox format may hold several), none of which raises.

    ``recipients``: those of the envelope, where it is known.
    """
    return [_read(one, recipients) for one in split_mbox(data[: 2 * READ_MAX])]


def _read(data: bytes, recipients: Sequence[str]) -> Read:
    report, mail = read_report(data), read_mail(data)
    named = [*recipients, *_texts(mail.headers, _RECIPIENTS)]
    # RFC 5321 §4.4: "for <…>" of the last server, the only place where Dovecot's LMTP says it.
    named += [one.rpartition(" for ")[2] for one in mail.headers.all("received")[:_TRACES]]
    returned = _texts(report.returned, (*_RETURNED, *_TAGS))
    return Read(
        report=report,
        mail=mail,
        to=tokens_in(named),
        inside=tokens_in([*returned, *_texts(mail.headers, ("in-reply-to", "references"))]),
        digest=hashlib.sha256(data).hexdigest()[:32],
    )


def _texts(headers: Headers, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield from headers.all(name)


def tokens_in(texts: Iterable[str]) -> tuple[str, ...]:
    """What looks like a token of ours in ``texts``, each once; nothing is verified yet."""
    found = (one.lower() for text in texts for one in _TOKEN.findall(text[:4_000]))
    return tuple(dict.fromkeys(found))[:_TOKENS_MAX]


async def take_mail(
    desk: FeedbackDesk, data: bytes, *, source: str, recipients: Sequence[str] = ()
) -> list[Intake]:
    """Take in what ``data`` holds; everything is committed when this returns.

    ``source`` says by which door it came.
    """
    async with desk.db.read() as session:
        rules = await taught(session)
    # In a thread: the worst mail takes a part of a second, in which nothing else would go on.
    found = await asyncio.to_thread(read_mails, data, recipients=recipients)
    return [
        await _take(desk, replace(one, report=rules.apply(one.report)), source) for one in found
    ]


async def _take(desk: FeedbackDesk, read: Read, source: str) -> Intake:
    kind = read.report.kind
    left = await _leave(desk, read)
    if left is not None:
        return left
    told = kind is not Kind.NOT_BOUNCE
    if not told and not _ours(desk, read):
        return Intake(kind, Effect.NOTHING, known=False)
    if not told and not read.by_machine:
        if _asks_to_leave(read.mail):
            asked = replace(as_feedback(read, source), kind=Kind.COMPLAINT, complaint="opt-out")
            return _intake("leave", await desk.take(asked))
        return await _hand_on(desk, read, source)
    taken = await desk.take(as_feedback(read, source))
    return _intake(kind, taken)


def _asks_to_leave(mail: Mail) -> bool:
    """Whether a person's answer is no more than a word to leave."""
    first = text_of(mail).partition("\n")[0]
    return asks_to_leave(mail.headers.words("subject")) or asks_to_leave(first)


def _intake(kind: str, taken: Taken) -> Intake:
    return Intake(kind, taken.effect, new=taken.new)


def _ours(desk: FeedbackDesk, read: Read) -> bool:
    """Whether an ordinary mail was sent to an address we signed."""
    return any(desk.keys.read(token) is not None for token in read.to)


async def _leave(desk: FeedbackDesk, read: Read) -> Intake | None:
    """End the subscription whose leave address it was sent to, whatever is written in it."""
    for text in read.to:
        token = desk.keys.read(text)
        if token is not None and token.kind in _LEAVING:
            ended = await leave(
                desk.db, token.id, source="mailto", clock=desk.clock, leavers=desk.leavers
            )
            return Intake("leave", Effect.LEFT, new=ended)
    return None


def as_feedback(read: Read, source: str) -> Feedback:
    """What a report says of the one reader its message was for."""
    report = read.report
    one = mildest(report.recipients)
    return Feedback(
        source=source,
        kind=report.kind,
        claim=Claim((*read.to, *read.inside)),
        key=read.digest,
        address=one.address,
        status=one.status,
        reply=one.reply,
        reason=one.reason,
        final=one.final,
        complaint=report.complaint,
        evidence=one.evidence or read.mail.headers.words("subject")[:200],
        sample=_sample(read.mail),
    )


def mildest(recipients: Sequence[Recipient]) -> Recipient:
    """What a report says of its message: one of ours has one recipient.

    It names several where that address leads to several mailboxes: then the reader is reached as
    long as one of them is, so the mildest counts.
    """
    if not recipients:
        return Recipient("", final=True)
    return min(recipients, key=lambda one: (one.hard, one.final))


def _sample(mail: Mail) -> str:
    head = "\n".join(
        f"{name.title()}: {mail.headers.words(name)[:200]}"
        for name in ("from", "subject", "date", "content-type", "auto-submitted")
        if name in mail.headers
    )
    return f"{head}\n\n{text_of(mail)[:3_500]}"


def text_of(mail: Mail) -> str:
    """What a person reads first in a mail."""
    plain = [part for part in mail.parts if part.type in ("text/plain", "text")]
    shown = plain or [part for part in mail.parts if part.type == "text/html"]
    return shown[0].text().strip() if shown else ""


async def _hand_on(desk: FeedbackDesk, read: Read, source: str) -> Intake:
    """Write down a person's answer and have it mailed to the newsletter's Reply-To."""
    headers = read.mail.headers
    sender = clean_address(headers.get("reply-to")) or clean_address(headers.get("from"))
    feedback = replace(as_feedback(read, source), reason=Reason.UNDEFINED, address=sender)
    lines = text_of(read.mail).splitlines()
    answer: dict[str, Any] = {
        "sender": sender,
        "shown": headers.words("from")[:200],
        "subject": " ".join(headers.words("subject").split())[:200],
        "lines": [line[:1_000] for line in lines[:_LINES_MAX]],
        "cut": "yes" if len(lines) > _LINES_MAX else "",
    }
    taken = await desk.hand_on(feedback, answer)
    return _intake("reply", taken)
