"""Addresses: what the relay is told, and what never gets that far."""

from __future__ import annotations

import unicodedata

import email_validator
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.errors import AddressError
from digest.mail.address import Address, address_key, clean_name, parse_address

# text, and how the relay is told (None: refused). The rows are those of RFC 5321 §4.5.3.1, of
# advisories about injected commands and confused parsers, and of what people paste.
TABLE = [
    ("anne@example.org", "anne@example.org"),
    ("Anne.Bell@Example.ORG", "Anne.Bell@example.org"),
    ("anne+weekly@mail.example.com", "anne+weekly@mail.example.com"),
    ("bart@sub.example.net", "bart@sub.example.net"),
    ("cris@reader.example", "cris@reader.example"),
    ("cris@reader.test", "cris@reader.test"),
    ("-oQ@d.example", "-oQ@d.example"),
    ("!#$%&'*+-/=?^_`{|}~@d.example", "!#$%&'*+-/=?^_`{|}~@d.example"),
    ("1@1.example", "1@1.example"),
    ("Postmaster@example.org", "Postmaster@example.org"),
    ("anne@münchen.example", "anne@xn--mnchen-3ya.example"),
    ("anne@xn--mnchen-3ya.example", "anne@xn--mnchen-3ya.example"),
    ("anne@例え.example", "anne@xn--r8jz45g.example"),
    ("anne@ｅxample。org", "anne@example.org"),
    ("zoë@example.org", "zoë@example.org"),
    ("zoe\u0308@example.org", "zoë@example.org"),
    ("анна@почта.example", "анна@xn--80a1acny.example"),
    ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ("a" * 65 + "@example.org", None),
    ("é" * 33 + "@example.org", None),
    ("a@" + "d" * 63 + ".example", "a@" + "d" * 63 + ".example"),
    ("a@" + "d" * 64 + ".example", None),
    ("a@" + ".".join(["d" * 49] * 5) + ".org", None),
    ("a@" + "d." * 126 + "example", None),
    ("a@" + "d" * 252 + ".example", None),
    ('"a b"@d.example', None),
    ('"a"@d.example', None),
    ('"x@gmail.com x"@internal.example', None),
    ("x@y.example\r\nRCPT TO:<q>", None),
    ("x@y.example> SIZE=1", None),
    ("<x@y.example>", None),
    ("Anne <anne@example.org>", None),
    ("a@b@c.example", None),
    ("a@b.example,c@d.example", None),
    ("anne@exam\u2028ple.org", None),
    ("an\u2028ne@example.org", None),
    ("an\u202ene@example.org", None),
    ("an\0ne@example.org", None),
    ("anne@example.org\n", None),
    (" anne@example.org", None),
    ("anne@example.org ", None),
    ("an\tne@example.org", None),
    ("anne\x7f@example.org", None),
    (".anne@example.org", None),
    ("anne.@example.org", None),
    ("an..ne@example.org", None),
    ("anne(comment)@example.org", None),
    ("anne\\@example.org", None),
    ("anne@-example.org", None),
    ("anne@example-.org", None),
    ("anne@exam_ple.org", None),
    ("anne@example..org", None),
    ("anne@example.org.", None),
    ("anne@ab--cd.example", None),
    ("anne@[192.0.2.1]", None),
    ("anne@[IPv6:2001:db8::1]", None),
    ("anne@192.0.2.1", None),
    ("anne@localhost", None),
    ("anne@printer.local", None),
    ("anne@d", None),
    ("anne@", None),
    ("@example.org", None),
    ("@", None),
    ("", None),
    ("anne", None),
    ("anne＠example.org", None),
    ("\ud800@example.org", None),
    ("anne@\ud800.example", None),
]


@pytest.mark.parametrize(("text", "told"), TABLE)
def test_an_address_is_told_as_it_stands_or_refused(text, told):
    if told is None:
        with pytest.raises(AddressError):
            parse_address(text)
    else:
        assert str(parse_address(text)) == told


def test_a_refusal_says_what_is_wrong():
    with pytest.raises(AddressError, match="@-sign"):
        parse_address("anne")
    with pytest.raises(AddressError, match="1 character too many"):
        parse_address("a" * 65 + "@example.org")


def test_a_megabyte_is_refused_without_being_looked_at():
    with pytest.raises(AddressError, match="1000012 characters"):
        parse_address("a" * 1_000_000 + "@example.org")


