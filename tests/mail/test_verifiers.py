"""Three verifiers of others, and a quick one for whole ledgers, agree: what we sign holds, and what
was changed does not.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from digest.mail.dkim import OVERSIGNED, Signer, record_value
from digest.mail.headers import clean_line
from digest.mail.message import Slot, compile_message, section_mark, slot_mark, without_marks
from tests.conftest import missing
from tests.mail import verifiers
from tests.mail.build import _NASTY, letterhead, reader
from tests.mail.verifiers import Verifier
from tests.node.judges import installed

DOMAIN, SELECTOR = "news.example.org", "d20261126"
NOW = datetime.now(UTC) - timedelta(minutes=1)  # verifiers look at the clock, for t= and x=
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SIGNER = Signer(KEY, domain=DOMAIN, selector=SELECTOR)
RECORD = record_value(KEY.public_key())
SLOTS = [Slot("name", "folks"), Slot("leave"), Slot("preferences")]
SHORT, FULL = 300, 10_000


@pytest.fixture(params=["dkimpy", "opendkim", "mailauth", "quick"])
def verify(request: pytest.FixtureRequest, tmp_path: Path) -> Verifier:
    """Each of them in turn."""
    match request.param:
        case "dkimpy":
            return verifiers.dkimpy
        case "quick":
            return verifiers.quick
        case "opendkim":
            if verifiers.opendkim_program() is None:
                missing("OpenDKIM is not installed (Debian: opendkim)")
            return verifiers.opendkim(tmp_path, f"{SELECTOR}._domainkey.{DOMAIN}")
    installed()
    return verifiers.mailauth


@cache
def messages(count: int) -> tuple[bytes, ...]:
    """Signed messages as different as readers, subjects and texts are; the same for every
    verifier.
    """
    return tuple(SIGNER.sign(data, NOW) + data for data in _made(random.Random(6376), count))


def _made(chance: random.Random, count: int) -> Iterator[bytes]:
    for number in range(count):
        if number % 10 == 0:  # as in life, several readers have the same version
            compiled = compile_message(
                letterhead(
                    subject=clean_line(_text(chance, 12)) or "x",
                    from_name=clean_line(_text(chance, 4)),
                    reply_to=chance.choice([None, "editor@example.org"]),
                    leave_mailto=chance.choice([None, "leave+{token}@b.example.org"]),
                    extra=chance.choice([(), (("X-Relay", "digest={token}"),)]),
                ),
                html=_body(chance, "<p>"),
                plain=_body(chance, ""),
                slots=SLOTS,
            )
        muted = frozenset(chance.sample(range(1, 4), chance.randrange(3)))
        local = chance.choice(["anne", "bart.b", "cris+x", "zoë"])
        anne = reader(name=_text(chance, 5), address=f"{local}@reader{number}.example")
        yield compiled.compose(anne, muted=muted)


def _body(chance: random.Random, before: str) -> str:
    lines = [f"{before}{slot_mark(0)} {slot_mark(1)} {slot_mark(2)}"]
    for section in range(chance.randrange(1, 4)):
        lines.append(f"{section_mark(section)}{before}{_text(chance, 40)}")
        lines += ["", "."] * chance.randrange(3)
    return "\n".join(lines) + "\n" * chance.randrange(4)


def _text(chance: random.Random, most: int) -> str:
    return without_marks("".join(chance.choices(_NASTY, k=chance.randrange(most + 1))))


def test_every_message_we_sign_holds(verify: Verifier) -> None:
    assert all(verify(messages(SHORT), RECORD))


@pytest.mark.long
def test_ten_thousand_messages_we_sign_hold(verify: Verifier) -> None:
    assert all(verify(messages(FULL), RECORD))


def test_no_message_holds_under_the_record_of_another_key(verify: Verifier) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert not any(verify(messages(SHORT)[:20], record_value(other.public_key())))


def test_every_change_of_a_signed_field_or_of_the_body_is_caught(verify: Verifier) -> None:
    tampered = dict(_tampered(messages(SHORT)[0]))
    assert len(tampered) > 45
    held = verify(list(tampered.values()), RECORD)
    assert [how for how, holds in zip(tampered, held, strict=True) if holds] == []


def test_what_relays_add_on_the_way_breaks_nothing(verify: Verifier) -> None:
    """A Received field on top, another case of names, other folds: what relaxed is for."""
    data = messages(SHORT)[0]
    received = b"Received: from a by b; Thu, 26 Nov 2026 08:00:00 +0000\r\n"
    refolded = re.sub(rb"(?m)^List-Unsubscribe: <", b"LIST-UNSUBSCRIBE:\r\n <", data, count=1)
    assert refolded != data
    changed = [received + data, refolded, data.replace(b"\r\nSubject: ", b"\r\nsubject:  ", 1)]
    assert verify(changed, RECORD) == [True, True, True]


def _tampered(data: bytes) -> Iterator[tuple[str, bytes]]:
    head, _, body = data.partition(b"\r\n\r\n")
    signature, _, rest = head.partition(b"\r\nFrom:")
    fields = re.split(rb"\r\n(?![ \t])", b"From:" + rest)
    for number, field in enumerate(fields):
        name, _, value = field.partition(b":")
        shown = name.decode("ascii")
        if not _covered(shown):
            continue
        for how, changed in (
            ("changed", [name + b": x" + value]),
            ("taken away", []),
            ("twice", [field, field]),
        ):
            if how == "twice" and shown not in OVERSIGNED:
                continue
            left = [signature, *fields[:number], *changed, *fields[number + 1 :]]
            yield f"{shown} {how}", b"\r\n".join(left) + b"\r\n\r\n" + body
    for name in OVERSIGNED:
        added = f"{name}: x@evil.example".encode("ascii")
        yield f"{name} added", b"\r\n".join([signature, added, *fields]) + b"\r\n\r\n" + body
    yield "body: one letter", head + b"\r\n\r\n" + _flipped(body)
    yield "body: one line more", data + b"One line more.\r\n"
    yield "body: the last line away", data[: data.rindex(b"\r\n--")] + b"\r\n"
    for tag in (b"t", b"x", b"d", b"s", b"h", b"bh", b"b"):
        found = re.search(rb"[ ;]%b=" % tag, data)
        assert found is not None
        at = found.end()
        other = b"2" if data[at : at + 1] != b"2" else b"3"
        yield f"tag {tag.decode()}", data[:at] + other + data[at + 1 :]


def _flipped(body: bytes) -> bytes:
    """One letter in the middle of the body changed."""
    at = next(i for i in range(len(body) // 2, len(body)) if body[i : i + 1].isalpha())
    return body[:at] + (b"x" if body[at : at + 1] != b"x" else b"y") + body[at + 1 :]


def _covered(name: str) -> bool:
    return name in OVERSIGNED or name == "List-Help"
