"""What one reader's message costs: 64 KB, composed from a version that was compiled once.

Every reader has a name and an address of their own (one name in ten beyond ASCII), so that no memo
helps; tokens are signed beforehand, and in the second figure as part of the work. ``EmailMessage``,
which the standard library offers for this, is measured beside it on the same parts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from statistics import median
from time import process_time

from bench.result import Figure, Result
from digest.mail.message import (
    CompiledMessage,
    Letterhead,
    Recipient,
    Slot,
    compile_message,
    section_mark,
    slot_mark,
)
from digest.mail.tokens import KeyRing, TokenKind

READERS = 10_000
ROUNDS = 7
_DATE = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
_KEYS = KeyRing("a key for measuring, not for sending mail")
_TEXT = (
    "a reader of this digest finds here what was worth reading last week, from robots that count "
    "naïve café tables to “quoted” compilers – and the paper on memory behind each of them"
)
_WORDS = _TEXT.split()
_SLOTS = (Slot("name", "folks"), Slot("leave"), Slot("preferences"))
_SITE = "https://news.example.org"


def run(args: Sequence[str]) -> Result:  # noqa: ARG001 - the runner hands arguments to all
    """Microseconds of processor time per message: the median of 7 rounds over 10,000 readers."""
    html, plain = _parts()
    compiled = compile_message(_letterhead(), html=html, plain=plain, slots=_SLOTS)
    readers = [_reader(number) for number in range(READERS)]
    size = len(compiled.compose(readers[0]))
    composed = _microseconds(compiled.compose, readers)
    signed = _microseconds(lambda reader: _sign_and_compose(compiled, reader), readers)
    standard = _microseconds(lambda reader: _email_message(html, plain, reader), readers[:50])
    return Result(
        "compose",
        (
            Figure("compose", composed, "µs/message", limit=20),
            Figure("three_tokens_and_compose", signed, "µs/message"),
            Figure("email_message", standard, "µs/message"),
        ),
        ratios={"email_message / compose": standard / composed},
        notes={"bytes": size, "readers": READERS, "rounds": ROUNDS},
    )


def sample_messages(count: int) -> list[bytes]:
    """Messages of 64 KB for so many readers, to measure other things with."""
    html, plain = _parts()
    compiled = compile_message(_letterhead(), html=html, plain=plain, slots=_SLOTS)
    return [compiled.compose(_reader(number)) for number in range(count)]


def _microseconds(work: Callable[[Recipient], object], readers: Sequence[Recipient]) -> float:
    figures = []
    for _ in range(ROUNDS):
        began = process_time()
        for reader in readers:
            work(reader)
        figures.append((process_time() - began) / len(readers) * 1e6)
    return median(figures)


def _sign_and_compose(compiled: CompiledMessage, reader: Recipient) -> bytes:
    signed = Recipient(
        reader.address,
        reader.name,
        _KEYS.sign(TokenKind.DELIVERY, 1_000_001),
        _KEYS.sign(TokenKind.LEAVE, 1_000_002),
        _KEYS.sign(TokenKind.PREFERENCES, 1_000_002),
        reader.date,
    )
    return compiled.compose(signed)


def _reader(number: int) -> Recipient:
    name = f"Zoë Müller-{number}" if number % 10 == 0 else f"Anne Bell {number}"
    return Recipient(
        f"anne.{number}@reader{number % 997}.example",
        name,
        _KEYS.sign(TokenKind.DELIVERY, number),
        _KEYS.sign(TokenKind.LEAVE, number),
        _KEYS.sign(TokenKind.PREFERENCES, number),
        _DATE,
    )


def _letterhead() -> Letterhead:
    return Letterhead(
        from_name="A Weekly",
        from_address="hello@news.example.org",
        reply_to=None,
        subject="A Weekly, Issue #182 – a robot that counts",
        list_id="weekly.news.example.org",
        list_name="A Weekly",
        message_id_domain="news.example.org",
        leave_url=f"{_SITE}/u/",
        leave_mailto="leave+{token}@bounces.news.example.org",
        help_url=f"{_SITE}/help",
        feedback_id="182:weekly:issue:digest",
    )


def _parts() -> tuple[str, str]:
    """HTML and text that make a message of about 64 KB, with what a real issue has per reader."""
    chance = random.Random(182)
    name, leave, preferences = map(slot_mark, range(3))
    html = [f'<!doctype html><html lang="en"><body><p>Hey {name},</p>\n']
    plain = [f"Hey {name},\n\n"]
    for number in range(68):
        title = " ".join(chance.choices(_WORDS, k=7))
        blurb = " ".join(chance.choices(_WORDS, k=38))
        link = f"{_SITE}/items/{number}"
        border = section_mark(number // 12 + 1) if number % 12 == 0 else ""
        html.append(
            f'{border}<table role="presentation" width="100%" cellpadding="0"><tr><td '
            f'style="padding:16px 24px;font-family:Helvetica,Arial,sans-serif;font-size:16px">'
            f'<h3><a href="{link}" style="color:#0a58ca;text-decoration:none">{title}</a></h3>'
            f"<p>{blurb}</p></td></tr></table>\n"
        )
        plain.append(f"{border}{title}\n{blurb}\n{link}\n\n")
    html.append(
        f'{section_mark(0)}<p><a href="{_SITE}/p/{preferences}">Choose</a> or '
        f'<a href="{_SITE}/u/{leave}">leave</a>.</p></body></html>\n'
    )
    plain.append(f"{section_mark(0)}Choose: {_SITE}/p/{preferences}\nLeave: {_SITE}/u/{leave}\n")
    return "".join(html), "".join(plain)


def _email_message(html: str, plain: str, reader: Recipient) -> bytes:
    message = EmailMessage()
    message["From"] = "A Weekly <hello@news.example.org>"
    message["To"] = f"{reader.name} <{reader.address}>"
    message["Subject"] = _letterhead().subject
    message["Message-ID"] = f"<{reader.token}@news.example.org>"
    message.set_content(_filled(plain, reader))
    message.add_alternative(_filled(html, reader), subtype="html")
    return message.as_bytes(policy=SMTP)


def _filled(text: str, reader: Recipient) -> str:
    for number, value in enumerate((reader.name, reader.leave, reader.preferences)):
        text = text.replace(slot_mark(number), value)
    return text