_labels = st.text("ab1-é", min_size=1, max_size=66)
_tops = [
    "example",
    "org",
    "test",
    "invalid",
    "local",
    "onion",
    "arpa",
    "c1",
    "1c",
    "xn--p1ai",
    "é",
    "",
]
_domains = st.builds(
    lambda labels, top: ".".join([*labels, top]),
    st.lists(_labels, max_size=5),
    st.sampled_from(_tops),
)
_locals = st.one_of(
    st.text("abAB1.+-_'!é\u0308@\"\\ \r\n\0\u2028<", max_size=70),
    st.text("ab.", min_size=1, max_size=66),
    st.just("Info"),
)
_addresses = st.one_of(
    st.builds("{}@{}".format, _locals, _domains),
    st.builds("{}@{}".format, _locals, st.text(max_size=12)),
    st.text(max_size=40),
    st.emails(),
)


@settings(deadline=None, max_examples=400)
@given(_addresses)
@example("a@" + "b" * 63 + "." + "c" * 63 + "." + "d" * 63 + "." + "e" * 56 + ".org")
@example("a" * 64 + "@" + "b" * 63 + "." + "c" * 63 + "." + "d" * 57 + ".org")
@example("a" * 64 + "@" + "b" * 63 + "." + "c" * 63 + "." + "d" * 58 + ".org")
@example("a@xn--a.example")
@example("a@aa--bb.org")
@example("a@b.test")
@example("a@b.arpa")
def test_the_short_way_accepts_what_the_validator_accepts_and_nothing_else(text):
    try:
        valid = email_validator.validate_email(
            text,
            strict=True,
            allow_smtputf8=True,
            check_deliverability=False,
            test_environment=True,
        )
    except email_validator.EmailNotValidError:
        with pytest.raises(AddressError):
            parse_address(text)
        return
    if len(valid.local_part.encode()) > 64:  # the validator counts characters
        with pytest.raises(AddressError):
            parse_address(text)
        return
    address = parse_address(text)
    assert address.domain == valid.ascii_domain
    # The validator writes Info@ as info@ (RFC 2142); we keep what its owner wrote.
    assert address.local.lower() == valid.local_part.lower()


@settings(deadline=None, max_examples=300)
@given(_addresses)
def test_what_was_accepted_is_accepted_again_and_unchanged(text):
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address
    assert len(address.local.encode()) <= 64
    assert len(str(address).encode()) <= 254
    assert address.domain.isascii()
    assert not set(str(address)) & set(' \t\r\n\0<>(),:;"[]\\')
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"} for c in str(address))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anne@Example.org", "anne@example.org"),
        ("zoë@example.org", "ZOE\u0308@example.org"),
        ("anne@münchen.example", "anne@XN--MNCHEN-3YA.example"),
        ("straße@example.org", "STRASSE@example.org"),
        ("ﬁne@example.org", "FINE@example.org"),
    ],
)
def test_two_spellings_of_one_address_have_one_key(one, other):
    assert address_key(parse_address(one)) == address_key(parse_address(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anne@example.org", "anne+weekly@example.org"),
        ("an.ne@example.org", "anne@example.org"),
        ("anne@example.org", "anne@example.com"),
        ("zoe@example.org", "zoë@example.org"),
    ],
)
def test_two_addresses_have_two_keys(one, other):
    assert address_key(parse_address(one)) != address_key(parse_address(other))


@settings(deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_the_key_of_a_key_is_itself(local):
    key = address_key(Address(local, "example.org"))
    assert address_key(Address(key.rpartition("@")[0], "example.org")) == key


def test_only_a_local_part_beyond_ascii_needs_smtputf8():
    assert parse_address("zoë@example.org").needs_smtputf8
    assert not parse_address("zoe@münchen.example").needs_smtputf8


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Anne Bell", "Anne Bell"),
        ("  Anne \t Bell ", "Anne Bell"),
        ("Anne\r\nBcc: bart@example.org", "Anne Bcc: bart@example.org"),
        ("Anne\0Bell", "AnneBell"),
        ("Anne\x0bBell\x85\u2028Cris", "Anne Bell Cris"),
        ("\u202eenna\u202c\u200f\u2066\u061c", "enna"),
        ("\ufeffAnne\u200b\u00ad", "Anne"),
        ("\ue0000\ue001Anne", "0Anne"),
        ("\ud800Anne", "Anne"),
        ("👩\u200d🚀 Cris", "👩\u200d🚀 Cris"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("Zoe\u0308", "Zoë"),
        ('Bell, Anne "B" <a@b> =?utf-8?q?x?=', 'Bell, Anne "B" <a@b> =?utf-8?q?x?='),
        ("\u202e\0", ""),
        ("", ""),
        ("a" * 300, "a" * 200),
    ],
)
def test_a_name_keeps_what_is_seen_and_loses_the_rest(written, kept):
    assert clean_name(written) == kept


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(), max_size=250))
def test_a_clean_name_is_one_short_line_and_stays_as_it_is(text):
    name = clean_name(text)
    assert clean_name(name) == name
    assert len(name) <= 200
    assert len(name.splitlines()) <= 1
    assert not any(unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs", "Co"} for c in name)
    assert not set(name) & set(
        "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    name.encode()
