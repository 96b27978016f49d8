"""What was written is what two parsers of others read: H1 to H6 for any reader and subject."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import math
import random
import re
import subprocess
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from digest.mail.address import clean_name
from digest.mail.headers import clean_line
from digest.mail.message import Recipient, Slot, compile_message, fill_marks, slot_mark
from digest.mail.tokens import KeyRing, TokenKind
from tests.mail.build import (
    _NASTY,
    DATE,
    ONE_OF_EACH,
    assert_fit_for_the_wire,
    assert_shows,
    letterhead,
    reader,
)
from tests.node.judges import installed
from tests.repo.tree import ROOT

SLOTS = [Slot("name", "folks"), Slot("leave"), Slot("preferences")]
KEYS = KeyRing("a key for reading, not for sending mail")
COUNT = 150
_BLANKS = re.compile(r"\s+")


def _written() -> list[tuple[dict[str, Any], Recipient, bytes]]:
    """Subjects, readers and messages, the same in every run."""
    chance = random.Random(5322)
    made = []
    for number in range(COUNT):
        text = "".join(chance.choices(_NASTY, k=chance.randrange(1, 14)))
        said = {
            "subject": clean_line(text) or "x",
            "from_name": clean_name("".join(chance.choices(_NASTY, k=3))),
            "archive_url": "https://news.example.org/",
            "owner": "hello@news.example.org",
        }
        anne = reader(
            name="".join(chance.choices(_NASTY, k=chance.randrange(5))),
            address=f"anne.{number}@xn--mnchen-3ya.example",
            token=KEYS.sign(TokenKind.DELIVERY, number),
            leave="l" * chance.randrange(1, 400),
        )
        body = f"Hey {slot_mark(0)}, {slot_mark(1)} {slot_mark(2)}\n.\n😀 = é  \n"
        compiled = compile_message(
            letterhead(**said), html=f"<p>{body}</p>\n", plain=body, slots=SLOTS
        )
        made.append((said, anne, compiled.compose(anne)))
    return made


WRITTEN = _written()


def test_every_message_is_fit_for_the_wire_and_has_one_of_each_field() -> None:
    for _, _, data in WRITTEN:
        assert_fit_for_the_wire(data)
        names = re.findall(rb"(?m)^([A-Za-z-]+):", data.partition(b"\r\n\r\n")[0])
        assert Counter(name.decode() for name in names) >= Counter(ONE_OF_EACH)
        assert len(set(names)) == len(names)


def test_the_standard_library_reads_what_was_written() -> None:
    for said, anne, data in WRITTEN:
        mail = email.message_from_bytes(data, policy=email.policy.default)
        assert not mail.defects
        assert mail["Subject"] == said["subject"]
        (to,), (sender,) = mail["To"].addresses, mail["From"].addresses
        assert (to.addr_spec, sender.addr_spec) == (anne.address, "hello@news.example.org")
        assert_shows(to.display_name, clean_name(anne.name))
        assert mail["Date"].datetime == DATE
        assert mail["Message-ID"] == f"<{anne.token}@news.example.org>"


def test_postal_mime_reads_what_was_written() -> None:
    installed()
    lines = "".join(base64.b64encode(data).decode("ascii") + "\n" for _, _, data in WRITTEN)
    script = str(ROOT / "tests" / "node" / "parse.mjs")
    done = subprocess.run(["node", script], input=lines, capture_output=True, text=True, check=True)
    read = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(read) == COUNT
    for (said, anne, _), mail in zip(WRITTEN, read, strict=True):
        assert mail["subject"] == said["subject"]
        assert [to["address"] for to in mail["to"]] == [anne.address]
        assert _bare(mail["to"][0]["name"]) == _bare(clean_name(anne.name))
        assert mail["from"]["address"] == "hello@news.example.org"
        assert _bare(mail["from"]["name"]) == _bare(said["from_name"])
        assert mail["messageId"] == f"<{anne.token}@news.example.org>"
        assert datetime.fromisoformat(mail["date"]) == DATE
        fields = dict(mail["fields"])
        leave = f"<https://news.example.org/u/{anne.leave}>, "
        leave += f"<mailto:leave+{anne.leave}@bounces.news.example.org>"
        assert " ".join(fields["list-unsubscribe"].split()) == leave
        assert fields["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
        values = [clean_name(anne.name) or "folks", anne.leave, anne.preferences]
        text = fill_marks(f"Hey {slot_mark(0)}, {slot_mark(1)} {slot_mark(2)}", values)
        assert mail["text"].startswith(text)
        assert "\n.\n😀 = é  \n" in mail["text"].replace("\r\n", "\n")
        assert mail["attachments"] == 0


def _bare(name: str) -> str:
    return _BLANKS.sub("", name)


def test_no_id_tells_who_the_reader_is() -> None:
    for _, anne, data in WRITTEN:
        local = anne.address.partition("@")[0]
        for name in (b"Message-ID", b"Feedback-ID", b"List-Unsubscribe"):
            (value,) = re.findall(rb"(?m)^%b: (.*(?:\r\n .*)*)" % name, data)
            assert local.encode() not in value
            for form in (base64.b64encode, base64.b32encode, bytes.hex):
                disguise = form(anne.address.encode())
                plain = disguise if isinstance(disguise, bytes) else disguise.encode()
                assert plain.rstrip(b"=").lower() not in value.lower()


def test_one_feedback_id_serves_all_readers_of_an_issue() -> None:
    ids = {re.findall(rb"(?m)^Feedback-ID: (.*)\r", data)[0] for _, _, data in WRITTEN}
    assert len(ids) == 1


def test_message_ids_are_as_random_as_a_mac() -> None:
    """The MAC alone, 16 of the 25 bytes: for numbers in a row, every letter as often."""
    tails = [KEYS.sign(TokenKind.DELIVERY, number)[-24:] for number in range(2_000)]
    assert len(set(tails)) == 2_000
    counts = Counter("".join(tails))
    total = sum(counts.values())
    entropy = -sum(n / total * math.log2(n / total) for n in counts.values())
    assert entropy > 4.99  # bits a letter; base32 has 5


@pytest.mark.parametrize("again", range(3))
def test_a_retry_is_the_same_message_to_the_byte(again: int) -> None:
    assert [data for _, _, data in _written()] == [data for _, _, data in WRITTEN]
