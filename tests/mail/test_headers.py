"""Header fields: what was meant is read back, whatever was meant, and nothing beside it."""

from __future__ import annotations

import email
import email.header
import email.policy
import email.utils
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from digest.mail import headers
from digest.mail.headers import clean_line
from tests.mail.build import CONTROLS, assert_shows, names

lines = names.map(clean_line)


def read(field: bytes) -> str:
    """What the standard library reads in the only field there is."""
    message = email.message_from_bytes(field + b"\r\n", policy=email.policy.default)
    assert len(message.keys()) == 1
    return str(message[message.keys()[0]])


def read_in_the_old_way(field: bytes) -> str:
    """What its older parser and decoder read, another program altogether."""
    value = email.message_from_bytes(field + b"\r\n")["X"]
    pieces = email.header.decode_header(re.sub(r"\r\n(?=[ \t])", "", value))
    return "".join(
        data.decode(charset or "ascii") if isinstance(data, bytes) else data
        for data, charset in pieces
    )


def assert_well_folded(field: bytes) -> None:
    assert field.endswith(b"\r\n")
    assert field.isascii()
    for line in field[:-2].split(b"\r\n"):
        assert b"\r" not in line
        assert b"\n" not in line
        assert line.strip()
        assert len(line) <= 78
        if b"=?" in line:
            assert len(line) <= 76
            assert all(len(word) <= 75 for word in re.findall(rb"=\?\S+?\?[bq]\?\S*?\?=", line))


@settings(deadline=None, max_examples=300)
@given(lines)
def test_a_subject_is_read_back_as_it_was(text):
    assume(text)
    field = headers.unstructured("X", text)
    assert_well_folded(field)
    assert read(field) == text
    assert read_in_the_old_way(field) == text


@settings(deadline=None, max_examples=100)
@given(st.text("ab é😀=?_", min_size=200, max_size=2_000))
def test_a_subject_of_two_thousand_characters_is_folded_within_its_lines(text):
    text = clean_line(text)
    assume(text)
    field = headers.unstructured("Subject", text)
    assert_well_folded(field)
    assert read(field) == text


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("A Weekly, Issue #182", b"Subject: A Weekly, Issue #182\r\n"),
        ("", b"Subject:\r\n"),
        ("A café in Issue 182", b"Subject: =?utf-8?q?A_caf=C3=A9_in_Issue_182?=\r\n"),
        ("שלום", b"Subject: =?utf-8?b?16nXnNeV150=?=\r\n"),
        ("=?utf-8?q?x?=", b"Subject: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?=\r\n"),
        ("a" * 68 + " b", b"Subject: " + b"a" * 68 + b"\r\n b\r\n"),
    ],
)
def test_a_subject_is_written_like_this(text, field):
    assert headers.unstructured("Subject", text) == field


@settings(deadline=None, max_examples=400)
@given(lines)
def test_a_display_name_is_read_back_and_adds_no_recipient(name):
    assume(name)
    field = headers.mailbox("To", name, "anne@example.org")
    assert_well_folded(field)
    message = email.message_from_bytes(field + b"\r\n", policy=email.policy.default)
    assert message.keys() == ["To"]
    (address,) = message["To"].addresses
    assert address.addr_spec == "anne@example.org"
    assert_shows(address.display_name, name)
    raw = email.message_from_bytes(field + b"\r\n")["To"]
    ((shown, spec),) = email.utils.getaddresses([re.sub(r"\r\n(?=[ \t])", "", raw)])
    assert spec == "anne@example.org"
    assert str(email.header.make_header(email.header.decode_header(shown))) == name


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("", b"To: <anne@example.org>\r\n"),
        ("Anne Bell", b"To: Anne Bell <anne@example.org>\r\n"),
        ("Bell, Anne", b'To: "Bell, Anne" <anne@example.org>\r\n'),
        ('Anne "B" \\', b'To: "Anne \\"B\\" \\\\" <anne@example.org>\r\n'),
        ("Zoë", b"To: =?utf-8?q?Zo=C3=AB?= <anne@example.org>\r\n"),
        ("=?x?=", b"To: =?utf-8?b?PT94Pz0=?= <anne@example.org>\r\n"),
        ("a" * 60, b"To: " + b"a" * 60 + b"\r\n <anne@example.org>\r\n"),
        ("bart@example.org", b'To: "bart@example.org" <anne@example.org>\r\n'),
        ("<bart@example.org>,", b'To: "<bart@example.org>," <anne@example.org>\r\n'),
    ],
)
def test_a_mailbox_is_written_like_this(name, field):
    assert headers.mailbox("To", name, "anne@example.org") == field


