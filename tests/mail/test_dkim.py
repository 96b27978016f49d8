"""Signatures hold for a verifier of others, for these bytes and no others."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mail.dkim import (
    LIFETIME,
    OVERSIGNED,
    Signer,
    check_key_size,
    record_strings,
    record_value,
    sender_domain,
)
from digest.mail.headers import clean_line
from digest.mail.message import Slot, compile_message, slot_mark, without_marks
from tests.mail.build import CONTROLS, letterhead, names, reader

NOW = datetime.now(UTC) - timedelta(minutes=1)  # verifiers look at the clock, for t= and x=
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SIGNER = Signer(KEY, domain="news.example.org", selector="d20261126")
RECORD = record_value(KEY.public_key()).encode()
SLOTS = [Slot("name", "folks"), Slot("leave"), Slot("preferences")]


def message(**changed: object) -> bytes:
    """Anne's message, whole."""
    compiled = compile_message(
        letterhead(reply_to="editor@news.example.org", **changed),
        html=f"<p>Hey {slot_mark(0)},</p>\n<p>One  two\t three. </p>\n.\n{slot_mark(1)}",
        plain=f"Hey {slot_mark(0)},\n\n.One  two \t\n\n\n{slot_mark(1)}\n\n\n",
        slots=SLOTS,
    )
    return compiled.compose(reader())


def signed(data: bytes) -> bytes:
    """As it is sent."""
    return SIGNER.sign(data, NOW) + data


