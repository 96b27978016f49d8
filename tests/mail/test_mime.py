"""The bounded walk: what it finds in mails, and that nothing makes it long, deep or fail."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail.bounce import read_report
from digest.mail.mime import (
    DEPTH_MAX,
    HEADER_LINES_MAX,
    PARTS_MAX,
    READ_MAX,
    decode_words,
    read_headers,
    read_mail,
    split_mbox,
    without_tags,
)

HEAD = b"From: MAILER-DAEMON@mx.example.org\r\nReturn-Path: <>\r\nSubject: Undelivered Mail\r\n"


def test_headers_are_unfolded_and_found_by_any_case() -> None:
    headers = read_headers("Subject: one\n two\nTO: anne@example.org\nTo: bart@example.org\n\nx: y")
    assert headers.get("subject") == "one two"
    assert headers.all("to") == ["anne@example.org", "bart@example.org"]
    assert "x" not in headers


@pytest.mark.parametrize(
    "before", [b"\n\n", b"From mx Thu Nov 26\n", b"junk of a web page\n", b"\xef\xbb\xbf"]
)
def test_what_stands_before_the_header_is_no_header(before: bytes) -> None:
    mail = read_mail(before + b"Subject: Sorry\nTo: anne@example.org\n\nText")
    assert mail.headers.get("subject") == "Sorry"
    assert mail.parts[0].body == b"Text"


def test_an_empty_line_among_the_headers_does_not_end_them() -> None:
    mail = read_mail(b"Return-Path: <>\n\nFrom: x\nSubject: Sorry\n\nText")
    assert (mail.headers.get("subject"), mail.parts[0].body) == ("Sorry", b"Text")


def test_a_returned_message_is_one_part_that_is_not_looked_into() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n--i--\n"
    mail = read_mail(
        b"Content-Type: multipart/report; boundary=o\n\n--o\n\nSorry\n--o\n"
        b"Content-Type: message/rfc822\n\n" + inner + b"--o--\n"
    )
    assert [part.type for part in mail.parts] == ["text/plain", "message/rfc822"]


def test_a_boundary_that_starts_like_the_outer_one_is_another() -> None:
    mail = read_mail(
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
        b"Content-Type: multipart/alternative; boundary=bb\n\n--bb\n\none\n--bb--\n"
        b"--b\n\ntwo\n--b--\n"
    )
    assert [part.body.strip() for part in mail.parts] == [b"one", b"two"]


def test_a_multipart_whose_boundary_never_comes_is_text() -> None:
    (part,) = read_mail(b"Content-Type: multipart/report; boundary=b\n\nJust text").parts
    assert (part.type, part.text()) == ("text/plain", "Just text")


@pytest.mark.parametrize(
    ("charset", "encoded"),
    [
        ("utf-8", "Zürich".encode()),
        ("iso-8859-1", "Zürich".encode("latin-1")),
        ("unicode-1-1-utf-7", "Zürich".encode("utf-7")),
        ("no-such-charset", "Zürich".encode()),
        ("idna", "Zürich".encode("latin-1")),
        ("", "Zürich".encode("latin-1")),
    ],
)
def test_text_is_read_whatever_its_charset_says(charset: str, encoded: bytes) -> None:
    head = f'Content-Type: text/plain; charset="{charset}"\n\n'.encode()
    assert read_mail(head + encoded).parts[0].text() == "Zürich"


def test_words_of_a_subject_are_decoded() -> None:
    assert decode_words("=?utf-8?q?R=C3=A9ponse?= =?utf-8?b?YXV0bw==?=") == "Réponseauto"
    assert decode_words("=?utf-8?q?broken") == "=?utf-8?q?broken"


def test_html_is_shown_in_lines_without_what_is_hidden() -> None:
    shown = without_tags("<STYLE>p{x:1}</style><p>One &amp;<br>two</p><script>x</script>three")
    assert shown.split("\n") == ["One &", "two", "three"]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=200))
def test_what_another_program_encodes_is_read_back(text: str) -> None:
    message = EmailMessage()
    message.set_content(text, cte="base64")
    expected = "\n".join(text.splitlines()).rstrip("\n")
    found = read_mail(bytes(message)).parts[0].text()
    assert "\n".join(found.splitlines()).rstrip("\n") == expected


@given(st.binary(max_size=2_000))
def test_any_bytes_are_read(data: bytes) -> None:
    read_report(data)
    read_report(HEAD + b"\r\n" + data)
    read_report(HEAD + b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n" + data)


def test_mails_of_a_mailbox_file_are_parted_where_a_header_follows() -> None:
    one, two = b"From a\nTo: x\n\nText\n\nFrom here on: text\n\nFrom there.", b"From b\nTo: y\n\nz"
    assert split_mbox(one + b"\n\n" + two) == [one, two]
    assert split_mbox(b"To: x\n\n" + two) == [b"To: x\n\n" + two]


def _deep(levels: int) -> bytes:
    step = "Content-Type: multipart/mixed; boundary=b{0}\r\n\r\n--b{0}\r\n"
    return HEAD + "".join(step.format(i) for i in range(levels)).encode()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nested 3,000 deep": lambda: _deep(3_000),
    "nested in one boundary": lambda: (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 5_000
    ),
    "100,000 parts": lambda: (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000
    ),
    "a word of 5 MB": lambda: HEAD + b"\r\n" + b"a" * 5_000_000,
    "5 MB of @": lambda: HEAD + b"\r\n" + b"a@" * 2_500_000,
    "5 MB of <": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<" * 5_000_000,
    "style sheets": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<style>" * 500_000,
    "200,000 header lines": lambda: HEAD + b"X-A: b\r\n" * 200_000 + b"\r\nx",
    "a header of 200,000 lines": lambda: HEAD + b"X-A: b\r\n" + b" c\r\n" * 200_000,
    "50,000 failed recipients": lambda: (
        HEAD + b"X-Failed-Recipients: " + b",".join(b"a%d@example.org" % i for i in range(50_000))
    ),
    "50,000 recipients in a list": lambda: (
        HEAD + b"\r\n" + b"".join(b"<a%d@example.org>:\r\n550 no\r\n" % i for i in range(50_000))
    ),
    "50,000 blocks of status": lambda: (
        HEAD
        + b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
        + b"Content-Type: message/delivery-status\r\n\r\n"
        + b"Final-Recipient: rfc822; a@example.org\r\nAction: failed\r\n\r\n" * 50_000
    ),
    "an encoded word without end": lambda: b"From: " + b"=?utf-8?b?" * 30_000 + b"\r\n\r\nx",
    "JSON 200,000 deep": lambda: HEAD + b'\r\n{"notificationType":' + b"[" * 200_000,
    "a mail of 30 MB": lambda: HEAD + b"\r\n" + b"A line of an ordinary mail.\r\n" * 1_100_000,
    "nothing but zeros": lambda: b"\0" * 300_000,
    "quotations": lambda: HEAD + b"\r\n" + b"> \n" * 500_000,
    "codes": lambda: HEAD + b"\r\n" + b"5.1." * 500_000,
    "10,000 mails": lambda: b"From x\nTo: y\n\n" * 10_000,
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_mail_is_read_within_bounds(make: Callable[[], bytes]) -> None:
    data = make()
    mail = read_mail(data)
    assert len(mail.parts) <= PARTS_MAX
    assert sum(len(part.body) for part in mail.parts) <= READ_MAX
    assert sum(map(len, mail.headers.fields.values())) <= HEADER_LINES_MAX
    assert len(read_report(data).recipients) <= 100


def test_the_walk_goes_as_deep_as_it_says() -> None:
    assert len(read_mail(_deep(DEPTH_MAX + 5)).parts) == 1
    assert read_mail(_deep(DEPTH_MAX + 5)).parts[0].body.count(b"boundary=") == 4
