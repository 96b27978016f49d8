"""The message all senders send: an issue of 64 KB on the wire, with values of every reader's own.

It is one of ours, rendered from an issue file; the others get the same HTML and text, or the same
bytes cut where a value stands.
"""

from __future__ import annotations

import email
import email.policy
import random
import re
from datetime import UTC, datetime
from email.message import EmailMessage

from bench.peers.letter import PeerLetter, filled, values_of
from digest.delivery.identity import letterhead
from digest.mail.message import Recipient, Slot, compile_message, section_mark, slot_mark
from digest.store.issues import VersionDraft

WIRE_BYTES = 64_000
PUBLIC_URL = "https://news.example.org"
NEWSLETTER = {
    "name": "A Weekly",
    "from_address": "hello@news.example.org",
    "return_path": "b-{token}@bounces.example.org",
    "postal_address": "A Weekly\n1 Example Street\nExampletown",
}
_ITEMS, _SECTIONS = 28, 4
# Without "from": smtplib writes a ">" before it at the start of a line.
_TEXT = (
    "a reader of this digest finds here what was worth reading last week, about robots that count"
    " naïve café tables to “quoted” compilers – and the paper on memory behind each of them"
)
_WORDS = _TEXT.split()
# Letters only, so that no encoding changes them and no line is broken inside one.
_STAND_INS = {name: f"STANDIN{name.upper()}" for name in values_of(0)}
_STAND_INS["address"] += "@example.org"
_NAMES = {stand_in: name for name, stand_in in _STAND_INS.items()}
_CUT = re.compile("(" + "|".join(map(re.escape, _NAMES)) + ")")
_OWN = re.compile(r"(/[up]/)[A-Za-z0-9]{40}|(/i/|Issue #)[\w/-]+")


def issue_text(number: int) -> str:
    """An issue file that becomes a message of about ``WIRE_BYTES``."""
    chance = random.Random(182)  # the same words every time
    lines = ["---", f"number: {number}", f"title: A Weekly, Issue #{number}"]
    lines += ["preview: Twenty-eight pages that were worth reading last week", "---"]
    lines += ["Hey {name|folks},", "", _sentence(chance, 37), ""]
    for item in range(_ITEMS):
        if item % (_ITEMS // _SECTIONS) == 0:
            lines += [f"## Section {item // (_ITEMS // _SECTIONS) + 1}"]
        lines += [f"### [{_sentence(chance, 6)}](https://example.org/page/{item})"]
        lines += [f"*The Site · {item + 2} min*", "", _sentence(chance, 37), ""]
    return "\n".join([*lines, "---", "Until next week!", ""])


def _sentence(chance: random.Random, words: int) -> str:
    text = " ".join(chance.choices(_WORDS, k=words)).replace(",", "")
    return text[0].upper() + text[1:] + "."


def difference(letter: PeerLetter, message: bytes) -> str:
    """What is wrong with a message that a sender sent; empty when it is the one it should be."""
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    found = re.fullmatch(r"Reader (\d+) <.+>", str(parsed["To"]).replace('"', ""))
    if found is None:
        return f"no reader in To: {parsed['To']}"
    if not 0.9 * WIRE_BYTES <= len(message) <= 1.1 * WIRE_BYTES:
        return f"{len(message)} bytes"
    values = values_of(int(found[1]))
    for kind, template in (("plain", letter.plain), ("html", letter.html)):
        part = parsed.get_body((kind,))
        if part is None or _alike(part.get_content()) != _alike(filled(template, values)):
            return f"another {kind} part"
    return ""


def peer_letter(draft: VersionDraft) -> PeerLetter:
    """The message of a prepared version for senders that are not ours."""
    head = letterhead(draft.identity, draft.subject)
    slots = [Slot(**slot) for slot in draft.slots]
    compiled = compile_message(head, html=draft.html, plain=draft.plain, slots=slots)
    date = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    whole = compiled.compose(Recipient(**_STAND_INS, date=date))
    return PeerLetter(
        from_name=head.from_name,
        from_address=head.from_address,
        subject=draft.subject,
        leave_url=head.leave_url,
        list_id=head.list_id,
        plain=_template(draft.plain, draft),
        html=_template(draft.html, draft),
        pieces=tuple(_NAMES.get(piece, piece) for piece in _CUT.split(whole.decode("ascii"))),
    )


def _template(text: str, draft: VersionDraft) -> str:
    """A rendered part with ``{{name}}`` where a value stands, and without section borders."""
    for number, slot in enumerate(draft.slots):
        text = text.replace(slot_mark(number), "{{" + slot["name"] + "}}")
    for number in range(len(draft.sections) + 1):
        text = text.replace(section_mark(number), "")
    return text


def _alike(text: str) -> str:
    """What has to be the same: all but tokens and the issue's number."""
    return _OWN.sub(r"\1\2", text).replace("\r\n", "\n").rstrip()
