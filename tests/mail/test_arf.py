"""Complaints: feedback reports, those of providers with forms of their own, and whom they name."""

from __future__ import annotations

import pytest

from digest.mail.bounce import Kind, read_report
from tests.mail.returned import RETURNED, complaint, letter, mail, multipart


def _addresses(data: bytes) -> list[str]:
    found = read_report(data)
    assert found.kind is Kind.COMPLAINT
    return [one.address for one in found.recipients]


def test_the_report_names_the_recipient() -> None:
    data = complaint("Feedback-Type: abuse\nOriginal-Rcpt-To: <bart@example.org>\n")
    assert _addresses(data) == ["bart@example.org"]


def test_a_report_may_name_several() -> None:
    data = complaint(
        "Feedback-Type: abuse\nOriginal-Rcpt-To: anne@example.org\n"
        "Original-Rcpt-To: bart@example.org\nOriginal-Rcpt-To: anne@example.org\n"
    )
    assert _addresses(data) == ["anne@example.org", "bart@example.org"]


def test_without_a_recipient_the_message_says_whom_it_was_for() -> None:
    assert _addresses(complaint("Feedback-Type: abuse\n")) == ["anne@example.org"]


def test_a_report_that_hides_everybody_names_nobody() -> None:
    returned = RETURNED.replace("Anne <anne@example.org>", "<redacted>")
    found = read_report(complaint("Feedback-Type: abuse\n", returned=returned))
    assert (found.kind, found.recipients) == (Kind.COMPLAINT, ())
    assert found.returned.get("message-id") == "<token@news.example.net>"


@pytest.mark.parametrize("kind", ["abuse", "fraud", "virus", "opt-out", "not-spam", "auth-failure"])
def test_the_kind_of_a_complaint_is_told(kind: str) -> None:
    found = read_report(complaint(f"Feedback-Type: {kind}\n"))
    assert (found.kind, found.complaint) == (Kind.COMPLAINT, kind)
    assert not any(one.hard or one.final for one in found.recipients)


def test_a_report_of_the_jmrp_is_known_by_the_recipient_in_the_message() -> None:
    returned = RETURNED.replace("To: Anne", "X-HmXmrOriginalRecipient: bart@example.com\nTo: Anne")
    data = multipart(("text/plain", "Complaint."), ("message/rfc822", returned))
    assert _addresses(data) == ["bart@example.com"]


def test_an_unsubscribe_of_apple_mail_is_one_of_its_sender() -> None:
    headers = "X-Apple-Unsubscribe: true\nAuto-Submitted: auto-replied\n"
    found = read_report(letter("Apple Mail sent this.", subject="unsubscribe", headers=headers))
    assert (found.kind, found.complaint) == (Kind.COMPLAINT, "opt-out")
    assert [one.address for one in found.recipients] == ["bart@example.com"]


def test_a_report_whose_part_lost_its_type_is_still_one() -> None:
    data = complaint("Feedback-Type: fraud\nOriginal-Rcpt-To: bart@example.org\n").replace(
        b"Content-Type: message/feedback-report", b"Content-Type: text/plain"
    )
    assert _addresses(data) == ["bart@example.org"]
    assert read_report(data).complaint == "fraud"


def test_a_feedback_report_inside_a_returned_message_is_no_complaint() -> None:
    inner = complaint("Feedback-Type: abuse\nOriginal-Rcpt-To: bart@example.org\n").decode()
    data = multipart(("text/plain", "See below."), ("message/rfc822", inner))
    assert read_report(data).kind is not Kind.COMPLAINT


def test_a_report_of_spamcop_is_a_complaint() -> None:
    data = mail(
        f"[ Offending message ]\n{RETURNED}",
        sender="12@reports.spamcop.net",
        subject="[SpamCop] A Weekly",
    )
    assert _addresses(data) == ["anne@example.org"]
