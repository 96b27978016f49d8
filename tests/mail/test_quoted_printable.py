"""Quoted-printable: fragments that decode to their text wherever they are joined."""

from __future__ import annotations

import quopri
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.mail.quoted_printable import encode_fragment

WORDS = [
    "a", " ", "  ", "\t", "\n", "\r\n", "\r", ".", "..", "\n.\n", "From ", "\nFrom ", "=", "=41",
    "=\r\n", "é", "😀", "שלום", "--=_x", "\0", "\x7f", "\u2028", "x" * 74, "y" * 75, "z" * 76,
    "." * 80, "é" * 40, " " * 80,
]  # fmt: skip  # a list reads as a block
texts = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), max_size=30).map("".join)


def unix(text: str) -> str:
    return re.sub("\r\n?", "\n", text)


def decoded(data: bytes) -> str:
    """RFC 2045 §6.7, written down once more without looking at the encoder."""
    text = re.sub(rb"=\r\n", b"", data)
    text = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), text)
    return text.replace(b"\r\n", b"\n").decode()


@settings(deadline=None, max_examples=400)
@given(texts)
@example("x" * 75 + "\n")
@example("x" * 76 + "\n")
@example("x" * 77 + "\n")
@example("x" * 73 + "é")
@example("x" * 75 + "." * 3)
def test_a_fragment_decodes_to_its_text(text):
    data = encode_fragment(text)
    assert decoded(data) == unix(text)
    assert quopri.decodestring(data).replace(b"\r\n", b"\n").decode() == unix(text)


@settings(deadline=None, max_examples=400)
@given(texts)
def test_every_line_of_a_fragment_is_fit_for_the_wire(text):
    data = encode_fragment(text)
    assert data == b"" or data.endswith(b"\r\n")
    lines = data.split(b"\r\n")[:-1]
    assert not re.search(rb"[^\r]\n|\r[^\n]|[^\r\n -~]", b" " + data + b" ")
    for line in lines:
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith(b" ")
        assert b"  " not in line


@settings(deadline=None, max_examples=200)
@given(st.lists(texts, max_size=6), st.data())
def test_fragments_join_and_any_of_them_can_be_left_out(parts, data):
    kept = data.draw(st.lists(st.sampled_from(parts), unique=True)) if parts else []
    joined = b"".join(map(encode_fragment, kept))
    assert decoded(joined) == "".join(map(unix, kept))
    assert not re.search(rb"^\.", joined, re.MULTILINE)


def test_an_empty_text_is_no_line_at_all():
    assert encode_fragment("") == b""


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("\n", b"\r\n"),
        ("a", b"a=\r\n"),
        ("a\n", b"a\r\n"),
        (".", b"=2E=\r\n"),
        (" ", b"=20=\r\n"),
        ("a \n", b"a=20\r\n"),
        ("a  b\n", b"a=20 b\r\n"),
        ("a\tb\n", b"a=09b\r\n"),
        ("é=\n", b"=C3=A9=3D\r\n"),
        ("From me\n", b"=46rom me\r\n"),
        ("From", b"From=\r\n"),
        ("x" * 76 + "\n", b"x" * 76 + b"\r\n"),
        ("x" * 76, b"x" * 75 + b"=\r\nx=\r\n"),
        ("x" * 75, b"x" * 75 + b"=\r\n"),
        ("x" * 75 + ".y\n", b"x" * 75 + b"=\r\n=2Ey\r\n"),
        ("x" * 77 + "\n", b"x" * 75 + b"=\r\nxx\r\n"),
    ],
)
def test_the_encoding_is_this_one(text, data):
    assert encode_fragment(text) == data
