"""Reading what a sink keeps, while it keeps it."""

from __future__ import annotations

from pathlib import Path

from digest.delivery.ledger import LEDGER, Ledger, SinkVerdict
from digest.web.captured import Capture, preview_line, read_letter

MESSAGE = (
    b"From: =?utf-8?q?Die_W=C3=B6chentliche?= <hello@news.example.org>\r\n"
    b"To: anne@example.org\r\nSubject: One\r\n two\r\nMessage-ID: <a@b>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nHello Anne.\r\n"
)


def test_a_growing_ledger_is_read_as_it_grows(tmp_path: Path) -> None:
    capture = Capture(tmp_path)
    capture.refresh()
    assert capture.lines("accepted") == []
    ledger = Ledger(tmp_path)
    ledger.accept("s@example.org", ["anne@example.org"], MESSAGE)
    ledger.flush()
    capture.refresh()
    capture.refresh()
    assert [one.recipient for one in capture.lines("accepted")] == ["anne@example.org"]
    ledger.refuse("s@example.org", "bart@example.org", SinkVerdict.REJECTED)
    ledger.close()
    with (tmp_path / LEDGER).open("ab") as half:
        half.write(b'{"n":3,"rcpt":"cr')
    capture.refresh()
    assert [one.recipient for one in capture.lines("rejected")] == ["bart@example.org"]
    assert capture.line(2) == capture.lines("rejected")[0]
    assert capture.line(3) is None
    first = capture.line(1)
    assert first is not None
    assert capture.source(first) == MESSAGE


def test_a_message_whose_bytes_were_not_kept_is_empty(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, keep=10)
    ledger.accept("s@example.org", ["anne@example.org"], MESSAGE)
    ledger.close()
    capture = Capture(tmp_path)
    capture.refresh()
    assert capture.source(capture.lines("accepted")[0]) == b""


def test_a_letter_is_taken_apart() -> None:
    letter = read_letter(MESSAGE)
    assert letter.row.sender == "Die Wöchentliche"
    assert letter.row.subject == "One two"
    assert letter.row.preview == "Hello Anne."
    assert letter.html == ""
    assert "Hello Anne." in letter.source


def test_bytes_that_are_no_message_are_no_error() -> None:
    for odd in (b"", b"\xff\xfe\x00", b"Content-Type: multipart/mixed\r\n\r\n", b"From: \r\n\r\n"):
        letter = read_letter(odd)
        assert letter.row.subject == ""
    assert read_letter(b"Content-Type: text/html; charset=none-such\r\n\r\n<p>x").html == ""
    assert read_letter(b"From: <@>\r\n\r\nx").row.subject == ""


def test_the_preview_is_the_first_text_of_the_letter_without_its_filler() -> None:
    html = (
        "<html><head><title>No</title><style>p{}</style></head><body><!-- no -->"
        "<div style='display:none'>First &amp; foremost&#847;&zwnj;&nbsp;&#8199;</div><p>Hey</p>"
    )
    assert preview_line(html) == "First & foremost Hey"
    assert len(preview_line("<p>" + "word " * 1000)) <= 160
