"""The byte linter finds what is wrong, in its line, and nothing in what we make ourselves."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mail.check import RULES, check_message
from digest.mail.check.linter import SAME_MAX
from digest.mail.headers import clean_line
from digest.mail.message import Slot, compile_message, slot_mark, without_marks
from tests.mail.build import LEAVE, letterhead, names, reader
from tests.repo.tree import ROOT

SLOTS = [Slot("name", "folks"), Slot("leave")]
HTML = f'<p>Hey {slot_mark(0)},</p><p><a href="{LEAVE}{slot_mark(1)}">Leave</a></p>'
PLAIN = f"Hey {slot_mark(0)},\n\nLeave: {LEAVE}{slot_mark(1)}\n"


def message(**changed: object) -> bytes:
    compiled = compile_message(letterhead(**changed), html=HTML, plain=PLAIN, slots=SLOTS)
    return compiled.compose(reader())


GOOD = message(reply_to="editor@news.example.org")


def codes(data: bytes) -> set[str]:
    return {finding.code for finding in check_message(data)}


def test_what_we_compose_ourselves_has_no_finding() -> None:
    assert check_message(GOOD) == ()


@settings(max_examples=80, deadline=None)
@given(name=names, subject=names, text=st.text(max_size=300))
def test_whatever_names_and_subjects_hold_what_we_compose_is_in_order(name, subject, text) -> None:
    head = letterhead(subject=clean_line(subject) or "x", from_name=clean_line(name))
    body = without_marks(text)
    data = compile_message(head, html="<p>x</p>", plain=f"x{body}", slots=[]).compose(
        reader(name=name)
    )
    assert codes(data) == set()


def test_a_reader_with_a_local_part_beyond_ascii_is_told_not_refused() -> None:
    compiled = compile_message(letterhead(), html=HTML, plain=PLAIN, slots=SLOTS)
    data = compiled.compose(reader(address="zoë@xn--mnchen-3ya.example"))
    assert codes(data) == {"smtputf8"}


def replaced(old: str, new: str) -> bytes:
    assert old.encode() in GOOD, old
    return GOOD.replace(old.encode(), new.encode("utf-8"), 1)


def with_field(field: str) -> bytes:
    return field.encode("utf-8") + b"\r\n" + GOOD


def without(name: str) -> bytes:
    cut = re.sub(rb"(?im)^%b:.*\r\n(?:[ \t].*\r\n)*" % name.encode(), b"", GOOD, count=1)
    assert cut != GOOD
    return cut


LEAVE_FIELD = f"List-Unsubscribe: <{LEAVE}{'l' * 40}>"
SIGNATURE = (
    "DKIM-Signature: v=1; a={a}; c=relaxed/relaxed;\r\n d={d}; s=s1;\r\n h={h};\r\n bh={bh};\r\n"
    " b=AAAA{more}"
)
TOP = "List-Unsubscribe:List-Unsubscribe-Post"


def signed(**changed: str) -> bytes:
    body = GOOD.partition(b"\r\n\r\n")[2]
    usual = {
        "a": "rsa-sha256",
        "d": "news.example.org",
        "h": f"From:{TOP}",
        "bh": base64.b64encode(hashlib.sha256(body).digest()).decode(),
        "more": "",
    }
    return with_field(SIGNATURE.format(**(usual | changed)))


PAGE = (
    "MIME-Version: 1.0\r\nFrom: a@example.org\r\nTo: anne@example.org\r\nSubject: x\r\n"
    "Date: Thu, 26 Nov 2026 08:00:00 +0000\r\nMessage-ID: <x@example.org>\r\n"
)


def plain(body: str, *, encoding: str = "7bit", kind: str = "text/plain; charset=utf-8") -> bytes:
    """A small message with one part."""
    head = f"{PAGE}Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body.encode("utf-8", "surrogateescape")


def parts(*bodies: str, end: str = "--b--\r\n", kind: str = "multipart/alternative") -> bytes:
    """A small message of several parts."""
    head = f'{PAGE}Content-Type: {kind}; boundary="b"\r\n\r\n'
    return (head + "".join(f"--b\r\n{body}\r\n" for body in bodies) + end).encode()


TEXT_PART = "Content-Type: text/plain; charset=utf-8\r\n\r\nx\r\n"
HTML_PART = "Content-Type: text/html; charset=utf-8\r\n\r\n<p>x</p>\r\n"
LINKED = "Content-Type: text/html; charset=utf-8\r\n\r\n<a href='https://lost.example/a'>x</a>\r\n"
BIG = "Content-Type: text/html; charset=utf-8\r\n\r\n" + "<p>y</p>\r\n"

CASES: list[tuple[str, bytes]] = [
    ("not-a-message", b""),
    ("not-a-message", b"just some words\r\n"),
    ("lf-only", GOOD.replace(b"\r\n", b"\n")),
    ("bare-lf", GOOD.replace(b"\r\n", b"\n", 1)),
    ("bare-lf", GOOD + b"a\nb\r\n"),
    ("bare-cr", GOOD + b"a\rb\r\n"),
    ("nul", replaced("Subject: A", "Subject: \0A")),
    ("line-length", GOOD + b"x" * 999 + b"\r\n"),
    ("header-line-length", with_field("X-Words: " + "word " * 20 + "end")),
    ("eight-bit-header", replaced("Subject: A", "Subject: ä")),
    ("smtputf8", replaced("anne@", "zoë@")),
    ("eight-bit-body", plain("ä\r\n")),
    ("eight-bit-mime", plain("ä\r\n", encoding="8bit")),
    ("final-line-end", GOOD.removesuffix(b"\r\n")),
    ("field-syntax", with_field("no field at all")),
    ("field-syntax", GOOD.replace(b"Subject:", b"Subject :")),
    ("field-syntax", GOOD.replace(b"Subject:", b"Subject", 1)),
    *[("missing-field", without(name)) for name in ("From", "Date", "Message-ID")],
    ("missing-to", without("To")),
    *[
        ("duplicate-field", with_field(f"{name}: x"))
        for name in ("From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "Reply-To")
    ],
    ("from-mailboxes", replaced("From: ", "From: Bart <bart@example.org>, ")),
    ("from-mailboxes", re.sub(rb"From: [^\r]*", b"From: ", GOOD)),
    ("address-syntax", replaced("anne@example.org", "anne@@example.org")),
    ("address-syntax", replaced("anne@example.org", "anne")),
    ("idn-domain", replaced("anne@example.org", "anne@münchen.example")),
    ("bcc", with_field("Bcc: cris@example.org")),
    ("many-recipients", replaced("<anne@example.org>", "<anne@example.org>, <bart@example.org>")),
    ("date-syntax", replaced("+0000", "GMT")),
    ("date-syntax", replaced("Thu, 26 Nov", "Mon, 26 Nov")),
    ("date-syntax", replaced("26 Nov 2026", "31 Nov 2026")),
    ("message-id-syntax", replaced("Message-ID: <", "Message-ID: ")),
    ("personal-data", re.sub(rb"Message-ID: <[^@]*", b"Message-ID: <anne=example.org", GOOD)),
    ("personal-data", replaced("182:weekly", "YW5uZUBleGFtcGxlLm9yZw:anne@example.org")),
    ("empty-subject", re.sub(rb"Subject: [^\r]*", b"Subject:", GOOD)),
    ("empty-subject", without("Subject")),
    ("encoded-word", replaced("Subject: A", "Subject: =?utf-8?q?=C3?= A")),
    ("encoded-word", replaced("Subject: A", "Subject: =?utf-8?b?w?= A")),
    ("encoded-word", replaced("Subject: A", "Subject: =?utf-8?q?" + "a" * 70 + "?=")),
    ("encoded-word", replaced("Subject: A", "Subject: =?no-charset?q?a?=")),
    ("encoded-word", replaced("Subject: A", "Subject: =?utf-8?q?a")),
    ("encoded-word-place", replaced("anne@example.org", "anne@=?utf-8?q?m=C3=BCnchen?=.example")),
    ("encoded-word-place", replaced(f"<{LEAVE}", f"=?utf-8?q?=3C?={LEAVE}")),
    ("no-list-unsubscribe", plain("x\r\n")),
    ("list-unsubscribe-missing", without("List-Unsubscribe")),
    ("list-unsubscribe-syntax", replaced(f"<{LEAVE}", f"{LEAVE}")),
    ("list-unsubscribe-syntax", replaced(f"<{LEAVE}", f"(leave) <{LEAVE}")),
    ("list-unsubscribe-https", replaced(f"<{LEAVE}", "<http://news.example.org/u/")),
    ("list-unsubscribe-https", replaced(f"<{LEAVE}", f"<https://other.example/>, <{LEAVE}")),
    ("list-unsubscribe-post", replaced("=One-Click", "=one-click")),
    ("one-click-missing", without("List-Unsubscribe-Post")),
    ("list-id-syntax", replaced("<weekly.news.example.org>", "<weekly>")),
    ("list-id-syntax", replaced("<weekly.news.example.org>", "weekly.news.example.org")),
    ("feedback-id", replaced(":issue:digest", ":issue:digest:more:fields")),
    ("feedback-id", replaced(":issue:digest", ":issue:a")),
    ("mime-version", without("MIME-Version")),
    ("content-type", plain("x\r\n", kind="html")),
    ("boundary-missing", parts(TEXT_PART).replace(b'"b"', b'"c"')),
    ("boundary-missing", parts(TEXT_PART).replace(b'; boundary="b"', b"")),
    ("boundary-open", parts(TEXT_PART, HTML_PART, end="")),
    ("transfer-encoding", plain("x\r\n", encoding="uuencode")),
    ("transfer-encoding", with_field("Content-Transfer-Encoding: base64")),
    ("quoted-printable", plain("100 % =zz\r\n", encoding="quoted-printable")),
    ("quoted-printable", plain("a" * 77 + "\r\n", encoding="quoted-printable")),
    ("quoted-printable", plain("a \r\n", encoding="quoted-printable")),
    ("base64", plain("YW5uZQ==YQ==\r\n", encoding="base64")),
    ("base64", plain("YW5uZQ\r\n", encoding="base64")),
    ("base64", plain("YW5u" * 20 + "\r\n", encoding="base64")),
    ("base64", plain("YQ==\r\nYW5u\r\n", encoding="base64")),
    ("charset", plain("=E4\r\n", encoding="quoted-printable")),
    ("charset", plain("x\r\n", kind="text/plain; charset=klingon")),
    ("charset", plain("x\r\n", kind="text/plain; charset=punycode")),
    ("text-after-html", parts(HTML_PART, TEXT_PART)),
    ("html-only", plain("<p>x</p>\r\n", kind="text/html; charset=utf-8")),
    ("empty-text", parts("Content-Type: text/plain\r\n\r\n \r\n", HTML_PART)),
    ("link-not-in-text", parts(TEXT_PART, LINKED)),
    ("size-warning", parts(TEXT_PART, BIG * 1 + "<p>y</p>\r\n" * 8_000)),
    ("size", parts(TEXT_PART, BIG + "<p>y</p>\r\n" * 11_000)),
    ("dkim-syntax", with_field("DKIM-Signature: nonsense")),
    ("dkim-syntax", signed().replace(b"v=1", b"v=2")),
    ("dkim-body", signed() + b"One line more.\r\n"),
    ("dkim-algorithm", signed(a="rsa-sha1")),
    ("dkim-from", signed(h=f"To:{TOP}")),
    ("dkim-one-click", signed(h="From:List-Unsubscribe")),
    ("dkim-alignment", signed(d="relay.example")),
    ("dkim-alignment", signed(d="org.evil")),
    ("dkim-length", signed(more="; l=10")),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_what_is_wrong_is_found(number: int) -> None:
    code, data = CASES[number]
    assert code in codes(data)


def test_a_deep_nest_is_told_and_not_followed() -> None:
    inner = "x\r\n"
    for level in range(40):
        boundary = f"b{level}"
        inner = (
            f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n"
            f"--{boundary}\r\n{inner}\r\n--{boundary}--\r\n"
        )
    assert "too-deep" in codes((PAGE + inner).encode())


def test_every_code_has_a_message_that_brings_it_about() -> None:
    assert {code for code, _ in CASES} | {"too-deep"} == set(RULES)


def test_a_signature_over_what_is_sent_has_no_finding() -> None:
    assert check_message(signed()) == ()


@pytest.mark.parametrize("aligned", ["example.org", "weekly.news.example.org"])
def test_a_signature_of_a_domain_above_or_below_is_aligned(aligned: str) -> None:
    assert check_message(signed(d=aligned)) == ()


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (GOOD.replace(b"List-Id:", b"List Id:"), "field-syntax", 8),
        (GOOD + b"a\r\nb\rc\r\n", "bare-cr", GOOD.count(b"\n") + 2),
        (GOOD + b"a\r\n\r\n" + b"x" * 1000 + b"\r\n", "line-length", GOOD.count(b"\n") + 3),
        (with_field("X-A: b\r\nBcc: cris@example.org"), "bcc", 2),
    ],
)
def test_a_finding_names_its_line(data: bytes, code: str, line: int) -> None:
    assert [one.line for one in check_message(data) if one.code == code] == [line]


@pytest.mark.parametrize(
    "to", ["undisclosed-recipients:;", '"Bell, Anne" <anne@example.org>', "anne@example.org (Anne)"]
)
def test_a_field_that_is_written_in_a_rare_way_is_in_order(to: str) -> None:
    assert check_message(replaced("Anne Bell <anne@example.org>", to)) == ()


def test_many_findings_of_one_code_are_cut() -> None:
    found = [one for one in check_message(GOOD + b"a\rb\r\n" * 500) if one.code == "bare-cr"]
    assert len(found) == SAME_MAX


def test_what_is_found_never_drives_a_terminal_and_holds_no_raw_bytes() -> None:
    data = replaced("anne@example.org", "\x1b[31m\u202eanne").replace(b"+0000", b"\x1b]0;x\x07")
    for finding in check_message(data):
        assert finding.message.isprintable(), finding


PIECES = [
    GOOD[:400],
    GOOD[400:],
    b"From: ",
    b"To: ",
    b"Date: ",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: text/html; charset=\0\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"DKIM-Signature: v=1; a=b; bh=c; d=d; h=e; s=f; b=g; l=\xff\r\n",
    b"--b\r\n",
    b"--b--\r\n",
    b"=?utf-8?q?",
    b"<a href='https://x",
    *(b"\r\n\r\n", b"\0", b"\r", b"\n", b" ", b"\xff\xfe"),
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=60)), max_size=12).map(b"".join)
)
def test_no_garbage_makes_it_fail(data: bytes) -> None:
    for finding in check_message(data):
        assert finding.code in RULES
        assert 1 <= finding.line <= data.count(b"\n") + 2


@pytest.mark.parametrize(
    "hostile",
    [
        b"Subject: " + b"=?utf-8?q?" * 60_000,
        b"To: " + b'"' * 300_000,
        b"To: " + b"(" * 300_000,
        b"To: " + b"<" * 300_000,
        b"From: " + b"a@" * 200_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 60_000,
        b"Content-Type: text/plain" + b"; a=" * 100_000,
        b"Content-Type: text/html\r\n\r\n" + b"<a " * 100_000,
        b"X: y\r\n" * 60_000,
        b"X: y\r\n" + b"\r" * 300_000,
        b"Message-ID: <" + b"a" * 300_000,
        b"List-Unsubscribe: " + b"<https://a>," * 30_000,
        b"DKIM-Signature: " + b"a=b;" * 60_000,
        b"Date: " + b" " * 300_000,
    ],
    ids=range(14),
)
def test_no_hostile_message_takes_long(hostile: bytes) -> None:
    # Whatever is not linear takes minutes on these; the limit is the patience of the suite.
    assert check_message(hostile)


def test_the_page_explains_every_code_as_the_program_does() -> None:
    page = (ROOT / "docs" / "reference" / "message-check.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (error|warning) \|", page, re.MULTILINE))
    assert rows == {code: rule.severity.value for code, rule in RULES.items()}
    for rule in RULES.values():
        assert f"| {rule.why} | {rule.fix} |" in page