@pytest.mark.parametrize("control", CONTROLS)
def test_no_control_reaches_a_header(control):
    with pytest.raises(ValueError, match="must not stand in a header"):
        headers.unstructured("Subject", f"a{control}Bcc: q@example.org")
    with pytest.raises(ValueError, match="must not stand in a header"):
        headers.structured("Feedback-ID", f"a{control}b")
    with pytest.raises(ValueError, match="must not stand in a header"):
        headers.mailbox("To", f"Anne{control}", "anne@example.org")
    with pytest.raises(ValueError, match="cannot stand in a list header"):
        headers.uri_list("List-Help", f"https://example.org/{control}")
    with pytest.raises(ValueError, match="cannot stand in"):
        headers.check_id_domain(f"example{control}.org")
    with pytest.raises(ValueError, match="no name of a header field"):
        headers.unstructured(f"X{control}Y", "a")


@pytest.mark.parametrize("name", ["", "X Y", "X:", ":", "Ü", "-X", "X" * 77])
def test_a_field_name_is_letters_digits_and_hyphens(name):
    with pytest.raises(ValueError, match="no name of a header field"):
        headers.structured(name, "a")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "news.example.org",
        "//example.org",
        "https://example.org/a b",
        "https://example.org/a,b",
        "https://example.org/<b>",
        "https://example.org/é",
        "https://example.org/\t",
        "<https://example.org/>",
    ],
)
def test_a_uri_that_would_break_a_list_header_is_refused(uri):
    with pytest.raises(ValueError, match="cannot stand in a list header"):
        headers.uri_list("List-Help", uri)


def test_uris_fold_only_between_each_other():
    web, mail = "https://example.org/" + "a" * 200, "mailto:leave@example.org?subject=leave"
    field = headers.uri_list("List-Unsubscribe", web, mail)
    assert field == f"List-Unsubscribe: <{web}>,\r\n <{mail}>\r\n".encode()


def test_a_line_no_server_has_to_take_is_refused():
    with pytest.raises(ValueError, match="998"):
        headers.uri_list("List-Help", "https://example.org/" + "a" * 980)
    with pytest.raises(ValueError, match="998"):
        headers.structured("X-Tags", "a" * 999)


def test_a_field_for_machines_is_never_encoded():
    assert headers.structured("X-Tags", "a=" + "b" * 90) == b"X-Tags: a=" + b"b" * 90 + b"\r\n"
    with pytest.raises(ValueError, match="not ASCII"):
        headers.structured("X-Tags", "é")


@pytest.mark.parametrize(
    "domain", ["", "-a", "a-", "a b", "a>b", "a..b", "a@b", "é.org", "a" * 256]
)
def test_what_cannot_end_a_message_id_is_refused(domain):
    with pytest.raises(ValueError, match="cannot stand in a Message-ID or List-Id"):
        headers.check_id_domain(domain)


@settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30)),
    st.integers(-14 * 60, 14 * 60),
)
def test_a_date_is_the_same_moment_in_utc(naive, minutes):
    date = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    value = headers.date_value(date)
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000", value)
    assert email.utils.parsedate_to_datetime(value) == date.replace(microsecond=0)
    assert value == email.utils.format_datetime(date.astimezone(UTC))


def test_a_date_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        headers.date_value(datetime(2026, 11, 26))


@settings(deadline=None, max_examples=300)
@given(st.one_of(names, st.text(st.characters(), max_size=50)))
def test_a_cleaned_line_may_stand_in_a_header(text):
    line = clean_line(text)
    assert headers.refuse_controls(line) == line
    assert clean_line(line) == line
