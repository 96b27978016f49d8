"""Delivery-status blocks as servers write them, and as RFC 3464 does."""

from __future__ import annotations

import pytest

from digest.mail.bounce import Kind, read_report
from digest.mail.dsn import RECIPIENTS_MAX, Action, Status, read_statuses
from tests.mail.returned import report


def _read(text: str) -> list[Status]:
    return read_statuses(text.split("\n"))


def test_every_recipient_has_its_block() -> None:
    one, two = _read(
        "Reporting-MTA: dns; mx.example.org\n\n"
        "Original-Recipient: rfc822;anne@example.org\n"
        "Final-Recipient: rfc822; anne@mail.example.org\n"
        "Action: failed\nStatus: 5.1.1 (bad mailbox)\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <anne@mail.example.org>:\n   User unknown\n\n"
        "Final-Recipient: rfc822; bart@example.org\nAction: delayed\nStatus: 4.4.1\n"
    )
    assert (one.address, one.original) == ("anne@mail.example.org", "anne@example.org")
    assert (one.action, one.status, one.reason) == (Action.FAILED, "5.1.1", "bad mailbox")
    assert one.diagnostic == "550 5.1.1 <anne@mail.example.org>: User unknown"
    assert (two.address, two.action) == ("bart@example.org", Action.DELAYED)


def test_blocks_without_empty_lines_between_them_are_parted_by_their_fields() -> None:
    found = _read(
        "Final-Recipient: rfc822; anne@example.org\nAction: failed\n"
        "Final-Recipient: rfc822; bart@example.org\nAction: failed"
    )
    assert [one.address for one in found] == ["anne@example.org", "bart@example.org"]


def test_an_empty_line_within_a_block_does_not_end_it() -> None:
    (one,) = _read("Final-Recipient: rfc822; anne@example.org\n\nAction: failed\nStatus: 5.2.2")
    assert (one.action, one.status) == (Action.FAILED, "5.2.2")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("rfc822; anne@example.org", "anne@example.org"),
        ("rfc/822;anne@example.org", "anne@example.org"),
        ("RFC822;<anne@example.org>", "anne@example.org"),
        ("anne@example.org", "anne@example.org"),
        ("<anne@example.org>", "anne@example.org"),
        ("utf-8; anne@example.org", "anne@example.org"),
        ("rfc822; @relay.example.org:anne@example.org", "anne@example.org"),
        ("rfc822; Anne <anne@example.org>", "anne@example.org"),
        ("rfc822; anne...@example.org", "anne...@example.org"),
        ("rfc822; anne@my_host.example.org", "anne@my_host.example.org"),
        ('rfc822; "anne.."@example.org', "anne..@example.org"),
        ("rfc822; =?utf-8?b?YW5uZQ==?=@example.org", "=?utf-8?b?yw5uzq==?=@example.org"),
        ("rfc822; anne", ""),
        ("rfc822;", ""),
    ],
)
def test_an_address_is_read_however_it_is_dressed(value: str, address: str) -> None:
    (one,) = _read(f"Final-Recipient: {value}\nAction: failed")
    assert one.address == address


def test_a_pipe_is_no_address() -> None:
    (one,) = _read("Final-Recipient: rfc822; |/bin/filter anne@example.org\nAction: failed")
    assert one.address == ""


def test_the_name_of_a_delivery_agent_is_no_domain() -> None:
    (one,) = _read(
        "Original-Recipient: rfc822; anne@example.org\n"
        "Final-Recipient: rfc822; anne@store-daemon\nAction: failed"
    )
    assert one.address == "anne@example.org"


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("5.1.1", "5.1.1"),
        ("5.1.1 (user unknown)", "5.1.1"),
        ("550 5.1.1", "5.1.1"),
        ("550", ""),
        ("", ""),
    ],
)
def test_a_status_is_three_numbers_or_none(field: str, status: str) -> None:
    (one,) = _read(f"Final-Recipient: rfc822; anne@example.org\nAction : failed\nStatus: {field}")
    assert (one.status, one.action) == (status, Action.FAILED)


def test_a_report_names_at_most_a_hundred() -> None:
    block = "Final-Recipient: rfc822; anne{}@example.org\nAction: failed\nStatus: 5.1.1\n\n"
    text = "".join(block.format(number) for number in range(1_000))
    assert len(_read(text)) == RECIPIENTS_MAX
    assert len(read_report(report(text)).recipients) == RECIPIENTS_MAX


def test_a_block_without_an_address_is_read_with_the_report_for_people() -> None:
    found = read_report(
        report(
            "Action: failed\nStatus: 5.1.1\n",
            text="Delivery to the following recipients failed.\n\n     anne@example.org\n",
        )
    )
    assert [one.address for one in found.recipients] == ["anne@example.org"]


def test_a_report_without_a_diagnosis_gets_its_reason_from_the_report_for_people() -> None:
    (one,) = read_report(
        report(
            "Final-Recipient: rfc822; anne@example.org\nAction: failed\nStatus: 5.0.0\n",
            text="<anne@example.org>: mailbox is full",
        )
    ).recipients
    assert (one.reason, one.hard) == ("mailboxfull", False)


def test_a_report_without_any_action_is_judged_by_its_words() -> None:
    status = "Final-Recipient: rfc822; anne@example.org\nStatus: 4.4.1\n"
    assert read_report(report(status, text="It will be retried.")).kind is Kind.DELAYED
    assert read_report(report(status, text="Given up.")).kind is Kind.BOUNCE