def holds(data: bytes, record: bytes = RECORD) -> bool:
    """What dkimpy says of it."""
    asked: list[bytes] = []

    def answer(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record

    verified = bool(dkim.verify(data, dnsfunc=answer))
    assert set(asked) <= {b"d20261126._domainkey.news.example.org."}
    return verified


def tags(field: bytes) -> dict[str, str]:
    value = re.sub(r"\s", "", field.decode("ascii")).partition(":")[2]
    return dict(tag.split("=", 1) for tag in value.split(";"))


def test_another_verifier_accepts_a_composed_message() -> None:
    assert holds(signed(message()))


@settings(max_examples=60, deadline=None)
@given(name=names, subject=names, text=st.text(max_size=300))
def test_whatever_names_subjects_and_texts_hold_the_signature_holds(name, subject, text) -> None:
    compiled = compile_message(
        letterhead(subject=clean_line(subject) or "x", from_name=clean_line(name)),
        html=without_marks(text),
        plain=without_marks(text),
        slots=[],
    )
    assert holds(signed(compiled.compose(reader(name=name))))


def test_the_field_says_what_the_standards_ask() -> None:
    said = tags(SIGNER.sign(message(), NOW))
    assert (said["v"], said["a"], said["c"]) == ("1", "rsa-sha256", "relaxed/relaxed")
    assert (said["d"], said["s"]) == ("news.example.org", "d20261126")
    assert said["t"] == str(int(NOW.timestamp()))
    assert int(said["x"]) - int(said["t"]) >= timedelta(hours=48, days=7).total_seconds()
    assert "l" not in said
    covered = said["h"].split(":")
    for name in OVERSIGNED:
        present = len(
            re.findall(rb"(?im)^%b:" % name.encode(), message().partition(b"\r\n\r\n")[0])
        )
        assert covered.count(name) == present + 1, name


def test_the_field_is_folded_within_its_lines_and_stays_ascii() -> None:
    field = SIGNER.sign(message(), NOW)
    assert field.startswith(b"DKIM-Signature: v=1;")
    assert field.endswith(b"\r\n")
    lines = field.split(b"\r\n")[:-1]
    assert max(map(len, lines)) <= 78
    assert all(line.startswith(b" ") for line in lines[1:])
    assert field.isascii()


def test_a_retry_has_the_same_signature() -> None:
    assert SIGNER.sign(message(), NOW) == SIGNER.sign(message(), NOW)


HEADER = message().partition(b"\r\n\r\n")[0].decode()
FIELDS = re.split(r"\r\n(?![ \t])", HEADER)
ALTERED = {field.partition(":")[0] for field in FIELDS}


@pytest.mark.parametrize("name", sorted(ALTERED))
def test_any_field_changed_or_taken_away_is_noticed(name: str) -> None:
    data = message()
    field = next(f for f in FIELDS if f.startswith(f"{name}:")).encode() + b"\r\n"
    first = SIGNER.sign(data, NOW)
    colon = field.index(b":")
    for other in (b"", field[: colon + 1] + b" x" + field[colon + 1 :]):
        assert not holds(first + data.replace(field, other, 1)), other


@pytest.mark.parametrize("name", OVERSIGNED)
def test_a_field_added_is_noticed(name: str) -> None:
    data = message()
    field = SIGNER.sign(data, NOW)
    added = f"{name}: x@evil.example\r\n".encode()
    assert not holds(field + added + data), "above"
    head, _, body = data.partition(b"\r\n\r\n")
    assert not holds(field + head + b"\r\n" + added + b"\r\n" + body), "below"


@settings(max_examples=80, deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_byte_of_the_body_changed_is_noticed(at: int, bit: int) -> None:
    data = message()
    body = data.index(b"\r\n\r\n") + 4
    # White space alone may change: that is what relaxed means.
    places = [i for i in range(body, len(data)) if data[i : i + 1] not in b"\r\n \t"]
    place = places[at % len(places)]
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    if bytes(changed[place : place + 1]) in (b"\r", b"\n", b" ", b"\t"):
        changed[place] = ord("#") if data[place] != ord("#") else ord("$")
    assert not holds(SIGNER.sign(data, NOW) + bytes(changed))


def test_what_follows_the_body_is_noticed() -> None:
    assert not holds(signed(message()) + b"One line more.\r\n")


@pytest.mark.parametrize("tag", ["d", "s", "t", "x", "bh", "b", "h", "a"])
def test_a_tag_of_the_field_changed_is_noticed(tag: str) -> None:
    data = signed(message())
    old = re.search(rb"(?<=[ \n;])%b=([^;\r]{1,12})" % tag.encode(), data)
    assert old is not None
    flipped = (b"2" if old[1][:1] != b"2" else b"3") + old[1][1:]
    changed = data.replace(old[0], tag.encode() + b"=" + flipped, 1)
    with contextlib.suppress(dkim.DKIMException):
        assert not dkim.verify(changed, dnsfunc=lambda name, timeout=5: RECORD)


def test_a_header_written_in_another_way_is_the_same_in_its_canonical_form() -> None:
    data = (
        b"FROM: A Weekly\t <hello@news.example.org>  \r\nto:  Anne\r\n\t <anne@example.org>\r\n"
        b"Subject:\r\n  two   blanks \r\nDate: Thu, 26 Nov 2026 08:00:00 +0000\r\n"
        b"List-Help: <https://one.example>\r\nlist-help: <https://two.example>\r\n\r\nText.\r\n"
    )
    assert holds(signed(data))


def test_a_message_without_a_body_can_be_signed() -> None:
    assert holds(signed(b"From: hello@news.example.org\r\nTo: anne@example.org\r\n\r\n"))


def test_an_address_for_smtputf8_is_signed_as_it_stands() -> None:
    compiled = compile_message(letterhead(), html="<p>x", plain="x", slots=[])
    data = compiled.compose(reader(address="zoë@xn--mnchen-3ya.example"))
    assert holds(signed(data))


@pytest.mark.parametrize(
    "broken",
    [
        b"From : hello@news.example.org\r\n\r\nText.\r\n",
        b"From: hello@news.example.org\r\nno field\r\n\r\nText.\r\n",
        b"From: hello@news.example.org\r\nSubject: a\nb\r\n\r\nText.\r\n",
        b"From: hello@news.example.org\r\nSubject: a\rb\r\n\r\nText.\r\n",
        b"From: hello@news.example.org\r\nSubject: a\0b\r\n\r\nText.\r\n",
        b"From: hello@news.example.org\r\nSubject: a\x0bb\r\n\r\nText.\r\n",
        b"From: hello@news.example.org\r\nSubject: no empty line\r\n",
        b"From: hello@news.example.org\r\n\r\nno line end",
        b"From: hello@news.example.org\r\n\r\nEmpty lines at the end.\r\n\r\n",
        b"Subject: nobody\r\n\r\nText.\r\n",
        b"From: hello@news.example.org\r\nFrom: hello@news.example.org\r\n\r\nText.\r\n",
    ],
)
def test_what_verifiers_would_read_otherwise_is_never_signed(broken: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else; none may be signed
        SIGNER.sign(broken, NOW)


@pytest.mark.parametrize(
    ("domain", "aligned"),
    [
        ("news.example.org", True),
        ("weekly.news.example.org", True),
        ("NEWS.example.org", True),
        ("example.org", False),
        ("badnews.example.org", False),
        ("news.example.org.evil.example", False),
    ],
)
def test_only_mail_of_its_own_domain_is_signed(domain: str, aligned: bool) -> None:
    data = f"From: A <a@{domain}>\r\nTo: anne@example.org\r\n\r\nText.\r\n".encode()
    if aligned:
        assert holds(signed(data))
    else:
        with pytest.raises(ValueError, match=r"the key of news\.example\.org"):
            SIGNER.sign(data, NOW)


@pytest.mark.parametrize("bits", [512, 1023, 4097])
def test_a_key_of_a_size_that_verifiers_refuse_is_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="4,096 bits"):
        check_key_size(bits)


@pytest.mark.parametrize("wrong", ["", "a b", "a;b", "a\r\nb", "a..b", "-a", "ä", "a" * 64])
def test_a_selector_that_is_no_name_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="DNS record"):
        Signer(KEY, domain="news.example.org", selector=wrong)


@pytest.mark.parametrize("control", CONTROLS)
def test_no_control_reaches_the_field(control: str) -> None:
    with pytest.raises(ValueError, match="DNS record"):
        Signer(KEY, domain=f"news.example.org{control}", selector="s1")


def test_the_record_is_cut_into_strings_dns_takes() -> None:
    value = record_value(KEY.public_key())
    assert value.startswith("v=DKIM1; k=rsa; p=MII")
    strings = record_strings(value)
    assert "".join(strings) == value
    assert [len(string) <= 255 for string in strings] == [True, True]


def test_a_message_lives_as_long_as_it_may_be_under_way() -> None:
    assert timedelta(hours=48) + timedelta(days=7) <= LIFETIME


@pytest.mark.parametrize(
    ("head", "domain"),
    [
        (b"From: A Weekly <a@News.Example.org>\r\n", "news.example.org"),
        (b"from: a@example.org\r\n", "example.org"),
        (b"To: b@other.example\r\nFROM: A\r\n <a@example.org>\r\nX: y\r\n", "example.org"),
        (b"To: b@other.example\r\nX-From: a@example.org\r\n", ""),
        (b"From: nobody\r\n", ""),
        (b"X: y\r\n", ""),
    ],
)
def test_the_domain_of_the_sender_is_read_from_the_message(head: bytes, domain: str) -> None:
    assert sender_domain(head + b"\r\nText.\r\n") == domain
