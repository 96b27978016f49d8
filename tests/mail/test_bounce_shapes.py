"""Reports out of shape: odd line ends, tables, lists in one line, parts without their type."""

from __future__ import annotations

import pytest

from digest.mail.bounce import Kind, read_report
from tests.mail.returned import RETURNED, mail, multipart, report

ANNE, BART = "anne@example.org", "bart@example.org"
BLOCK = f"Final-Recipient: rfc822; {ANNE}\nAction: failed\nStatus: 5.1.1\n"


def _addresses(data: bytes) -> list[str]:
    found = read_report(data)
    assert found.kind is Kind.BOUNCE
    return [one.address for one in found.recipients]


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\r\r\n"])
def test_lines_may_end_in_any_way(end: bytes) -> None:
    found = read_report(report(BLOCK).replace(b"\n", end))
    assert [(one.address, one.hard) for one in found.recipients] == [(ANNE, True)]


@pytest.mark.parametrize(
    "kind",
    [
        "message/xdelivery-status",
        'Message/Delivery-Status; charset=us-ascii; name="details.txt"',
        "application/octet-stream",
        'application/octet-stream; name="ATT00001.dat"',
        "text/plain",
    ],
)
def test_a_status_part_is_known_whatever_it_is_called(kind: str) -> None:
    data = multipart(
        ("text/plain", "Sorry."),
        (kind, f"Reporting-MTA: dns; mx.example.org\n\n{BLOCK}"),
        ("message/rfc822", RETURNED),
    )
    found = read_report(data)
    assert [(one.address, one.status) for one in found.recipients] == [(ANNE, "5.1.1")]
    assert found.recipients[0].hard


def test_a_file_that_only_speaks_of_reports_is_none() -> None:
    data = multipart(("text/plain", "Hello."), ("application/octet-stream", f"See:\n{BLOCK}"))
    assert read_report(data).recipients == ()


def test_a_status_part_may_be_indented() -> None:
    found = read_report(report("".join(f"  {line}\n" for line in BLOCK.splitlines())))
    assert [(one.address, one.hard) for one in found.recipients] == [(ANNE, True)]


def test_blocks_without_addresses_get_those_of_the_report_for_people_in_their_order() -> None:
    block = "Final-Recipient: LOCAL; {}\nAction: failed\nStatus: {}\n\n"
    found = read_report(
        report(
            block.format("anne", "5.1.1") + block.format("bart", "5.2.2"),
            text=f"<{ANNE}>: no such user\n<{BART}>: full\n",
        )
    )
    assert [(one.address, one.hard) for one in found.recipients] == [(ANNE, True), (BART, False)]


@pytest.mark.parametrize("written", ["zoé@example.org", "zo\\x{E9}@example.org"])
def test_an_address_beyond_ascii_is_read(written: str) -> None:
    data = report(f"Final-Recipient: utf-8; {written}\nAction: failed\nStatus: 5.1.1\n")
    assert _addresses(data) == ["zoé@example.org"]


@pytest.mark.parametrize(
    "text",
    [
        f"The following recipients could not be reached: {ANNE}, {BART}\n",
        f"Sender: hello@news.example.net\nRecipients: {ANNE}; {BART}\nReason: user unknown\n",
        f"<{ANNE}>: user unknown\n<{BART}>: user unknown\n",
        f"Delivery report\n\n{ANNE} ... failed (unknown user)\n{BART} ... failed (unknown user)\n",
        f"- {ANNE}: unknown user\n- {BART}: mailbox full\n",
        f"1. {ANNE} (user unknown)\n2. {BART} (user unknown)\n",
        f"Delivery to the following recipients failed:\n\n     {ANNE}\n     {BART}\n",
        f"Anne Meyer ({ANNE}) : user not found\nBart ({BART}) : over quota\nHelp (support@x.org)\n",
        f"Delivery has failed to:\n\nAnne ({ANNE})\nNot found.\n\nBart ({BART})\nNot found.\n",
        f"A message from <c@example.com> to:\n-> {ANNE}\n-> {BART}\nwas stopped\n",
        f"Failed Recipient: {ANNE}\nReason: no user\n\nFailed Recipient: {BART}\nReason: no user\n",
    ],
)
def test_a_list_is_read_however_it_is_laid_out(text: str) -> None:
    assert _addresses(mail(text)) == [ANNE, BART]


@pytest.mark.parametrize(
    "text",
    [
        f"The message from hello@news.example.net to {ANNE} could not be delivered.\n",
        f"Message from <hello@news.example.net> to <{ANNE}> was not delivered: no such user.\n",
        f"Your mail (From: hello@news.example.net) was not delivered.\n\nRecipient: {ANNE}\n",
        f"Sender:    hello@news.example.net\nRecipient: {ANNE}\n\nUser unknown.\n",
        f"Write to helpdesk@corp.example.com.\n\nFailed.\n\nRecipient: {ANNE}\nReason: no user\n",
        f"Hello b-token@bounces.example.net,\n\nyour mail to {ANNE} could not be delivered.\n",
        f"Confidential. Write to legal@corp.example.com.\n\nYour message to {ANNE} was rejected.\n",
    ],
)
def test_whoever_else_is_named_is_not_the_recipient(text: str) -> None:
    assert _addresses(mail(text)) == [ANNE]


@pytest.mark.parametrize(
    "page",
    [
        f"<table><tr><td>From</td><td>cris@example.com</td></tr><tr><td>To</td><td>{ANNE}</td></tr>",
        f"<p>Delivery has failed to these recipients:</p><a href='mailto:{ANNE}'>Anne</a>",
        f"Your message to<br>&lt;{ANNE}&gt;<br>could not be delivered: 550 User&nbsp;unknown",
    ],
)
def test_a_report_in_html_is_read_as_it_is_shown(page: str) -> None:
    assert _addresses(mail(page, headers="Content-Type: text/html\n")) == [ANNE]


def test_a_text_that_explains_with_addresses_names_nobody() -> None:
    text = (
        "The directory has no such name. Names look like this, e.g.\n"
        "a.smith@example.com or b.smith@example.com. Ask it by finger NAME@dir.example.com, or\n"
        "write to ab.smith@example.com, cd.smith@example.com.\n"
    )
    assert _addresses(mail(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Your message is held, as your address is new. To release your message, answer.\n",
        "To control spam, I now allow mail only from senders I have approved beforehand.\n",
    ],
)
def test_who_wants_proof_of_a_person_gives_nobody_up(text: str) -> None:
    data = mail(text, sender="bart@example.com", headers="Return-Path: <>\n")
    assert (read_report(data).kind, read_report(data).recipients) == (Kind.CHALLENGE, ())


def test_a_newsletter_about_bounces_is_none() -> None:
    data = mail(
        f"This week: what returned mail costs. Write to {ANNE}.\n",
        sender="News <news@bounce.example.com>",
        subject="A Weekly of the post",
    )
    assert read_report(data).kind is Kind.NOT_BOUNCE


def test_a_receipt_whose_part_lost_its_type_is_still_one() -> None:
    data = multipart(
        ("text/plain", "Your message could not be shown. It was deleted."),
        kind="report; report-type=disposition-notification",
    )
    assert (read_report(data).kind, read_report(data).recipients) == (Kind.MDN, ())
